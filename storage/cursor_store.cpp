#include "storage/cursor_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "storage/files.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kCrcText = 9;  // of cursor_row()

MDB_val text_val(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
std::string_view val_text(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

int put_text(MDB_txn* txn, MDB_dbi table, std::string_view name, std::string_view text) {
  MDB_val key = text_val(name), value = text_val(text);
  return mdb_put(txn, table, &key, &value, 0);
}

Status rename_folder(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  fs::rename(from, to, failed);
  if (failed) return file_error(failed.value(), "renaming", from);
  return {};
}

fs::path beside(const fs::path& folder, std::string_view suffix) {
  return folder.parent_path() / (folder.filename().string() + std::string(suffix));
}

// A name that is free.
fs::path damaged_name(const fs::path& folder) {
  std::error_code ignored;
  for (int i = 1;; ++i)
    if (auto name = beside(folder, fmt::format(".damaged-{}", i)); !fs::exists(name, ignored))
      return name;
}

// Puts the folder `fresh`, which is whole, in the place of `folder`. A crash in the middle leaves
// `fresh` alone, which finish_exchange() knows.
Status exchange(const fs::path& folder, const fs::path& fresh, const fs::path& aside) {
  std::error_code ignored;
  if (fs::exists(folder, ignored))
    if (auto bad = rename_folder(folder, aside)) return bad;
  if (auto bad = rename_folder(fresh, folder)) return bad;
  return sync_folder(folder.parent_path());
}

Status finish_exchange(const fs::path& folder) {
  std::error_code failed;
  const auto fresh = beside(folder, ".new");
  if (!fs::exists(fresh, failed)) return {};
  if (!fs::exists(folder, failed)) return rename_folder(fresh, folder);
  fs::remove_all(fresh, failed);
  if (failed) return file_error(failed.value(), "deleting", fresh);
  return {};
}

// What is to be known of the rows that are not right any more.
void tell(CursorsFound& found, const fs::path& damaged) {
  found.rows[kCursorsMended] = fmt::format(
      "The cursors of subscriptions were damaged: {}. {} rows are as they were; every "
      "subscription whose row is not delivers again from its start. The damaged files are in {}.",
      found.what, found.rows.size(), damaged.string());
}

}  // namespace

Expected<std::unique_ptr<CursorStore>> CursorStore::open(const fs::path& folder, const Uuid& log_id,
                                                         bool anew) {
  if (auto bad = finish_exchange(folder)) return *bad;
  auto found = read_cursors(folder, log_id);
  if (!found) return found.error();
  using State = CursorsFound::State;
  const bool damaged = found->state == State::damaged;
  if (damaged || (anew && found->state == State::whole)) {
    const auto fresh = beside(folder, ".new");
    const auto aside = damaged ? damaged_name(folder) : beside(folder, ".old");
    if (damaged) tell(*found, aside);
    if (auto bad = make_of(fresh, log_id, *found)) return *bad;
    if (auto bad = exchange(folder, fresh, aside)) return *bad;
    std::error_code ignored;
    if (!damaged) fs::remove_all(aside, ignored);
    found->state = State::whole;
  }
  auto store = open_env(folder, log_id);
  if (!store) return store;
  if (auto bad = (*store)->prepare(*found)) return *bad;
  if (const auto told = found->rows.find(kCursorsMended); told != found->rows.end())
    (*store)->mended_ = told->second;
  return store;
}

// On disk when it returns.
Status CursorStore::make_of(const fs::path& folder, const Uuid& log_id, CursorsFound found) {
  found.state = CursorsFound::State::plain;
  auto made = open_env(folder, log_id);
  if (!made) return made.error();
  if (auto bad = (*made)->prepare(found)) return bad;
  return sync_folder(folder);
}

Status copy_cursors(const fs::path& from, const fs::path& to, const Uuid& log_id) {
  auto found = read_cursors(from, log_id);
  if (!found) return found.error();
  if (found->state == CursorsFound::State::damaged) tell(*found, from);
  return CursorStore::make_of(to, log_id, *std::move(found));
}

Expected<std::unique_ptr<CursorStore>> CursorStore::open_env(const fs::path& folder,
                                                             const Uuid& log_id) {
  if (auto bad = make_folder(folder)) return *bad;
  auto env = Env::open(
      folder.string(),
      {.map_bytes = kCursorMapBytes, .databases = 1, .names = {std::string(kCursorTable)}});
  if (!env) return env.error();
  std::unique_ptr<CursorStore> store(new CursorStore);
  store->env_ = std::move(*env);
  store->log_id_ = log_id;
  return store;
}

std::string CursorStore::owner(const std::map<std::string, std::uint32_t>& crcs) const {
  std::uint64_t sum = 0;
  for (const auto& [key, crc] : crcs) sum += crc;
  return cursor_owner(log_id_, crcs.size(), sum);
}

// Opens the table, and writes its rows where it does not have them with checksums.
Status CursorStore::prepare(const CursorsFound& found) {
  for (const auto& [key, text] : found.rows) crcs_[key] = cursor_crc(log_id_, key, text);
  Txn txn;
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), std::string(kCursorTable).c_str(), MDB_CREATE, &table_);
  if (found.state != CursorsFound::State::whole) {
    if (rc == 0) rc = mdb_drop(txn.get(), table_, 0);
    for (auto at = found.rows.begin(); rc == 0 && at != found.rows.end(); ++at)
      rc = put_text(txn.get(), table_, kCursorPrefix + at->first,
                    cursor_row(at->second, crcs_[at->first]));
    if (rc == 0) rc = put_text(txn.get(), table_, kCursorOwner, owner(crcs_));
  }
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb_error(rc, "opening the cursors");
  return {};
}

