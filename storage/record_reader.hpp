// Reads records out of the log's environment, checking each. Any thread; many at the same time.
#pragma once
#include <functional>
#include <span>
#include <vector>

#include "storage/lmdb_env.hpp"
#include "storage/record.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

Error damaged_record(Position position, std::string_view why);

class RecordReader {
 public:
  RecordReader(const Env& env, MDB_dbi records) : env_(env), records_(records) {}

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
  // Copy records until they are `most` bytes or more, at least one where there is one.
  Status copy_range(Position from, Position last, std::size_t most, Copies& copies) const;
  Status copy_each(std::span<const Position> positions, std::size_t most, Copies& copies) const;
  // The record at `position`, checked.
  Status find(MDB_txn* txn, Position position, EventView& event) const;

  const Env& env_;
  MDB_dbi records_;
};

}  // namespace mlforge::storage
