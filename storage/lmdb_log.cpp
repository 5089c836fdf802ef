#include "storage/lmdb_log.hpp"

#include <sys/statvfs.h>

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace mlforge::storage {
namespace {

constexpr std::uint64_t kStreamPageEvents = 1024;
constexpr std::size_t kSmallRecord = 4096;
constexpr std::size_t kSparePages = 64;    // for the free list and the inner pages of a commit
constexpr std::size_t kPagesOfCommit = 8;  // those that it takes besides the records, mostly
// What the read models write for a byte of the log at most: a point of a logged model may take 8
// bytes in its column, and a row of 550 (measured) to 2,000 (long keys) there.
constexpr std::uint64_t kFollowerGrowth = 256;
constexpr std::uint64_t kMostBacklogBytes = 256u << 20;

std::uint64_t record_bytes(std::span<const EventView> events) {
  std::uint64_t bytes = 0;
  for (const EventView& event : events) bytes += record_size(event);
  return bytes;
}

Error stopped_error(const Error& why) {
  return {ErrorCode::read_only, "The log stopped writing and answers reads only. " + why.message};
}

}  // namespace

Expected<std::unique_ptr<LmdbLog>> open_lmdb_log(const std::filesystem::path& folder,
                                                 const LmdbLogOptions& options) {
  auto opened = DataFolder::open(folder, *options.clock, *options.ids);
  if (!opened) return opened.error();
  std::unique_ptr<LmdbLog> log(new LmdbLog(std::move(*opened), options));
  if (auto bad = log->open(options)) return *bad;
  return log;
}

LmdbLog::LmdbLog(DataFolder folder, const LmdbLogOptions& options)
    : folder_(std::move(folder)),
      ids_(options.ids),
      tail_limit_(options.tail_events),
      segments_(folder_.segments(), folder_.format().log_id),
      segment_limits_(options.segments),
      planner_(
          options.clock, options.ids, [this](StreamName s) { return index_->version(s); },
          options.cached_streams) {}

LmdbLog::~LmdbLog() { (void)close(); }

std::vector<Expected<Appended>> LmdbLog::append(std::span<const AppendRequest> requests) {
  std::vector<Expected<Appended>> answers;
  if (const Status stopped = writable()) {
    answers.assign(requests.size(), *stopped);
    return answers;
  }
  try {
    append_planned(requests, answers);
  } catch (const std::exception& failure) {
    // What is planned and what is on disk may differ now; only opening the log anew can tell.
    stop_writing({ErrorCode::internal, std::string("An append broke off: ") + failure.what(), ""});
    answers.assign(requests.size(), *writable());
  }
  return answers;
}

void LmdbLog::append_planned(std::span<const AppendRequest> requests,
                             std::vector<Expected<Appended>>& answers) {
  const auto events = planner_.plan(requests, answers);
  if (!events.empty()) {
    if (auto failed = write(events)) {
      stop_writing(std::move(*failed));
      planner_.abandon();
      // Also conflicts and duplicates may rest on events of this call, which did not come about.
      answers.assign(requests.size(), *writable());
      return;
    }
    index_->extend(events, planner_.tail_places());
    note_appended(events);
    head_.store(events.back().position, std::memory_order_release);
  }
  planner_.commit();
  index_when_behind();
}

Status LmdbLog::write(std::span<const EventView> events) {
  if (auto full = check_headroom(events)) return full;
  Txn txn;
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) room_.prepare(used_bytes(), record_bytes(events) + kPagesOfCommit * page_bytes_);
  if (rc == 0) rc = write_records(txn.get(), events);
  if (rc != 0) return lmdb_error(rc, "writing events");
  if ((rc = txn.commit())) {
    Error error = lmdb_error(rc, "syncing events");
    error.message +=
        " The last events were not acknowledged; whether they are on disk shows after a restart.";
    return error;
  }
  return {};
}

