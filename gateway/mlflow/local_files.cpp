#include "gateway/mlflow/local_files.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

#include "gateway/http/logging.hpp"
#include "storage/files.hpp"

namespace mlforge::gateway::mlflow {
namespace local_files {
namespace {

namespace fs = std::filesystem;

// Clients read it under other users, so that the umask decides.
constexpr int kMode = 0666;

Status write_part(const fs::path& part, std::string_view bytes) {
  auto file = storage::File::open(part, O_WRONLY | O_CREAT | O_EXCL, kMode);
  if (!file) return file.error();
  if (auto bad = storage::write_all(*file, bytes, part)) return bad;
  return storage::sync_file(*file, part);
}

Status write_whole(const fs::path& file, std::string_view bytes) {
  if (auto bad = storage::make_folder(file.parent_path())) return bad;
  static std::atomic<std::uint64_t> count{0};
  auto part = file;
  part += ".part-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  auto bad = write_part(part, bytes);
  if (!bad && ::rename(part.c_str(), file.c_str()) != 0)
    bad = storage::file_error(errno, "naming", file);
  if (bad) ::unlink(part.c_str());
  return bad ? bad : storage::sync_folder(file.parent_path());
}

}  // namespace
}  // namespace local_files

Status write_local_file(const std::filesystem::path& folder, const std::string& path,
                        std::string_view bytes) {
  std::error_code failed;
  const auto root = std::filesystem::weakly_canonical(folder, failed);
  const auto file = std::filesystem::weakly_canonical(folder / path, failed);
  const auto [end, rest] = std::mismatch(root.begin(), root.end(), file.begin(), file.end());
  if (failed || end != root.end() || rest == file.end())
    return Error{ErrorCode::invalid_argument, "Invalid path", "path"};
  const auto bad = local_files::write_whole(file, bytes);
  if (!bad) return {};
  logging::error("{}", bad->message);
  return Error{ErrorCode::unavailable, "The file cannot be written to " + folder.string(), "path"};
}

}  // namespace mlforge::gateway::mlflow
