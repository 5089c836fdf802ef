#include "projections/view_writer.hpp"

#include <algorithm>
#include <cstring>

#include "projections/view_damage.hpp"
#include "projections/view_key.hpp"

namespace mlforge::projections {
namespace {

constexpr std::size_t kKeptRows = 4096, kKeptBytes = 16u << 20;
constexpr std::size_t kHeaderBytes = 9;

// Where the next rows lie in key order, so does LMDB's cursor: most puts find their page at once.
template <class Entries>
void sort_by_key(Entries& entries) {
  std::sort(entries.begin(), entries.end(),
            [](const auto* a, const auto* b) { return a->first < b->first; });
}

}  // namespace

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

ViewWriter::Row& ViewWriter::row(std::string_view key) {
  if (const auto at = rows_.find(key); at != rows_.end()) return at->second;
  Row& row = rows_.try_emplace(std::string(key)).first->second;
  if (!usable(key)) return row;
  const auto stored = find(tables_.current, key);
  if (stored && stored->size() >= kHeaderBytes) {
    row.from = load_big_endian(stored->data());
    row.live = (*stored)[8] != 0;
    row.value.assign(stored->substr(kHeaderBytes));
    touched_bytes_ += row.value.size();
  }
  return row;
}

std::optional<std::string_view> ViewWriter::get(std::string_view key) {
  const Row& r = row(key);
  return r.live ? std::optional<std::string_view>(r.value) : std::nullopt;
}

// The row ready to be overwritten: what another event left moves to the history.
ViewWriter::Row* ViewWriter::change(std::string_view key, Position position) {
  if (!usable(key)) return nullptr;
  Row& r = row(key);
  if (r.from != 0 && r.from != position) {
    std::string old(1, r.live ? '\1' : '\0');
    old += r.value;
    history_.emplace_back(history_key(key, r.from), std::move(old));
  }
  r.from = position;
  if (!r.changed) {
    r.changed = true;
    changed_.push_back(&*rows_.find(key));
  }
  return &r;
}

void ViewWriter::put(std::string_view key, std::string_view value, Position position) {
  if (const Row& r = row(key); r.live && r.value == value) return;
  Row* r = change(key, position);
  if (!r) return;
  r->value.assign(value);
  r->live = true;
  touched_bytes_ += value.size();
}

void ViewWriter::erase(std::string_view key, Position position) {
  if (!row(key).live) return;
  Row* r = change(key, position);
  if (!r) return;
  r->value.clear();
  r->live = false;
}

ViewWriter::PlainRow& ViewWriter::plain_row(std::string_view key, bool read) {
  auto at = plain_.find(key);
  if (at == plain_.end()) {
    at = plain_.try_emplace(std::string(key)).first;
    if (usable(key) && read)
      if (const auto stored = find(tables_.plain, key)) at->second.value.assign(*stored);
    touched_bytes_ += at->second.value.size();
  }
  if (!at->second.changed) {
    at->second.changed = true;
    changed_plain_.push_back(&*at);
  }
  return at->second;
}

std::string& ViewWriter::plain(std::string_view key) { return plain_row(key, true).value; }

void ViewWriter::put_plain(std::string_view key, std::string value) {
  touched_bytes_ += value.size();
  plain_row(key, false).value = std::move(value);
}

int ViewWriter::write_current() {
  sort_by_key(changed_);
  storage::Cursor cursor;
  int rc = changed_.empty() ? 0 : cursor.open(txn_, tables_.current);
  for (auto* entry : changed_) {
    if (rc != 0) return rc;
    const Row& r = entry->second;
    MDB_val k = to_val(entry->first), v{kHeaderBytes + r.value.size(), nullptr};
    rc = mdb_cursor_put(cursor.get(), &k, &v, MDB_RESERVE);
    if (rc != 0) return rc;
    const std::uint64_t from = __builtin_bswap64(r.from);
    auto* out = static_cast<char*>(v.mv_data);
    std::memcpy(out, &from, sizeof from);
    out[8] = r.live ? 1 : 0;
    std::memcpy(out + kHeaderBytes, r.value.data(), r.value.size());
    entry->second.changed = false;
  }
  return rc;
}

int ViewWriter::write_history() {
  std::sort(history_.begin(), history_.end());
  storage::Cursor cursor;
  int rc = history_.empty() ? 0 : cursor.open(txn_, tables_.history);
  for (const auto& [key, value] : history_) {
    if (rc != 0) return rc;
    MDB_val k = to_val(key), v = to_val(value);
    rc = mdb_cursor_put(cursor.get(), &k, &v, 0);
  }
  return rc;
}

int ViewWriter::write_plain() {
  sort_by_key(changed_plain_);
  storage::Cursor cursor;
  int rc = changed_plain_.empty() ? 0 : cursor.open(txn_, tables_.plain);
  for (auto* entry : changed_plain_) {
    if (rc != 0) return rc;
    MDB_val k = to_val(entry->first), v = to_val(entry->second.value);
    rc = mdb_cursor_put(cursor.get(), &k, &v, 0);
    entry->second.changed = false;
  }
  return rc;
}

Status ViewWriter::flush() {
  if (status_) return status_;
  int rc = write_current();
  if (rc == 0) rc = write_history();
  if (rc == 0) rc = write_plain();
  if (rc != 0) return view_error(rc, "writing a view's rows");
  changed_.clear();
  changed_plain_.clear();
  history_.clear();
  trim();
  return {};
}

void ViewWriter::trim() {
  if (rows_.size() + plain_.size() <= kKeptRows && touched_bytes_ <= kKeptBytes) return;
  discard();
}

void ViewWriter::discard() {
  changed_.clear();
  changed_plain_.clear();
  history_.clear();
  rows_.clear();
  plain_.clear();
  touched_bytes_ = 0;
  status_.reset();
}

}  // namespace mlforge::projections
