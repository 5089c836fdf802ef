// How an LmdbLog moves bodies into segments.
//
// The file comes first, whole and synced; then, frame by frame, one transaction takes the records
// away and puts their hashes there. A power cut leaves records, or hashes and a file that has their
// bodies.
#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>

#include "events/retention.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/record_reader.hpp"

namespace mlforge::storage {
namespace {

// What a segment must hold for the server's own rule to begin one.
constexpr std::uint64_t kWorthwhileEvents = 1024;
constexpr std::uint64_t kWorthwhileBytes = 1 << 20;
constexpr std::size_t kSpareBytes = 1 << 20;  // for the pages of the hashes

// The last of the disk is for appends and the read models.
Status check_room(int descriptor, std::size_t bytes) {
  struct statvfs disk {};
  if (::fstatvfs(descriptor, &disk) != 0) return {};
  const std::uint64_t whole = std::uint64_t(disk.f_blocks) * disk.f_frsize;
  const std::uint64_t reserve = std::min<std::uint64_t>(64u << 20, whole / 4);
  if (std::uint64_t(disk.f_bavail) * disk.f_frsize >= reserve + bytes + kSpareBytes) return {};
  return lmdb_error(ENOSPC, "making room for a segment");
}

}  // namespace

// The files that no hashes name are what a power cut left of a segment that was not begun.
Status LmdbLog::open_archive() {
  Position last_segment = 0;
  if (archived() > 0) {
    Txn txn;
    const Position last = archived();
    MDB_val key = to_val(last), value{};
    int rc = txn.begin(env_.get(), MDB_RDONLY);
    if (rc == 0) rc = mdb_get(txn.get(), records_, &key, &value);
    HashBlock block;
    if (rc != 0) return lmdb_error(rc, "reading the last hashes");
    if (const char* why = decode_hash_block(last, to_bytes(value), block))
      return damaged_record(last, why);
    last_segment = block.segment;
  }
  return segments_.remove_after(last_segment);
}

Expected<ArchiveReport> LmdbLog::archive_some(Position last, bool only_full) {
  const std::lock_guard one(archiving_);
  if (const Status stopped = writable()) return *stopped;
  ArchiveReport report{.archived = archived()};
  const Position head = this->head();
  if (head == 0) return report;
  last = std::min(last, head - 1);
  if (last <= archived()) return report;
  const auto segment = write_segment(last, only_full, report);
  if (!segment) return segment.error();
  if (!*segment) return report;
  if (auto bad = begin_free_list(head)) return *bad;
  for (std::uint32_t i = 0; i < (*segment)->frames(); ++i) {
    if ((*segment)->last_of(i) <= archived()) continue;
    if (auto bad = archive_frame(**segment, i)) return *bad;
  }
  report.archived = archived();
  return report;
}

// Null: nothing worthwhile. A segment whose hashes are only partly there, because the process
// ended, is gone on with.
Expected<std::shared_ptr<const Segment>> LmdbLog::write_segment(Position last, bool only_full,
                                                                ArchiveReport& report) {
  const Position first = archived() + 1;
  if (archived() > 0) {
    const auto files = segments_.list();
    if (!files) return files.error();
    if (!files->empty()) {
      auto begun = segments_.segment(files->back());
      if (!begun) return begun.error();
      if ((*begun)->last() >= first) return begun;
    }
  }
  SegmentBuilder builder(log_id(), segment_limits_);
  Status bad;
  const auto read =
      reader().visit(first, last - first + 1, head(), [&](Bytes record, const EventView& event) {
        bad = builder.add(event.position, record_salted_body(record));
        return !bad && !builder.is_full();
      });
  if (!read) return read.error();
  if (bad) return *bad;
  report.events = builder.last() - builder.first() + 1;
  report.raw_bytes = builder.body_bytes();
  if (only_full && !builder.is_full() && report.events < kWorthwhileEvents &&
      report.raw_bytes < kWorthwhileBytes) {
    report.events = report.raw_bytes = 0;
    return std::shared_ptr<const Segment>();
  }
  const auto bytes = builder.finish();
  if (!bytes) return bytes.error();
  report.file_bytes = bytes->size();
  report.segments = 1;
  if (auto full = check_room(folder_.descriptor(), bytes->size())) return *full;
  if (auto failed = folder_.allow_segments()) return *failed;
  if (auto failed = segments_.write(first, *bytes)) return *failed;
  return segments_.segment(first);
}

// LMDB 0.9.24 crashes when the first pages that an environment ever frees are so many that their
// list takes pages of its own: it looks for free ones in the list that it is beginning. So one page
// is freed by itself first, by writing a record once more as it is.
Status LmdbLog::begin_free_list(Position position) {
  constexpr MDB_dbi kFreeList = 0;
  Txn txn;
  MDB_stat list{};
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) rc = mdb_stat(txn.get(), kFreeList, &list);
  if (rc == 0 && list.ms_entries > 0) return {};
  MDB_val key = to_val(position), value{};
  if (rc == 0) rc = mdb_get(txn.get(), records_, &key, &value);
  if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
  std::vector<std::uint8_t> record(to_bytes(value).begin(), to_bytes(value).end());
  value = to_val(Bytes(record));
  if ((rc = mdb_put(txn.get(), records_, &key, &value, 0))) return lmdb_error(rc, "archiving");
  if ((rc = txn.commit())) {
    stop_writing(lmdb_error(rc, "syncing the log"));
    return *writable();
  }
  return {};
}

