#include "storage/tile_store.hpp"

#include <cstring>

namespace mlforge::storage {
namespace {

constexpr std::uint64_t kLayout = 1;
using TileKey = std::array<std::uint8_t, 9>;  // level, index big-endian: ascending as numbers

TileKey tile_key(TileName name) {
  TileKey key{static_cast<std::uint8_t>(name.level)};
  for (int i = 0; i < 8; ++i) key[1 + i] = static_cast<std::uint8_t>(name.index >> (56 - 8 * i));
  return key;
}

TileName tile_name(Bytes key) {
  TileName name{key[0], 0};
  for (std::size_t i = 1; i < 9; ++i) name.index = name.index << 8 | key[i];
  return name;
}

Tile to_tile(Bytes bytes) {
  Tile tile(bytes.size() / sizeof(Digest));
  std::memcpy(tile.data(), bytes.data(), tile.size() * sizeof(Digest));
  return tile;
}

template <class T>
Bytes tile_bytes(const T& object) {
  return {reinterpret_cast<const std::uint8_t*>(&object), sizeof object};
}

int put(MDB_txn* txn, MDB_dbi dbi, Bytes name, Bytes bytes) {
  MDB_val key = to_val(name), value = to_val(bytes);
  return mdb_put(txn, dbi, &key, &value, 0);
}

std::optional<StreamLeaf> to_leaf(const MDB_val& key, const MDB_val& value) {
  StreamLeaf leaf;
  if (key.mv_size != sizeof leaf.key || value.mv_size != sizeof leaf.state) return std::nullopt;
  std::memcpy(&leaf.key, key.mv_data, sizeof leaf.key);
  std::memcpy(&leaf.state, value.mv_data, sizeof leaf.state);
  return leaf;
}

Error damaged() {
  return {ErrorCode::corrupt,
          "The Merkle tree's tiles are damaged. Delete the folder merkle while the log is closed; "
          "it is made again."};
}

// Visits the pairs from `start` on (empty: all) until `visit` answers false.
Status visit_all(MDB_env* env, MDB_dbi dbi, Bytes start,
                 const std::function<bool(const MDB_val&, const MDB_val&)>& visit) {
  Txn txn;
  Cursor cursor;
  int rc = txn.begin(env, MDB_RDONLY);
  if (rc == 0) rc = cursor.open(txn.get(), dbi);
  MDB_val key = to_val(start), value{};
  MDB_cursor_op step = start.empty() ? MDB_FIRST : MDB_SET_RANGE;
  for (; rc == 0; step = MDB_NEXT) {
    rc = mdb_cursor_get(cursor.get(), &key, &value, step);
    if (rc == 0 && !visit(key, value)) return {};
  }
  if (rc != MDB_NOTFOUND) return lmdb_error(rc, "reading the Merkle tree's tiles");
  return {};
}

static_assert(sizeof(Digest) == 32 && sizeof(StreamState) == 16, "stored as they stand in memory");

}  // namespace

Expected<TileStore> TileStore::open(const std::filesystem::path& folder, const Uuid& log_id,
                                    std::size_t map_bytes, bool read_only) {
  const unsigned flags = MDB_NOSYNC | (read_only ? MDB_RDONLY : 0);
  auto env = Env::open(folder.string(), {.map_bytes = map_bytes, .flags = flags, .databases = 3});
  if (!env) return env.error();
  TileStore store;
  store.env_ = std::move(*env);
  if (auto bad = store.open_databases(log_id, read_only)) return *bad;
  return store;
}

Status TileStore::open_databases(const Uuid& log_id, bool read_only) {
  unsigned create = read_only ? 0 : MDB_CREATE;
  Txn txn;
  MDB_stat stat{};
  int rc = txn.begin(env_.get(), read_only ? MDB_RDONLY : 0);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), "meta", create, &meta_);
  if (rc == 0) rc = mdb_stat(txn.get(), meta_, &stat);
  // One that has lost a table is damaged and must be made anew.
  if (stat.ms_entries > 0) create = 0;
  if (rc == 0) rc = mdb_dbi_open(txn.get(), "tiles", create, &tiles_);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), "streams", create, &streams_);
  if (rc == 0 && stat.ms_entries == 0 && !read_only) {
    rc = put(txn.get(), meta_, as_bytes("layout"), tile_bytes(kLayout));
    if (rc == 0) rc = put(txn.get(), meta_, as_bytes("log_id"), log_id.bytes);
  }
  MDB_val layout_key = to_val(as_bytes("layout")), layout{};
  MDB_val log_key = to_val(as_bytes("log_id")), log{};
  if (rc == 0) rc = mdb_get(txn.get(), meta_, &layout_key, &layout);
  if (rc == 0) rc = mdb_get(txn.get(), meta_, &log_key, &log);
  if (rc != 0) return lmdb_error(rc, "opening the Merkle tree's tiles");
  if (to_number(layout) != kLayout || as_text(to_bytes(log)) != as_text(log_id.bytes))
    return Error{ErrorCode::conflict, "The tiles belong to another log or have another layout."};
  if ((rc = txn.commit())) return lmdb_error(rc, "opening the Merkle tree's tiles");
  return {};
}

