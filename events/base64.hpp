// Base64 as RFC 4648 section 4 has it, with padding and without line breaks.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace mlforge {

void append_base64(std::string& out, std::string_view bytes);

// Nothing for any text that append_base64 would not give.
std::optional<std::string> parse_base64(std::string_view text);

}  // namespace mlforge
