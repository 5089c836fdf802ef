#include "storage/version_cache.hpp"

namespace mlforge::storage {

Expected<VersionCache::Entry*> VersionCache::find(StreamName stream) {
  auto found = entries_.find(stream);
  if (found == entries_.end()) {
    auto durable = lookup_(stream);
    if (!durable) return durable.error();
    found = entries_.emplace(StreamKey(stream), Entry{}).first;
    found->second.durable = *durable;
    order_.push_front(&*found);
    found->second.used = order_.begin();
  }
  Entry& entry = found->second;
  if (entry.batch != batch_) {
    entry.batch = batch_;
    entry.staged = entry.durable;
    order_.splice(order_.begin(), order_, entry.used);
  }
  return &entry;
}

// What this batch used stands at the front of the order, so only those entries need to be visited.
void VersionCache::commit() {
  for (Node* node : order_) {
    if (node->second.batch != batch_) break;
    node->second.durable = node->second.staged;
  }
  ++batch_;
  while (entries_.size() > capacity_) {
    const auto oldest = entries_.find(order_.back()->first);
    order_.pop_back();
    entries_.erase(oldest);
  }
}

}  // namespace mlforge::storage
