// The state of any stream as of any position: the nearest snapshot before it, and the events since.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "events/compaction.hpp"
#include "events/event_codec.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/log.hpp"

namespace mlforge::projections {

// What a stream had come to.
template <class State>
struct StateAt {
  State state;
  std::uint64_t version = 0;  // events in it; 0: there was no such stream yet
  Position position = 0;      // of the last of them
};

struct Snapshot {
  std::uint64_t version = 0;
  Position position = 0;
  Uuid event_id;  // of the event at that version: a snapshot of another history is not used
  std::string bytes;
};
std::string encode_snapshot(const Compacted& compacted);
Expected<Compacted> decode_snapshot(std::string_view bytes);

struct StreamStatesOptions {
  std::size_t map_bytes = std::size_t{4} << 30;
  std::uint64_t every = 256;  // events between snapshots, more where the states are large
};

// Snapshots in an environment of their own, which can be deleted at any time: it is made anew from
// the log. Each has a checksum; an environment that cannot be opened is thrown away. Streams get
// theirs when they are asked for and are long: that one answer takes as long as the stream is,
// later ones fold `every` events or so. All methods from any thread.
class StreamStates {
 public:
  // The log must outlive this. What is there of another log or another version of the rules is
  // dropped.
  static Expected<std::unique_ptr<StreamStates>> open(const std::filesystem::path& folder,
                                                      const storage::Log& log,
                                                      const StreamStatesOptions& options = {});

  // `corrupt` where an event does not decode. An `as_of` after the head is the head.
  template <class State>
  Expected<StateAt<State>> at(std::string_view tenant, std::string_view stream,
                              Position as_of) const;

 private:
  StreamStates(const storage::Log& log, const StreamStatesOptions& options)
      : log_(log), options_(options) {}

  Status prepare();
  Snapshot nearest(std::string_view tenant, std::string_view stream, Position as_of) const;
  // Snapshots are there to be fast: one that cannot be kept is no error.
  void keep(std::string_view tenant, std::string_view stream,
            const std::vector<Snapshot>& snapshots) const;
  template <class State>
  class Fold;

  const storage::Log& log_;
  StreamStatesOptions options_;
  storage::Env env_;
  MDB_dbi table_ = 0;
};

// Folds a stream from a snapshot on, and remembers what to keep on the way.
template <class State>
class StreamStates::Fold {
 public:
  Fold(const StreamStates& states, std::string_view tenant, std::string_view stream)
      : states_(states), tenant_(tenant), stream_(stream) {}

  StateAt<State> at;
  std::vector<Snapshot> snapshots;
  std::uint64_t folded = 0;

  Expected<bool> start(const Snapshot& snapshot) {
    if (snapshot.version == 0) return true;
    auto compacted = decode_snapshot(snapshot.bytes);
    if (!compacted) return false;
    bool same = false;
    const auto read = states_.log_.read_stream(
        tenant_, stream_, snapshot.version, 1, snapshot.position, [&](const EventView& e) {
          same = e.id == snapshot.event_id && e.position == snapshot.position;
          return false;
        });
    if (!read) return read.error();
    if (!same) return false;
    at = {restore<State>(*compacted), snapshot.version, snapshot.position};
    next_ = at.version + spacing(snapshot.bytes.size());
    return true;
  }

  Status run(Position as_of) {
    Status bad;
    const auto read = states_.log_.read_stream(tenant_, stream_, at.version + 1, UINT64_MAX, as_of,
                                               [&](const EventView& e) {
                                                 const auto event = decode_event(e);
                                                 if (!event) bad = event.error();
                                                 if (bad) return false;
                                                 fold(at.state, *event);
                                                 at.version = e.version;
                                                 at.position = e.position;
                                                 ++folded;
                                                 if (at.version >= next_) keep(e.id);
                                                 return true;
                                               });
    return bad || read ? bad : Status(read.error());
  }

 private:
  // So far apart that all snapshots of a growing state together stay within a few times its size.
  std::uint64_t spacing(std::size_t bytes) const {
    return std::max<std::uint64_t>(states_.options_.every, bytes / 256);
  }
  void keep(const Uuid& id) {
    snapshots.push_back({at.version, at.position, id, encode_snapshot(compact(at.state))});
    next_ = at.version + spacing(snapshots.back().bytes.size());
  }

  const StreamStates& states_;
  std::string_view tenant_, stream_;
  std::uint64_t next_ = states_.options_.every;
};

template <class State>
Expected<StateAt<State>> StreamStates::at(std::string_view tenant, std::string_view stream,
                                          Position as_of) const {
  Fold<State> fold(*this, tenant, stream);
  const auto usable = fold.start(nearest(tenant, stream, as_of));
  if (!usable) return usable.error();
  if (auto bad = fold.run(as_of)) return *bad;
  if (fold.snapshots.empty()) return std::move(fold.at);
  // The stream is long and had no snapshots here: it gets them to its end, once.
  StateAt<State> answer = fold.at;
  if (!fold.run(UINT64_MAX)) keep(tenant, stream, fold.snapshots);
  return answer;
}

}  // namespace mlforge::projections
