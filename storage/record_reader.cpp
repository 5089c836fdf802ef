#include "storage/record_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>

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

Error damaged_block(Position first, Position last, std::string_view why) {
  return {ErrorCode::corrupt, fmt::format("The hashes of positions {} to {} are damaged: {}. "
                                          "Restore the log from a backup.",
                                          first, last, why)};
}

const char* check(Position position, Bytes record, EventView& event) {
  if (const char* why = decode_record(record, event)) return why;
  return event.position == position ? nullptr : "it is the record of another position";
}

Error misindexed(Position position, StreamName stream, std::uint64_t version,
                 const EventView& event) {
  return {
      ErrorCode::corrupt,
      fmt::format("The index names position {} as version {} of stream {}, but the record there "
                  "is version {} of {}. Delete the index folder while the log is closed; it is "
                  "built again.",
                  position, version, stream.name, event.version, event.stream)};
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
    size_ = 0;
    ends_.clear();
  }
  void add(const MDB_val& record) {
    if (size_ + record.mv_size >= room_) grow(record.mv_size + 1);
    std::memcpy(bytes_.get() + size_, record.mv_data, record.mv_size);
    ends_.push_back(size_ += record.mv_size);
  }
  std::size_t bytes() const { return size_; }
  std::size_t size() const { return ends_.size(); }
  Bytes operator[](std::size_t i) const {
    const std::size_t start = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.get() + start, ends_[i] - start};
  }

 private:
  void grow(std::size_t more) {
    room_ = std::max(2 * room_, size_ + more);
    auto larger = std::make_unique_for_overwrite<std::uint8_t[]>(room_);
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
  }

  std::unique_ptr<std::uint8_t[]> bytes_;
  std::size_t size_ = 0, room_ = 0;
  std::vector<std::size_t> ends_;
};

// The block of hashes that a read is in, and its frame.
class RecordReader::Archived {
 public:
  bool has(Position position) const {
    return !block.commitments.empty() && position >= block.first && position <= block.last();
  }
  Status take(Position key, Bytes value, Position wanted) {
    frame_.reset();
    if (const char* why = decode_hash_block(key, value, block)) {
      block.commitments.clear();
      return damaged_block(wanted, key, why);
    }
    if (wanted >= block.first) return {};
    block.commitments.clear();
    return missing_record(wanted);
  }
  // The record at a position that has() has, put together in memory that lives until the next call.
  Status read(const SegmentStore& segments, Position position, Bytes& record, EventView& event) {
    if (!frame_) {
      auto frame = segments.frame(block.segment, block.frame);
      if (!frame) return frame.error();
      if ((*frame)->first != block.first || (*frame)->count != block.commitments.size())
        return damaged_block(block.first, block.last(), "the segment's frame has other positions");
      frame_ = *std::move(frame);
    }
    const Bytes body = frame_->salted_body(position);
    const Digest& commitment = block.commitments[position - block.first];
    if (!frame_->is_sound && sha256(body) != commitment)
      return damaged_record(position, fmt::format("its body in {} does not match its commitment",
                                                  segment_name(block.segment)));
    assemble_record(commitment, body, buffer_);
    record = Bytes(buffer_);
    if (const char* why = check(position, record, event)) return damaged_record(position, why);
    return {};
  }

  HashBlock block;

 private:
  std::shared_ptr<const Frame> frame_;
  std::vector<std::uint8_t> buffer_;
};

Expected<Position> RecordReader::visit(Position from, std::uint64_t limit, Position head,
                                       const Visit& visit) const {
  from = std::max<Position>(from, 1);
  if (limit == 0 || from > head) return Position{0};
  const Position last = limit > head - from ? head : from + limit - 1;
  const Position first = from;
  Copies copies;
  Archived archived;
  for (std::size_t most = kFirstCopyBytes; from <= last;
       most = std::min(2 * most, kMostCopyBytes)) {
    copies.clear();
    const Status bad = copy_range(from, last, most, copies, archived);
    for (std::size_t i = 0; i < copies.size(); ++i) {
      EventView event;
      if (const char* why = check(from, copies[i], event)) return damaged_record(from, why);
      if (!visit(copies[i], event)) return from;
      ++from;
    }
    if (bad) return *bad;
    if (!archived.has(from)) continue;
    const auto more = visit_archived(archived, from, last, visit);
    if (!more) return more.error();
    if (!*more) return from;
  }
  return from == first ? Position{0} : from - 1;
}

Expected<bool> RecordReader::visit_archived(Archived& archived, Position& from, Position last,
                                            const Visit& visit) const {
  for (const Position end = std::min(last, archived.block.last()); from <= end; ++from) {
    Bytes record;
    EventView event;
    if (auto bad = archived.read(segments_, from, record, event)) return *bad;
    if (!visit(record, event)) return false;
  }
  return true;
}

