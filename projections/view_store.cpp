#include "projections/view_store.hpp"

#include <unistd.h>

#include <system_error>

#include "projections/open_views.hpp"
#include "projections/view_damage.hpp"
#include "storage/files.hpp"
#include "storage/lmdb_log.hpp"

namespace mlforge::projections {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDatabase = "data.mdb";
constexpr const char* kState = "state";

// Whether pages may be lost: the last process did not close, and the kernel that held its pages is
// gone, or unknown. No state file means a new folder, or one that broke while it was made.
bool may_be_torn(const fs::path& folder, const std::string& boot_id) {
  const auto state = storage::read_small_file(folder / kState);
  if (!state) return true;
  return !state->ends_with(" clean") && (boot_id.empty() || *state != boot_id + " open");
}

Status remove_database(const fs::path& folder, bool& removed) {
  // The mark last: until then the database counts as damaged.
  for (const char* name : {kDatabase, "lock.mdb", kDamagedMark}) {
    std::error_code code;
    if (fs::remove(folder / name, code)) removed = true;
    if (code) return storage::file_error(code.value(), "deleting", folder / name);
  }
  return {};
}

// Where memory cannot hold the file, what is read ahead of a look-up is gone before anything asks
// for it, and costs the time of thirty look-ups.
unsigned read_ahead(const fs::path& database) {
  std::error_code missing;
  const auto size = fs::file_size(database, missing);
  const auto memory = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return !missing && size > memory / 2 ? MDB_NORDAHEAD : 0;
}

}  // namespace

Expected<std::unique_ptr<ViewStore>> ViewStore::open(const fs::path& folder,
                                                     const ViewStoreOptions& options) {
  std::unique_ptr<ViewStore> store(new ViewStore);
  store->folder_ = folder;
  store->boot_id_ = options.boot_id.empty() ? storage::boot_id() : options.boot_id;
  if (auto bad = storage::make_folder(folder)) return *bad;
  std::error_code ignored;
  if (may_be_torn(folder, store->boot_id_) || fs::exists(folder / kDamagedMark, ignored) ||
      !has_sound_meta(folder / kDatabase))
    if (auto bad = remove_database(folder, store->discarded_)) return *bad;
  if (auto bad = store->write_state("open")) return *bad;
  const auto open_database = [&]() -> Status {
    auto env =
        storage::Env::open(folder.string(), {.map_bytes = options.map_bytes,
                                             .flags = MDB_NOSYNC | read_ahead(folder / kDatabase),
                                             .databases = 4,
                                             .readers = options.readers});
    if (!env) return env.error();
    store->env_ = std::move(*env);
    return store->open_tables();
  };
  auto bad = open_database();
  if (bad && bad->code == ErrorCode::corrupt) {
    store->env_ = storage::Env();
    if (auto stays = remove_database(folder, store->discarded_)) return *stays;
    bad = open_database();
  }
  if (bad) return *bad;
  return store;
}

Status ViewStore::open_tables() {
  storage::Txn txn;
  int rc = txn.begin(env_.get(), 0);
  const std::pair<const char*, MDB_dbi*> tables[] = {{"meta", &tables_.meta},
                                                     {"current", &tables_.current},
                                                     {"history", &tables_.history},
                                                     {"plain", &tables_.plain}};
  for (const auto& [name, table] : tables)
    if (rc == 0) rc = mdb_dbi_open(txn.get(), name, MDB_CREATE, table);
  if (rc == 0) rc = txn.commit();
  if (rc != 0) return view_error(rc, "opening the views' tables");
  return {};
}

Status ViewStore::write_state(std::string_view word) const {
  std::string text = boot_id_ + " ";
  text += word;
  return storage::write_marker(folder_ / kState, text);
}

Status copy_views(const ViewStore& store, const fs::path& folder) {
  std::error_code failed;
  fs::remove_all(folder, failed);
  if (failed) return storage::file_error(failed.value(), "emptying", folder);
  if (auto bad = storage::make_folder(folder)) return bad;
  if (const int rc = mdb_env_copy(store.env(), folder.c_str()))
    return view_error(rc, "copying the views");
  return storage::write_file_durably(folder / kState, storage::boot_id() + " clean");
}

Status discard_views(const fs::path& folder) {
  bool removed = false;
  return remove_database(folder, removed);
}

Status replace_views(const fs::path& folder, const fs::path& fresh) {
  fs::path old = folder;
  old += ".old";
  std::error_code failed;
  fs::remove_all(old, failed);
  if (!failed && fs::exists(folder, failed)) fs::rename(folder, old, failed);
  if (!failed) fs::rename(fresh, folder, failed);
  if (failed) return storage::file_error(failed.value(), "naming", folder);
  if (auto bad = storage::sync_folder(folder.parent_path())) return bad;
  fs::remove_all(old, failed);
  return {};
}

Status ViewStore::close() {
  if (!env_.get()) return {};
  const int rc = mdb_env_sync(env_.get(), 1);
  env_ = storage::Env();
  if (rc != 0) return view_error(rc, "syncing the views");
  return write_state("clean");
}

Expected<ViewReader> ViewStore::reader() const {
  if (!env_.get()) return Error{ErrorCode::unavailable, "The views are closed.", ""};
  auto txn = std::make_unique<storage::Txn>();
  if (const int rc = txn->begin(env_.get(), MDB_RDONLY))
    return view_error(rc, "starting a read of the views");
  return ViewReader(std::move(txn), tables_);
}

}  // namespace mlforge::projections
