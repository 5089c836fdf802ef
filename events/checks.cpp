#include "events/checks.hpp"

#include <algorithm>

namespace mlforge {

// Without an early end, so that the compiler looks at many bytes at a time.
bool has_control(std::string_view s) {
  bool found = false;
  for (const unsigned char c : s) found |= c < 0x20 || c == 0x7F;
  return found;
}

Error invalid(std::string_view field, std::string_view message) {
  std::string text = "field '";
  text.append(field).append("' ").append(message);
  return {ErrorCode::invalid_argument, std::move(text), std::string(field)};
}

Error not_found(std::string_view what, std::string_view name) {
  std::string text = "there is no ";
  text.append(what).append(" '").append(name).append("'");
  return {ErrorCode::not_found, std::move(text), ""};
}

Error conflict(std::string message) { return {ErrorCode::conflict, std::move(message), ""}; }

Status check_name(std::string_view field, std::string_view name, std::size_t most) {
  if (name.empty()) return invalid(field, "must not be empty");
  if (name.size() > most)
    return invalid(field, "must have at most " + std::to_string(most) + " bytes");
  if (name.find('/') != name.npos) return invalid(field, "must not contain a slash");
  if (has_control(name)) return invalid(field, "must not contain control characters");
  if (name == "." || name == "..") return invalid(field, "must not be '.' or '..'");
  return {};
}

Status check_path(std::string_view field, std::string_view path) {
  if (path.empty()) return invalid(field, "must not be empty");
  if (path.size() > 1000) return invalid(field, "must have at most 1,000 bytes");
  if (has_control(path) || path.find('\\') != path.npos)
    return invalid(field, "must not contain control characters or backslashes");
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const auto part = path.substr(at, end - at);
    if (part.empty() || part == "." || part == "..")
      return invalid(field, "must be a relative path without empty, '.' or '..' parts");
    at = end + 1;
  }
  return {};
}

Status check_place(std::string_view field, std::string_view path,
                   const std::map<std::string, FileRef>& files) {
  const auto refuse = [field](std::string message) {
    return Error{ErrorCode::conflict, std::move(message), std::string(field)};
  };
  for (auto at = path.find('/'); at != path.npos; at = path.find('/', at + 1))
    if (const std::string folder(path.substr(0, at)); files.contains(folder))
      return refuse("'" + folder + "' is a file, so that none can lie below it; delete it first");
  const auto folder = std::string(path) + '/';
  const auto below = files.lower_bound(folder);
  if (below == files.end() || !below->first.starts_with(folder)) return {};
  return refuse("'" + std::string(path) + "' is a folder, '" + below->first +
                "' lies in it; delete that first");
}

Status check_digest(std::string_view field, std::string_view digest) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (digest.size() == 64 && std::all_of(digest.begin(), digest.end(), hex)) return {};
  return invalid(field, "must be a SHA-256 digest: 64 lower-case hexadecimal digits");
}

}  // namespace mlforge
