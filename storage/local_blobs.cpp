// Blobs in a local folder: <tenant>/<first two digits>/<the other 62>, and tmp/ for uploads under
// way.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <set>

#include "storage/blob_spool.hpp"
#include "storage/files.hpp"
#include "storage/verify_blobs.hpp"

namespace mlforge::storage {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestTenantName = 200;
constexpr std::size_t kVerifyBlockBytes = 1 << 20;

// Lower-case letters, digits, '_' and '-' stay; every other byte becomes "%xx". So no name can
// leave the folder, and none is "tmp", which begins with 't' like all tenants' folders do.
std::string tenant_folder(std::string_view tenant) {
  std::string name = "t-";
  for (const char c : tenant) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    name += plain ? std::string(1, c) : fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return name.size() <= kLongestTenantName ? name : "d-" + to_string(sha256(as_bytes(tenant)));
}

Error no_such_blob(const Digest& digest) {
  return {ErrorCode::not_found, fmt::format("There is no blob {}.", to_string(digest)), "digest"};
}

// Makes folders whose names are durable when it answers, also those that another thread has made
// but not synced yet; each is synced once. Any thread.
class DurableFolders {
 public:
  Status make(const fs::path& folder) {
    {
      const std::lock_guard lock(mutex_);
      if (made_.count(folder.native())) return {};
    }
    if (auto bad = make_folder(folder)) return bad;
    const std::lock_guard lock(mutex_);
    made_.insert(folder.native());
    return {};
  }

 private:
  std::mutex mutex_;
  std::set<std::string> made_;
};

class LocalWriter final : public SpoolingWriter {
 public:
  LocalWriter(File file, fs::path temporary, fs::path tenant,
              std::shared_ptr<DurableFolders> folders)
      : SpoolingWriter(std::move(file), std::move(temporary)),
        tenant_(std::move(tenant)),
        folders_(std::move(folders)) {}

 private:
  Expected<bool> keep(const Digest& digest) override {
    const std::string hex = to_string(digest);
    const fs::path shard = tenant_ / hex.substr(0, 2), target = shard / hex.substr(2);
    struct stat info {};
    // What is there is read before it is called the same: an upload is how people mend a damaged
    // blob, and reading costs less than the upload did.
    bool there = false;
    if (::stat(target.c_str(), &info) == 0 && static_cast<std::uint64_t>(info.st_size) == bytes()) {
      const auto same = holds_blob(target, digest);
      there = same && *same;
    }
    // Names are synced even for a blob that is there already: whoever stored it may not have done
    // so.
    auto bad = folders_->make(tenant_);
    if (!bad) bad = folders_->make(shard);
    if (!bad && !there) bad = move_to(target);
    if (!bad) bad = sync_folder(shard);
    if (bad) return *bad;
    return there;
  }

  Status move_to(const fs::path& target) {
    if (auto bad = sync_file(file(), path())) return bad;
    if (::rename(path().c_str(), target.c_str()) != 0) return file_error(errno, "naming", target);
    return {};
  }

  fs::path tenant_;
  std::shared_ptr<DurableFolders> folders_;
};

class LocalReader final : public BlobReader {
 public:
  LocalReader(File file, fs::path path, BlobRange range)
      : file_(std::move(file)), path_(std::move(path)), range_(range) {}

  std::uint64_t size() const override { return range_.length; }

  Expected<std::size_t> read(std::span<std::uint8_t> out) override {
    const std::size_t wanted = std::min<std::uint64_t>(out.size(), range_.length - done_);
    while (wanted > 0) {
      const ssize_t n =
          ::pread(file_.fd(), out.data(), wanted, static_cast<off_t>(range_.offset + done_));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return file_error(errno, "reading", path_);
      if (n == 0) return Error{ErrorCode::corrupt, "The blob was cut short on disk."};
      done_ += static_cast<std::uint64_t>(n);
      return static_cast<std::size_t>(n);
    }
    return std::size_t{0};
  }

 private:
  File file_;
  fs::path path_;
  BlobRange range_;
  std::uint64_t done_ = 0;
};

class LocalBlobs final : public BlobStore {
 public:
  explicit LocalBlobs(const fs::path& folder) : folder_(folder), spool_(folder / "tmp") {}

  Status prepare() {
    if (auto bad = make_folder(folder_)) return bad;
    return spool_.prepare();
  }