// Small records are encoded two at a time, beside the pages, for LMDB may move a page at the next
// put; a large one in the page that goes to disk.
int LmdbLog::write_records(MDB_txn* txn, std::span<const EventView> events) {
  Cursor cursor;
  if (const int rc = cursor.open(txn, records_)) return rc;
  salts_.resize(events.size() * kSaltBytes);
  ids_->salt(salts_);
  const auto salt = [this](std::size_t i) {
    return RecordEncoder::Salt(salts_.data() + i * kSaltBytes, kSaltBytes);
  };
  int rc = 0;
  for (std::size_t i = 0; rc == 0 && i < events.size(); ++i) {
    const std::size_t size = record_size(events[i]);
    const std::size_t second = i + 1 < events.size() ? record_size(events[i + 1]) : SIZE_MAX;
    if (size > kSmallRecord || second > kSmallRecord) {
      rc = write_record(cursor.get(), events[i], salt(i));
      continue;
    }
    pair_.resize(2 * kSmallRecord);
    const std::span one(pair_.data(), size), two(pair_.data() + kSmallRecord, second);
    encoder_.encode_two(events[i], salt(i), one, events[i + 1], salt(i + 1), two);
    rc = put_record(cursor.get(), events[i].position, one);
    ++i;
    if (rc == 0) rc = put_record(cursor.get(), events[i].position, two);
  }
  return rc;
}

int LmdbLog::write_record(MDB_cursor* cursor, const EventView& event, RecordEncoder::Salt salt) {
  MDB_val key = to_val(event.position), value{record_size(event), nullptr};
  if (const int rc = mdb_cursor_put(cursor, &key, &value, MDB_APPEND | MDB_RESERVE)) return rc;
  encoder_.encode(event, salt, {static_cast<std::uint8_t*>(value.mv_data), value.mv_size});
  return 0;
}

int LmdbLog::put_record(MDB_cursor* cursor, Position position, Bytes record) {
  MDB_val key = to_val(position), value = to_val(record);
  return mdb_cursor_put(cursor, &key, &value, MDB_APPEND);
}

// An upper bound of the pages that the events take: a page of small records is at least half full.
Status LmdbLog::check_headroom(std::span<const EventView> events) const {
  constexpr std::size_t kNodeBytes = 24;
  std::size_t pages = kSparePages, small = 0, record_bytes = 0;
  for (const EventView& event : events) {
    const std::size_t bytes = record_size(event) + kNodeBytes;
    record_bytes += bytes;
    if (bytes > page_bytes_ / 2) pages += bytes / page_bytes_ + 1;
    small += bytes > page_bytes_ / 2 ? 2 * kNodeBytes : bytes;
  }
  pages += 2 * small / page_bytes_;
  if (auto full = check_disk(pages * page_bytes_, record_bytes)) return full;
  if (used_bytes() + pages * page_bytes_ <= map_bytes()) return {};
  return lmdb_error(MDB_MAP_FULL, fmt::format("making room for {} events", events.size()));
}

// The read models must be able to follow to the end of a log that has stopped. They are given what
// is kept free here: an eighth of the disk or 16 MiB, and room for the events that they have not
// seen yet, bounded so that a long backlog does not stop the log on a disk that is large.
Status LmdbLog::check_disk(std::size_t bytes, std::size_t record_bytes) const {
  struct statvfs disk {};
  if (::fstatvfs(folder_.descriptor(), &disk) != 0) return {};
  const std::uint64_t whole = std::uint64_t(disk.f_blocks) * disk.f_frsize;
  const std::uint64_t backlog = kFollowerGrowth * (unfollowed_bytes() + record_bytes);
  const std::uint64_t reserve = std::min<std::uint64_t>(16u << 20, whole / 8) +
                                std::min<std::uint64_t>({backlog, kMostBacklogBytes, whole / 2});
  if (std::uint64_t(disk.f_bavail) * disk.f_frsize >= reserve + bytes) return {};
  return lmdb_error(ENOSPC, "keeping the last of the disk for the read models");
}

