#include "storage/log_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "storage/files.hpp"
#include "storage/record.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLeastTreeMapBytes = 16 << 20;
constexpr std::uint64_t kPageEvents = 4096;   // taken in under one lock
constexpr std::size_t kMostFullTiles = 256;   // held in memory
constexpr std::size_t kMostChanged = 65'536;  // streams held in memory
constexpr std::string_view kTreeClean = "clean\n";

Error unknown_hash() {
  return {ErrorCode::internal,
          "The Merkle tree misses a tile. Delete the folder merkle while the log is closed; it is "
          "made again."};
}

}  // namespace

Expected<std::unique_ptr<LogTree>> LogTree::open(const fs::path& folder, const Log& log,
                                                 const std::string& boot_id,
                                                 std::size_t map_bytes) {
  std::unique_ptr<LogTree> tree(new LogTree(log, folder, std::max(map_bytes, kLeastTreeMapBytes)));
  std::error_code failed;
  if (!StreamIndex::is_trusted(folder, boot_id)) fs::remove_all(folder, failed);
  if (auto bad = make_folder(folder)) return *bad;
  // The marker is on disk before the first page changes. Without room for it there is none, and the
  // next open makes the tree anew.
  if (auto bad = write_marker(folder / "STATE", "open " + boot_id + "\n")) {
    if (bad->code != ErrorCode::read_only) return *bad;
    fs::remove(folder / "STATE", failed);
    if (auto unsafe = sync_folder(folder)) return *unsafe;
  }
  if (!tree->open_store() && !tree->load()) return tree;
  if (auto bad = tree->reset()) return *bad;
  return tree;
}

Status LogTree::open_store() {
  auto store = TileStore::open(folder_, log_.log_id(), map_bytes_, false);
  if (!store) return store.error();
  store_ = std::move(*store);
  return {};
}

Status LogTree::reset() {
  store_ = TileStore();
  reached_ = {};
  flushed_ = 0;
  edges_.clear();
  map_ = StreamMap();
  std::error_code failed;
  fs::remove(folder_ / "data.mdb", failed);
  fs::remove(folder_ / "lock.mdb", failed);
  return open_store();
}

// Any error means that the environment is made anew.
Status LogTree::load() {
  const auto reached = store_.reached();
  if (!reached) return reached.error();
  if (!is_of_this_history(*reached)) return unknown_hash();
  reached_ = *reached;
  flushed_ = reached_.position;
  if (auto bad = load_edges(flushed_)) return bad;
  return load_map();
}

// A log that was restored from a backup may end before its tree, or go on differently.
bool LogTree::is_of_this_history(const IndexReached& reached) const {
  if (reached.position == 0) return true;
  bool same = false;
  (void)log_.read(reached.position, 1, [&](const EventView& event) {
    same = event.id == reached.id;
    return false;
  });
  return same;
}

Status LogTree::load_edges(std::uint64_t size) {
  for (unsigned level = 0; size > 0; ++level, size /= kTileHashes) {
    auto& [index, hashes] = edges_[level];
    index = size / kTileHashes;
    if (size % kTileHashes == 0) continue;
    auto tile = store_.tile({level, index});
    if (!tile) return tile.error();
    if (!*tile || (*tile)->size() != size % kTileHashes) return unknown_hash();
    hashes = **std::move(tile);
  }
  return {};
}

Status LogTree::load_map() {
  std::vector<StreamLeaf> leaves;  // of one bucket
  const auto set = [&] {
    if (!leaves.empty()) map_.set_bucket(StreamMap::bucket_of(leaves.front().key), leaves);
    leaves.clear();
  };
  auto bad = store_.visit_streams([&](const StreamLeaf& leaf) {
    if (!leaves.empty() &&
        StreamMap::bucket_of(leaves.front().key) != StreamMap::bucket_of(leaf.key))
      set();
    leaves.push_back(leaf);
    return true;
  });
  set();
  return bad;
}

void LogTree::add_hash(unsigned level, const Digest& hash) {
  auto& [index, hashes] = edges_[level];
  hashes.push_back(hash);
  if (hashes.size() < kTileHashes) return;
  std::vector<Digest> nodes = hashes;
  for (std::size_t count = nodes.size(); count > 1; count /= 2)
    for (std::size_t i = 0; i < count / 2; ++i)
      nodes[i] = node_hash(nodes[2 * i], nodes[2 * i + 1]);
  full_.emplace(TileName{level, index++}, std::exchange(hashes, {}));
  add_hash(level + 1, nodes[0]);
}

void LogTree::add(const EventView& event, const Digest& commitment) {
  add_hash(0, leaf_hash(commitment));
  const StreamName name{event.tenant, event.stream};
  auto stream = changed_.find(name);
  if (stream == changed_.end()) stream = changed_.try_emplace(StreamKey(name)).first;
  stream->second = {event.version, event.position};
  reached_ = {event.position, event.id};
}

Expected<std::uint64_t> LogTree::catch_up() {
  for (;;) {
    const std::lock_guard lock(mutex_);
    const Position from = reached_.position + 1;
    if (from > log_.head()) return reached_.position;
    EventView event;
    const auto read = log_.read_records(from, kPageEvents, [&](Position, Bytes record) {
      if (decode_record(record, event)) return false;
      add(event, record_commitment(record));
      return true;
    });
    if (!read) return read.error();
    if (full_.size() < kMostFullTiles && changed_.size() < kMostChanged) continue;
    if (auto bad = flush()) return *bad;
  }
}

std::uint64_t LogTree::size() const {
  const std::lock_guard lock(mutex_);
  return reached_.position;
}

