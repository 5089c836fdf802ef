#include "storage/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mlforge::storage {
namespace {

// A read that stops early should copy little, a long one should look up seldom.
constexpr std::size_t kFirstCopyBytes = 16 << 10;
constexpr std::size_t kMostCopyBytes = 128 << 10;

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

// Records in memory of our own.
class RecordReader::Copies {
 public:
  void clear() {
    bytes_.clear();
    ends_.clear();
  }
  void add(const MDB_val& record) {
    const Bytes bytes = to_bytes(record);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    ends_.push_back(bytes_.size());
  }
  std::size_t bytes() const { return bytes_.size(); }
  std::size_t size() const { return ends_.size(); }
  Bytes operator[](std::size_t i) const {
    const std::size_t start = i == 0 ? 0 : ends_[i - 1];
    return Bytes(bytes_).subspan(start, ends_[i] - start);
  }

 private:
  std::vector<std::uint8_t> bytes_;
  std::vector<std::size_t> ends_;
};

Expected<Position> RecordReader::visit(Position from, std::uint64_t limit, Position head,
                                       const Visit& visit) const {
  from = std::max<Position>(from, 1);
  if (limit == 0 || from > head) return Position{0};
  const Position last = limit > head - from ? head : from + limit - 1;
  Position visited = 0;
  Copies copies;
  for (std::size_t most = kFirstCopyBytes; from <= last;
       most = std::min(2 * most, kMostCopyBytes)) {
    copies.clear();
    const Status bad = copy_range(from, last, most, copies);
    for (std::size_t i = 0; i < copies.size(); ++i) {
      EventView event;
      if (const char* why = check(from, copies[i], event)) return damaged_record(from, why);
      visited = from++;
      if (!visit(copies[i], event)) return visited;
    }
    if (bad) return *bad;
  }
  return visited;
}

Status RecordReader::copy_range(Position from, Position last, std::size_t most,
                                Copies& copies) const {
  Txn txn;
  Cursor cursor;
  int rc = env_.begin_read(txn);
  if (rc == 0) rc = cursor.open(txn.get(), records_);
  if (rc != 0) return lmdb_error(rc, "reading the log");
  MDB_val key = to_val(from), value{};
  MDB_cursor_op step = MDB_SET_KEY;
  for (Position position = from; position <= last; ++position, step = MDB_NEXT) {
    rc = mdb_cursor_get(cursor.get(), &key, &value, step);
    if (rc == MDB_NOTFOUND) return missing_record(position);
    if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
    if (to_number(key) != position) return missing_record(position);
    copies.add(value);
    if (copies.bytes() >= most) break;
  }
  return {};
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
  Copies copies;
  std::size_t most = kFirstCopyBytes;
  for (std::span<const Position> left(positions); !left.empty();
       left = left.subspan(copies.size()), most = std::min(2 * most, kMostCopyBytes)) {
    copies.clear();
    const Status bad = copy_each(left, most, copies);
    for (std::size_t i = 0; i < copies.size(); ++i, ++version) {
      EventView event;
      if (const char* why = check(left[i], copies[i], event)) return damaged_record(left[i], why);
      if (event.version != version || event.stream != stream.name || event.tenant != stream.tenant)
        return Error{ErrorCode::corrupt,
                     fmt::format("The index names position {} as version {} of stream {}, but the "
                                 "record there is version {} of {}. Delete the index folder while "
                                 "the log is closed; it is built again.",
                                 left[i], version, stream.name, event.version, event.stream)};
      if (!visit(event)) return {};
    }
    if (bad) return bad;
  }
  return {};
}

Status RecordReader::copy_each(std::span<const Position> positions, std::size_t most,
                               Copies& copies) const {
  Txn txn;
  if (const int rc = env_.begin_read(txn)) return lmdb_error(rc, "reading the log");
  for (const Position position : positions) {
    MDB_val key = to_val(position), value{};
    const int rc = mdb_get(txn.get(), records_, &key, &value);
    if (rc == MDB_NOTFOUND) return missing_record(position);
    if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
    copies.add(value);
    if (copies.bytes() >= most) break;
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
