#include "storage/base64.hpp"

#include <algorithm>

#include "events/base64.hpp"

namespace mlforge::storage {

std::string to_base64(Bytes bytes) {
  std::string out;
  append_base64(out, as_text(bytes));
  return out;
}

std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text) {
  const auto bytes = parse_base64(text);
  if (!bytes) return std::nullopt;
  return std::vector<std::uint8_t>(bytes->begin(), bytes->end());
}

std::optional<Digest> digest_from_base64(std::string_view text) {
  const auto bytes = from_base64(text);
  Digest digest;
  if (!bytes || bytes->size() != digest.bytes.size()) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), digest.bytes.begin());
  return digest;
}

}  // namespace mlforge::storage