Expected<CursorRows> CursorStore::load() const {
  CursorRows out;
  Txn txn;
  Cursor cursor;
  int rc = env_.begin_read(txn);
  if (rc == 0) rc = cursor.open(txn.get(), table_);
  MDB_val key{}, value{};
  for (auto op = MDB_FIRST; rc == 0; op = MDB_NEXT) {
    rc = mdb_cursor_get(cursor.get(), &key, &value, op);
    if (rc != 0 || !val_text(key).starts_with(kCursorPrefix)) continue;
    const auto name = val_text(key).substr(1);
    const auto text = val_text(value).substr(0, value.mv_size - std::min(value.mv_size, kCrcText));
    if (cursor_row(text, cursor_crc(log_id_, name, text)) != val_text(value)) rc = MDB_CORRUPTED;
    out.emplace(name, text);
  }
  cursor.close();
  if (rc != MDB_NOTFOUND) return lmdb_error(rc, "reading the cursors");
  return out;
}

Status CursorStore::copy(const fs::path& folder) const {
  if (auto bad = make_folder(folder)) return bad;
  if (const int rc = mdb_env_copy(env_.get(), folder.c_str()))
    return lmdb_error(rc, "copying the cursors");
  auto file = File::open(folder / "data.mdb", O_RDONLY);
  if (!file) return file.error();
  if (auto bad = sync_file(*file, folder / "data.mdb")) return bad;
  return sync_folder(folder);
}

Status CursorStore::save(const std::vector<Change>& changes) {
  auto crcs = crcs_;
  Txn txn;
  int rc = txn.begin(env_.get(), 0);
  for (auto at = changes.begin(); rc == 0 && at != changes.end(); ++at) {
    const std::string name = kCursorPrefix + at->first;
    if (at->second) {
      const auto crc = crcs[at->first] = cursor_crc(log_id_, at->first, *at->second);
      rc = put_text(txn.get(), table_, name, cursor_row(*at->second, crc));
    } else {
      MDB_val key = text_val(name);
      crcs.erase(at->first);
      rc = mdb_del(txn.get(), table_, &key, nullptr);
      if (rc == MDB_NOTFOUND) rc = 0;
    }
  }
  if (rc == 0) rc = put_text(txn.get(), table_, kCursorOwner, owner(crcs));
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb_error(rc, "writing the cursors");
  crcs_ = std::move(crcs);
  return {};
}

Expected<std::string> verify_cursors(const fs::path& folder, const Uuid& log_id) {
  // Who may not read the file is told nothing about it.
  if (::access((folder / "data.mdb").c_str(), R_OK) != 0) return std::string();
  auto found = read_cursors(folder, log_id);
  if (!found) return found.error();
  if (found->state != CursorsFound::State::damaged) return std::string();
  return fmt::format(
      "The cursors of subscriptions are damaged: {}. The next start puts them aside, and every "
      "subscription whose row is damaged delivers again from its start.",
      found->what);
}

}  // namespace mlforge::storage
