// The Merkle tree and the stream map of a log: follows the log's commits, answers roots, subtrees,
// tiles and walks.
//
// The append path pays nothing: the tree reads the durable records behind it, two hashes of SHA-256
// an event. What is not in the environment yet is held in memory and read again after a crash.
#pragma once
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "storage/log.hpp"
#include "storage/merkle_tree.hpp"
#include "storage/stream_index.hpp"
#include "storage/tile_store.hpp"

namespace mlforge::storage {

// The state of a log at one size.
struct LogRoot {
  std::uint64_t size = 0;
  Digest root;     // of the tree
  Digest streams;  // of the stream map
};

class LogTree {
 public:
  // Opens the environment in `folder`, or makes it anew where it is missing, not trusted, of
  // another log or of another history. Reads nothing of the log yet but one record. `log` outlives
  // it.
  static Expected<std::unique_ptr<LogTree>> open(const std::filesystem::path& folder,
                                                 const Log& log, const std::string& boot_id,
                                                 std::size_t map_bytes);

  // Takes in the events that are durable by now, and answers the size reached. Any thread.
  Expected<std::uint64_t> catch_up();
  std::uint64_t size() const;

  // Brings the environment to the size of the tree and answers the root of that size. Any thread.
  Expected<LogRoot> root();
  // The same root, and the walk for a stream under it.
  Expected<LogRoot> prove_stream(std::string_view tenant, std::string_view stream, MapProof& proof);

  // The root of a smaller size, and proofs about it; `invalid_argument` for sizes that the tree has
  // not reached. Any thread.
  Expected<Digest> root_at(std::uint64_t size) const;
  Expected<HashPath> inclusion(Position position, std::uint64_t size) const;
  Expected<HashPath> consistency(std::uint64_t from, std::uint64_t to) const;
  // A tile, with as many hashes as there are by now (0 to 256). Any thread.
  Expected<Tile> tile(TileName name) const;

  // For many proofs of one size: keeps the tiles that it has read. One thread.
  class Reader {
   public:
    explicit Reader(const LogTree& tree) : tree_(tree) {}
    Expected<HashPath> inclusion(Position position, std::uint64_t size);
    SubtreeHash subtree();
    Status failed() const { return failed_; }

   private:
    struct Cached {
      std::uint64_t index = ~0ull;
      std::vector<std::optional<Digest>> nodes;  // a heap over the tile's hashes, made as needed
    };
    std::optional<Digest> hash(unsigned level, std::uint64_t index);
    std::optional<Digest> node(Cached& cached, std::size_t at);

    const LogTree& tree_;
    std::unordered_map<unsigned, Cached> cache_;  // by the level of the tile
    Status failed_;
  };

  // Writes the rest, syncs the environment and leaves the clean-shutdown marker. Nothing may be
  // called afterwards but the destructor.
  Status close();

 private:
  LogTree(const Log& log, std::filesystem::path folder, std::size_t map_bytes)
      : log_(log), folder_(std::move(folder)), map_bytes_(map_bytes) {}
  Status open_store();
  Status reset();
  Status load();
  bool is_of_this_history(const IndexReached& reached) const;
  Status load_edges(std::uint64_t size);
  Status load_map();
  void add(const EventView& event, const Digest& commitment);
  void add_hash(unsigned level, const Digest& hash);
  Status flush();
  Expected<LogRoot> with_tree_root(LogRoot root) const;
  Status check_size(std::uint64_t size) const;

  using Changed = std::unordered_map<StreamKey, StreamState, StreamKeyHash, StreamKeyEqual>;

  const Log& log_;
  std::filesystem::path folder_;
  std::size_t map_bytes_;
  mutable std::mutex mutex_;  // guards what follows
  TileStore store_;
  IndexReached reached_;                                      // the last event taken in
  Position flushed_ = 0;                                      // the last one in the environment
  std::map<unsigned, std::pair<std::uint64_t, Tile>> edges_;  // the last tile of each level
  std::map<TileName, Tile> full_;                             // not in the environment yet
  Changed changed_;
  StreamMap map_;
  bool closed_ = false;
};

}  // namespace mlforge::storage
