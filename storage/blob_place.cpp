#include "storage/blob_place.hpp"

#include "storage/files.hpp"
#include "storage/s3_blobs.hpp"

namespace mlforge::storage {
namespace blob_place {
namespace {

namespace fs = std::filesystem;

constexpr const char *kNote = "DESTINATION", *kSpool = "tmp";

// Whether the folder holds more than what an empty store does.
bool holds_bytes(const fs::path& blobs) {
  std::error_code failed;
  if (!fs::is_directory(blobs, failed)) return false;
  for (fs::directory_iterator at(blobs, failed), end; !failed && at != end; at.increment(failed))
    if (at->path().filename() != kSpool && at->path().filename() != kNote) return true;
  return false;
}

Status may_lie_at(const std::string& uri, const fs::path& blobs, const std::string& noted) {
  if (!noted.empty())
    return Error{ErrorCode::conflict,
                 "artifacts_destination is " + uri + ", but bytes lie at " + noted +
                     " already: copy them there first, then write the new place into " +
                     (blobs / kNote).string(),
                 "artifacts_destination"};
  if (holds_bytes(blobs))
    return Error{ErrorCode::conflict,
                 "artifacts_destination is " + uri + ", but bytes lie in " + blobs.string() +
                     " already: copy its folders there first (their names stay), then remove them "
                     "here",
                 "artifacts_destination"};
  return {};
}

Status write_note(const fs::path& blobs, const std::string& uri) {
  if (auto bad = make_folder(blobs)) return bad;
  return write_file_durably(blobs / kNote, uri + "\n");
}

}  // namespace
}  // namespace blob_place

Expected<std::string> remote_blobs(const std::filesystem::path& blobs) {
  const auto path = blobs / blob_place::kNote;
  auto text = read_small_file(path);
  if (!text && text.error().code == ErrorCode::not_found) return std::string();
  if (!text) return text.error();
  while (!text->empty() && (text->back() == '\n' || text->back() == ' ')) text->pop_back();
  if (is_s3_uri(*text)) return *std::move(text);
  return Error{ErrorCode::corrupt,
               path.string() + " says '" + *text +
                   "'; it must say where the blobs lie, such as s3://bucket/prefix",
               ""};
}

Status copy_remote_note(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto noted = remote_blobs(from);
  if (!noted) return noted.error();
  return noted->empty() ? Status() : blob_place::write_note(to, *noted);
}

Expected<std::unique_ptr<BlobStore>> open_blobs(const std::filesystem::path& blobs,
                                                const std::string& s3,
                                                const ReadVariable& variable) {
  const auto noted = remote_blobs(blobs);
  if (!noted) return noted.error();
  if (s3.empty() && noted->empty()) return open_local_blobs(blobs);
  auto settings = s3_settings(s3.empty() ? *noted : s3, variable);
  if (!settings) return settings.error();
  const auto uri = settings->uri();
  if (*noted != uri)
    if (auto bad = blob_place::may_lie_at(uri, blobs, *noted)) return *bad;
  auto store = open_s3_blobs(*std::move(settings), blobs / blob_place::kSpool);
  if (!store || *noted == uri) return store;
  if (auto bad = blob_place::write_note(blobs, uri)) return *bad;
  return store;
}

Expected<std::unique_ptr<const BlobStore>> look_at_blobs(const std::filesystem::path& blobs,
                                                         const ReadVariable& variable) {
  const auto noted = remote_blobs(blobs);
  if (!noted) return noted.error();
  if (noted->empty()) return look_at_local_blobs(blobs);
  auto settings = s3_settings(*noted, variable);
  if (!settings) return settings.error();
  return std::unique_ptr<const BlobStore>(
      s3_blobs(*std::move(settings), blobs / blob_place::kSpool));
}

}  // namespace mlforge::storage
