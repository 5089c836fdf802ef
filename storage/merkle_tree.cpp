#include "storage/merkle_tree.hpp"

#include <bit>
#include <cstring>

namespace mlforge::storage {
namespace {

// The largest power of two below `size` (2 or more), as its exponent.
unsigned split_level(std::uint64_t size) { return 63 - std::countl_zero(size - 1); }

// The root of the leaves [begin, end), which lie as RFC 6962 splits them: `begin` is a multiple of
// the power of two that is at least their number.
std::optional<Digest> range_root(std::uint64_t begin, std::uint64_t end,
                                 const SubtreeHash& subtree) {
  const std::uint64_t size = end - begin;
  if (std::has_single_bit(size)) {
    const auto level = static_cast<unsigned>(std::countr_zero(size));
    return subtree(level, begin >> level);
  }
  const std::uint64_t middle = begin + (std::uint64_t{1} << split_level(size));
  const auto left = range_root(begin, middle, subtree);
  const auto right = left ? range_root(middle, end, subtree) : std::nullopt;
  if (!right) return std::nullopt;
  return node_hash(*left, *right);
}

bool push(HashPath& path, const std::optional<Digest>& hash) {
  if (hash) path.push_back(*hash);
  return hash.has_value();
}

// SUBPROOF(from, D[begin:end], whole), `from` being counted from `begin`.
bool subproof(std::uint64_t from, std::uint64_t begin, std::uint64_t end, bool whole,
              const SubtreeHash& subtree, HashPath& path) {
  if (from == end - begin) return whole || push(path, range_root(begin, end, subtree));
  const std::uint64_t half = std::uint64_t{1} << split_level(end - begin);
  const std::uint64_t middle = begin + half;
  if (from <= half)
    return subproof(from, begin, middle, whole, subtree, path) &&
           push(path, range_root(middle, end, subtree));
  return subproof(from - half, middle, end, false, subtree, path) &&
         push(path, range_root(begin, middle, subtree));
}

bool path_of(std::uint64_t index, std::uint64_t begin, std::uint64_t end,
             const SubtreeHash& subtree, HashPath& path) {
  if (end - begin == 1) return true;
  const std::uint64_t middle = begin + (std::uint64_t{1} << split_level(end - begin));
  if (index < middle)
    return path_of(index, begin, middle, subtree, path) &&
           push(path, range_root(middle, end, subtree));
  return path_of(index, middle, end, subtree, path) &&
         push(path, range_root(begin, middle, subtree));
}

}  // namespace

Digest leaf_hash(const Digest& commitment) {
  std::uint8_t input[33] = {0};
  std::memcpy(input + 1, commitment.bytes.data(), 32);
  return sha256(input);
}

Digest node_hash(const Digest& left, const Digest& right) {
  std::uint8_t input[65] = {1};
  std::memcpy(input + 1, left.bytes.data(), 32);
  std::memcpy(input + 33, right.bytes.data(), 32);
  return sha256(input);
}

Digest empty_root() { return sha256({}); }

void Frontier::append(const Digest& leaf) {
  Digest hash = leaf;
  for (std::uint64_t bits = size_; bits & 1; bits >>= 1) {
    hash = node_hash(peaks_.back(), hash);
    peaks_.pop_back();
  }
  peaks_.push_back(hash);
  ++size_;
}

Digest Frontier::root() const {
  if (peaks_.empty()) return empty_root();
  Digest root = peaks_.back();
  for (auto peak = peaks_.rbegin() + 1; peak != peaks_.rend(); ++peak)
    root = node_hash(*peak, root);
  return root;
}

std::optional<Digest> tree_root(std::uint64_t size, const SubtreeHash& subtree) {
  if (size == 0) return empty_root();
  return range_root(0, size, subtree);
}

std::optional<HashPath> inclusion_path(std::uint64_t index, std::uint64_t size,
                                       const SubtreeHash& subtree) {
  HashPath path;
  if (index >= size || !path_of(index, 0, size, subtree, path)) return std::nullopt;
  return path;
}

std::optional<HashPath> consistency_path(std::uint64_t from, std::uint64_t to,
                                         const SubtreeHash& subtree) {
  HashPath path;
  if (from > to) return std::nullopt;
  if (from == 0 || from == to) return path;
  if (!subproof(from, 0, to, true, subtree, path)) return std::nullopt;
  return path;
}

bool verify_inclusion(std::uint64_t index, std::uint64_t size, const Digest& leaf,
                      std::span<const Digest> path, const Digest& root) {
  if (index >= size) return false;
  std::uint64_t node = index, last = size - 1;
  Digest hash = leaf;
  for (const Digest& sibling : path) {
    if (last == 0) return false;
    if ((node & 1) || node == last) {
      hash = node_hash(sibling, hash);
      while (!(node & 1) && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      hash = node_hash(hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && hash == root;
}

bool verify_consistency(std::uint64_t from, std::uint64_t to, const Digest& from_root,
                        const Digest& to_root, std::span<const Digest> path) {
  if (from > to) return false;
  if (from == to) return path.empty() && from_root == to_root;
  if (from == 0) return path.empty() && from_root == empty_root();
  std::uint64_t node = from - 1, last = to - 1;
  while (node & 1) {
    node >>= 1;
    last >>= 1;
  }
  // The old tree is one complete subtree: its root is where the path starts.
  const bool whole = std::has_single_bit(from);
  if (!whole && path.empty()) return false;
  Digest old_hash = whole ? from_root : path.front(), new_hash = old_hash;
  if (!whole) path = path.subspan(1);
  for (const Digest& sibling : path) {
    if (last == 0) return false;
    if ((node & 1) || node == last) {
      old_hash = node_hash(sibling, old_hash);
      new_hash = node_hash(sibling, new_hash);
      while (!(node & 1) && node != 0) {
        node >>= 1;
        last >>= 1;
      }
    } else {
      new_hash = node_hash(new_hash, sibling);
    }
    node >>= 1;
    last >>= 1;
  }
  return last == 0 && old_hash == from_root && new_hash == to_root;
}

}  // namespace mlforge::storage
