// The Merkle tree of RFC 6962, section 2.1: hashes, proofs and their verification. Pure.
//
// A leaf's input is an event's commitment (storage/record.hpp). Leaves are numbered from 0: the
// event at position p is leaf p - 1.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "storage/digest.hpp"

namespace mlforge::storage {

Digest leaf_hash(const Digest& commitment);                 // SHA-256(0x00 || commitment)
Digest node_hash(const Digest& left, const Digest& right);  // SHA-256(0x01 || left || right)
Digest empty_root();                                        // SHA-256 of nothing

// Appends leaves in amortised constant time and keeps one hash for each bit of the size: the roots
// of the complete subtrees that the tree consists of, largest first. Not thread-safe.
class Frontier {
 public:
  void append(const Digest& leaf);
  std::uint64_t size() const { return size_; }
  Digest root() const;

 private:
  std::uint64_t size_ = 0;
  std::vector<Digest> peaks_;
};

// The hash of a complete subtree: of the leaves [index << level, (index + 1) << level). Nothing
// where it is not known, which fails the proof.
using SubtreeHash = std::function<std::optional<Digest>(unsigned level, std::uint64_t index)>;
using HashPath = std::vector<Digest>;

// The root of the first `size` leaves.
std::optional<Digest> tree_root(std::uint64_t size, const SubtreeHash& subtree);
// PATH(index, D[size]) of RFC 6962, 2.1.1, from the leaf's sibling upwards. Nothing for an index
// outside of the tree.
std::optional<HashPath> inclusion_path(std::uint64_t index, std::uint64_t size,
                                       const SubtreeHash& subtree);
// PROOF(from, D[to]) of RFC 6962, 2.1.2; empty where `from` is 0 or `to`. Nothing for from > to.
std::optional<HashPath> consistency_path(std::uint64_t from, std::uint64_t to,
                                         const SubtreeHash& subtree);

// Verification as in RFC 9162, 2.1.3.2 and 2.1.4.2. A path that is too short or too long is wrong.
bool verify_inclusion(std::uint64_t index, std::uint64_t size, const Digest& leaf,
                      std::span<const Digest> path, const Digest& root);
bool verify_consistency(std::uint64_t from, std::uint64_t to, const Digest& from_root,
                        const Digest& to_root, std::span<const Digest> path);

}  // namespace mlforge::storage