// In one transaction, which the writer's next append may have to wait for.
Status LmdbLog::archive_frame(const Segment& segment, std::uint32_t index) {
  Txn txn;
  Cursor cursor;
  HashBlock block;
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) rc = cursor.open(txn.get(), records_);
  if (rc != 0) return lmdb_error(rc, "archiving");
  if (auto bad = read_back(segment, index, cursor.get(), block)) return bad;
  block.segment = segment.first();
  block.frame = index;
  block.ordinal = blocks_ + 1;
  rc = replace_by_block(cursor.get(), block);
  cursor.close();
  if (rc != 0) return lmdb_error(rc, "archiving");
  if ((rc = txn.commit())) {
    Error error = lmdb_error(rc, "syncing what was archived");
    stop_writing(error);
    return error;
  }
  blocks_ = block.ordinal;
  archived_.store(block.last(), std::memory_order_release);
  return {};
}

// Nothing is taken away that the file does not give back.
Status LmdbLog::read_back(const Segment& segment, std::uint32_t index, MDB_cursor* cursor,
                          HashBlock& block) const {
  const auto frame = segment.read(index);
  if (!frame) return frame.error();
  block.first = segment.first_of(index);
  const Position last = segment.last_of(index);
  MDB_val key = to_val(block.first), value{};
  MDB_cursor_op step = MDB_SET_KEY;
  for (Position position = block.first; position <= last; ++position, step = MDB_NEXT) {
    if (const int rc = mdb_cursor_get(cursor, &key, &value, step))
      return lmdb_error(rc, fmt::format("reading position {}", position));
    EventView event;
    const char* why = decode_record(to_bytes(value), event);
    if (!why && event.position != position) why = "it is the record of another position";
    if (why) return damaged_record(position, why);
    const Bytes body = (*frame)->salted_body(position);
    const Digest commitment = record_commitment(to_bytes(value));
    const bool same = event.expired ? std::ranges::equal(body, record_salted_body(to_bytes(value)))
                                    : sha256(body) == commitment;
    if (!same) return damaged_record(position, "its commitment is not that of its body");
    block.commitments.push_back(commitment);
    if (position == block.first) block.first_time = event.time;
    block.last_time = event.time;
  }
  return {};
}

Expected<ExpireReport> LmdbLog::expire_segment(Position first,
                                               const std::map<std::string, Position>& up_to) {
  const std::lock_guard one(archiving_);
  ExpireReport report;
  const auto segment = segments_.segment(first);
  if (!segment) return segment.error();
  if ((*segment)->last() > archived()) return report;
  SegmentLimits limits = segment_limits_;
  limits.frame_bytes = SIZE_MAX;  // frames keep their positions
  limits.frame_events = UINT32_MAX;
  SegmentBuilder builder(log_id(), limits);
  std::vector<std::uint8_t> record;
  for (std::uint32_t i = 0; i < (*segment)->frames(); ++i) {
    const auto frame = (*segment)->read(i);
    if (!frame) return frame.error();
    if (!(*frame)->is_sound)
      return damaged_record((*frame)->first, "its frame does not match its checksum");
    for (Position position = (*frame)->first; position <= (*frame)->last(); ++position) {
      const Bytes body = (*frame)->salted_body(position);
      assemble_record({}, body, record);
      EventView event;
      if (const char* why = decode_record(Bytes(record), event))
        return damaged_record(position, why);
      const auto limit = up_to.find(std::string(stream_kind(event.stream)));
      const bool drop = limit != up_to.end() && position <= limit->second && !event.expired;
      report.events += drop;
      Status bad = drop ? builder.add(position, Bytes(expire_body(body, residue(event))))
                        : builder.add(position, body);
      if (bad) return *bad;
    }
    if (auto bad = builder.end_frame()) return *bad;
  }
  if (report.events == 0) return report;
  const auto bytes = builder.finish();
  if (!bytes) return bytes.error();
  report.bytes_before = (*segment)->file_bytes();
  report.bytes_after = bytes->size();
  if (auto full = check_room(folder_.descriptor(), bytes->size())) return *full;
  if (auto failed = segments_.write(first, *bytes)) return *failed;
  return report;
}

int LmdbLog::replace_by_block(MDB_cursor* cursor, const HashBlock& block) const {
  for (Position position = block.first; position <= block.last(); ++position) {
    MDB_val key = to_val(position), value{};
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
    if (rc == 0) rc = mdb_cursor_del(cursor, 0);
    if (rc != 0) return rc;
  }
  const Position last = block.last();
  const auto bytes = encode_hash_block(block);
  MDB_val key = to_val(last), value = to_val(Bytes(bytes));
  return mdb_cursor_put(cursor, &key, &value, MDB_NOOVERWRITE);
}

}  // namespace mlforge::storage
