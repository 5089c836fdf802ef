// Conditions that several commands share. Each answers an Error that names the field, or nothing.
#pragma once
#include <string_view>

#include "events/error.hpp"

namespace mlforge {

// A name that becomes part of a stream: 1 to 200 bytes, no slash, no control characters, not "." or
// "..".
Status check_name(std::string_view field, std::string_view name);

// A relative path with forward slashes, without empty, "." or ".." parts, at most 1,000 bytes.
Status check_path(std::string_view field, std::string_view path);

// 64 lower-case hexadecimal digits.
Status check_digest(std::string_view field, std::string_view digest);

// Bytes below 0x20, and 0x7F.
bool has_control(std::string_view text);

// Shorthands for decide functions.
Error invalid(std::string_view field, std::string_view message);
Error not_found(std::string_view what, std::string_view name);
Error conflict(std::string message);

}  // namespace mlforge
