// The environment of the stream index: stream -> dense number -> positions. Not synced: see
// StreamIndex for when it is trusted.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/lmdb_env.hpp"
#include "storage/stream_key.hpp"

namespace mlforge::storage {

struct IndexReached {  // the last event in the index
  Position position = 0;
  Uuid id;
};

class IndexDatabase {
 public:
  struct Addition {
    StreamName stream;
    const std::vector<Position>* positions;  // ascending, above all that the stream has
  };

  // `conflict` when it is of another log or another layout. With `read_only` it must exist, and is
  // not changed.
  static Expected<IndexDatabase> open(const std::filesystem::path& folder, const Uuid& log_id,
                                      std::size_t map_bytes, bool read_only);

  // Adds everything in one transaction. One thread at a time.
  Status write(std::span<const Addition> additions, const IndexReached& reached);
  Status sync();

  // One consistent view. Not thread-safe; many may exist. The methods answer an LMDB error code.
  class Snapshot {
   public:
    int begin(const IndexDatabase& database);
    IndexReached reached() const;
    std::uint64_t streams() const;
    // Moves to a stream, which then has count() positions; none where the index does not know it.
    int find(StreamName stream);
    std::uint64_t count() const { return count_; }
    // Visits its positions from version `from` (1 or more) on, until `visit` answers false.
    int visit(std::uint64_t from, const std::function<bool(Position)>& visit);
    // Whether the stream has an event at `position`.
    bool has(Position position);

   private:
    const IndexDatabase* database_ = nullptr;
    Txn txn_;
    Cursor cursor_;
    std::uint64_t number_ = 0;
    std::size_t count_ = 0;
  };

 private:
  Status open_databases(const Uuid& log_id, bool read_only);

  Env env_;
  MDB_dbi streams_ = 0, positions_ = 0, meta_ = 0;
};

}  // namespace mlforge::storage