Expected<IndexReached> TileStore::reached() const {
  Txn txn;
  IndexReached reached;
  MDB_val key = to_val(as_bytes("reached")), value{};
  int rc = txn.begin(env_.get(), MDB_RDONLY);
  if (rc == 0) rc = mdb_get(txn.get(), meta_, &key, &value);
  if (rc == MDB_NOTFOUND) return reached;
  if (rc != 0) return lmdb_error(rc, "reading the Merkle tree's tiles");
  if (value.mv_size != sizeof reached) return damaged();
  std::memcpy(&reached, value.mv_data, sizeof reached);
  return reached;
}

Expected<std::optional<Tile>> TileStore::tile(TileName name) const {
  Txn txn;
  const TileKey text = tile_key(name);
  MDB_val key = to_val(text), value{};
  int rc = txn.begin(env_.get(), MDB_RDONLY);
  if (rc == 0) rc = mdb_get(txn.get(), tiles_, &key, &value);
  if (rc == MDB_NOTFOUND) return std::optional<Tile>();
  if (rc != 0) return lmdb_error(rc, "reading a tile");
  return std::optional<Tile>(to_tile(to_bytes(value)));
}

Expected<std::vector<StreamLeaf>> TileStore::bucket(std::uint32_t bucket) const {
  const std::array<std::uint8_t, 2> prefix{static_cast<std::uint8_t>(bucket >> 8),
                                           static_cast<std::uint8_t>(bucket)};
  std::vector<StreamLeaf> leaves;
  bool good = true;
  auto bad = visit_all(env_.get(), streams_, prefix, [&](const MDB_val& key, const MDB_val& value) {
    const auto leaf = to_leaf(key, value);
    good = leaf.has_value();
    if (!good || StreamMap::bucket_of(leaf->key) != bucket) return false;
    leaves.push_back(*leaf);
    return true;
  });
  if (bad) return *bad;
  if (!good) return damaged();
  return leaves;
}

Status TileStore::visit_tiles(const std::function<bool(TileName, const Tile&)>& visit) const {
  bool good = true;
  auto bad = visit_all(env_.get(), tiles_, {}, [&](const MDB_val& key, const MDB_val& value) {
    good = key.mv_size == 9 && value.mv_size % sizeof(Digest) == 0 &&
           value.mv_size <= kTileHashes * sizeof(Digest);
    return good && visit(tile_name(to_bytes(key)), to_tile(to_bytes(value)));
  });
  return bad || good ? bad : damaged();
}

Status TileStore::visit_streams(const std::function<bool(const StreamLeaf&)>& visit) const {
  bool good = true;
  auto bad = visit_all(env_.get(), streams_, {}, [&](const MDB_val& key, const MDB_val& value) {
    const auto leaf = to_leaf(key, value);
    good = leaf.has_value();
    return good && visit(*leaf);
  });
  return bad || good ? bad : damaged();
}

Status TileStore::write(const std::map<TileName, const Tile*>& tiles,
                        const std::vector<StreamLeaf>& streams, const IndexReached& reached) {
  Txn txn;
  int rc = txn.begin(env_.get(), 0);
  for (auto at = tiles.begin(); rc == 0 && at != tiles.end(); ++at)
    rc = put(txn.get(), tiles_, tile_key(at->first),
             {reinterpret_cast<const std::uint8_t*>(at->second->data()),
              at->second->size() * sizeof(Digest)});
  for (auto leaf = streams.begin(); rc == 0 && leaf != streams.end(); ++leaf)
    rc = put(txn.get(), streams_, leaf->key.bytes, tile_bytes(leaf->state));
  if (rc == 0) rc = put(txn.get(), meta_, as_bytes("reached"), tile_bytes(reached));
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb_error(rc, "writing the Merkle tree's tiles");
  return {};
}

Status TileStore::sync() {
  if (const int rc = mdb_env_sync(env_.get(), 1))
    return lmdb_error(rc, "syncing the Merkle tree's tiles");
  return {};
}

}  // namespace mlforge::storage
