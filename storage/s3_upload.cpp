#include "storage/s3_upload.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace mlforge::storage {
namespace s3_upload {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPartBytes = 16u << 20, kMostParts = 10000, kMiB = 1u << 20;

Status read_part(const S3File& from, std::uint64_t offset, std::string& out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto n = ::pread(from.file.fd(), out.data() + done, out.size() - done,
                           static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return file_error(errno, "reading", from.path);
    if (n == 0) return Error{ErrorCode::internal, "The upload was cut short on disk.", ""};
    done += static_cast<std::size_t>(n);
  }
  return {};
}

Status put_whole(S3Client& client, const std::string& key, const S3File& from) {
  std::string bytes(from.bytes, '\0');
  if (auto bad = read_part(from, 0, bytes)) return bad;
  const auto answer = client.send({.method = "PUT",
                                   .key = key,
                                   .query = {},
                                   .headers = {{"content-type", "application/octet-stream"}},
                                   .body = bytes,
                                   .body_sha256 = to_string(from.digest)});
  if (!answer) return answer.error();
  if (!answer->ok()) return client.refusal(*answer, "storing");
  return {};
}

class InParts {
 public:
  InParts(S3Client& client, const std::string& key, const S3File& from)
      : client_(client), key_(key), from_(from), note_(from.path.string() + kPartsNote) {}

  Status run() {
    if (auto bad = begin()) return bad;
    auto bad = send_parts();
    if (!bad) bad = complete();
    if (bad) give_up();
    std::error_code ignored;
    if (!bad || ended_) fs::remove(note_, ignored);
    return bad;
  }

 private:
  Status begin() {
    auto answer = client_.send({.method = "POST",
                                .key = key_,
                                .query = {{"uploads", ""}},
                                .headers = {{"content-type", "application/octet-stream"}}});
    if (!answer) return answer.error();
    if (!answer->ok()) return client_.refusal(*answer, "storing");
    id_ = answer->text_of("UploadId");
    if (id_.empty())
      return Error{ErrorCode::unavailable,
                   client_.settings().uri() + " began an upload without naming it.",
                   "artifacts_destination"};
    // Should this process be killed, the next one ends the upload.
    auto file = File::open(note_, O_WRONLY | O_CREAT | O_TRUNC);
    if (!file) return file.error();
    return write_all(*file, key_ + "\n" + id_ + "\n", note_);
  }

  Status send_parts() {
    const auto least = (from_.bytes + kMostParts - 1) / kMostParts;
    const auto size = std::max(kPartBytes, (least + kMiB - 1) / kMiB * kMiB);
    Sha256 whole;
    std::string part;
    for (std::uint64_t offset = 0; offset < from_.bytes; offset += size) {
      part.resize(std::min(size, from_.bytes - offset));
      if (auto bad = read_part(from_, offset, part)) return bad;
      whole.update(as_bytes(part));
      if (auto bad = send_part(part)) return bad;
    }
    if (whole.finish() == from_.digest) return {};
    return Error{
        ErrorCode::corrupt,
        "The upload's bytes have changed on disk before they came to S3. Upload them again.", ""};
  }

  Status send_part(const std::string& bytes) {
    const auto answer = client_.send(
        {.method = "PUT",
         .key = key_,
         .query = {{"partNumber", std::to_string(tags_.size() + 1)}, {"uploadId", id_}},
         .headers = {},
         .body = bytes});
    if (!answer) return answer.error();
    if (!answer->ok()) return client_.refusal(*answer, "storing a part");
    tags_.push_back(answer->header("etag"));
    return {};
  }

  Status complete() {
    std::string parts = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < tags_.size(); ++i)
      parts +=
          fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", i + 1, tags_[i]);
    parts += "</CompleteMultipartUpload>";
    const auto answer = client_.send({.method = "POST",
                                      .key = key_,
                                      .query = {{"uploadId", id_}},
                                      .headers = {{"content-type", "application/xml"}},
                                      .body = parts});
    if (!answer) return answer.error();
    // S3 may begin its answer with 200 before it knows how it ends.
    if (answer->ok() && answer->body.find("<Error") == std::string::npos) return {};
    // An attempt whose answer was lost may have done it.
    if (answer->text_of("Code") == "NoSuchUpload" && is_there()) return {};
    return client_.refusal(*answer, "storing");
  }

  bool is_there() {
    const auto found = client_.send({.method = "HEAD", .key = key_});
    return found && found->ok() && found->object_bytes() == from_.bytes;
  }

  void give_up() {
    const auto answer = client_.send({.method = "DELETE",
                                      .key = key_,
                                      .query = {{"uploadId", id_}},
                                      .headers = {},
                                      .body = {},
                                      .body_sha256 = {},
                                      .once = true});
    ended_ = answer && (answer->ok() || answer->status == 404);
  }

  S3Client& client_;
  const std::string& key_;
  const S3File& from_;
  const fs::path note_;
  std::string id_;
  std::vector<std::string> tags_;
  bool ended_ = false;
};

}  // namespace
}  // namespace s3_upload

Status upload_to_s3(S3Client& client, const std::string& key, const S3File& file) {
  if (file.bytes <= s3_upload::kPartBytes) return s3_upload::put_whole(client, key, file);
  return s3_upload::InParts(client, key, file).run();
}

Status end_noted_upload(S3Client& client, const std::filesystem::path& note) {
  const auto text = read_small_file(note);
  if (!text) return text.error();
  const auto line = text->find('\n');
  const auto end = line == text->npos ? line : text->find('\n', line + 1);
  std::error_code ignored;
  if (end != text->npos) {
    const auto answer =
        client.send({.method = "DELETE",
                     .key = text->substr(0, line),
                     .query = {{"uploadId", text->substr(line + 1, end - line - 1)}}});
    if (!answer) return answer.error();
    if (!answer->ok() && answer->status != 404)
      return client.refusal(*answer, "ending an upload that was broken off");
  }
  std::filesystem::remove(note, ignored);
  return {};
}

}  // namespace mlforge::storage
