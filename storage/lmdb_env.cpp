#include "storage/lmdb_env.hpp"

#include <fmt/format.h>

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
    default:
      return {ErrorCode::internal, fmt::format("Failed {}: {}.", doing, mdb_strerror(rc))};
  }
}

std::uint64_t to_number(const MDB_val& val) {
  std::uint64_t number = 0;
  if (val.mv_size == sizeof number) std::memcpy(&number, val.mv_data, sizeof number);
  return number;
}

Expected<Env> Env::open(const std::string& folder, const EnvOptions& options) {
  Env env;
  MDB_env* raw = nullptr;
  if (const int rc = mdb_env_create(&raw)) return lmdb_error(rc, "making an LMDB environment");
  env.env_.reset(raw);
  int rc = mdb_env_set_mapsize(raw, options.map_bytes);
  if (rc == 0) rc = mdb_env_set_maxreaders(raw, options.readers);
  if (rc == 0) rc = mdb_env_set_maxdbs(raw, options.databases);
  if (rc == 0) rc = mdb_env_open(raw, folder.c_str(), options.flags | MDB_NOTLS, 0640);
  int dead = 0;
  if (rc == 0) rc = mdb_reader_check(raw, &dead);
  if (rc != 0) return lmdb_error(rc, fmt::format("opening {}", folder));
  return env;
}

}  // namespace mlforge::storage
