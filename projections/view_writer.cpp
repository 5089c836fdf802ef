#include "projections/view_writer.hpp"

#include <algorithm>
#include <cstring>

#include "projections/key_sort.hpp"
#include "projections/view_damage.hpp"
#include "projections/view_key.hpp"
#include "projections/view_version.hpp"

namespace mlforge::projections {
namespace {

constexpr std::size_t kKeptRows = 16384, kKeptBytes = 16u << 20;
constexpr std::size_t kRowHeaderBytes = 9;
constexpr std::size_t kRowOverhead = 32;  // of a row in a page

// Where the next rows lie in key order, so does LMDB's cursor: most puts find their page at once.
template <class Entry>
void sort_entries(std::vector<Entry*>& entries) {
  sort_by_key(entries, [](const Entry* entry) { return entry->key(); });
}

}  // namespace

void ViewWriter::NewRows::close(std::size_t start, std::size_t key_size) {
  places_.push_back({start, key_size, bytes_.size() - start});
}

void ViewWriter::NewRows::add(std::string_view key, std::string_view value) {
  const std::size_t start = bytes_.size();
  bytes_.append(key).append(value);
  close(start, key.size());
}

int ViewWriter::NewRows::write(MDB_txn* txn, MDB_dbi table) {
  const std::string_view all = bytes_;
  const auto key_of = [all](const Place& p) { return all.substr(p.start, p.key_size); };
  // Of one key the last is to stay.
  sort_by_key(places_, key_of);
  storage::Cursor cursor;
  int rc = places_.empty() ? 0 : cursor.open(txn, table);
  for (const Place& place : places_) {
    if (rc != 0) return rc;
    MDB_val k = to_val(key_of(place));
    MDB_val v = to_val(all.substr(place.start + place.key_size, place.size - place.key_size));
    rc = mdb_cursor_put(cursor.get(), &k, &v, 0);
  }
  return rc;
}

void ViewWriter::NewRows::clear() {
  bytes_.clear();
  places_.clear();
}

bool ViewWriter::usable(std::string_view key) {
  if (!key.empty() && key.size() <= kMaxKeyBytes) return true;
  if (!status_)
    status_ = Error{ErrorCode::internal,
                    "A view's key must have 1 to " + std::to_string(kMaxKeyBytes) +
                        " bytes, this one has " + std::to_string(key.size()) + ".",
                    ""};
  return false;
}

std::optional<std::string_view> ViewWriter::find(MDB_dbi table, std::string_view key) {
  MDB_val k = to_val(key), v;
  const int rc = mdb_get(txn_, table, &k, &v);
  if (rc == 0) return to_text(v);
  if (rc != MDB_NOTFOUND && !status_) status_ = view_error(rc, "reading a view's row");
  return std::nullopt;
}

ViewWriter::RowEntry& ViewWriter::row(std::string_view key) {
  const auto hash = rows_.hash(key);
  if (auto* found = rows_.find(key, hash)) return *found;
  RowEntry& entry = rows_.add(key, hash);
  kept_bytes_ += key.size() + sizeof(RowEntry);
  if (!usable(key)) return entry;
  const auto stored = find(tables_.current, key);
  if (stored && stored->size() >= kRowHeaderBytes) {
    Row& row = entry.row;
    row.from = load_big_endian(stored->data());
    row.live = (*stored)[8] != 0;
    row.value.assign(stored->substr(kRowHeaderBytes));
    kept_bytes_ += row.value.size();
  }
  return entry;
}

std::optional<std::string_view> ViewWriter::get(std::string_view key) {
  const Row& r = row(key).row;
  return r.live ? std::optional<std::string_view>(r.value) : std::nullopt;
}

// Into the history. What the row is now is final: the event that wrote it is done.
void ViewWriter::write_former(RowEntry& entry) {
  Row& r = entry.row;
  if (r.former_from == 0) return;
  std::string& bytes = history_.bytes();
  const std::size_t start = bytes.size();
  append_history_key(bytes, entry.key(), r.former_from);
  const std::size_t key_size = bytes.size() - start;
  append_version(bytes, {r.former_live, r.former, r.former_from}, r.live ? r.value : "");
  history_.close(start, key_size);
  r.former.clear();
  r.former_from = 0;
}

// Makes the row ready to be overwritten: what another event left moves to the history.
void ViewWriter::change(RowEntry& entry, Position position) {
  Row& r = entry.row;
  if (r.from != 0 && r.from != position) {
    write_former(entry);
    pending_bytes_ += entry.key().size() + r.value.size() + kRowOverhead;
    r.former.swap(r.value);
    r.former_from = r.from;
    r.former_live = r.live;
    r.value.clear();
  }
  r.from = position;
  if (r.changed) return;
  r.changed = true;
  changed_.push_back(&entry);
  pending_bytes_ += entry.key().size() + kRowOverhead;
}

// The value is in scratch_, which gets the memory of one of before.
void ViewWriter::set(RowEntry& entry, Position position) {
  Row& r = entry.row;
  if ((r.live && r.value == scratch_) || !usable(entry.key())) return;
  const std::size_t before = r.value.size(), size = scratch_.size();
  change(entry, position);
  if (size > before) kept_bytes_ += size - before;
  if (size > r.value.size()) pending_bytes_ += size - r.value.size();
  r.value.swap(scratch_);
  r.live = true;
}

void ViewWriter::put_scratch(std::string_view key, Position position) {
  RowEntry& entry = row(key);
  entry.row.parsed.reset();
  set(entry, position);
}

void ViewWriter::put(std::string_view key, std::string_view value, Position position) {
  write_row(key, position, [&](std::string& out) { out.assign(value); });
}

void ViewWriter::erase(std::string_view key, Position position) {
  RowEntry& entry = row(key);
  if (!entry.row.live) return;
  change(entry, position);
  entry.row.value.clear();
  entry.row.parsed.reset();
  entry.row.live = false;
}

ViewWriter::PlainRow& ViewWriter::plain_row(std::string_view key, bool read) {
  const auto hash = plain_.hash(key);
  return plain_row(plain_.find(key, hash), key, hash, read);
}

ViewWriter::PlainRow& ViewWriter::plain_row(PlainEntry* entry, std::string_view key,
                                            std::uint32_t hash, bool read) {
  if (!entry) {
    entry = &plain_.add(key, hash);
    kept_bytes_ += key.size() + sizeof(PlainEntry);
    if (usable(key) && read)
      if (const auto stored = find(tables_.plain, key)) entry->row.value.assign(*stored);
  }
  PlainRow& row = entry->row;
  if (!row.changed) {
    row.changed = true;
    changed_plain_.push_back(entry);
    pending_bytes_ += key.size() + row.value.size() + kRowOverhead;
  }
  return row;
}

void ViewWriter::plain(std::span<const std::string> keys, std::vector<std::string*>& rows) {
  hashes_.clear();
  rows.clear();
  for (const auto& key : keys) plain_.fetch_slot(hashes_.emplace_back(plain_.hash(key)));
  for (const auto hash : hashes_) plain_.fetch_entry(hash);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    auto* const found = plain_.find(keys[i], hashes_[i]);
    std::string& value = plain_row(found, keys[i], hashes_[i], true).value;
    if (found) {
      __builtin_prefetch(value.data());
      __builtin_prefetch(value.data() + value.size() - 1);
    }
    rows.push_back(&value);
  }
}

