#include "storage/hash_block.hpp"

#include <algorithm>
#include <cstring>

#include "storage/crc32c.hpp"
#include "storage/little_endian.hpp"

namespace mlforge::storage {
namespace {

// CRC, size, SHA-256, salt (zero) and layout stand where they stand in a record.
constexpr std::size_t kCrc = 0, kSize = 4, kDigest = 8, kSalt = 40, kLayout = 56, kFirst = 64,
                      kCount = 72, kFrame = 76, kSegment = 80, kOrdinal = 88, kFirstTime = 96,
                      kLastTime = 104, kCommitments = 112;
constexpr std::size_t kDigestBytes = 32;

}  // namespace

bool is_hash_block(Bytes value) {
  return value.size() >= kCommitments && value[kLayout] == kHashBlockLayout;
}

std::vector<std::uint8_t> encode_hash_block(const HashBlock& block) {
  std::vector<std::uint8_t> out(kCommitments + block.commitments.size() * kDigestBytes);
  std::uint8_t* const at = out.data();
  store_le<std::uint32_t>(at + kSize, static_cast<std::uint32_t>(out.size()));
  at[kLayout] = kHashBlockLayout;
  store_le<std::uint64_t>(at + kFirst, block.first);
  store_le<std::uint32_t>(at + kCount, static_cast<std::uint32_t>(block.commitments.size()));
  store_le<std::uint32_t>(at + kFrame, block.frame);
  store_le<std::uint64_t>(at + kSegment, block.segment);
  store_le<std::uint64_t>(at + kOrdinal, block.ordinal);
  store_le<std::int64_t>(at + kFirstTime, block.first_time);
  store_le<std::int64_t>(at + kLastTime, block.last_time);
  std::uint8_t* hash = at + kCommitments;
  for (const Digest& each : block.commitments) {
    std::memcpy(hash, each.bytes.data(), kDigestBytes);
    hash += kDigestBytes;
  }
  const Digest digest = sha256(Bytes(out).subspan(kSalt));
  std::memcpy(at + kDigest, digest.bytes.data(), kDigestBytes);
  store_le<std::uint32_t>(at + kCrc, crc32c(Bytes(out).subspan(kSize)));
  return out;
}

const char* decode_hash_block(Position key, Bytes value, HashBlock& block) {
  if (!is_hash_block(value)) return "it is no block of hashes";
  const std::uint8_t* const at = value.data();
  if (load_le<std::uint32_t>(at + kSize) != value.size()) return "its size field does not fit";
  if (load_le<std::uint32_t>(at + kCrc) != crc32c(value.subspan(kSize)))
    return "its checksum does not match";
  const auto count = load_le<std::uint32_t>(at + kCount);
  if (count == 0 || value.size() - kCommitments != std::size_t{count} * kDigestBytes)
    return "its count does not fit its size";
  block.first = load_le<std::uint64_t>(at + kFirst);
  block.segment = load_le<std::uint64_t>(at + kSegment);
  if (block.first == 0 || block.segment == 0 || block.segment > block.first ||
      block.first + count - 1 != key)
    return "it is the block of other positions";
  block.frame = load_le<std::uint32_t>(at + kFrame);
  block.ordinal = load_le<std::uint64_t>(at + kOrdinal);
  block.first_time = load_le<std::int64_t>(at + kFirstTime);
  block.last_time = load_le<std::int64_t>(at + kLastTime);
  block.commitments.resize(count);
  for (std::size_t i = 0; i < count; ++i)
    std::memcpy(block.commitments[i].bytes.data(), at + kCommitments + i * kDigestBytes,
                kDigestBytes);
  return nullptr;
}

bool is_hash_block_whole(Bytes value) {
  Digest digest;
  std::memcpy(digest.bytes.data(), value.data() + kDigest, kDigestBytes);
  return digest == sha256(value.subspan(kSalt)) &&
         std::all_of(value.begin() + kSalt, value.begin() + kLayout,
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
