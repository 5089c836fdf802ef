#include "storage/tree_checker.hpp"

namespace mlforge::storage {

bool TreeChecker::open(const std::filesystem::path& folder, const Uuid& log_id) {
  auto store = TileStore::open(folder, log_id, 1 << 20, true);
  if (!store) return false;
  const auto reached = store->reached();
  if (!reached) return false;
  store_ = std::move(*store);
  reached_ = *reached;
  return true;
}

bool TreeChecker::check_leaf(Position position, const Digest& leaf) {
  return check_hash(0, position - 1, leaf);
}

bool TreeChecker::check_hash(unsigned level, std::uint64_t index, const Digest& hash) {
  Edge& edge = edges_[level];
  const std::uint64_t at = index % kTileHashes;
  if (at == 0) {
    auto stored = store_.tile({level, index / kTileHashes});
    if (!stored || !*stored) return false;
    edge = {**std::move(stored), {}};
  }
  if (at >= edge.stored.size() || edge.stored[at] != hash) return false;
  edge.computed.push_back(hash);
  if (edge.computed.size() < kTileHashes) return true;
  Tile nodes = std::move(edge.computed);
  for (std::size_t count = nodes.size(); count > 1; count /= 2)
    for (std::size_t i = 0; i < count / 2; ++i)
      nodes[i] = node_hash(nodes[2 * i], nodes[2 * i + 1]);
  return check_hash(level + 1, index / kTileHashes, nodes[0]);
}

bool TreeChecker::check_streams(const std::map<Digest, StreamState>& streams) {
  auto expected = streams.begin();
  bool same = true;
  const auto bad = store_.visit_streams([&](const StreamLeaf& leaf) {
    same = expected != streams.end() && leaf == StreamLeaf{expected->first, expected->second};
    if (same) ++expected;
    return same;
  });
  return !bad && same && expected == streams.end();
}

}  // namespace mlforge::storage
