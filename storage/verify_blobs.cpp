#include "storage/verify_blobs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "storage/files.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBlockBytes = 1 << 20;

struct Found {
  fs::path path;
  Digest digest;
  std::uint64_t bytes = 0;
};

// All files that are named like blobs, in the order of their names.
Expected<std::vector<Found>> find_blobs(const fs::path& folder) {
  std::vector<Found> all;
  std::error_code failed;
  if (!fs::exists(folder, failed)) return all;
  fs::recursive_directory_iterator at(folder, failed);
  for (const fs::recursive_directory_iterator end; !failed && at != end; at.increment(failed)) {
    if (at.depth() != 2 || !at->is_regular_file(failed)) continue;
    const auto digest =
        parse_digest(at->path().parent_path().filename().string() + at->path().filename().string());
    if (digest) all.push_back({at->path(), *digest, at->file_size(failed)});
  }
  if (failed) return file_error(failed.value(), "listing", folder);
  std::sort(all.begin(), all.end(), [](const Found& a, const Found& b) { return a.path < b.path; });
  return all;
}

}  // namespace

Expected<bool> holds_blob(const fs::path& path, const Digest& digest,
                          const std::function<void(std::uint64_t)>& read) {
  auto file = File::open(path, O_RDONLY);
  if (!file) return file.error();
  Sha256 hash;
  std::vector<std::uint8_t> block(kBlockBytes);
  for (;;) {
    const ssize_t n = ::read(file->fd(), block.data(), block.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, "reading", path);
    if (n == 0) break;
    hash.update({block.data(), static_cast<std::size_t>(n)});
    if (read) read(static_cast<std::uint64_t>(n));
  }
  return hash.finish() == digest;
}

Expected<BlobsReport> verify_blobs(const fs::path& folder, const BlobsProgress& progress) {
  const auto all = find_blobs(folder);
  if (!all) return all.error();
  std::uint64_t total = 0;
  for (const Found& each : *all) total += each.bytes;
  BlobsReport report;
  for (const Found& each : *all) {
    const auto whole = holds_blob(each.path, each.digest, [&](std::uint64_t bytes) {
      report.bytes += bytes;
      if (progress) progress(report.bytes, total);
    });
    ++report.blobs;
    if (!whole || !*whole)
      report.damaged.push_back(each.path.lexically_relative(folder).generic_string());
  }
  return report;
}

}  // namespace mlforge::storage
