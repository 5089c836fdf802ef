#include "events/mlflow_checks.hpp"

#include <clocale>
#include <cwctype>

#include <algorithm>
#include <array>
#include <vector>

namespace mlforge::mlflow {
namespace {

bool is_start(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// As posixpath.normpath: without "." and "..", and without a slash too many.
std::string normal_path(std::string_view path) {
  if (path.empty()) return ".";
  const bool absolute = path.front() == '/';
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    const auto part = path.substr(at, end - at);
    at = end + 1;
    if (part.empty() || part == ".") continue;
    if (part != ".." || (parts.empty() && !absolute) || (!parts.empty() && parts.back() == ".."))
      parts.push_back(part);
    else if (!parts.empty())
      parts.pop_back();
  }
  // Two slashes at the beginning are another root than one (POSIX); three are one.
  const bool twice = path.starts_with("//") && !path.starts_with("///");
  std::string out = twice ? "//" : absolute ? "/" : "";
  for (std::size_t i = 0; i < parts.size(); ++i) (out += i ? "/" : "") += parts[i];
  return out.empty() ? "." : out;
}

constexpr bool is_key_character(unsigned char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("_/.- :").find(static_cast<char>(c)) != std::string_view::npos;
}

// The code point at `at`, which then is behind it. The text is valid UTF-8.
std::uint32_t next_character(std::string_view text, std::size_t& at) {
  const auto lead = static_cast<unsigned char>(text[at++]);
  std::uint32_t out = lead < 0x80   ? lead
                      : lead < 0xE0 ? lead & 0x1F
                                    : lead & (lead < 0xF0 ? 15 : 7);
  while (at < text.size() && !is_start(text[at]))
    out = out << 6 | (static_cast<unsigned char>(text[at++]) & 0x3F);
  return out;
}

// Letters and digits beyond ASCII are letters and digits too; symbols are not.
bool is_letter(std::uint32_t character) {
  static const locale_t kUnicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  return !kUnicode || iswalnum_l(static_cast<wint_t>(character), kUnicode);
}

template <class Fits>
bool all_characters(std::string_view text, Fits fits) {
  for (std::size_t at = 0; at < text.size();) {
    const auto character = next_character(text, at);
    if (character < 0x80 ? !fits(static_cast<unsigned char>(character)) : !is_letter(character))
      return false;
  }
  return true;
}

Status bad_value(std::string_view path, std::string_view value, std::string_view why) {
  std::string message = "Invalid value ";
  append_json_string(message, value);
  ((message += " for parameter '") += path) += "' supplied: ";
  return refuse(message.append(why), std::string(path));
}

Status check_normal(std::string_view path, std::string_view name) {
  const auto normal = normal_path(name);
  if (normal == name && normal != "." && !normal.starts_with("..") && !normal.starts_with("/"))
    return {};
  return bad_value(path, name,
                   "Names may be treated as files in certain cases, and must not resolve to other "
                   "names when treated as such. This name would resolve to '" +
                       normal + "'");
}

}  // namespace

std::size_t length(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_start));
}

std::string_view first(std::string_view text, std::size_t most) {
  std::size_t at = 0;
  for (; at < text.size(); ++at)
    if (is_start(text[at]) && most-- == 0) break;
  return text.substr(0, at);
}

Error refuse(std::string message, std::string field) {
  return {ErrorCode::invalid_argument, std::move(message), std::move(field)};
}

bool is_plain_key(std::string_view key) {
  static constexpr auto kPlain = [] {
    std::array<bool, 256> plain{};
    for (unsigned c = 0; c < 128; ++c)
      plain[c] = c != '/' && is_key_character(static_cast<unsigned char>(c));
    return plain;
  }();
  return !key.empty() && key.size() <= kMaxKey && key.front() != '.' &&
         std::all_of(key.begin(), key.end(),
                     [](char c) { return kPlain[static_cast<unsigned char>(c)]; });
}

Status check_key(std::string_view path, std::string_view key) {
  if (!all_characters(key, is_key_character))
    return bad_value(path, key,
                     "Names may only contain alphanumerics, underscores (_), dashes (-), periods "
                     "(.), spaces ( ), colon(:) and slashes (/).");
  return check_normal(path, key);
}

Status check_length(std::string_view what, std::size_t most, std::string_view text) {
  if (text.size() <= most || length(text) <= most) return {};
  return refuse("'" + std::string(what) + "' exceeds the maximum length of " +
                    std::to_string(most) + " characters",
                std::string(what));
}

Status check_experiment_name(std::string_view name) {
  if (name.empty()) return refuse("Invalid experiment name: ''", "name");
  return check_length("name", kMaxExperimentName, name);
}

Status check_model_name(std::string_view name) {
  if (name.find_first_not_of(" \t\r\n") == name.npos)
    return refuse("Missing value for required parameter 'name'.", "name");
  if (name.find_first_of("/:") != name.npos)
    return refuse(
        "Invalid model name '" + std::string(name) + "'. Names cannot contain '/' or ':'.", "name");
  if (auto bad = check_length("name", 256, name)) return bad;
  return check_normal("name", name);
}

Status check_alias_words(std::string_view alias) {
  if (alias.empty()) return refuse("Registered model alias name cannot be empty.", "alias");
  const auto word = [](unsigned char c) {
    return c == '-' || (is_key_character(c) && c != '/' && c != '.' && c != ' ' && c != ':');
  };
  if (!all_characters(alias, word))
    return refuse("Invalid alias name: '" + std::string(alias) +
                      "'. Names may only contain alphanumerics, underscores (_), and dashes (-).",
                  "alias");
  return check_length("Registered model alias name", kMaxAlias, alias);
}

Status check_alias(std::string_view alias) {
  if (auto bad = check_alias_words(alias)) return bad;
  std::string lower(alias);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (lower == "latest")
    return refuse("'latest' alias name (case insensitive) is reserved.", "alias");
  if (lower.size() > 1 && lower[0] == 'v' && lower.find_first_not_of("0123456789", 1) == lower.npos)
    return refuse("Version alias name '" + std::string(alias) + "' is reserved.", "alias");
  return {};
}

Status check_tags(const Texts& tags, std::size_t most_value) {
  for (const auto& [key, value] : tags) {
    if (auto bad = check_key("key", key)) return bad;
    if (auto bad = check_length("key", kMaxKey, key)) return bad;
    if (auto bad = check_length("value", most_value, value)) return bad;
  }
  return {};
}

}  // namespace mlforge::mlflow