std::uint64_t LmdbLog::unfollowed_bytes() const {
  const Position reached = follower_ ? follower_() : head();
  std::uint64_t bytes = 0;
  for (auto at = appends_.rbegin(); at != appends_.rend() && at->last > reached; ++at)
    bytes += at->bytes;
  return bytes;
}

void LmdbLog::note_appended(std::span<const EventView> events) {
  if (!follower_) return;
  const Append append{events.back().position, record_bytes(events)};
  const Position reached = follower_();
  while (!appends_.empty() && appends_.front().last <= reached) appends_.pop_front();
  appends_.push_back(append);
}

void LmdbLog::stop_writing(Error why) {
  const std::lock_guard lock(stop_mutex_);
  if (!stopped_) stopped_ = stopped_error(why);
  is_stopped_.store(true, std::memory_order_release);
}

Status LmdbLog::writable() const {
  if (!is_stopped_.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(stop_mutex_);
  return stopped_;
}

// Nobody calls index_some(), or it does not keep up: the writer does it, so that the tail stays
// bounded.
void LmdbLog::index_when_behind() {
  if (index_->tail_events() <= tail_limit_) return;
  if (const auto indexed = index_->index_some(); !indexed) stop_writing(indexed.error());
}

Expected<Position> LmdbLog::read(Position from, std::uint64_t limit, const Visitor& visit) const {
  return reader().visit(from, limit, head(),
                        [&visit](Bytes, const EventView& e) { return visit(e); });
}

Expected<Position> LmdbLog::read_records(Position from, std::uint64_t limit,
                                         const RecordVisitor& visit) const {
  return reader().visit(from, limit, head(), [&visit](Bytes record, const EventView& e) {
    return visit(e.position, record);
  });
}

Expected<std::uint64_t> LmdbLog::read_stream(std::string_view tenant, std::string_view stream,
                                             std::uint64_t from_version, std::uint64_t limit,
                                             Position as_of, const Visitor& visit) const {
  const StreamName name{tenant, stream};
  const Position end = std::min(as_of, head());
  const RecordReader reader = this->reader();
  std::uint64_t next = std::max<std::uint64_t>(from_version, 1), visited = 0;
  std::vector<Position> page;
  while (limit > 0) {
    page.clear();
    const auto wanted = std::min(limit, kStreamPageEvents);
    if (auto bad = index_->positions(name, next, wanted, page)) return *bad;
    const bool is_last = page.size() < wanted || page.back() > end;
    while (!page.empty() && page.back() > end) page.pop_back();
    bool go_on = true;
    if (auto bad = reader.visit_stream(name, next, page, [&](const EventView& event) {
          visited = event.version;
          return go_on = visit(event);
        }))
      return *bad;
    if (!go_on || is_last) break;
    next += page.size();
    limit -= page.size();
  }
  return visited;
}

Expected<std::uint64_t> LmdbLog::stream_version(std::string_view tenant,
                                                std::string_view stream) const {
  return index_->version({tenant, stream});
}

std::optional<Appended> LmdbLog::find_command(std::string_view tenant,
                                              std::string_view command_id) const {
  return planner_.find_command({tenant, command_id});
}

Position LmdbLog::position_at(TimeUs time) const { return reader().position_at(time, head()); }

std::size_t LmdbLog::used_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  return (info.me_last_pgno + 1) * page_bytes_;
}

std::size_t LmdbLog::map_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  return info.me_mapsize;
}

Status LmdbLog::close() {
  if (closed_ || !index_) return {};
  closed_ = true;
  if (const auto indexed = index_->index_some(); !indexed) keep_index_ = false;
  give_back_room();
  return index_->close(keep_index_);
}

// What LMDB uses does not change while nobody else may write.
void LmdbLog::give_back_room() {
  Txn txn;
  if (!writable() && txn.begin(env_.get(), 0) == 0) room_.give_back(used_bytes());
}

}  // namespace mlforge::storage
