// Conditions that several commands share. Each answers an Error that names the field, or nothing.
#pragma once
#include <map>
#include <string>
#include <string_view>

#include "events/error.hpp"

namespace mlforge {

struct FileRef;

// A name that becomes part of a stream: 1 to `most` bytes, no slash, no control characters, not "."
// or "..".
Status check_name(std::string_view field, std::string_view name, std::size_t most = 200);
// Of a registered model: 256 characters, as in MLflow's databases.
inline constexpr std::size_t kMostModelNameBytes = 1024;

// A relative path with forward slashes, without empty, "." or ".." parts, at most 1,000 bytes.
Status check_path(std::string_view field, std::string_view path);

// That no file lies where the path has a folder, and none below the path. `conflict`.
Status check_place(std::string_view field, std::string_view path,
                   const std::map<std::string, FileRef>& files);

// 64 lower-case hexadecimal digits.
Status check_digest(std::string_view field, std::string_view digest);

// Bytes below 0x20, and 0x7F.
bool has_control(std::string_view text);

// Shorthands for decide functions.
Error invalid(std::string_view field, std::string_view message);
Error not_found(std::string_view what, std::string_view name);
Error conflict(std::string message);

}  // namespace mlforge
