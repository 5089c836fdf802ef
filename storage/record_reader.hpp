// Reads records out of the log's environment, checking each; the archived ones are put together
// again from their hashes there and their bodies in the segments, byte for byte. Any thread; many
// at the same time.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "storage/hash_block.hpp"
#include "storage/record.hpp"
#include "storage/segment_store.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

Error damaged_record(Position position, std::string_view why);

class RecordReader {
 public:
  RecordReader(const Env& env, MDB_dbi records, const SegmentStore& segments)
      : env_(env), records_(records), segments_(segments) {}

  // Visits positions [from, from + limit) up to `head`; false stops. Answers the last one visited
  // (0: none). The visitor is given copies and no read transaction is open meanwhile, so that one
  // that takes its time does not keep old pages alive, with which the file would grow.
  using Visit = std::function<bool(Bytes, const EventView&)>;
  Expected<Position> visit(Position from, std::uint64_t limit, Position head,
                           const Visit& visit) const;

  // Visits the given positions, which must hold the stream's versions from `version` on; false
  // stops.
  Status visit_stream(StreamName stream, std::uint64_t version,
                      const std::vector<Position>& positions,
                      const std::function<bool(const EventView&)>& visit) const;

  // The last position up to `head` whose time is at most `time`; 0: none, or the log cannot be
  // read.
  Position position_at(TimeUs time, Position head) const;

 private:
  class Copies;
  class Archived;
  // Copy records until they are `most` bytes or more, at least one where there is one. Where the
  // first one is archived, nothing is copied and `archived` is told its block.
  Status copy_range(Position from, Position last, std::size_t most, Copies& copies,
                    Archived& archived) const;
  Status copy_each(std::span<const Position> positions, std::size_t most, Copies& copies,
                   Archived& archived) const;
  // Visits what of [from, last] is in the block of `archived`; `from` moves on. Answers whether to
  // go on.
  Expected<bool> visit_archived(Archived& archived, Position& from, Position last,
                                const Visit& visit) const;
  // The time of the record at `position`; of an archived one `archived` is told the block.
  Status find_time(MDB_txn* txn, Position position, TimeUs& time, Archived& archived) const;

  const Env& env_;
  MDB_dbi records_;
  const SegmentStore& segments_;
};

}  // namespace mlforge::storage
