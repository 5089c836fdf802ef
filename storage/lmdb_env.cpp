#include "storage/lmdb_env.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mlforge::storage {

Error lmdb_error(int rc, std::string_view doing) {
  switch (rc) {
    case ENOSPC:
    case EDQUOT:
      return {ErrorCode::read_only,
              fmt::format("The disk is full, found while {}. Free space, then restart.", doing)};
    case MDB_MAP_FULL:
      return {
          ErrorCode::read_only,
          fmt::format("The memory map is full, found while {}. Restart with a larger map.", doing)};
    case MDB_READERS_FULL:
      return {ErrorCode::unavailable,
              fmt::format("Too many reads at the same time, found while {}. Try again.", doing)};
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
      return {ErrorCode::corrupt,
              fmt::format("The database is damaged, found while {}: {}. Restore it from a backup.",
                          doing, mdb_strerror(rc))};
    case MDB_PANIC:
      return {ErrorCode::internal,
              fmt::format("An earlier write to the disk failed, found while {}. Restart.", doing)};
    default:
      return {ErrorCode::internal, fmt::format("Failed {}: {}.", doing, mdb_strerror(rc))};
  }
}

std::uint64_t to_number(const MDB_val& val) {
  std::uint64_t number = 0;
  if (val.mv_size == sizeof number) std::memcpy(&number, val.mv_data, sizeof number);
  return number;
}

namespace {

// In a child of its own: reading a page that the file does not have ends the process.
bool can_be_walked(const std::string& folder, std::size_t map_bytes) {
  const pid_t child = ::fork();
  if (child == 0) {
    const int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    MDB_env* env = nullptr;
    bool ok = null >= 0 && mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, map_bytes) == 0;
    ok = ok && mdb_env_open(env, folder.c_str(), MDB_RDONLY | MDB_NOLOCK, 0640) == 0;
    ok = ok && mdb_env_copyfd2(env, null, MDB_CP_COMPACT) == 0;
    ::_exit(ok ? 0 : 1);
  }
  int status = 0;
  return child > 0 && ::waitpid(child, &status, 0) == child && status == 0;
}

// A file may be shorter than the last page that was ever given out, where that was never written;
// or somebody has cut it.
Status check_length(MDB_env* env, const std::string& folder, std::size_t map_bytes) {
  MDB_envinfo info{};
  MDB_stat stat{};
  int fd = -1;
  struct stat file {};
  if (mdb_env_info(env, &info) || mdb_env_stat(env, &stat) || mdb_env_get_fd(env, &fd) ||
      ::fstat(fd, &file) != 0)
    return {};
  const std::uint64_t wanted = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  if (static_cast<std::uint64_t>(file.st_size) >= wanted || can_be_walked(folder, map_bytes))
    return {};
  return Error{
      ErrorCode::corrupt,
      fmt::format("{}/data.mdb has {} bytes where its contents take up to {}: a part of it "
                  "is missing. Restore it from a backup.",
                  folder, file.st_size, wanted),
      ""};
}

}  // namespace

Expected<Env> Env::open(const std::string& folder, const EnvOptions& options) {
  Env env;
  MDB_env* raw = nullptr;
  if (const int rc = mdb_env_create(&raw)) return lmdb_error(rc, "making an LMDB environment");
  env.env_.reset(raw);
  env.after_panic_ = std::make_unique<AfterPanic>();
  env.after_panic_->folder = folder;
  env.after_panic_->options = options;
  int rc = mdb_env_set_mapsize(raw, options.map_bytes);
  if (rc == 0) rc = mdb_env_set_maxreaders(raw, options.readers);
  if (rc == 0) rc = mdb_env_set_maxdbs(raw, options.databases);
  // Whoever may only read cannot take part in LMDB's locking; the folder's own lock is enough.
  const bool unlocked = (options.flags & MDB_RDONLY) != 0 && ::access(folder.c_str(), W_OK) != 0;
  const unsigned flags = options.flags | MDB_NOTLS | (unlocked ? MDB_NOLOCK : 0u);
  if (rc == 0) rc = mdb_env_open(raw, folder.c_str(), flags, 0640);
  int dead = 0;
  if (rc == 0) rc = mdb_reader_check(raw, &dead);
  if (rc != 0) return lmdb_error(rc, fmt::format("opening {}", folder));
  if (auto bad = check_length(raw, folder, options.map_bytes)) return *bad;
  return env;
}

int Env::begin_read(Txn& txn) const {
  const int rc = txn.begin(env_.get(), MDB_RDONLY);
  if (rc != MDB_PANIC) return rc;
  const std::lock_guard lock(after_panic_->mutex);
  if (!after_panic_->env)
    if (const int failed = open_after_panic()) return failed;
  return txn.begin(after_panic_->env.get(), MDB_RDONLY);
}

// Without a lock table: LMDB's locks would end with the first of two environments to close. The
// handles of the databases are numbers in the order of their opening, so they are the same.
int Env::open_after_panic() const {
  const EnvOptions& options = after_panic_->options;
  MDB_env* raw = nullptr;
  if (const int rc = mdb_env_create(&raw)) return rc;
  Handle env(raw);
  constexpr unsigned kFlags = MDB_RDONLY | MDB_NOLOCK | MDB_NOTLS;
  int rc = mdb_env_set_mapsize(raw, options.map_bytes);
  if (rc == 0) rc = mdb_env_set_maxdbs(raw, options.databases);
  if (rc == 0) rc = mdb_env_open(raw, after_panic_->folder.c_str(), kFlags, 0640);
  Txn txn;
  MDB_dbi dbi = 0;
  if (rc == 0) rc = txn.begin(raw, MDB_RDONLY);
  if (rc == 0) rc = mdb_dbi_open(txn.get(), nullptr, 0, &dbi);
  for (const std::string& name : options.names)
    if (rc == 0) rc = mdb_dbi_open(txn.get(), name.c_str(), 0, &dbi);
  if (rc == 0) rc = txn.commit();
  if (rc == 0) after_panic_->env = std::move(env);
  return rc;
}

}  // namespace mlforge::storage
