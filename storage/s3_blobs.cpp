#include "storage/s3_blobs.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>

#include "storage/blob_spool.hpp"
#include "storage/s3_client.hpp"
#include "storage/s3_upload.hpp"
#include "storage/verify_blobs.hpp"

namespace mlforge::storage {
namespace s3_store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBlockBytes = 8u << 20;

Error no_blob(const S3Settings& at, const Digest& digest) {
  return {ErrorCode::not_found,
          fmt::format("There is no blob {} at {}.", to_string(digest), at.uri()), "digest"};
}

Error wrong_bytes(const S3Settings& at, const Digest& digest) {
  return {ErrorCode::corrupt,
          fmt::format("The bytes of blob {} at {} do not match their digest. Upload them again, or "
                      "restore the object.",
                      to_string(digest), at.uri())};
}

// What readers and writers share; outlives the store where one of them is still at work.
struct Place {
  explicit Place(S3Settings settings) : client(std::move(settings)) {}

  std::string key(std::string_view tenant, const Digest& digest) const {
    const auto name = local_blob_path({}, tenant, digest).generic_string();
    const auto& prefix = client.settings().prefix;
    return prefix.empty() ? name : prefix + "/" + name;
  }

  Expected<std::uint64_t> size(const std::string& key, const Digest& digest) {
    const auto answer = client.send({.method = "HEAD", .key = key});
    if (!answer) return answer.error();
    if (answer->ok()) return answer->object_bytes();
    if (answer->status == 404) return no_blob(client.settings(), digest);
    return client.refusal(*answer, "looking for a blob");
  }

  S3Client client;
  std::mutex mutex;
  std::set<std::string> doubted;  // keys
};

using SharedPlace = std::shared_ptr<Place>;

class Writer final : public SpoolingWriter {
 public:
  Writer(SharedPlace place, std::string tenant, File file, fs::path spooled)
      : SpoolingWriter(std::move(file), std::move(spooled)),
        place_(std::move(place)),
        tenant_(std::move(tenant)) {}

 private:
  Expected<bool> keep(const Digest& digest) override {
    const auto key = place_->key(tenant_, digest);
    const auto size = place_->size(key, digest);
    if (!size && size.error().code != ErrorCode::not_found) return size.error();
    bool doubted = false;
    {
      const std::lock_guard lock(place_->mutex);
      doubted = place_->doubted.contains(key);
    }
    const bool there = size && *size == bytes() && !doubted;
    if (!there)
      if (auto bad = upload_to_s3(place_->client, key, {file(), path(), bytes(), digest}))
        return *bad;
    const std::lock_guard lock(place_->mutex);
    place_->doubted.erase(key);
    return there;
  }

  SharedPlace place_;
  std::string tenant_;
};

// The first block comes with open(), which so learns of the object what there is to learn.
class Reader final : public BlobReader {
 public:
  Reader(SharedPlace place, std::string key, const Digest& digest, BlobRange range)
      : place_(std::move(place)), key_(std::move(key)), digest_(digest), range_(range) {}

  Status begin() {
    std::uint64_t object = 0;
    if (auto bad = fetch(object)) return bad;
    if (range_.offset > object)
      return Error{ErrorCode::invalid_argument,
                   fmt::format("The range begins at byte {}, but the blob has {} bytes.",
                               range_.offset, object),
                   "range"};
    range_.length = std::min(range_.length, object - range_.offset);
    return {};
  }

  std::uint64_t size() const override { return range_.length; }

  Expected<std::size_t> read(std::span<std::uint8_t> out) override {
    if (done_ == range_.length) return std::size_t{0};
    if (used_ == block_.size()) {
      std::uint64_t object = 0;
      if (auto bad = fetch(object)) return *bad;
    }
    const auto n = std::min<std::size_t>(
        {out.size(), block_.size() - used_, static_cast<std::size_t>(range_.length - done_)});
    if (n == 0 && !out.empty())
      return Error{ErrorCode::corrupt, "The blob was cut short in S3.", ""};
    std::memcpy(out.data(), block_.data() + used_, n);
    used_ += n;
    done_ += n;
    if (done_ == range_.length) block_ = {};
    return n;
  }

 private:
  // The next block; `object` becomes the size of the whole object.
  Status fetch(std::uint64_t& object) {
    const auto length = std::min(range_.length - done_, kBlockBytes);
    if (length == 0) return look(object);
    const auto first = range_.offset + done_;
    used_ = 0;
    auto answer = place_->client.send(
        {.method = "GET",
         .key = key_,
         .query = {},
         .headers = {{"range", fmt::format("bytes={}-{}", first, first + length - 1)}},
         .body = {},
         .body_sha256 = {},
         .most_bytes = static_cast<std::size_t>(length) + 4096,
         .once = false,
         .room = &block_});
    if (!answer) return answer.error();
    if (answer->status == 416) return look(object);
    if (answer->status == 404) return no_blob(place_->client.settings(), digest_);
    if (!answer->ok()) return place_->client.refusal(*answer, "reading");
    if (answer->status != 206 && first != 0)
      return Error{ErrorCode::unavailable,
                   place_->client.settings().uri() + " does not answer with ranges.",
                   "artifacts_destination"};
    object = answer->status == 206 ? answer->object_bytes() : answer->body.size();
    block_ = std::move(answer->body);
    return {};
  }

