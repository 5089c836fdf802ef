// Which positions each stream has: an LMDB environment that can always be built again from the log,
// and a tail in memory of the events that are not in it yet. Together they are exact for all
// durable events.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/index_database.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

struct IndexIdentity {
  Uuid log_id;
  std::string boot_id;  // of the machine's current start; empty: unknown, so unequal to all
};

// Where a stream stands in the tail, kept by who names it again and again.
struct TailPlace {
  std::uint64_t generation = 0;  // of the tail; 0: none
  std::vector<Position>* positions = nullptr;
};

class StreamIndex {
 public:
  // Opens the index in `folder`, which is created where it is missing. An index of another log, one
  // that was left unclean by an earlier start of the machine (its pages were never synced), or one
  // that does not open, is thrown away and made anew.
  static Expected<std::unique_ptr<StreamIndex>> open(const std::filesystem::path& folder,
                                                     const IndexIdentity& identity,
                                                     std::size_t map_bytes);

  // Whether open() would keep the index in `folder`, as far as its marker tells.
  static bool is_trusted(const std::filesystem::path& folder, const std::string& boot_id);

  // The last event in the environment. The opener's thread, before any extend().
  IndexReached reached() const { return reached_; }
  // Makes the environment anew, empty. The opener's thread, before any extend().
  Status reset();

  // Adds durable events in the order of their positions to the tail. The writer's thread.
  void extend(std::span<const EventView> events);
  // The same with the place of each event's stream, which is found where it is not known.
  void extend(std::span<const EventView> events, std::span<TailPlace* const> places);
  // Events in the tail. Any thread.
  std::size_t tail_events() const;
  // Moves the tail into the environment and answers how many events it held. Any thread, but meant
  // for one that is not the writer's.
  Expected<std::size_t> index_some();

  // How many events the stream holds. Any thread.
  Expected<std::uint64_t> version(StreamName stream) const;
  // Appends to `out` at most `limit` positions of the stream, from version `from` (1 or more) on.
  // Any thread.
  Status positions(StreamName stream, std::uint64_t from, std::uint64_t limit,
                   std::vector<Position>& out) const;

  // Syncs the environment and leaves the clean-shutdown marker. With `keep` false it leaves a
  // marker that has the index thrown away at the next open. Nothing may be called afterwards.
  Status close(bool keep);

 private:
  using Tail = std::unordered_map<StreamKey, std::vector<Position>, StreamKeyHash, StreamKeyEqual>;
  struct Generation {  // a part of the tail
    Tail streams;
    std::uint64_t number = 0;
    std::size_t events = 0;
    IndexReached last;
  };

  StreamIndex() = default;
  Status open_database();
  std::vector<Position>& place_of(StreamName stream);
  // Visits the stream's positions above `after` in each generation of the tail, in order. With
  // mutex_ held.
  void visit_tail(StreamName stream, Position after,
                  const std::function<void(std::span<const Position>)>& visit) const;

  std::filesystem::path folder_;
  Uuid log_id_;
  std::size_t map_bytes_ = 0;
  IndexDatabase database_;
  IndexReached reached_;  // when it was opened
  std::mutex indexing_;   // one index_some() at a time
  // Guards the two generations. Plain and held shortly: a shared lock would let readers starve the
  // writer.
  mutable std::mutex mutex_;
  Generation active_{.number = 1};      // grows
  std::unique_ptr<Generation> frozen_;  // being moved into the environment; never changes
};

}  // namespace mlforge::storage
