// Reading view rows as they stand, or as they stood at a position of the log.
#pragma once
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "events/envelope.hpp"
#include "events/error.hpp"
#include "storage/lmdb_env.hpp"

namespace mlforge::projections {

// As of "now": whatever the projections have reached.
inline constexpr Position kLatest = std::numeric_limits<Position>::max();

struct ViewTables {
  MDB_dbi meta = 0;     // log id; position and version of each projection
  MDB_dbi current = 0;  // key -> u64 from-position (big-endian), u8 live, value
  MDB_dbi history = 0;  // key, 0x00, u64 from-position (big-endian) -> view_version.hpp
  MDB_dbi plain = 0;    // key -> value, rows without versions
};

// Called for each row in order; false stops. Key and value live as long as the reader.
using RowVisitor = std::function<bool(std::string_view key, std::string_view value)>;

// One snapshot of all projections. Keep it for one query only: it holds on to old pages. Readers
// are made from any thread (ViewStore::reader()); one reader belongs to one thread at a time. A
// failed read answers as if nothing were there, and status() says why: look at it before an answer
// that something is absent goes out.
class ViewReader {
 public:
  ViewReader(std::unique_ptr<storage::Txn> txn, const ViewTables& tables)
      : txn_(std::move(txn)), tables_(tables) {}

  // The value of a versioned row as of a position; nothing where it did not exist then.
  std::optional<std::string_view> get(std::string_view key, Position as_of = kLatest);
  // Visits at most `limit` rows whose key begins with `prefix` and that existed as of the
  // position, beginning after `after_key` (empty: at the first; with `reverse`, at the last).
  void scan(std::string_view prefix, std::string_view after_key, Position as_of, std::size_t limit,
            const RowVisitor& visit, bool reverse = false);

  // The same for rows without versions.
  std::optional<std::string_view> get_plain(std::string_view key);
  void scan_plain(std::string_view prefix, std::string_view after_key, std::size_t limit,
                  const RowVisitor& visit, bool reverse = false);

  // From here on, reading a row of a projection that has not reached this position is a failed
  // read, `unavailable`: one that stands still must not answer as if it were up to date.
  void require(Position position) {
    required_ = position;
    checked_.clear();
  }

  // The position that a projection has reached in this snapshot; 0 where it is not known.
  Position position(std::string_view projection);

  // The version of the code that wrote a projection's rows; 0 where they are not whole.
  std::uint64_t version(std::string_view projection);

  // Of the first read that failed.
  const Status& status() const { return status_; }

  // SHA-256 (hex) over all rows of a projection in order: per table its name, then each key and
  // value with their lengths.
  std::string digest(std::string_view projection);

 private:
  std::optional<std::string_view> find(MDB_dbi table, std::string_view key);
  std::optional<std::string_view> find_version(std::string_view key, Position as_of);
  std::optional<std::string_view> restore(MDB_cursor* cursor, std::string_view key,
                                          std::string_view stored);
  std::optional<std::string_view> as_of(std::string_view key, std::string_view row, Position bound);
  void walk(MDB_dbi table, std::string_view prefix, std::string_view after_key, bool reverse,
            const RowVisitor& visit);
  std::uint64_t number(std::string_view meta_key);
  bool failed(int rc);
  bool behind(std::string_view key);

  std::unique_ptr<storage::Txn> txn_;
  ViewTables tables_;
  Status status_;
  Position required_ = 0;
  std::string checked_;               // the projection that was last found to be up to date
  std::deque<std::string> restored_;  // former versions that are stored as differences
};

// Helpers that the writer shares.
inline MDB_val to_val(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}
inline std::string_view to_text(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}
std::string history_key(std::string_view key, Position from);
void append_history_key(std::string& out, std::string_view key, Position from);
std::string position_key(std::string_view projection);
std::string version_key(std::string_view projection);

}  // namespace mlforge::projections