// With mutex_ held.
Status LogTree::flush() {
  if (flushed_ == reached_.position) return {};
  std::map<TileName, const Tile*> tiles;
  for (const auto& [name, tile] : full_) tiles.emplace(name, &tile);
  for (const auto& [level, edge] : edges_)
    if (!edge.second.empty()) tiles.emplace(TileName{level, edge.first}, &edge.second);
  std::vector<StreamLeaf> leaves;
  std::set<std::uint32_t> buckets;
  leaves.reserve(changed_.size());
  for (const auto& [key, state] : changed_) {
    const StreamName name = key.name();
    leaves.push_back({stream_key(name.tenant, name.name), state});
    buckets.insert(StreamMap::bucket_of(leaves.back().key));
  }
  // Neighbours in the database are written one after the other.
  std::sort(leaves.begin(), leaves.end(),
            [](const StreamLeaf& a, const StreamLeaf& b) { return a.key < b.key; });
  if (auto bad = store_.write(tiles, leaves, reached_)) return bad;
  full_.clear();
  changed_.clear();
  flushed_ = reached_.position;
  for (const std::uint32_t bucket : buckets) {
    const auto held = store_.bucket(bucket);
    if (!held) return held.error();
    map_.set_bucket(bucket, *held);
  }
  return {};
}

// The tree only grows, so the root of a size can be put together after the lock.
Expected<LogRoot> LogTree::with_tree_root(LogRoot root) const {
  const auto tree = root_at(root.size);
  if (!tree) return tree.error();
  root.root = *tree;
  return root;
}

Expected<LogRoot> LogTree::root() {
  LogRoot root;
  {
    const std::lock_guard lock(mutex_);
    if (auto bad = flush()) return *bad;
    root = {flushed_, {}, map_.root()};
  }
  return with_tree_root(root);
}

Expected<LogRoot> LogTree::prove_stream(std::string_view tenant, std::string_view stream,
                                        MapProof& proof) {
  LogRoot root;
  {
    const std::lock_guard lock(mutex_);
    if (auto bad = flush()) return *bad;
    Status failed;
    proof = map_.prove(stream_key(tenant, stream), [&](std::uint32_t bucket) {
      auto held = store_.bucket(bucket);
      if (held) return *std::move(held);
      failed = held.error();
      return std::vector<StreamLeaf>();
    });
    if (failed) return *failed;
    root = {flushed_, {}, map_.root()};
  }
  return with_tree_root(root);
}

Status LogTree::check_size(std::uint64_t wanted) const {
  if (const auto held = size(); wanted > held)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("size is {}, but the log's tree has {} events", wanted, held), "size"};
  return {};
}

Expected<Digest> LogTree::root_at(std::uint64_t size) const {
  if (auto bad = check_size(size)) return *bad;
  Reader reader(*this);
  const auto root = tree_root(size, reader.subtree());
  if (root) return *root;
  return reader.failed() ? *reader.failed() : unknown_hash();
}

Expected<HashPath> LogTree::inclusion(Position position, std::uint64_t size) const {
  Reader reader(*this);
  return reader.inclusion(position, size);
}

Expected<HashPath> LogTree::consistency(std::uint64_t from, std::uint64_t to) const {
  if (auto bad = check_size(to)) return *bad;
  if (from > to) return Error{ErrorCode::invalid_argument, "from must not be more than to", "from"};
  Reader reader(*this);
  auto path = consistency_path(from, to, reader.subtree());
  if (path) return *std::move(path);
  return reader.failed() ? *reader.failed() : unknown_hash();
}

Expected<Tile> LogTree::tile(TileName name) const {
  const std::lock_guard lock(mutex_);
  if (const auto edge = edges_.find(name.level);
      edge != edges_.end() && edge->second.first == name.index)
    return edge->second.second;
  if (const auto full = full_.find(name); full != full_.end()) return full->second;
  auto stored = store_.tile(name);
  if (!stored) return stored.error();
  return *stored ? **std::move(stored) : Tile();
}

Expected<HashPath> LogTree::Reader::inclusion(Position position, std::uint64_t size) {
  if (auto bad = tree_.check_size(size)) return *bad;
  if (position == 0 || position > size)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("position must be from 1 to the size, {}", size), "position"};
  auto path = inclusion_path(position - 1, size, subtree());
  if (path) return *std::move(path);
  return failed_ ? *failed_ : unknown_hash();
}

SubtreeHash LogTree::Reader::subtree() {
  return [this](unsigned level, std::uint64_t index) { return hash(level, index); };
}

// Inside a tile, the hashes stand at 256 to 511 of a heap; 1 is the tile's root.
std::optional<Digest> LogTree::Reader::hash(unsigned level, std::uint64_t index) {
  const std::size_t row = kTileHashes >> level % kTileHeight;
  const TileName name{level / kTileHeight, index / row};
  Cached& cached = cache_[name.level];
  if (cached.index != name.index) {
    const auto tile = tree_.tile(name);
    if (!tile) {
      failed_ = tile.error();
      return std::nullopt;
    }
    cached.index = name.index;
    cached.nodes.assign(2 * kTileHashes, std::nullopt);
    std::copy(tile->begin(), tile->end(), cached.nodes.begin() + kTileHashes);
  }
  return node(cached, row + index % row);
}

std::optional<Digest> LogTree::Reader::node(Cached& cached, std::size_t at) {
  if (cached.nodes[at] || at >= kTileHashes) return cached.nodes[at];
  const auto left = node(cached, 2 * at), right = node(cached, 2 * at + 1);
  if (left && right) cached.nodes[at] = node_hash(*left, *right);
  return cached.nodes[at];
}

Status LogTree::close() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(closed_, true)) return {};
  if (auto bad = flush()) return bad;
  if (auto bad = store_.sync()) return bad;
  store_ = TileStore();
  return write_marker(folder_ / "STATE", kTreeClean);
}

}  // namespace mlforge::storage