std::string& ViewWriter::plain(std::string_view key) { return plain_row(key, true).value; }

void ViewWriter::put_plain(std::string_view key, std::string value) {
  pending_bytes_ += value.size();
  plain_row(key, false).value = std::move(value);
}

void ViewWriter::add_plain(std::string_view key, std::string_view value) {
  if (!usable(key)) return;
  added_.add(key, value);
  pending_bytes_ += key.size() + value.size() + kRowOverhead;
}

int ViewWriter::write_current() {
  sort_entries(changed_);
  for (auto* entry : changed_) write_former(*entry);
  storage::Cursor cursor;
  int rc = changed_.empty() ? 0 : cursor.open(txn_, tables_.current);
  for (auto* entry : changed_) {
    if (rc != 0) return rc;
    const Row& r = entry->row;
    MDB_val k = to_val(entry->key()), v{kRowHeaderBytes + r.value.size(), nullptr};
    rc = mdb_cursor_put(cursor.get(), &k, &v, MDB_RESERVE);
    if (rc != 0) return rc;
    const std::uint64_t from = __builtin_bswap64(r.from);
    auto* out = static_cast<char*>(v.mv_data);
    std::memcpy(out, &from, sizeof from);
    out[8] = r.live ? 1 : 0;
    std::memcpy(out + kRowHeaderBytes, r.value.data(), r.value.size());
    entry->row.changed = false;
  }
  return rc;
}

int ViewWriter::write_plain() {
  sort_entries(changed_plain_);
  storage::Cursor cursor;
  int rc = changed_plain_.empty() ? 0 : cursor.open(txn_, tables_.plain);
  for (auto* entry : changed_plain_) {
    if (rc != 0) return rc;
    PlainRow& row = entry->row;
    MDB_val k = to_val(entry->key()), v = to_val(row.value);
    rc = mdb_cursor_put(cursor.get(), &k, &v, 0);
    row.changed = false;
    kept_bytes_ += row.value.size() - row.counted;
    row.counted = row.value.size();
  }
  return rc;
}

Status ViewWriter::flush() {
  if (status_) return status_;
  int rc = write_current();
  if (rc == 0) rc = history_.write(txn_, tables_.history);
  if (rc == 0) rc = write_plain();
  if (rc == 0) rc = added_.write(txn_, tables_.plain);
  if (rc != 0) return view_error(rc, "writing a view's rows");
  changed_.clear();
  changed_plain_.clear();
  history_.clear();
  added_.clear();
  pending_bytes_ = 0;
  trim();
  return {};
}

void ViewWriter::trim() {
  if (rows_.size() + plain_.size() <= kKeptRows && kept_bytes_ <= kKeptBytes) return;
  discard();
}

void ViewWriter::discard() {
  changed_.clear();
  changed_plain_.clear();
  history_.clear();
  added_.clear();
  rows_.clear();
  plain_.clear();
  kept_bytes_ = pending_bytes_ = 0;
  status_.reset();
}

}  // namespace mlforge::projections
