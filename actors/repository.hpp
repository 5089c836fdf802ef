// States of streams, folded from the log on first use and kept while there is room.
#pragma once
#include <functional>
#include <string>
#include <unordered_map>

#include "events/aggregates.hpp"
#include "events/event_codec.hpp"
#include "storage/log.hpp"

namespace mlforge::actors {

// Calls `take` for each event of a stream; gives the stream's version. `corrupt` where the log is
// damaged.
Expected<std::uint64_t> fold_stream(const storage::Log& log, std::string_view tenant,
                                    std::string_view stream,
                                    const std::function<void(const Event&)>& take);

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
    auto version =
        fold_stream(log_, tenant, stream, [&](const Event& event) { fold(entry.state, event); });
    if (!version) return version.error();
    entry.version = *version;
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