  // Where there is no byte to fetch: behind the end, or an empty object.
  Status look(std::uint64_t& object) {
    block_.clear();
    used_ = 0;
    const auto bytes = place_->size(key_, digest_);
    if (!bytes) return bytes.error();
    object = *bytes;
    return {};
  }

  SharedPlace place_;
  const std::string key_;
  const Digest digest_;
  BlobRange range_;
  std::uint64_t done_ = 0;
  std::string block_;
  std::size_t used_ = 0;
};

class S3Blobs final : public BlobStore {
 public:
  S3Blobs(S3Settings settings, fs::path spool)
      : place_(std::make_shared<Place>(std::move(settings))), spool_(std::move(spool)) {}

  Status prepare();

  Expected<std::unique_ptr<BlobWriter>> create(std::string_view tenant) override {
    if (auto bad = check_tenant(tenant)) return *bad;
    const auto spooled = spool_.next();
    auto file = File::open(spooled, O_RDWR | O_CREAT | O_EXCL);
    if (!file) return file.error();
    return std::unique_ptr<BlobWriter>(
        new Writer(place_, std::string(tenant), std::move(*file), spooled));
  }

  Expected<std::unique_ptr<BlobReader>> open(std::string_view tenant, const Digest& digest,
                                             BlobRange range) const override {
    if (auto bad = check_tenant(tenant)) return *bad;
    auto reader = std::make_unique<Reader>(place_, place_->key(tenant, digest), digest, range);
    if (auto bad = reader->begin()) return *bad;
    return std::unique_ptr<BlobReader>(std::move(reader));
  }

  Expected<bool> exists(std::string_view tenant, const Digest& digest) const override {
    const auto bytes = size(tenant, digest);
    if (bytes) return true;
    if (bytes.error().code == ErrorCode::not_found) return false;
    return bytes.error();
  }

  Expected<std::uint64_t> size(std::string_view tenant, const Digest& digest) const override {
    if (auto bad = check_tenant(tenant)) return *bad;
    return place_->size(place_->key(tenant, digest), digest);
  }

  Status verify(std::string_view tenant, const Digest& digest) const override {
    auto reader = open(tenant, digest, {});
    if (!reader) return reader.error();
    Sha256 hash;
    std::vector<std::uint8_t> block(1u << 20);
    for (;;) {
      const auto n = (*reader)->read(block);
      if (!n) return n.error();
      if (*n == 0) break;
      hash.update({block.data(), *n});
    }
    if (hash.finish() == digest) return {};
    doubt(tenant, digest);
    return wrong_bytes(place_->client.settings(), digest);
  }

  std::string remote() const override { return place_->client.settings().uri(); }

  void doubt(std::string_view tenant, const Digest& digest) const override {
    const std::lock_guard lock(place_->mutex);
    place_->doubted.insert(place_->key(tenant, digest));
  }

  void stop() override { place_->client.stop(); }

 private:
  Status check_bucket();
  Status empty_spool();

  SharedPlace place_;
  BlobSpool spool_;
};

Status S3Blobs::check_bucket() {
  const auto& settings = place_->client.settings();
  if (settings.credentials.access_key.empty() || settings.credentials.secret_key.empty())
    return Error{ErrorCode::invalid_argument,
                 "artifacts_destination is " + settings.uri() +
                     ", but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set: both are "
                     "needed",
                 "artifacts_destination"};
  const auto answer = place_->client.send(
      {.method = "GET",
       .key = {},
       .query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", settings.prefix}}});
  if (!answer) return answer.error();
  if (!answer->ok()) return place_->client.refusal(*answer, "listing the bucket");
  return {};
}

// Uploads in parts that a server which was killed has left, here and over there.
Status S3Blobs::empty_spool() {
  const auto& folder = spool_.folder();
  if (auto bad = make_folder(folder)) return bad;
  std::error_code failed;
  for (fs::directory_iterator at(folder, failed), end; !failed && at != end; at.increment(failed))
    if (at->path().extension() == kPartsNote)
      if (auto bad = end_noted_upload(place_->client, at->path())) return bad;
  if (failed) return file_error(failed.value(), "listing", folder);
  return spool_.prepare();
}

Status S3Blobs::prepare() {
  if (auto bad = check_bucket()) return bad;
  return empty_spool();
}

}  // namespace
}  // namespace s3_store

std::unique_ptr<BlobStore> s3_blobs(S3Settings settings, const std::filesystem::path& spool) {
  return std::make_unique<s3_store::S3Blobs>(std::move(settings), spool);
}

Expected<std::unique_ptr<BlobStore>> open_s3_blobs(S3Settings settings,
                                                   const std::filesystem::path& spool) {
  auto blobs = std::make_unique<s3_store::S3Blobs>(std::move(settings), spool);
  if (auto bad = blobs->prepare()) return *bad;
  return std::unique_ptr<BlobStore>(std::move(blobs));
}

}  // namespace mlforge::storage
