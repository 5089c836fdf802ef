#include "storage/files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mlforge::storage {
namespace fs = std::filesystem;

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

Expected<File> File::open(const fs::path& path, int flags, int mode) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return file_error(errno, "opening", path);
  return File(fd);
}

Error file_error(int code, std::string_view doing, const fs::path& path) {
  if (code == ENOSPC || code == EDQUOT || code == EFBIG)
    return {ErrorCode::read_only,
            fmt::format("The disk is full, found while {} {}. Free space.", doing, path.string())};
  const auto kind = code == ENOENT ? ErrorCode::not_found : ErrorCode::internal;
  return {kind, fmt::format("Failed {} {}: {}.", doing, path.string(), std::strerror(code))};
}

Status write_all(const File& file, std::string_view bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.fd(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, "writing", path);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Status sync_file(const File& file, const fs::path& path) {
  if (::fsync(file.fd()) != 0) return file_error(errno, "syncing", path);
  return {};
}

Status sync_folder(const fs::path& folder) {
  auto opened = File::open(folder, O_RDONLY | O_DIRECTORY);
  if (!opened) return opened.error();
  return sync_file(*opened, folder);
}

namespace {

// Where the folder above may not be read, or its file system cannot be synced (a read-only one), no
// process of ours has made this name.
Status sync_existing_name(const fs::path& folder) {
  const fs::path above = folder.parent_path();
  const File file(::open(above.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.fd() < 0 && errno == EACCES) return {};
  if (file.fd() < 0) return file_error(errno, "opening", above);
  if (::fsync(file.fd()) == 0 || errno == EINVAL || errno == EROFS) return {};
  return file_error(errno, "syncing", above);
}

// One level after the other, so that where a folder is there, at most its own name is unsynced.
Status make_whole_folder(const fs::path& folder) {
  std::error_code failed;
  if (fs::is_directory(folder, failed)) return sync_existing_name(folder);
  if (folder.has_relative_path() && !fs::exists(folder.parent_path(), failed)) {
    if (auto bad = make_whole_folder(folder.parent_path())) return bad;
  } else if (auto bad = sync_existing_name(folder.parent_path())) {
    return bad;
  }
  fs::create_directory(folder, failed);
  if (failed) {
    auto error = file_error(failed.value(), "creating", folder);
    if (error.code == ErrorCode::not_found) error.code = ErrorCode::internal;  // nothing was sought
    return error;
  }
  return sync_folder(folder.parent_path());
}

}  // namespace

Status make_folder(const fs::path& folder) {
  fs::path whole = fs::absolute(folder).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  return make_whole_folder(whole);
}

Status write_file_durably(const fs::path& path, std::string_view bytes) {
  const fs::path temporary = path.string() + ".tmp";
  auto file = File::open(temporary, O_WRONLY | O_CREAT | O_TRUNC);
  if (!file) return file.error();
  auto bad = write_all(*file, bytes, temporary);
  if (!bad) bad = sync_file(*file, temporary);
  if (bad) {
    ::unlink(temporary.c_str());  // on a full disk it would be in the way
    return bad;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) return file_error(errno, "naming", path);
  return sync_folder(path.parent_path());
}

// Some file systems have room for no new file, but all have room for what is there.
Status write_marker(const fs::path& path, std::string_view bytes) {
  auto bad = write_file_durably(path, bytes);
  if (!bad || bad->code != ErrorCode::read_only) return bad;
  auto file = File::open(path, O_WRONLY);
  if (!file) return bad;
  if ((bad = write_all(*file, bytes, path))) return bad;
  if (::ftruncate(file->fd(), static_cast<off_t>(bytes.size())) != 0)
    return file_error(errno, "writing", path);
  return sync_file(*file, path);
}

Expected<std::string> read_small_file(const fs::path& path, std::size_t limit) {
  auto file = File::open(path, O_RDONLY);
  if (!file) return file.error();
  std::string bytes(limit, '\0');
  std::size_t used = 0;
  while (used < limit) {
    const ssize_t n = ::read(file->fd(), bytes.data() + used, limit - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, "reading", path);
    if (n == 0) break;
    used += static_cast<std::size_t>(n);
  }
  bytes.resize(used);
  return bytes;
}

}  // namespace mlforge::storage
