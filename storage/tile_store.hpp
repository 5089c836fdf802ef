// The environment `merkle/` of the data folder: the tiles of the log's Merkle tree and the leaves
// of the stream map, as they stood at one size of the log. Not synced, and made anew from the
// records whenever it is not trusted, as the stream index is.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "storage/index_database.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/stream_map.hpp"

namespace mlforge::storage {

// C2SP tlog-tiles: a tile of level L holds the hashes of 256 neighbouring complete subtrees of
// height 8 L; the last one of a level may hold fewer.
inline constexpr std::size_t kTileHashes = 256;
inline constexpr unsigned kTileHeight = 8;
struct TileName {
  unsigned level = 0;
  std::uint64_t index = 0;
  auto operator<=>(const TileName&) const = default;
};
using Tile = std::vector<Digest>;

class TileStore {
 public:
  // `conflict` when it is of another log or another layout. With `read_only` it must exist, and is
  // not changed.
  static Expected<TileStore> open(const std::filesystem::path& folder, const Uuid& log_id,
                                  std::size_t map_bytes, bool read_only);

  // The last event that everything in it reflects.
  Expected<IndexReached> reached() const;
  // Nothing where there is no such tile. Any thread.
  Expected<std::optional<Tile>> tile(TileName name) const;
  // The leaves of a bucket, ascending, as of the last write. Any thread.
  Expected<std::vector<StreamLeaf>> bucket(std::uint32_t bucket) const;
  // Visits all tiles and all leaves in the order of their keys. Any thread.
  Status visit_tiles(const std::function<bool(TileName, const Tile&)>& visit) const;
  Status visit_streams(const std::function<bool(const StreamLeaf&)>& visit) const;

  // In one transaction. One thread at a time.
  Status write(const std::map<TileName, const Tile*>& tiles, const std::vector<StreamLeaf>& streams,
               const IndexReached& reached);
  Status sync();

 private:
  Status open_databases(const Uuid& log_id, bool read_only);

  Env env_;
  MDB_dbi tiles_ = 0, streams_ = 0, meta_ = 0;
};

}  // namespace mlforge::storage
