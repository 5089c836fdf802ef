#include "storage/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mlforge::storage {
namespace {

constexpr std::uint64_t kPageEvents = 4096;

Error missing_record(Position position) {
  return {ErrorCode::corrupt,
          fmt::format("The record at position {} is missing. Restore the log from a backup.",
                      position)};
}

const char* check(Position position, Bytes record, EventView& event) {
  if (const char* why = decode_record(record, event)) return why;
  return event.position == position ? nullptr : "it is the record of another position";
}

}  // namespace

Error damaged_record(Position position, std::string_view why) {
  return {ErrorCode::corrupt,
          fmt::format("The record at position {} is damaged: {}. Restore the log from a backup.",
                      position, why)};
}

Expected<Position> RecordReader::visit(Position from, std::uint64_t limit, Position head,
                                       const Visit& visit) const {
  from = std::max<Position>(from, 1);
  if (limit == 0 || from > head) return Position{0};
  const Position last = limit > head - from ? head : from + limit - 1;
  Txn txn;
  if (const int rc = env_.begin_read(txn)) return lmdb_error(rc, "reading the log");
  Position visited = 0;
  for (bool go_on = true; go_on && from <= last;) {
    const auto page =
        visit_page(txn.get(), from, std::min(last, from + kPageEvents - 1), visit, go_on);
    if (!page) return page.error();
    visited = *page;
    from = visited + 1;
    if (!go_on || from > last) break;
    if (const int rc = env_.begin_read(txn)) return lmdb_error(rc, "reading the log");
  }
  return visited;
}

Expected<Position> RecordReader::visit_page(MDB_txn* txn, Position from, Position last,
                                            const Visit& visit, bool& go_on) const {
  Cursor cursor;
  if (const int rc = cursor.open(txn, records_)) return lmdb_error(rc, "reading the log");
  MDB_val key = to_val(from), value{};
  MDB_cursor_op step = MDB_SET_KEY;
  for (Position position = from; position <= last; ++position, step = MDB_NEXT) {
    const int rc = mdb_cursor_get(cursor.get(), &key, &value, step);
    if (rc == MDB_NOTFOUND) return missing_record(position);
    if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
    if (to_number(key) != position) return missing_record(position);
    EventView event;
    if (const char* why = check(position, to_bytes(value), event))
      return damaged_record(position, why);
    if (!visit(to_bytes(value), event)) {
      go_on = false;
      return position;
    }
  }
  return last;
}

Status RecordReader::find(MDB_txn* txn, Position position, EventView& event) const {
  MDB_val key = to_val(position), value{};
  const int rc = mdb_get(txn, records_, &key, &value);
  if (rc == MDB_NOTFOUND) return missing_record(position);
  if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
  if (const char* why = check(position, to_bytes(value), event))
    return damaged_record(position, why);
  return {};
}

Status RecordReader::visit_stream(StreamName stream, std::uint64_t version,
                                  const std::vector<Position>& positions,
                                  const std::function<bool(const EventView&)>& visit) const {
  if (positions.empty()) return {};
  Txn txn;
  if (const int rc = env_.begin_read(txn)) return lmdb_error(rc, "reading the log");
  for (const Position position : positions) {
    EventView event;
    if (auto bad = find(txn.get(), position, event)) return bad;
    if (event.version != version || event.stream != stream.name || event.tenant != stream.tenant)
      return Error{ErrorCode::corrupt,
                   fmt::format("The index names position {} as version {} of stream {}, but the "
                               "record there is version {} of {}. Delete the index folder while "
                               "the log is closed; it is built again.",
                               position, version, stream.name, event.version, event.stream)};
    ++version;
    if (!visit(event)) return {};
  }
  return {};
}

Position RecordReader::position_at(TimeUs time, Position head) const {
  Txn txn;
  if (env_.begin_read(txn) != 0) return 0;
  Position below = 0, above = head + 1;  // times at `below` are <= time, at `above` they are later
  while (above - below > 1) {
    const Position middle = below + (above - below) / 2;
    EventView event;
    if (find(txn.get(), middle, event)) return 0;
    (event.time <= time ? below : above) = middle;
  }
  return below;
}

}  // namespace mlforge::storage