  Expected<std::unique_ptr<BlobWriter>> create(std::string_view tenant) override {
    if (auto bad = check_tenant(tenant)) return *bad;
    auto temporary = spool_.next();
    auto file = File::open(temporary, O_WRONLY | O_CREAT | O_EXCL);
    if (!file) return file.error();
    return std::unique_ptr<BlobWriter>(new LocalWriter(std::move(*file), std::move(temporary),
                                                       folder_ / tenant_folder(tenant), folders_));
  }

  Expected<std::unique_ptr<BlobReader>> open(std::string_view tenant, const Digest& digest,
                                             BlobRange range) const override {
    if (auto bad = check_tenant(tenant)) return *bad;
    const fs::path path = path_of(tenant, digest);
    auto file = File::open(path, O_RDONLY);
    if (!file)
      return file.error().code == ErrorCode::not_found ? no_such_blob(digest) : file.error();
    struct stat info {};
    if (::fstat(file->fd(), &info) != 0) return file_error(errno, "examining", path);
    const auto bytes = static_cast<std::uint64_t>(info.st_size);
    if (range.offset > bytes)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("The range begins at byte {}, but the blob has {} bytes.",
                               range.offset, bytes),
                   "range"};
    range.length = std::min(range.length, bytes - range.offset);
    return std::unique_ptr<BlobReader>(new LocalReader(std::move(*file), path, range));
  }

  Expected<bool> exists(std::string_view tenant, const Digest& digest) const override {
    const auto bytes = size(tenant, digest);
    if (bytes) return true;
    if (bytes.error().code == ErrorCode::not_found) return false;
    return bytes.error();
  }

  Expected<std::uint64_t> size(std::string_view tenant, const Digest& digest) const override {
    if (auto bad = check_tenant(tenant)) return *bad;
    const fs::path path = path_of(tenant, digest);
    struct stat info {};
    if (::stat(path.c_str(), &info) == 0) return static_cast<std::uint64_t>(info.st_size);
    if (errno == ENOENT || errno == ENOTDIR) return no_such_blob(digest);
    return file_error(errno, "examining", path);
  }

  Status verify(std::string_view tenant, const Digest& digest) const override {
    auto reader = open(tenant, digest, {});
    if (!reader) return reader.error();
    Sha256 hash;
    std::string block(kVerifyBlockBytes, '\0');
    const std::span<std::uint8_t> out(reinterpret_cast<std::uint8_t*>(block.data()), block.size());
    for (;;) {
      const auto n = (*reader)->read(out);
      if (!n) return n.error();
      if (*n == 0) break;
      hash.update(out.first(*n));
    }
    if (hash.finish() == digest) return {};
    return Error{ErrorCode::corrupt,
                 fmt::format("The bytes of blob {} do not match their digest. Restore it from a "
                             "backup or upload it again.",
                             to_string(digest))};
  }

 private:
  fs::path path_of(std::string_view tenant, const Digest& digest) const {
    return local_blob_path(folder_, tenant, digest);
  }

  fs::path folder_;
  BlobSpool spool_;
  std::shared_ptr<DurableFolders> folders_ = std::make_shared<DurableFolders>();
};

}  // namespace

fs::path local_blob_path(const fs::path& folder, std::string_view tenant, const Digest& digest) {
  const std::string hex = to_string(digest);
  return folder / tenant_folder(tenant) / hex.substr(0, 2) / hex.substr(2);
}

Expected<std::unique_ptr<BlobStore>> open_local_blobs(const fs::path& folder) {
  auto blobs = std::make_unique<LocalBlobs>(folder);
  if (auto bad = blobs->prepare()) return *bad;
  return std::unique_ptr<BlobStore>(std::move(blobs));
}

std::unique_ptr<const BlobStore> look_at_local_blobs(const fs::path& folder) {
  return std::make_unique<LocalBlobs>(folder);
}

Expected<bool> link_local_blob(const fs::path& from, const fs::path& to, std::string_view tenant,
                               const Digest& digest) {
  const std::string hex = to_string(digest);
  const fs::path shard = fs::path(tenant_folder(tenant)) / hex.substr(0, 2);
  if (auto bad = make_folder(to / shard)) return *bad;
  const fs::path source = from / shard / hex.substr(2), target = to / shard / hex.substr(2);
  if (::link(source.c_str(), target.c_str()) == 0 || errno == EEXIST) return true;
  for (const int cannot : {EXDEV, EPERM, EACCES, EROFS, EMLINK, EOPNOTSUPP})
    if (errno == cannot) return false;
  return errno == ENOENT ? no_such_blob(digest) : file_error(errno, "linking", target);
}

}  // namespace mlforge::storage
