#include "storage/blob_store.hpp"

#include <fmt/format.h>

namespace mlforge::storage {

Expected<BlobStored> BlobStore::put(std::string_view tenant, Bytes bytes) {
  auto writer = create(tenant);
  if (!writer) return writer.error();
  if (auto bad = (*writer)->append(bytes)) return *bad;
  return (*writer)->finish();
}

Expected<std::string> BlobStore::get(std::string_view tenant, const Digest& digest,
                                     std::uint64_t limit) const {
  auto reader = open(tenant, digest);
  if (!reader) return reader.error();
  const std::uint64_t size = (*reader)->size();
  if (size > limit)
    return Error{ErrorCode::payload_too_large,
                 fmt::format("The blob {} has {} bytes, but at most {} were asked for.",
                             to_string(digest), size, limit)};
  std::string bytes(size, '\0');
  std::span<std::uint8_t> rest(reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size());
  while (!rest.empty()) {
    const auto n = (*reader)->read(rest);
    if (!n) return n.error();
    if (*n == 0) break;
    rest = rest.subspan(*n);
  }
  if (sha256(as_bytes(bytes)) == digest) return bytes;
  doubt(tenant, digest);
  return Error{ErrorCode::corrupt,
               fmt::format("The bytes of blob {} do not match their digest. Upload them again.",
                           to_string(digest))};
}

}  // namespace mlforge::storage
