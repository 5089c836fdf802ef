#include "gateway/cli/output_file.hpp"

#include <unistd.h>

#include <filesystem>
#include <utility>

namespace mlforge::gateway::cli {
namespace fs = std::filesystem;

Expected<OutputFile> OutputFile::open(const Io& io, const std::string& path) {
  OutputFile out;
  out.out_ = &io.out;
  out.path_ = path;
  if (path.empty()) return out;
  std::error_code ignored;
  const auto there = fs::symlink_status(path, ignored);
  if (!fs::exists(there) || fs::is_regular_file(there))
    out.part_ = path + "." + std::to_string(::getpid()) + ".part";
  out.file_.open(out.part_.empty() ? path : out.part_, std::ios::binary | std::ios::trunc);
  if (!out.file_) {
    out.part_.clear();
    return out.unwritable();
  }
  // Who may not read the file that is there may not read the one that takes its place.
  if (fs::is_regular_file(there)) fs::permissions(out.part_, there.permissions(), ignored);
  return out;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : out_(other.out_),
      file_(std::move(other.file_)),
      path_(std::move(other.path_)),
      part_(std::exchange(other.part_, {})) {}

OutputFile::~OutputFile() {
  if (part_.empty()) return;
  file_.close();
  std::error_code ignored;
  fs::remove(part_, ignored);
}

Status OutputFile::keep() {
  if (!stream().flush()) return unwritable();
  if (path_.empty()) return {};
  file_.close();
  if (!file_) return unwritable();
  if (part_.empty()) return {};
  std::error_code failed;
  fs::rename(part_, path_, failed);
  if (failed) return unwritable();
  part_.clear();
  return {};
}

Error OutputFile::unwritable() const {
  return {ErrorCode::internal, (path_.empty() ? "stdout" : path_) + " cannot be written", "output"};
}

}  // namespace mlforge::gateway::cli
