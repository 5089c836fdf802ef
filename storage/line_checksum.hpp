// The checksum at the end of a line of text that says how far somebody has come: one that was
// damaged must not send its reader past what it has not done.
#pragma once
#include <fmt/format.h>

#include <optional>
#include <string>
#include <string_view>

#include "storage/crc32c.hpp"

namespace mlforge::storage {

inline std::string line_checksum(std::string_view line) {
  return fmt::format("crc:{:08x}", crc32c(as_bytes(line)));
}

// The line that stands before its checksum; nothing where that is wrong. Lines from before there
// were checksums are as they stand.
inline std::optional<std::string_view> checked_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto at = text.rfind(' ');
  if (at == text.npos || text.find("crc", at) == text.npos) return text;
  const auto line = text.substr(0, at);
  if (text.substr(at + 1) != line_checksum(line)) return std::nullopt;
  return line;
}

}  // namespace mlforge::storage
