#include "storage/read_only_log.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "storage/hash_block.hpp"
#include "storage/note.hpp"

namespace mlforge::storage {

ReadOnlyLog::ReadOnlyLog(DataFolder folder)
    : folder_(std::move(folder)), segments_(folder_.segments(), folder_.format().log_id) {}

Expected<std::unique_ptr<ReadOnlyLog>> ReadOnlyLog::open(const std::filesystem::path& folder,
                                                         std::size_t map_bytes) {
  auto opened = DataFolder::open_existing(folder);
  if (!opened) return opened.error();
  std::unique_ptr<ReadOnlyLog> log(new ReadOnlyLog(*std::move(opened)));
  if (auto bad = log->open_environment(map_bytes)) return *bad;
  if (auto bad = log->check_checkpoint()) return *bad;
  return log;
}

Status ReadOnlyLog::open_environment(std::size_t map_bytes) {
  auto env = Env::open(folder_.log().string(), {.map_bytes = map_bytes, .flags = MDB_RDONLY});
  if (!env) return env.error();
  env_ = std::move(*env);
  Txn txn;
  Cursor cursor;
  MDB_val key{}, value{};
  MDB_stat stat{};
  ArchivedPrefix prefix;
  int rc = txn.begin(env_.get(), MDB_RDONLY);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), nullptr, MDB_INTEGERKEY, &records_);
  if (rc == 0) rc = mdb_stat(txn.get(), records_, &stat);
  if (rc == 0) rc = cursor.open(txn.get(), records_);
  if (rc == 0) rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_LAST);
  if (rc == 0) head_ = to_number(key);
  if (rc == MDB_NOTFOUND) rc = 0;
  if (rc == 0) rc = find_archived_prefix(txn.get(), records_, head_, prefix);
  cursor.close();
  // The table's handle is kept for those who read.
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb_error(rc, "opening the log");
  if (stat.ms_entries == head_ - prefix.last + prefix.blocks) return {};
  return Error{
      ErrorCode::corrupt,
      fmt::format("The log holds {} records and blocks of hashes, but ends at position {} and is "
                  "archived up to {} in {} blocks. Restore it from a backup.",
                  stat.ms_entries, head_, prefix.last, prefix.blocks),
      ""};
}

Status ReadOnlyLog::check_checkpoint() const {
  const auto text = read_small_file(folder_.path() / kCheckpointFile);
  const auto note = text ? parse_note(*text) : Expected<Note>(Error{});
  const auto checkpoint = note ? parse_checkpoint(note->text) : Expected<Checkpoint>(Error{});
  if (!checkpoint || checkpoint->size <= head_) return {};
  return Error{ErrorCode::corrupt,
               fmt::format("A checkpoint was signed for {} events, but the log ends at position "
                           "{}: events are missing. Take another copy of the folder.",
                           checkpoint->size, head_),
               ""};
}

Expected<Position> ReadOnlyLog::read(Position from, std::uint64_t limit,
                                     const Visitor& visit) const {
  return reader().visit(from, limit, head_,
                        [&visit](Bytes, const EventView& e) { return visit(e); });
}

Expected<Position> ReadOnlyLog::read_records(Position from, std::uint64_t limit,
                                             const RecordVisitor& visit) const {
  return reader().visit(from, limit, head_, [&visit](Bytes record, const EventView& e) {
    return visit(e.position, record);
  });
}

Status ReadOnlyLog::find_streams() const {
  if (streams_found_) return {};
  Streams found;
  const auto read = this->read(1, UINT64_MAX, [&](const EventView& e) {
    const StreamName name{e.tenant, e.stream};
    auto at = found.find(name);
    if (at == found.end()) at = found.try_emplace(StreamKey(name)).first;
    at->second.push_back(e.position);
    return true;
  });
  if (!read) return read.error();
  streams_ = std::move(found);
  streams_found_ = true;
  return {};
}

Expected<std::uint64_t> ReadOnlyLog::read_stream(std::string_view tenant, std::string_view stream,
                                                 std::uint64_t from_version, std::uint64_t limit,
                                                 Position as_of, const Visitor& visit) const {
  const StreamName name{tenant, stream};
  const std::uint64_t first = std::max<std::uint64_t>(from_version, 1);
  std::vector<Position> wanted;
  {
    const std::lock_guard lock(mutex_);
    if (auto bad = find_streams()) return *bad;
    const auto at = streams_.find(name);
    if (at == streams_.end() || at->second.size() < first) return std::uint64_t{0};
    const auto begin = at->second.begin() + static_cast<std::ptrdiff_t>(first - 1);
    const auto end = std::upper_bound(begin, at->second.end(), as_of);
    const auto count = std::min<std::uint64_t>(limit, static_cast<std::uint64_t>(end - begin));
    wanted.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
  }
  std::uint64_t visited = 0;
  const auto seen = [&](const EventView& event) {
    visited = event.version;
    return visit(event);
  };
  if (auto bad = reader().visit_stream(name, first, wanted, seen)) return *bad;
  return visited;
}

Expected<std::uint64_t> ReadOnlyLog::stream_version(std::string_view tenant,
                                                    std::string_view stream) const {
  const std::lock_guard lock(mutex_);
  if (auto bad = find_streams()) return *bad;
  const auto at = streams_.find(StreamName{tenant, stream});
  return at == streams_.end() ? std::uint64_t{0} : at->second.size();
}

Position ReadOnlyLog::position_at(TimeUs time) const { return reader().position_at(time, head_); }

std::size_t ReadOnlyLog::map_bytes() const {
  MDB_envinfo info{};
  mdb_env_info(env_.get(), &info);
  return info.me_mapsize;
}

std::vector<Expected<Appended>> ReadOnlyLog::append(std::span<const AppendRequest> requests) {
  return std::vector<Expected<Appended>>(requests.size(), *writable());
}

Status ReadOnlyLog::writable() const {
  return Error{ErrorCode::read_only, "The log was opened for reading only.", ""};
}

}  // namespace mlforge::storage
