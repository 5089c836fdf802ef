// The tree against a naive one and the published vectors, for every size up to 130.
#include <catch2/catch.hpp>

#include "storage/merkle_tree.hpp"

namespace merkle_tree_tests {

using namespace mlforge::storage;

namespace {

Digest commitment(std::uint64_t i) { return sha256(as_bytes("event " + std::to_string(i))); }

// MTH of RFC 6962, 2.1, word for word.
Digest naive_root(std::span<const Digest> leaves) {
  if (leaves.empty()) return empty_root();
  if (leaves.size() == 1) return leaves[0];
  std::size_t k = 1;
  while (2 * k < leaves.size()) k *= 2;
  return node_hash(naive_root(leaves.first(k)), naive_root(leaves.subspan(k)));
}

HashPath naive_path(std::size_t m, std::span<const Digest> leaves) {
  if (leaves.size() == 1) return {};
  std::size_t k = 1;
  while (2 * k < leaves.size()) k *= 2;
  HashPath path = m < k ? naive_path(m, leaves.first(k)) : naive_path(m - k, leaves.subspan(k));
  path.push_back(naive_root(m < k ? leaves.subspan(k) : leaves.first(k)));
  return path;
}

struct Tree {
  std::vector<Digest> leaves;
  explicit Tree(std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) leaves.push_back(leaf_hash(commitment(i)));
  }
  std::span<const Digest> first(std::size_t n) const { return std::span(leaves).first(n); }
  // Answers complete subtrees only, as a store does.
  SubtreeHash subtree(std::uint64_t size) const {
    return [this, size](unsigned level, std::uint64_t index) -> std::optional<Digest> {
      const std::uint64_t begin = index << level, count = std::uint64_t{1} << level;
      if (begin + count > size) return std::nullopt;
      return naive_root(std::span(leaves).subspan(begin, count));
    };
  }
};

Digest hex(std::string_view text) { return parse_digest(text).value(); }

// The leaf inputs of the reference implementation of RFC 6962 have other lengths than ours.
Digest raw_leaf(std::string_view hex_text) {
  std::vector<std::uint8_t> input{0};
  for (std::size_t i = 0; i < hex_text.size(); i += 2)
    input.push_back(
        static_cast<std::uint8_t>(std::stoi(std::string(hex_text.substr(i, 2)), nullptr, 16)));
  return sha256(input);
}

}  // namespace

TEST_CASE("merkle: the vectors of RFC 6962's reference implementation") {
  CHECK(empty_root() == hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
  CHECK(raw_leaf("") == hex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"));
  const char* inputs[] = {"",
                          "00",
                          "10",
                          "2021",
                          "3031",
                          "40414243",
                          "5051525354555657",
                          "606162636465666768696a6b6c6d6e6f"};
  const char* roots[] = {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  Frontier frontier;
  for (std::size_t i = 0; i < 8; ++i) {
    frontier.append(raw_leaf(inputs[i]));
    CHECK(frontier.root() == hex(roots[i]));
  }
}

TEST_CASE("merkle: the frontier has the root of the naive tree at every size") {
  const Tree tree(130);
  Frontier frontier;
  CHECK(frontier.root() == naive_root({}));
  for (std::size_t n = 1; n <= 130; ++n) {
    frontier.append(tree.leaves[n - 1]);
    REQUIRE(frontier.size() == n);
    REQUIRE(frontier.root() == naive_root(tree.first(n)));
    REQUIRE(tree_root(n, tree.subtree(n)) == frontier.root());
  }
}

TEST_CASE("merkle: every inclusion proof up to 130 verifies, and no changed one does") {
  const Tree tree(130);
  for (std::size_t n = 1; n <= 130; ++n) {
    const Digest root = naive_root(tree.first(n));
    const auto subtree = tree.subtree(n);
    for (std::size_t m = 0; m < n; ++m) {
      auto path = inclusion_path(m, n, subtree);
      REQUIRE(path);
      REQUIRE(*path == naive_path(m, tree.first(n)));
      REQUIRE(verify_inclusion(m, n, tree.leaves[m], *path, root));
      REQUIRE_FALSE(verify_inclusion(m, n, tree.leaves[(m + 1) % 130], *path, root));
      if (n > 1) REQUIRE_FALSE(verify_inclusion((m + 1) % n, n, tree.leaves[m], *path, root));
      path->push_back(root);
      REQUIRE_FALSE(verify_inclusion(m, n, tree.leaves[m], *path, root));
      path->pop_back();
      if (path->empty()) continue;
      (*path)[m % path->size()].bytes[m % 32] ^= 1;
      REQUIRE_FALSE(verify_inclusion(m, n, tree.leaves[m], *path, root));
      path->pop_back();
      REQUIRE_FALSE(verify_inclusion(m, n, tree.leaves[m], *path, root));
    }
    CHECK_FALSE(inclusion_path(n, n, subtree));
  }
}

TEST_CASE("merkle: every consistency proof up to 130 verifies, and no changed one does") {
  const Tree tree(130);
  for (std::size_t n = 0; n <= 130; ++n) {
    const Digest root = naive_root(tree.first(n));
    const auto subtree = tree.subtree(n);
    for (std::size_t m = 0; m <= n; ++m) {
      const Digest old_root = naive_root(tree.first(m));
      auto path = consistency_path(m, n, subtree);
      REQUIRE(path);
      REQUIRE(verify_consistency(m, n, old_root, root, *path));
      Digest wrong = old_root;
      wrong.bytes[7] ^= 0x10;
      REQUIRE_FALSE(verify_consistency(m, n, wrong, root, *path));
      if (m > 0 && m < n) {
        Digest wrong_root = root;
        wrong_root.bytes[0] ^= 1;
        REQUIRE_FALSE(verify_consistency(m, n, old_root, wrong_root, *path));
      }
      path->push_back(root);
      REQUIRE_FALSE(verify_consistency(m, n, old_root, root, *path));
      path->pop_back();
      if (path->empty()) continue;
      (*path)[n % path->size()].bytes[m % 32] ^= 2;
      REQUIRE_FALSE(verify_consistency(m, n, old_root, root, *path));
      path->pop_back();
      REQUIRE_FALSE(verify_consistency(m, n, old_root, root, *path));
    }
    CHECK_FALSE(consistency_path(n + 1, n, subtree));
  }
}

}  // namespace merkle_tree_tests
