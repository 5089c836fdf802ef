// States of streams, folded from the log on first use and kept while there is room.
#pragma once
#include <string>
#include <unordered_map>

#include "events/aggregates.hpp"
#include "events/event_codec.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

// Not thread-safe: each manager has its own.
template <class State>
class Repository {
 public:
  struct Entry {
    State state;
    std::uint64_t version = 0;
  };

  explicit Repository(const storage::Log& log, std::size_t capacity = 10000)
      : log_(log), capacity_(capacity) {}

  // The state as all events decided so far leave it, also those not yet on disk. `corrupt` where
  // the log is damaged. The pointer lives until the next call.
  Expected<Entry*> load(const std::string& tenant, const std::string& stream) {
    const std::string key = tenant + '\0' + stream;
    if (const auto at = entries_.find(key); at != entries_.end()) return &at->second;
    Entry entry;
    Status bad;
    const auto read =
        log_.read_stream(tenant, stream, 1, UINT64_MAX, UINT64_MAX, [&](const EventView& e) {
          auto event = decode_event(e);
          if (!event) {
            bad = event.error();
            return false;
          }
          fold(entry.state, *event);
          entry.version = e.version;
          return true;
        });
    if (!read) return read.error();
    if (bad) return *bad;
    // States can always be folded again, so a full cache is simply emptied of those nobody waits
    // for.
    if (entries_.size() >= capacity_) evict();
    return &entries_.emplace(key, std::move(entry)).first->second;
  }

  void forget(const std::string& tenant, const std::string& stream) {
    entries_.erase(tenant + '\0' + stream);
  }

 private:
  // Only what the log has in full can go: of the others it does not know the newest events yet.
  void evict() {
    std::erase_if(entries_, [&](const auto& each) {
      const auto zero = each.first.find('\0');
      const std::string_view key = each.first;
      const auto holds = log_.stream_version(key.substr(0, zero), key.substr(zero + 1));
      return holds && *holds == each.second.version;
    });
  }

  const storage::Log& log_;
  std::size_t capacity_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace mlforge::actors
