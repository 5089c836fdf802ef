// Compares the tiles and the stream map in `merkle/` with the records, one after the other.
#pragma once
#include <map>

#include "storage/merkle_tree.hpp"
#include "storage/tile_store.hpp"

namespace mlforge::storage {

class TreeChecker {
 public:
  // Whether the environment can be opened.
  bool open(const std::filesystem::path& folder, const Uuid& log_id);
  Position reached() const { return reached_.position; }
  const Uuid& reached_id() const { return reached_.id; }

  // Whether all hashes that the leaf at `position` completes are those of the tiles. In order,
  // up to reached().
  bool check_leaf(Position position, const Digest& leaf);
  // Whether the stream map's leaves are these, as they stand at reached().
  bool check_streams(const std::map<Digest, StreamState>& streams);

 private:
  bool check_hash(unsigned level, std::uint64_t index, const Digest& hash);

  struct Edge {
    Tile stored;
    Tile computed;
  };
  TileStore store_;
  IndexReached reached_;
  std::map<unsigned, Edge> edges_;  // the tile of each level that is being filled
};

}  // namespace mlforge::storage
