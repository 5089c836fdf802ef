#include "storage/hash_block.hpp"

#include <algorithm>
#include <cstring>

#include "storage/crc32c.hpp"
#include "storage/little_endian.hpp"

namespace mlforge::storage {
namespace {

// CRC, size, SHA-256, salt (zero) and layout stand where they stand in a record.
constexpr std::size_t kBlockCrc = 0, kBlockSize = 4, kBlockDigest = 8, kBlockSalt = 40,
                      kBlockLayout = 56, kBlockFirst = 64, kBlockCount = 72, kBlockFrame = 76,
                      kBlockSegment = 80, kBlockOrdinal = 88, kBlockFirstTime = 96,
                      kBlockLastTime = 104, kBlockCommitments = 112;
constexpr std::size_t kBlockDigestBytes = 32;

}  // namespace

bool is_hash_block(Bytes value) {
  return value.size() >= kBlockCommitments && value[kBlockLayout] == kHashBlockLayout;
}

std::vector<std::uint8_t> encode_hash_block(const HashBlock& block) {
  std::vector<std::uint8_t> out(kBlockCommitments + block.commitments.size() * kBlockDigestBytes);
  std::uint8_t* const at = out.data();
  store_le<std::uint32_t>(at + kBlockSize, static_cast<std::uint32_t>(out.size()));
  at[kBlockLayout] = kHashBlockLayout;
  store_le<std::uint64_t>(at + kBlockFirst, block.first);
  store_le<std::uint32_t>(at + kBlockCount, static_cast<std::uint32_t>(block.commitments.size()));
  store_le<std::uint32_t>(at + kBlockFrame, block.frame);
  store_le<std::uint64_t>(at + kBlockSegment, block.segment);
  store_le<std::uint64_t>(at + kBlockOrdinal, block.ordinal);
  store_le<std::int64_t>(at + kBlockFirstTime, block.first_time);
  store_le<std::int64_t>(at + kBlockLastTime, block.last_time);
  std::uint8_t* hash = at + kBlockCommitments;
  for (const Digest& each : block.commitments) {
    std::memcpy(hash, each.bytes.data(), kBlockDigestBytes);
    hash += kBlockDigestBytes;
  }
  const Digest digest = sha256(Bytes(out).subspan(kBlockSalt));
  std::memcpy(at + kBlockDigest, digest.bytes.data(), kBlockDigestBytes);
  store_le<std::uint32_t>(at + kBlockCrc, crc32c(Bytes(out).subspan(kBlockSize)));
  return out;
}

const char* decode_hash_block(Position key, Bytes value, HashBlock& block) {
  if (!is_hash_block(value)) return "it is no block of hashes";
  const std::uint8_t* const at = value.data();
  if (load_le<std::uint32_t>(at + kBlockSize) != value.size()) return "its size field does not fit";
  if (load_le<std::uint32_t>(at + kBlockCrc) != crc32c(value.subspan(kBlockSize)))
    return "its checksum does not match";
  const auto count = load_le<std::uint32_t>(at + kBlockCount);
  if (count == 0 || value.size() - kBlockCommitments != std::size_t{count} * kBlockDigestBytes)
    return "its count does not fit its size";
  block.first = load_le<std::uint64_t>(at + kBlockFirst);
  block.segment = load_le<std::uint64_t>(at + kBlockSegment);
  if (block.first == 0 || block.segment == 0 || block.segment > block.first ||
      block.first + count - 1 != key)
    return "it is the block of other positions";
  block.frame = load_le<std::uint32_t>(at + kBlockFrame);
  block.ordinal = load_le<std::uint64_t>(at + kBlockOrdinal);
  block.first_time = load_le<std::int64_t>(at + kBlockFirstTime);
  block.last_time = load_le<std::int64_t>(at + kBlockLastTime);
  block.commitments.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    std::memcpy(block.commitments[i].bytes.data(), at + kBlockCommitments + i * kBlockDigestBytes,
                kBlockDigestBytes);
  return nullptr;
}

bool is_hash_block_whole(Bytes value) {
  Digest digest;
  std::memcpy(digest.bytes.data(), value.data() + kBlockDigest, kBlockDigestBytes);
  return digest == sha256(value.subspan(kBlockSalt)) &&
         std::all_of(value.begin() + kBlockSalt, value.begin() + kBlockLayout,
                     [](std::uint8_t byte) { return byte == 0; });
}

// Blocks come before all records, so whether the entry at or behind a position is one can be
// searched for.
int find_archived_prefix(MDB_txn* txn, MDB_dbi records, Position head, ArchivedPrefix& prefix) {
  prefix = {};
  Cursor cursor;
  if (const int rc = cursor.open(txn, records)) return rc;
  HashBlock block;
  Position low = 1, high = head;  // what is searched for ends below `low`, or in it
  while (low <= high) {
    const Position middle = low + (high - low) / 2;
    MDB_val key = to_val(middle), value{};
    const int rc = mdb_cursor_get(cursor.get(), &key, &value, MDB_SET_RANGE);
    if (rc != 0) return rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc;
    if (!is_hash_block(to_bytes(value))) {
      high = middle - 1;
      continue;
    }
    const Position last = to_number(key);
    if (decode_hash_block(last, to_bytes(value), block)) return MDB_CORRUPTED;
    prefix = {last, block.ordinal};
    low = last + 1;
  }
  return 0;
}

}  // namespace mlforge::storage
