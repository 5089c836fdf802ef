#include "storage/cursor_store.hpp"

#include <fcntl.h>

#include "storage/files.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMapBytes = std::size_t{1} << 30;
constexpr std::string_view kOwner = "log";  // no key of ours: those begin with another letter
constexpr char kPrefix = '=';

MDB_val text_val(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }
std::string_view val_text(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

}  // namespace

Expected<std::unique_ptr<CursorStore>> CursorStore::open(const fs::path& folder,
                                                         const Uuid& log_id) {
  Status bad;
  for (int attempt = 0; attempt < 2; ++attempt) {
    std::error_code ignored;
    // The second time what is there cannot be used: it is made anew.
    if (attempt > 0) fs::remove_all(folder, ignored);
    if ((bad = make_folder(folder))) return *bad;
    auto env =
        Env::open(folder.string(), {.map_bytes = kMapBytes, .databases = 1, .names = {"cursors"}});
    if (!env) {
      bad = env.error();
      if (bad->code == ErrorCode::read_only) return *bad;
      continue;
    }
    std::unique_ptr<CursorStore> store(new CursorStore);
    store->env_ = std::move(*env);
    if (!(bad = store->prepare(log_id))) return store;
    if (bad->code == ErrorCode::read_only) return *bad;
  }
  return *bad;
}

Status CursorStore::prepare(const Uuid& log_id) {
  const std::string owner = to_string(log_id);
  Txn txn;
  int rc = txn.begin(env_.get(), 0);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), "cursors", MDB_CREATE, &table_);
  MDB_val key = text_val(kOwner), value{};
  if (rc == 0) rc = mdb_get(txn.get(), table_, &key, &value);
  const bool ours = rc == 0 && val_text(value) == owner;
  if (rc == MDB_NOTFOUND) rc = 0;
  if (rc == 0 && !ours) {
    rc = mdb_drop(txn.get(), table_, 0);
    value = text_val(owner);
    if (rc == 0) rc = mdb_put(txn.get(), table_, &key, &value, 0);
  }
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb_error(rc, "opening the cursors");
  return {};
}

Expected<std::map<std::string, std::string>> CursorStore::load() const {
  std::map<std::string, std::string> out;
  Txn txn;
  Cursor cursor;
  int rc = env_.begin_read(txn);
  if (rc == 0) rc = cursor.open(txn.get(), table_);
  MDB_val key{}, value{};
  for (auto op = MDB_FIRST; rc == 0; op = MDB_NEXT) {
    rc = mdb_cursor_get(cursor.get(), &key, &value, op);
    if (rc == 0 && val_text(key).starts_with(kPrefix))
      out.emplace(val_text(key).substr(1), val_text(value));
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
  Txn txn;
  int rc = txn.begin(env_.get(), 0);
  for (auto at = changes.begin(); rc == 0 && at != changes.end(); ++at) {
    const std::string name = kPrefix + at->first;
    MDB_val key = text_val(name);
    if (at->second) {
      MDB_val value = text_val(*at->second);
      rc = mdb_put(txn.get(), table_, &key, &value, 0);
    } else {
      rc = mdb_del(txn.get(), table_, &key, nullptr);
      if (rc == MDB_NOTFOUND) rc = 0;
    }
  }
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return lmdb_error(rc, "writing the cursors");
  return {};
}

}  // namespace mlforge::storage
