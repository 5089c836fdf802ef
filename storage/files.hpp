// The few file operations that durability needs. Paths are UTF-8; errors name the path.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "events/error.hpp"

namespace mlforge::storage {

// A file descriptor with an owner; opened with O_CLOEXEC.
class File {
 public:
  File() = default;
  explicit File(int fd) : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File();
  int fd() const { return fd_; }
  static Expected<File> open(const std::filesystem::path& path, int flags, int mode = 0640);

 private:
  int fd_ = -1;
};

// The error of errno `code`; `doing` is a gerund. A full disk becomes read_only, the rest internal.
Error file_error(int code, std::string_view doing, const std::filesystem::path& path);

Status write_all(const File& file, std::string_view bytes, const std::filesystem::path& path);
Status sync_file(const File& file, const std::filesystem::path& path);
// Makes the names in a folder durable.
Status sync_folder(const std::filesystem::path& folder);
// Creates the folder and those above it where they are missing, and makes their names durable; also
// the name of a folder that is there, which a process that was killed may have left unsynced.
Status make_folder(const std::filesystem::path& folder);
// After a power cut, `path` holds either what it held before or `bytes`.
Status write_file_durably(const std::filesystem::path& path, std::string_view bytes);
// The same for a few bytes whose loss costs only time, also on a full disk: where no second file
// can be written, the bytes go over those that are there, and a power cut may leave a mixture.
Status write_marker(const std::filesystem::path& path, std::string_view bytes);
// At most `limit` bytes; `not_found` where there is no such file.
Expected<std::string> read_small_file(const std::filesystem::path& path, std::size_t limit = 65536);

}  // namespace mlforge::storage
