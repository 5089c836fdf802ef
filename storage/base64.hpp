// events/base64.hpp for bytes.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/digest.hpp"

namespace mlforge::storage {

std::string to_base64(Bytes bytes);
// Nothing for any text that to_base64() would not write: blanks, missing padding, spare bits.
std::optional<std::vector<std::uint8_t>> from_base64(std::string_view text);
// The same for 32 bytes.
std::optional<Digest> digest_from_base64(std::string_view text);

}  // namespace mlforge::storage
