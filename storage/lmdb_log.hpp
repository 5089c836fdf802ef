// The log on disk: records in an LMDB environment that is synced at every append, streams in one
// that can be rebuilt.
#pragma once
#include <atomic>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "storage/append_planner.hpp"
#include "storage/data_folder.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/record_reader.hpp"
#include "storage/room_ahead.hpp"
#include "storage/segment_store.hpp"
#include "storage/stream_index.hpp"

namespace mlforge::storage {

struct LmdbLogOptions {
  std::size_t map_bytes = std::size_t{64}
                          << 30;  // address space, not memory; the most that the log may grow to
  std::shared_ptr<Clock> clock = system_clock();
  std::shared_ptr<IdSource> ids = system_ids();
  std::size_t cached_streams = 100'000;
  std::size_t tail_events = 65'536;  // unindexed events above which append() itself indexes
  std::string boot_id;               // of this start of the machine; empty: ask the kernel
  SegmentLimits segments;            // of what is archived
  // Asked now and then while events are read for opening; at false the opening is given up as
  // `unavailable`, and the next one goes on where this one stopped.
  std::function<bool()> go_on;
};

struct ArchiveReport {
  Position archived = 0;  // up to here bodies are in segments
  std::uint64_t events = 0, segments = 0;
  std::uint64_t raw_bytes = 0, file_bytes = 0;  // of the bodies, and of the segments' files
};

struct ExpireReport {
  std::uint64_t events = 0;                         // whose payloads were dropped by this call
  std::uint64_t bytes_before = 0, bytes_after = 0;  // of the file
};

class LmdbLog final : public Log {
 public:
  ~LmdbLog() override;  // closes

  std::vector<Expected<Appended>> append(std::span<const AppendRequest> requests) override;
  Position head() const override { return head_.load(std::memory_order_acquire); }
  Expected<Position> read(Position from, std::uint64_t limit, const Visitor& visit) const override;
  Expected<Position> read_records(Position from, std::uint64_t limit,
                                  const RecordVisitor& visit) const override;
  Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                      std::uint64_t from_version, std::uint64_t limit,
                                      Position as_of, const Visitor& visit) const override;
  Expected<std::uint64_t> stream_version(std::string_view tenant,
                                         std::string_view stream) const override;
  std::optional<Appended> find_command(std::string_view tenant,
                                       std::string_view command_id) const override;
  Position position_at(TimeUs time) const override;
  Status writable() const override;
  Uuid log_id() const override { return folder_.format().log_id; }

  // Moves the events that are not indexed yet into the index and answers how many. Call it from
  // time to time from a thread that is not the writer's; reads are exact either way.
  Expected<std::size_t> index_some() { return index_->index_some(); }
  // Events that wait for index_some(). Any thread.
  std::size_t unindexed() const { return index_->tail_events(); }
  // Bytes of the map in use, of map_bytes(). Any thread.
  std::size_t used_bytes() const;
  std::size_t map_bytes() const;

  // The log goes read-only: appends answer `why` from now on, until it is opened anew. Any thread.
  void stop_writing(Error why);
  // Who follows this log on the same disk, as the last position that it has reached: appends keep
  // room for what it has yet to write. The writer's thread, or before it.
  void keep_room_for(std::function<Position()> follower) { follower_ = std::move(follower); }

  // Moves the bodies of the oldest records that are not archived yet into one segment file, up to
  // position `last` (the log's last event always stays), and leaves their hashes. Appends and reads
  // may go on meanwhile: an append waits for the hashes of one frame at most. Reads answer the same
  // before, during and after it; after a power cut at any moment, too. With `only_full` a segment
  // that would hold little is not begun. Answers what this call has done; events 0: nothing is to
  // be done. A full disk is `read_only` and stops nothing; a failed sync of the log's environment
  // stops the writing. Any thread.
  Expected<ArchiveReport> archive_some(Position last, bool only_full = false);
  // Drops for ever the payloads of the events in one segment whose stream is of a kind in `up_to`
  // and that are not after its position; their hashes and what residue() leaves stay. The segment
  // is written anew beside the old one and takes its place: after a power cut there is the one or
  // the other. Nothing is done with a segment that is not archived to its end. Any thread.
  Expected<ExpireReport> expire_segment(Position first,
                                        const std::map<std::string, Position>& up_to);
  // Up to here bodies are in segments; 0: none is. Any thread.
  Position archived() const { return archived_.load(std::memory_order_acquire); }
  const SegmentStore& segments() const { return segments_; }

