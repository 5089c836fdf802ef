// What stays in the log's environment of records whose bodies are in a segment file: their leaf
// commitments, many in one value. docs/segments.md has the layout.
#pragma once
#include <cstdint>
#include <vector>

#include "events/envelope.hpp"
#include "storage/lmdb_env.hpp"

namespace mlforge::storage {

// The hashes of one frame of a segment. Its key is last().
struct HashBlock {
  Position first = 0;
  Position segment = 0;       // the first position of the segment, which names its file
  std::uint32_t frame = 0;    // in the segment
  std::uint64_t ordinal = 0;  // how many blocks the log has up to this one
  TimeUs first_time = 0, last_time = 0;
  std::vector<Digest> commitments;

  Position last() const { return first + commitments.size() - 1; }
};

inline constexpr std::uint8_t kHashBlockLayout = 2;

// Whether a value of the log's environment says that it is a block rather than a record.
bool is_hash_block(Bytes value);
std::vector<std::uint8_t> encode_hash_block(const HashBlock& block);
// Checks size, CRC and fields against the key. Answers null, or why the block is refused.
const char* decode_hash_block(Position key, Bytes value, HashBlock& block);
// The SHA-256 that stands in a block is that of the rest of it: for `verify`, CRC is enough else.
bool is_hash_block_whole(Bytes value);

// How far a log is archived: a prefix of its positions, in `blocks` blocks.
struct ArchivedPrefix {
  Position last = 0;
  std::uint64_t blocks = 0;
};
// An LMDB error code; MDB_CORRUPTED for a block that is damaged. `head` is the last key.
int find_archived_prefix(MDB_txn* txn, MDB_dbi records, Position head, ArchivedPrefix& prefix);

}  // namespace mlforge::storage
