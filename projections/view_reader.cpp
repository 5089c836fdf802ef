#include "projections/view_reader.hpp"

#include "projections/view_damage.hpp"
#include "projections/view_key.hpp"
#include "projections/view_version.hpp"
#include "storage/digest.hpp"

namespace mlforge::projections {
namespace {

constexpr std::size_t kHeaderBytes = 9;  // from-position and the live flag

// The first key after all that begin with `prefix`; empty where there is none.
std::string after_prefix(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) end.pop_back();
  if (!end.empty()) ++end.back();
  return end;
}

// Places the cursor on the first row to visit.
int seek(MDB_cursor* cursor, std::string_view prefix, std::string_view after_key, bool reverse,
         MDB_val& key, MDB_val& value) {
  const std::string end = reverse && after_key.empty() ? after_prefix(prefix) : std::string();
  const std::string_view start = !after_key.empty() ? after_key : reverse ? end : prefix;
  key = to_val(start);
  int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  if (reverse)
    return mdb_cursor_get(cursor, &key, &value, rc == MDB_NOTFOUND ? MDB_LAST : MDB_PREV);
  if (rc == 0 && !after_key.empty() && to_text(key) == after_key)
    rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  return rc;
}

}  // namespace

void append_history_key(std::string& out, std::string_view key, Position from) {
  out.append(key);
  out += '\0';
  append_big_endian(out, from);
}

std::string history_key(std::string_view key, Position from) {
  std::string out;
  append_history_key(out, key, from);
  return out;
}

std::string position_key(std::string_view projection) { return view_key("position", projection); }
std::string version_key(std::string_view projection) { return view_key("version", projection); }

bool ViewReader::failed(int rc) {
  if (rc == 0) return false;
  if (rc == MDB_NOTFOUND || status_) return true;
  status_ = view_error(rc, "reading a view");
  if (is_view_damage(*status_)) mark_view_damage(mdb_txn_env(txn_->get()));
  return true;
}

// Whether the row's projection has not reached what require() asks for.
bool ViewReader::behind(std::string_view key) {
  if (required_ == 0) return false;
  const auto projection = key.substr(0, key.find('\0'));
  if (projection == checked_) return false;
  const Position reached = position(projection);
  if (reached >= required_) {
    checked_ = projection;
    return false;
  }
  if (!status_)
    status_ = Error{ErrorCode::unavailable,
                    "the read model '" + std::string(projection) + "' stands still at position " +
                        std::to_string(reached) + ": /readyz and the server's messages say why",
                    ""};
  return true;
}

std::optional<std::string_view> ViewReader::find(MDB_dbi table, std::string_view key) {
  if (table != tables_.meta && behind(key)) return std::nullopt;
  MDB_val k = to_val(key), v;
  if (failed(mdb_get(txn_->get(), table, &k, &v))) return std::nullopt;
  return to_text(v);
}

std::optional<std::string_view> ViewReader::get(std::string_view key, Position bound) {
  const auto row = find(tables_.current, key);
  return row ? as_of(key, *row, bound) : std::nullopt;
}

std::optional<std::string_view> ViewReader::as_of(std::string_view key, std::string_view row,
                                                  Position bound) {
  if (row.size() < kHeaderBytes) return std::nullopt;
  if (load_big_endian(row.data()) > bound) return find_version(key, bound);
  if (row[8] == 0) return std::nullopt;
  return row.substr(kHeaderBytes);
}

// The newest old version that is not younger than `bound`.
std::optional<std::string_view> ViewReader::find_version(std::string_view key, Position bound) {
  storage::Cursor cursor;
  if (failed(cursor.open(txn_->get(), tables_.history))) return std::nullopt;
  const std::string wanted = history_key(key, bound);
  MDB_val k = to_val(wanted), v;
  int rc = mdb_cursor_get(cursor.get(), &k, &v, MDB_SET_RANGE);
  if (rc == MDB_NOTFOUND)
    rc = mdb_cursor_get(cursor.get(), &k, &v, MDB_LAST);
  else if (rc == 0 && to_text(k) != wanted)
    rc = mdb_cursor_get(cursor.get(), &k, &v, MDB_PREV);
  if (failed(rc)) return std::nullopt;
  const std::string_view found = to_text(k), row = to_text(v);
  const std::size_t prefix = key.size() + 1;
  if (found.size() != wanted.size() || found.substr(0, prefix) != wanted.substr(0, prefix))
    return std::nullopt;
  if (row.empty() || row[0] == 0) return std::nullopt;
  if (is_difference(row)) return restore(cursor.get(), key, row);
  return row.substr(1);
}

