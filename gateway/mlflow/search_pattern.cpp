#include "gateway/mlflow/search_pattern.hpp"

#include <regex.h>

#include <algorithm>

namespace mlforge::gateway::mlflow {
namespace {

constexpr std::size_t kMostPattern = 1000, kMostRepeats = 1000;

Error bad_pattern(const std::string& text, const std::string& why) {
  return {ErrorCode::invalid_argument, "Invalid regular expression '" + text + "': " + why,
          "filter"};
}

// What a class of Perl's is inside of brackets; empty: not one that can stand there.
std::string_view inside_of(char c) {
  return c == 'd' ? "0-9" : c == 'w' ? "[:alnum:]_" : c == 's' ? "[:space:]" : "";
}

// As POSIX has it.
Expected<std::string> to_posix(const std::string& text) {
  std::string out;
  bool brackets = false;
  std::size_t repeats = 1;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i], next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (c == '\\') {
      ++i;
      if (next >= '1' && next <= '9') return bad_pattern(text, "it must not refer to groups");
      if (brackets) {
        const auto inside = inside_of(next);
        out += inside.empty() ? std::string(1, next) : std::string(inside);
      } else {
        out += next == 'd' ? "[0-9]" : next == 'D' ? "[^0-9]" : std::string{'\\', next};
      }
      continue;
    }
    if (!brackets && c == '(' && next == '?')
      return bad_pattern(text, "groups must not begin with '(?'");
    if (!brackets && c == '{') {
      std::size_t number = 0, most = 1;
      for (auto at = i + 1; at < text.size() && text[at] != '}'; ++at) {
        const bool digit = text[at] >= '0' && text[at] <= '9';
        number = digit ? std::min<std::size_t>(number * 10 + (text[at] - '0'), 10'000) : 0;
        most = std::max(most, number);
      }
      repeats *= most;
      if (repeats > kMostRepeats) return bad_pattern(text, "it must not repeat that often");
    }
    if (c == '[') brackets = true;
    if (c == ']') brackets = false;
    out += c;
  }
  return out;
}

}  // namespace

struct Pattern::Compiled {
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (made) regfree(&regex);
  }
  regex_t regex;
  bool made = false;
};

Pattern::Pattern(std::unique_ptr<Compiled> compiled) : compiled_(std::move(compiled)) {}
Pattern::~Pattern() = default;

Expected<std::shared_ptr<const Pattern>> Pattern::make(const std::string& text) {
  if (text.size() > kMostPattern || text.find('\0') != text.npos)
    return bad_pattern(text.substr(0, 100), "it must have at most 1000 bytes, and no zero bytes");
  const auto posix = to_posix(text);
  if (!posix) return posix.error();
  auto compiled = std::make_unique<Compiled>();
  auto* regex = &compiled->regex;
  if (const int failed = regcomp(regex, posix->c_str(), REG_EXTENDED | REG_NOSUB)) {
    char why[200];
    regerror(failed, regex, why, sizeof why);
    return bad_pattern(text, why);
  }
  compiled->made = true;
  return std::shared_ptr<const Pattern>(new Pattern(std::move(compiled)));
}

bool Pattern::fits(std::string_view text) const {
  return regexec(&compiled_->regex, std::string(text).c_str(), 0, nullptr, 0) == 0;
}

}  // namespace mlforge::gateway::mlflow
