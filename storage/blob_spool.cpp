#include "storage/blob_spool.hpp"

#include <unistd.h>

namespace mlforge::storage {
namespace {

Error after_the_end() {
  return {ErrorCode::conflict, "The upload of this blob has ended; begin a new one."};
}

}  // namespace

Status SpoolingWriter::append(Bytes bytes) {
  if (ended_) return after_the_end();
  if (auto bad = write_all(file_, as_text(bytes), path_)) {
    end();  // its bytes are room that others need
    return bad;
  }
  hash_.update(bytes);
  bytes_ += bytes.size();
  return {};
}

Expected<BlobStored> SpoolingWriter::finish() {
  if (ended_) return after_the_end();
  const auto digest = hash_.finish();
  const auto there = keep(digest);
  end();
  if (!there) return there.error();
  return BlobStored{digest, bytes_, *there};
}

void SpoolingWriter::end() {
  if (!ended_) ::unlink(path_.c_str());
  ended_ = true;
}

Status check_tenant(std::string_view tenant) {
  if (!tenant.empty()) return {};
  return Error{ErrorCode::invalid_argument, "tenant is empty; it must name something.", "tenant"};
}

Status BlobSpool::prepare() const {
  if (auto bad = make_folder(folder_)) return bad;
  std::error_code failed;
  // The folder itself stays: a full disk may have no room for it afterwards.
  std::filesystem::directory_iterator at(folder_, failed);
  for (const std::filesystem::directory_iterator end; !failed && at != end;) {
    const auto left_over = at->path();
    at.increment(failed);
    if (!failed) std::filesystem::remove_all(left_over, failed);
  }
  if (failed) return file_error(failed.value(), "emptying", folder_);
  return {};
}

}  // namespace mlforge::storage
