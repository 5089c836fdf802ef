// Writing view rows: collected in memory, written once per batch, in key order.
#pragma once
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "projections/view_reader.hpp"

namespace mlforge::projections {

// The rows that one projection reads and writes while it applies a batch. Rows that it touched stay
// in memory between batches (bounded), so that a hot row is neither read nor written per event.
// A row's versions are those of the events, never those of the batches: two writes by one event
// leave one version, two events leave two.
//
// One thread. begin, flush and discard are the engine's; the rest are for projections. A read that
// fails answers as if nothing were there, and flush() then refuses.
class ViewWriter {
 public:
  explicit ViewWriter(const ViewTables& tables) : tables_(tables) {}

  // The newest version of a row; nothing where there is none. Valid until the next call.
  std::optional<std::string_view> get(std::string_view key);
  // A new version of the row from `position` on. The same value again is no new version.
  void put(std::string_view key, std::string_view value, Position position);
  void erase(std::string_view key, Position position);

  // A row without versions, for changing in place; empty where there was none. Valid until flush().
  std::string& plain(std::string_view key);
  // Replaces it without reading it.
  void put_plain(std::string_view key, std::string value);

  // The transaction of the coming batch, which must outlive flush().
  void begin(MDB_txn* txn) { txn_ = txn; }
  // Writes what has changed into the transaction.
  Status flush();
  // Forgets everything since the last flush, and everything kept.
  void discard();

 private:
  struct Row {
    std::string value;
    Position from = 0;  // 0: the row never existed
    bool live = false;
    bool changed = false;
  };
  struct PlainRow {
    std::string value;
    bool changed = false;
  };
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>{}(key);
    }
  };
  template <class R>
  using Rows = std::unordered_map<std::string, R, KeyHash, std::equal_to<>>;

  Row& row(std::string_view key);
  Row* change(std::string_view key, Position position);
  PlainRow& plain_row(std::string_view key, bool read);
  std::optional<std::string_view> find(MDB_dbi table, std::string_view key);
  bool usable(std::string_view key);
  int write_current();
  int write_history();
  int write_plain();
  void trim();

  ViewTables tables_;
  MDB_txn* txn_ = nullptr;
  Rows<Row> rows_;
  Rows<PlainRow> plain_;
  std::vector<Rows<Row>::value_type*> changed_;
  std::vector<Rows<PlainRow>::value_type*> changed_plain_;
  std::vector<std::pair<std::string, std::string>> history_;
  std::size_t touched_bytes_ = 0;
  Status status_;
};

}  // namespace mlforge::projections