Status RecordReader::copy_range(Position from, Position last, std::size_t most, Copies& copies,
                                Archived& archived) const {
  Txn txn;
  Cursor cursor;
  int rc = env_.begin_read(txn);
  if (rc == 0) rc = cursor.open(txn.get(), records_);
  if (rc != 0) return lmdb_error(rc, "reading the log");
  MDB_val key = to_val(from), value{};
  MDB_cursor_op step = MDB_SET_RANGE;
  for (Position position = from; position <= last; ++position, step = MDB_NEXT) {
    rc = mdb_cursor_get(cursor.get(), &key, &value, step);
    if (rc == MDB_NOTFOUND) return missing_record(position);
    if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
    if (is_hash_block(to_bytes(value)) && position == from)
      return archived.take(to_number(key), to_bytes(value), from);
    if (to_number(key) != position) return missing_record(position);
    copies.add(value);
    if (copies.bytes() >= most) break;
  }
  return {};
}

Status RecordReader::visit_stream(StreamName stream, std::uint64_t version,
                                  const std::vector<Position>& positions,
                                  const std::function<bool(const EventView&)>& visit) const {
  Copies copies;
  Archived archived;
  std::size_t most = kFirstCopyBytes;
  const auto tell = [&](Position position, const EventView& event) -> Expected<bool> {
    if (event.version != version || event.stream != stream.name || event.tenant != stream.tenant)
      return misindexed(position, stream, version, event);
    ++version;
    return visit(event);
  };
  for (std::span<const Position> left(positions); !left.empty();) {
    EventView event;
    copies.clear();
    Status bad;
    if (!archived.has(left.front())) bad = copy_each(left, most, copies, archived);
    for (std::size_t i = 0; i < copies.size(); ++i) {
      if (const char* why = check(left[i], copies[i], event)) return damaged_record(left[i], why);
      const auto more = tell(left[i], event);
      if (!more) return more.error();
      if (!*more) return {};
    }
    if (bad) return bad;
    left = left.subspan(copies.size());
    most = std::min(2 * most, kMostCopyBytes);
    for (; !left.empty() && archived.has(left.front()); left = left.subspan(1)) {
      Bytes record;
      if ((bad = archived.read(segments_, left.front(), record, event))) return bad;
      const auto more = tell(left.front(), event);
      if (!more) return more.error();
      if (!*more) return {};
    }
  }
  return {};
}

Status RecordReader::copy_each(std::span<const Position> positions, std::size_t most,
                               Copies& copies, Archived& archived) const {
  Txn txn;
  Cursor cursor;
  int rc = env_.begin_read(txn);
  if (rc == 0) rc = cursor.open(txn.get(), records_);
  if (rc != 0) return lmdb_error(rc, "reading the log");
  for (const Position position : positions) {
    MDB_val key = to_val(position), value{};
    rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
    if (rc == MDB_NOTFOUND) return missing_record(position);
    if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
    if (is_hash_block(to_bytes(value)) && copies.size() == 0)
      return archived.take(to_number(key), to_bytes(value), position);
    if (to_number(key) != position) return missing_record(position);
    copies.add(value);
    if (copies.bytes() >= most) break;
  }
  return {};
}

Status RecordReader::find_time(MDB_txn* txn, Position position, TimeUs& time,
                               Archived& archived) const {
  Cursor cursor;
  MDB_val key = to_val(position), value{};
  int rc = cursor.open(txn, records_);
  if (rc == 0) rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
  if (rc == MDB_NOTFOUND) return missing_record(position);
  if (rc != 0) return lmdb_error(rc, fmt::format("reading position {}", position));
  if (is_hash_block(to_bytes(value)))
    return archived.take(to_number(key), to_bytes(value), position);
  EventView event;
  if (const char* why = check(position, to_bytes(value), event))
    return damaged_record(position, why);
  time = event.time;
  return {};
}

// A block says its first and its last time, so that only the one that holds `time` is read.
Position RecordReader::position_at(TimeUs time, Position head) const {
  Txn txn;
  if (env_.begin_read(txn) != 0) return 0;
  Archived archived;
  Position below = 0, above = head + 1;  // times at `below` are <= time, at `above` they are later
  while (above - below > 1) {
    const Position middle = below + (above - below) / 2;
    TimeUs at_middle = 0;
    if (!archived.has(middle) && find_time(txn.get(), middle, at_middle, archived)) return 0;
    if (!archived.has(middle)) {
      (at_middle <= time ? below : above) = middle;
      continue;
    }
    const HashBlock& block = archived.block;
    if (block.last_time <= time) {
      below = std::max(middle, std::min(block.last(), above - 1));
    } else if (block.first_time > time) {
      above = std::min(middle, std::max(block.first, below + 1));
    } else {
      Bytes record;
      EventView event;
      if (archived.read(segments_, middle, record, event)) return 0;
      (event.time <= time ? below : above) = middle;
    }
  }
  return below;
}

}  // namespace mlforge::storage