  // Indexes the rest and leaves the clean-shutdown marker. No other call may be under way or
  // follow, but the destructor.
  Status close();

 private:
  friend Expected<std::unique_ptr<LmdbLog>> open_lmdb_log(const std::filesystem::path&,
                                                          const LmdbLogOptions&);
  LmdbLog(DataFolder folder, const LmdbLogOptions& options);
  Status open(const LmdbLogOptions& options);
  Status open_environment(std::size_t map_bytes);
  Status load_head(TimeUs& last_time);
  Status check_stored_checkpoint() const;
  Status open_index(const LmdbLogOptions& options);
  Status catch_up_index(const LmdbLogOptions& options);
  bool is_index_of_this_history() const;
  Status refill_commands(const LmdbLogOptions& options);
  Status open_archive();
  Expected<std::shared_ptr<const Segment>> write_segment(Position last, bool only_full,
                                                         ArchiveReport& report);
  Status begin_free_list(Position position);
  Status archive_frame(const Segment& segment, std::uint32_t index);
  Status read_back(const Segment& segment, std::uint32_t index, MDB_cursor* cursor,
                   HashBlock& block) const;
  int replace_by_block(MDB_cursor* cursor, const HashBlock& block) const;
  RecordReader reader() const { return {env_, records_, segments_}; }
  void append_planned(std::span<const AppendRequest> requests,
                      std::vector<Expected<Appended>>& answers);
  Status write(std::span<const EventView> events);
  int write_records(MDB_txn* txn, std::span<const EventView> events);
  int write_record(MDB_cursor* cursor, const EventView& event, RecordEncoder::Salt salt);
  static int put_record(MDB_cursor* cursor, Position position, Bytes record);
  void give_back_room();
  Status check_headroom(std::span<const EventView> events) const;
  Status check_disk(std::size_t bytes, std::size_t record_bytes) const;
  std::uint64_t unfollowed_bytes() const;
  void note_appended(std::span<const EventView> events);
  void index_when_behind();
  // Reads [from, head] for the sake of opening: a damaged record stops the writing, not the
  // reading.
  Status read_for_opening(Position from, const LmdbLogOptions& options,
                          const std::function<void(const EventView&)>& visit);
  Position command_window_start() const;

  DataFolder folder_;
  std::shared_ptr<IdSource> ids_;
  std::size_t tail_limit_;
  Env env_;
  MDB_dbi records_ = 0;
  std::size_t page_bytes_ = 4096;
  RoomAhead room_;  // of the environment's file; under LMDB's own lock of writers
  SegmentStore segments_;
  SegmentLimits segment_limits_;
  std::mutex archiving_;      // one archive_some() at a time; guards blocks_
  std::uint64_t blocks_ = 0;  // of hashes
  std::atomic<Position> archived_{0};
  std::unique_ptr<StreamIndex> index_;
  AppendPlanner planner_;
  RecordEncoder encoder_;
  std::vector<std::uint8_t> salts_, pair_;  // of the append under way; they keep their memory
  struct Append {
    Position last = 0;
    std::uint64_t bytes = 0;
  };
  std::function<Position()> follower_;
  std::deque<Append> appends_;  // the last ones, back to what the follower has reached
  std::atomic<Position> head_{0};
  std::atomic<bool> is_stopped_{false};
  mutable std::mutex stop_mutex_;  // guards stopped_
  Status stopped_;
  bool keep_index_ = true;
  bool closed_ = false;
};

// Opens the log in `folder`, or creates one where the folder is missing or empty. Errors: see
// DataFolder::open(). A log that has a damaged record near its end opens for reading only:
// writable() says why.
Expected<std::unique_ptr<LmdbLog>> open_lmdb_log(const std::filesystem::path& folder,
                                                 const LmdbLogOptions& options = {});

// The machine's boot id; empty where the kernel does not tell.
std::string boot_id();

}  // namespace mlforge::storage
