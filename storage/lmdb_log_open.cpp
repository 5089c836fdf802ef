// How an LmdbLog finds its state again when it is opened.
#include <fmt/format.h>

#include <algorithm>

#include "storage/files.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/note.hpp"

namespace mlforge::storage {
namespace {

constexpr Position kLookEvents = 1024;  // between two looks at whether to go on

}  // namespace

std::string boot_id() {
  const auto text = read_small_file("/proc/sys/kernel/random/boot_id", 64);
  return text ? text->substr(0, text->find('\n')) : std::string();
}

Status LmdbLog::open(const LmdbLogOptions& options) {
  TimeUs last_time = 0;
  if (auto bad = open_environment(options.map_bytes)) return bad;
  if (auto bad = load_head(last_time)) return bad;
  if (auto bad = check_stored_checkpoint()) return bad;
  if (auto bad = open_archive()) return bad;
  if (auto bad = open_index(options)) return bad;
  if (auto bad = catch_up_index(options)) return bad;
  if (auto bad = refill_commands(options)) return bad;
  planner_.start(head(), last_time);
  return {};
}

Status LmdbLog::open_environment(std::size_t map_bytes) {
  auto env = Env::open(folder_.log().string(), {.map_bytes = map_bytes});
  if (!env) return env.error();
  env_ = std::move(*env);
  Txn txn;
  MDB_stat stat{};
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), nullptr, MDB_INTEGERKEY, &records_);
  if (rc == 0) rc = mdb_stat(txn.get(), records_, &stat);
  if (rc == 0) rc = txn.commit();
  page_bytes_ = stat.ms_psize;
  if (int file = -1; rc == 0 && (rc = mdb_env_get_fd(env_.get(), &file)) == 0)
    room_.start(file, map_bytes);
  if (rc != 0) return lmdb_error(rc, "opening the log");
  // A process that was killed inside a sync may have left events in the kernel's cache only. What
  // is answered from now on (that a command was done, for one) rests on them.
  if ((rc = mdb_env_sync(env_.get(), 1))) stop_writing(lmdb_error(rc, "syncing the log"));
  return {};
}

Status LmdbLog::load_head(TimeUs& last_time) {
  Txn txn;
  Cursor cursor;
  MDB_val key{}, value{};
  MDB_stat stat{};
  int rc = txn.begin(env_.get(), MDB_RDONLY);
  if (rc == 0) rc = mdb_stat(txn.get(), records_, &stat);
  if (rc == 0) rc = cursor.open(txn.get(), records_);
  if (rc == 0) rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_LAST);
  if (rc == MDB_NOTFOUND) return {};
  if (rc != 0) return lmdb_error(rc, "reading the last event");
  const Position head = to_number(key);
  head_.store(head, std::memory_order_release);
  ArchivedPrefix prefix;
  if ((rc = find_archived_prefix(txn.get(), records_, head, prefix)))
    return lmdb_error(rc, "looking for what is archived");
  if (stat.ms_entries != head - prefix.last + prefix.blocks)
    return Error{
        ErrorCode::corrupt,
        fmt::format("The log holds {} records and blocks of hashes, but ends at position {} "
                    "and is archived up to {} in {} blocks. Restore it from a backup.",
                    stat.ms_entries, head, prefix.last, prefix.blocks)};
  blocks_ = prefix.blocks;
  archived_.store(prefix.last, std::memory_order_release);
  EventView last;
  if (const char* why = decode_record(to_bytes(value), last))
    stop_writing(damaged_record(head, why));
  else
    last_time = last.time;
  return {};
}

// What was signed for is never served without the events: they would be given anew to others.
Status LmdbLog::check_stored_checkpoint() const {
  const auto text = read_small_file(folder_.path() / kCheckpointFile);
  const auto note = text ? parse_note(*text) : Expected<Note>(Error{});
  const auto checkpoint = note ? parse_checkpoint(note->text) : Expected<Checkpoint>(Error{});
  if (!checkpoint || checkpoint->size <= head()) return {};
  return Error{
      ErrorCode::corrupt,
      fmt::format("A checkpoint was signed for {} events, but the log ends at position {}: "
                  "events are missing. Restore the folder from a backup; to go on with "
                  "what is left, move its file '{}' away.",
                  checkpoint->size, head(), kCheckpointFile)};
}

Status LmdbLog::open_index(const LmdbLogOptions& options) {
  const IndexIdentity identity{log_id(), options.boot_id.empty() ? boot_id() : options.boot_id};
  auto index = StreamIndex::open(folder_.index(), identity, options.map_bytes);
  if (!index) return index.error();
  index_ = std::move(*index);
  if (is_index_of_this_history()) return {};
  return index_->reset();
}

// A log that was restored from a backup may end before its index, or go on differently.
bool LmdbLog::is_index_of_this_history() const {
  const IndexReached reached = index_->reached();
  if (reached.position == 0) return true;
  bool same = false;
  const auto found = read(reached.position, 1, [&](const EventView& event) {
    same = event.id == reached.id;
    return false;
  });
  return same || (!found && found.error().code == ErrorCode::corrupt);
}

Status LmdbLog::read_for_opening(Position from, const LmdbLogOptions& options,
                                 const std::function<void(const EventView&)>& visit) {
  bool go_on = true;
  for (Position next = from; next <= head(); ++next) {
    const auto done = read(next, head(), [&](const EventView& event) {
      next = event.position + 1;
      visit(event);
      if (next % kLookEvents == 0 && options.go_on) go_on = options.go_on();
      return go_on;
    });
    if (!go_on) return Error{ErrorCode::unavailable, "The opening of the log was given up.", ""};
    if (done) return {};
    if (done.error().code != ErrorCode::corrupt) return done.error();
    stop_writing(done.error());
    keep_index_ = false;
  }
  return {};
}

Status LmdbLog::catch_up_index(const LmdbLogOptions& options) {
  bool full = false;  // then the rest stays in memory, where reads find it
  Status failed;
  const auto bad =
      read_for_opening(index_->reached().position + 1, options, [&](const EventView& event) {
        index_->extend({&event, 1});
        if (failed || full || index_->tail_events() < tail_limit_) return;
        const auto indexed = index_->index_some();
        if (indexed) return;
        full = indexed.error().code == ErrorCode::read_only;
        if (full)
          stop_writing(indexed.error());
        else
          failed = indexed.error();
      });
  return bad ? bad : failed;
}

Status LmdbLog::refill_commands(const LmdbLogOptions& options) {
  OutcomeCollector collector(planner_.commands());
  if (auto bad = read_for_opening(command_window_start(), options,
                                  [&](const EventView& event) { collector.event(event); }))
    return bad;
  collector.finish(head());
  return {};
}

// The window may begin inside a request, whose first position is then further back.
Position LmdbLog::command_window_start() const {
  Position start = head() > command_window() ? head() - command_window() + 1 : 1;
  std::string tenant, command_id;
  (void)read(start, 1, [&](const EventView& event) {
    tenant = event.tenant;
    command_id = event.command_id;
    return false;
  });
  for (bool same = !command_id.empty(); same && start > 1;) {
    same = false;
    (void)read(start - 1, 1, [&](const EventView& event) {
      same = event.tenant == tenant && event.command_id == command_id;
      return false;
    });
    if (same) --start;
  }
  return start;
}

}  // namespace mlforge::storage