// The cursor stands on `stored`, a version of the row that is a difference from the next one.
std::optional<std::string_view> ViewReader::restore(MDB_cursor* cursor, std::string_view key,
                                                    std::string_view stored) {
  std::vector<std::string_view> differences;
  std::string_view base;
  for (;;) {
    differences.push_back(stored);
    MDB_val k, v;
    const int rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT);
    const bool more = rc == 0 && to_text(k).size() == key.size() + 9 &&
                      to_text(k).starts_with(key) && to_text(k)[key.size()] == 0;
    if (rc != 0 && rc != MDB_NOTFOUND) {
      (void)failed(rc);
      return std::nullopt;
    }
    stored = more ? to_text(v) : std::string_view();
    if (more && is_difference(stored)) continue;
    const auto row = more ? std::optional(stored) : find(tables_.current, key);
    const std::size_t header = more ? 1 : kHeaderBytes;
    if (row && row->size() >= header) base = row->substr(header);
    break;
  }
  auto value = restore_version(base, differences);
  if (!value) {
    if (!status_) status_ = value.error();
    mark_view_damage(mdb_txn_env(txn_->get()));
    return std::nullopt;
  }
  return restored_.emplace_back(*std::move(value));
}

void ViewReader::walk(MDB_dbi table, std::string_view prefix, std::string_view after_key,
                      bool reverse, const RowVisitor& visit) {
  if (behind(prefix)) return;
  storage::Cursor cursor;
  if (failed(cursor.open(txn_->get(), table))) return;
  MDB_val key, value;
  int rc = seek(cursor.get(), prefix, after_key, reverse, key, value);
  while (!failed(rc) && to_text(key).starts_with(prefix)) {
    if (!visit(to_text(key), to_text(value))) return;
    rc = mdb_cursor_get(cursor.get(), &key, &value, reverse ? MDB_PREV : MDB_NEXT);
  }
}

void ViewReader::scan(std::string_view prefix, std::string_view after_key, Position bound,
                      std::size_t limit, const RowVisitor& visit, bool reverse) {
  if (limit == 0) return;
  walk(tables_.current, prefix, after_key, reverse,
       [&](std::string_view key, std::string_view row) {
         const auto value = as_of(key, row, bound);
         if (!value) return true;
         return visit(key, *value) && --limit > 0;
       });
}

std::optional<std::string_view> ViewReader::get_plain(std::string_view key) {
  return find(tables_.plain, key);
}

void ViewReader::scan_plain(std::string_view prefix, std::string_view after_key, std::size_t limit,
                            const RowVisitor& visit, bool reverse) {
  if (limit == 0) return;
  walk(tables_.plain, prefix, after_key, reverse,
       [&](std::string_view key, std::string_view value) {
         return visit(key, value) && --limit > 0;
       });
}

std::uint64_t ViewReader::number(std::string_view meta_key) {
  const auto bytes = find(tables_.meta, meta_key);
  return bytes && bytes->size() == 8 ? load_big_endian(bytes->data()) : 0;
}

Position ViewReader::position(std::string_view projection) {
  return number(position_key(projection));
}

std::uint64_t ViewReader::version(std::string_view projection) {
  return number(version_key(projection));
}

std::string ViewReader::digest(std::string_view projection) {
  storage::Sha256 hash;
  const auto add = [&hash](std::string_view text) {
    std::string length;
    append_big_endian(length, text.size());
    hash.update(storage::as_bytes(length));
    hash.update(storage::as_bytes(text));
  };
  const std::pair<std::string_view, MDB_dbi> tables[] = {
      {"current", tables_.current}, {"history", tables_.history}, {"plain", tables_.plain}};
  for (const auto& [name, table] : tables) {
    add(name);
    walk(table, view_prefix(projection), {}, false,
         [&](std::string_view key, std::string_view value) {
           add(key);
           add(value);
           return true;
         });
  }
  return storage::to_string(hash.finish());
}

}  // namespace mlforge::projections
