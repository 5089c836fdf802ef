#include "storage/compact.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "storage/data_folder.hpp"
#include "storage/lmdb_env.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

Status copy_used_pages(const fs::path& log, const fs::path& copy) {
  auto env = Env::open(log.string(), {.map_bytes = 1 << 20, .flags = MDB_RDONLY});
  if (!env) return env.error();
  const auto file = File::open(copy, O_RDWR | O_CREAT | O_EXCL);
  if (!file) return file.error();
  if (const int rc = mdb_env_copyfd2(env->get(), file->fd(), MDB_CP_COMPACT))
    return lmdb_error(rc, "copying the log");
  return sync_file(*file, copy);
}

}  // namespace

Expected<CompactReport> compact_log(const fs::path& path) {
  const auto folder = DataFolder::open_existing(path);
  if (!folder) return folder.error();
  const fs::path data = folder->log() / "data.mdb", copy = folder->log() / "data.mdb.compact";
  std::error_code failed;
  fs::remove(copy, failed);
  CompactReport report{.bytes_before = fs::file_size(data, failed)};
  if (failed) return file_error(failed.value(), "examining", data);
  if (auto bad = copy_used_pages(folder->log(), copy)) {
    fs::remove(copy, failed);
    return *bad;
  }
  report.bytes_after = fs::file_size(copy, failed);
  if (::rename(copy.c_str(), data.c_str()) != 0) return file_error(errno, "naming", data);
  if (auto bad = sync_folder(folder->log())) return *bad;
  return report;
}

}  // namespace mlforge::storage
