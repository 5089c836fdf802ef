// The stream map: a Merkle map from every stream to how many events it has, so that "these are all
// of them" and "there are none" can be proven against one root.
//
// A compressed binary trie over the keys SHA-256(tenant, NUL, stream), most significant bit first.
// Its shape, and so its root, follows from the set of streams alone:
//   leaf   SHA-256(0x00 || key || version || last position)   both numbers of 8 bytes, big-endian
//   node   SHA-256(0x01 || depth || left || right)            depth: one byte, the number of the
//   bit
// A node stands only where keys on both sides of it exist. The root of an empty map is SHA-256 of
// nothing. Pure.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "events/envelope.hpp"
#include "storage/digest.hpp"

namespace mlforge::storage {

struct StreamState {
  std::uint64_t version = 0;   // how many events the stream has
  Position last_position = 0;  // of the last one
  bool operator==(const StreamState&) const = default;
};

struct StreamLeaf {
  Digest key;
  StreamState state;
  bool operator==(const StreamLeaf&) const = default;
};

Digest stream_key(std::string_view tenant, std::string_view stream);

struct MapStep {
  std::uint8_t depth = 0;  // of the node
  Digest sibling;
};
// What a walk by a key's bits leads to: the leaf of that key, or of another one where the key is
// not in the map, or nothing where the map is empty.
struct MapProof {
  std::optional<StreamLeaf> leaf;
  std::vector<MapStep> path;  // from the root downwards
};

// Whether the walk is right for `key` under `root`. The key is in the map where proof.leaf is its
// own.
bool verify_map_proof(const Digest& key, const MapProof& proof, const Digest& root);

// The leaves whose keys start with the 16 bits of `bucket`, ascending.
using BucketLeaves = std::function<std::vector<StreamLeaf>(std::uint32_t bucket)>;

// The upper 16 levels of the map, in memory; a leaf changes by hashing its bucket and 16 nodes. Not
// thread-safe.
class StreamMap {
 public:
  static constexpr std::uint32_t kBuckets = 1u << 16;
  static std::uint32_t bucket_of(const Digest& key) { return key.bytes[0] << 8 | key.bytes[1]; }

  // Sets what a bucket holds now: all its leaves, ascending.
  void set_bucket(std::uint32_t bucket, std::span<const StreamLeaf> leaves);
  Digest root() const;
  MapProof prove(const Digest& key, const BucketLeaves& leaves) const;

 private:
  // A binary heap: 1 is the root, kBuckets + b is bucket b. All zero: empty.
  std::vector<Digest> nodes_;
};

// The root for streams that are all in memory.
Digest stream_map_root(const std::map<Digest, StreamState>& streams);
// The same, with the walk for `key`; the leaves are of different keys, ascending.
Digest prove_in_leaves(const Digest& key, std::span<const StreamLeaf> leaves, MapProof& proof);

}  // namespace mlforge::storage
