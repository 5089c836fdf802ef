#include "storage/stream_map.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "storage/merkle_tree.hpp"

namespace mlforge::storage {
namespace {

constexpr unsigned kBucketDepth = 16;

void store_big_endian(std::uint8_t* at, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) at[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
}

Digest map_leaf_hash(const StreamLeaf& leaf) {
  std::uint8_t input[49] = {0};
  std::memcpy(input + 1, leaf.key.bytes.data(), 32);
  store_big_endian(input + 33, leaf.state.version);
  store_big_endian(input + 41, leaf.state.last_position);
  return sha256(input);
}

Digest map_node_hash(unsigned depth, const Digest& left, const Digest& right) {
  std::uint8_t input[66] = {1, static_cast<std::uint8_t>(depth)};
  std::memcpy(input + 2, left.bytes.data(), 32);
  std::memcpy(input + 34, right.bytes.data(), 32);
  return sha256(input);
}

bool bit(const Digest& key, unsigned depth) { return key.bytes[depth / 8] >> (7 - depth % 8) & 1; }

// The first bit in which two keys differ; they do.
unsigned branch_depth(const Digest& a, const Digest& b) {
  unsigned byte = 0;
  while (a.bytes[byte] == b.bytes[byte]) ++byte;
  const auto difference = static_cast<std::uint8_t>(a.bytes[byte] ^ b.bytes[byte]);
  return byte * 8 + static_cast<unsigned>(std::countl_zero(difference));
}

// The first leaf on the right side of the node over `leaves`.
std::size_t middle_of(std::span<const StreamLeaf> leaves, unsigned depth) {
  const auto right = std::partition_point(leaves.begin(), leaves.end(),
                                          [&](const StreamLeaf& l) { return !bit(l.key, depth); });
  return static_cast<std::size_t>(right - leaves.begin());
}

// The root of leaves with different keys, ascending; never none.
Digest leaves_root(std::span<const StreamLeaf> leaves) {
  if (leaves.size() == 1) return map_leaf_hash(leaves.front());
  const unsigned depth = branch_depth(leaves.front().key, leaves.back().key);
  const auto middle = middle_of(leaves, depth);
  return map_node_hash(depth, leaves_root(leaves.first(middle)),
                       leaves_root(leaves.subspan(middle)));
}

void prove_leaves(const Digest& key, std::span<const StreamLeaf> leaves, MapProof& proof) {
  while (leaves.size() > 1) {
    const unsigned depth = branch_depth(leaves.front().key, leaves.back().key);
    const auto left = leaves.first(middle_of(leaves, depth));
    const auto right = leaves.subspan(left.size());
    proof.path.push_back(
        {static_cast<std::uint8_t>(depth), leaves_root(bit(key, depth) ? left : right)});
    leaves = bit(key, depth) ? right : left;
  }
  if (!leaves.empty()) proof.leaf = leaves.front();
}

bool is_empty(const Digest& hash) { return hash == Digest{}; }

}  // namespace

Digest stream_key(std::string_view tenant, std::string_view stream) {
  thread_local Sha256 hash;
  static constexpr std::uint8_t kNul = 0;
  hash.update(as_bytes(tenant));
  hash.update({&kNul, 1});
  hash.update(as_bytes(stream));
  return hash.finish();
}

bool verify_map_proof(const Digest& key, const MapProof& proof, const Digest& root) {
  if (!proof.leaf) return proof.path.empty() && root == empty_root();
  Digest hash = map_leaf_hash(*proof.leaf);
  for (std::size_t i = proof.path.size(); i-- > 0;) {
    const auto& [depth, sibling] = proof.path[i];
    if (i > 0 && proof.path[i - 1].depth >= depth) return false;
    const bool right = bit(proof.leaf->key, depth);
    if (right != bit(key, depth)) return false;
    hash = right ? map_node_hash(depth, sibling, hash) : map_node_hash(depth, hash, sibling);
  }
  return hash == root;
}

void StreamMap::set_bucket(std::uint32_t bucket, std::span<const StreamLeaf> leaves) {
  if (nodes_.empty()) nodes_.resize(2 * kBuckets);
  std::size_t at = kBuckets + bucket;
  nodes_[at] = leaves.empty() ? Digest{} : leaves_root(leaves);
  for (unsigned depth = kBucketDepth; depth-- > 0;) {
    at /= 2;
    const Digest &left = nodes_[2 * at], &right = nodes_[2 * at + 1];
    nodes_[at] = is_empty(left)    ? right
                 : is_empty(right) ? left
                                   : map_node_hash(depth, left, right);
  }
}

Digest StreamMap::root() const {
  return nodes_.empty() || is_empty(nodes_[1]) ? empty_root() : nodes_[1];
}

MapProof StreamMap::prove(const Digest& key, const BucketLeaves& leaves) const {
  MapProof proof;
  if (nodes_.empty() || is_empty(nodes_[1])) return proof;
  std::size_t at = 1;
  for (unsigned depth = 0; depth < kBucketDepth; ++depth) {
    const std::size_t mine = 2 * at + bit(key, depth), other = mine ^ 1;
    // Where one side is empty there is no node, and the walk has no choice.
    if (!is_empty(nodes_[mine]) && !is_empty(nodes_[other]))
      proof.path.push_back({static_cast<std::uint8_t>(depth), nodes_[other]});
    at = is_empty(nodes_[mine]) ? other : mine;
  }
  prove_leaves(key, leaves(static_cast<std::uint32_t>(at - kBuckets)), proof);
  return proof;
}

Digest stream_map_root(const std::map<Digest, StreamState>& streams) {
  if (streams.empty()) return empty_root();
  std::vector<StreamLeaf> leaves;
  leaves.reserve(streams.size());
  for (const auto& [key, state] : streams) leaves.push_back({key, state});
  return leaves_root(leaves);
}

Digest prove_in_leaves(const Digest& key, std::span<const StreamLeaf> leaves, MapProof& proof) {
  proof = {};
  prove_leaves(key, leaves, proof);
  if (!proof.leaf) return empty_root();
  Digest hash = map_leaf_hash(*proof.leaf);
  for (std::size_t i = proof.path.size(); i-- > 0;) {
    const auto& [depth, sibling] = proof.path[i];
    hash =
        bit(key, depth) ? map_node_hash(depth, sibling, hash) : map_node_hash(depth, hash, sibling);
  }
  return hash;
}

}  // namespace mlforge::storage
