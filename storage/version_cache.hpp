// How many events each of the recently written streams holds, as the writer sees it. Not
// thread-safe.
#pragma once
#include <cstdint>
#include <functional>
#include <list>
#include <unordered_map>
#include <vector>

#include "events/error.hpp"
#include "storage/stream_index.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

// A least-recently-used cache with a staging area: versions advanced inside a batch are seen by the
// rest of the batch, and are forgotten unless commit() follows.
class VersionCache {
 public:
  using Lookup = std::function<Expected<std::uint64_t>(StreamName)>;

  // `lookup` answers the durable version on a miss. More than `capacity` streams stay only while a
  // batch needs them.
  VersionCache(Lookup lookup, std::size_t capacity)
      : lookup_(std::move(lookup)), capacity_(capacity) {}

  struct Entry;
  using Node = std::pair<const StreamKey, Entry>;
  struct Entry {
    TailPlace tail;
    std::uint64_t durable = 0;
    std::uint64_t staged = 0;
    std::uint64_t batch = 0;  // the batch that `staged` belongs to
    std::list<Node*>::iterator used;
  };

  // The entry, with `staged` valid for the batch under way; the pointer lives until commit() or
  // abandon().
  Expected<Entry*> find(StreamName stream);

  void commit();
  void abandon() { ++batch_; }
  std::size_t size() const { return entries_.size(); }

 private:
  Lookup lookup_;
  std::size_t capacity_;
  std::uint64_t batch_ = 1;
  std::unordered_map<StreamKey, Entry, StreamKeyHash, StreamKeyEqual> entries_;
  std::list<Node*> order_;  // the most recently used first
};

}  // namespace mlforge::storage
