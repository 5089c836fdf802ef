#include "actors/step_blobs.hpp"

namespace mlforge::actors {
namespace {

constexpr std::uint64_t kMaxBytes = 1u << 30;

Expected<storage::Digest> parse(std::string_view text) {
  if (const auto digest = storage::parse_digest(text)) return *digest;
  return Error{ErrorCode::invalid_argument,
               "'" + std::string(text) + "' is no SHA-256 digest: 64 lower-case hexadecimal digits",
               "digest"};
}

}  // namespace

Expected<FileRef> StepBlobs::put(std::string path, std::string_view bytes) const {
  auto stored = store_.put(tenant_, storage::as_bytes(bytes));
  if (!stored) return stored.error();
  return FileRef{std::move(path), storage::to_string(stored->digest), stored->bytes};
}

Expected<std::string> StepBlobs::get(std::string_view digest) const {
  const auto parsed = parse(digest);
  if (!parsed) return parsed.error();
  return store_.get(tenant_, *parsed, kMaxBytes);
}

Expected<std::uint64_t> StepBlobs::size(std::string_view digest) const {
  const auto parsed = parse(digest);
  if (!parsed) return parsed.error();
  return store_.size(tenant_, *parsed);
}

}  // namespace mlforge::actors
