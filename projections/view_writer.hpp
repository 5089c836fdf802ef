// Writing view rows: collected in memory, written once per batch, in key order.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "projections/row_table.hpp"
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
  // The same with what `write` (std::string&) appends.
  template <class Write>
  void write_row(std::string_view key, Position position, Write&& write) {
    scratch_.clear();
    write(scratch_);
    put_scratch(key, position);
  }
  void erase(std::string_view key, Position position);

  // What `parse` (text -> R) makes of the newest version; nothing where there is none. It is kept
  // with the row, so a row is parsed once and not per event; a row is asked for as one type only.
  // Valid until the row changes.
  template <class R, class Parse>
  R* parsed(std::string_view key, Parse&& parse) {
    return parsed_row<R>(row(key), parse);
  }
  // Of a row that was just written: what parsed() answers from now on.
  template <class R>
  void keep_parsed(std::string_view key, R value) {
    Row& r = row(key).row;
    if (!r.live) return;
    r.parsed = std::make_shared<R>(std::move(value));
    kept_bytes_ += 2 * r.value.size();
  }
  // Changes such an R by `change`, and makes what `write` (std::string&, the row's text before, R&)
  // appends the row's new version. Nothing where there is no row.
  template <class R, class Parse, class Change, class Write>
  void update(std::string_view key, Position position, Parse&& parse, Change&& change,
              Write&& write) {
    RowEntry& entry = row(key);
    R* value = parsed_row<R>(entry, parse);
    if (!value) return;
    change(*value);
    scratch_.clear();
    write(scratch_, std::string_view(entry.row.value), *value);
    set(entry, position);
  }

  // A row without versions, for changing in place; empty where there was none. Valid until flush().
  std::string& plain(std::string_view key);
  // The same of several at once, whose waits for memory overlap: in `rows`, in the order of keys.
  void plain(std::span<const std::string> keys, std::vector<std::string*>& rows);
  // Replaces it without reading it.
  void put_plain(std::string_view key, std::string value);
  // A row that is new, and that this projection never reads or changes: nothing of it is kept.
  void add_plain(std::string_view key, std::string_view value);

  // The transaction of the coming batch, which must outlive flush().
  void begin(MDB_txn* txn) { txn_ = txn; }
  // About how much flush() will write.
  std::size_t pending_bytes() const { return pending_bytes_; }
  // Writes what has changed into the transaction.
  Status flush();
  // Forgets everything since the last flush, and everything kept.
  void discard();

 private:
  struct Row {
    std::string value;
    std::shared_ptr<void> parsed;  // of `value`
    Position from = 0;             // 0: the row never existed
    bool live = false;
    bool changed = false;
    // The version before, until it is known what it is a difference from.
    std::string former;
    Position former_from = 0;  // 0: none waits
    bool former_live = false;
  };
  struct PlainRow {
    std::string value;
    std::size_t counted = 0;  // of its bytes, in kept_bytes_
    bool changed = false;
  };
  using RowEntry = RowTable<Row>::Entry;
  using PlainEntry = RowTable<PlainRow>::Entry;
  // Rows that are only written, one behind the other in memory.
  class NewRows {
   public:
    void add(std::string_view key, std::string_view value);
    std::string& bytes() { return bytes_; }
    void close(std::size_t start, std::size_t key_size);  // of bytes() from `start` on
    int write(MDB_txn* txn, MDB_dbi table);
    void clear();

   private:
    struct Place {
      std::size_t start = 0, key_size = 0, size = 0;
    };
    std::string bytes_;
    std::vector<Place> places_;
  };

  template <class R, class Parse>
  R* parsed_row(RowEntry& entry, Parse& parse) {
    Row& r = entry.row;
    if (!r.live) return nullptr;
    if (!r.parsed) {
      r.parsed = std::make_shared<R>(parse(std::string_view(r.value)));
      kept_bytes_ += 2 * r.value.size();
    }
    return static_cast<R*>(r.parsed.get());
  }
  RowEntry& row(std::string_view key);
  void put_scratch(std::string_view key, Position position);
  void set(RowEntry& entry, Position position);
  void change(RowEntry& entry, Position position);
  void write_former(RowEntry& entry);
  PlainRow& plain_row(std::string_view key, bool read);
  PlainRow& plain_row(PlainEntry* found, std::string_view key, std::uint32_t hash, bool read);
  std::optional<std::string_view> find(MDB_dbi table, std::string_view key);
  bool usable(std::string_view key);
  int write_current();
  int write_plain();
  void trim();

  ViewTables tables_;
  MDB_txn* txn_ = nullptr;
  RowTable<Row> rows_;
  RowTable<PlainRow> plain_;
  std::vector<RowEntry*> changed_;
  std::vector<PlainEntry*> changed_plain_;
  std::vector<std::uint32_t> hashes_;
  NewRows history_, added_;
  std::string scratch_;  // the value of a row that is about to be set
  std::size_t kept_bytes_ = 0, pending_bytes_ = 0;
  Status status_;
};

}  // namespace mlforge::projections
