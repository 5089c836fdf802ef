#include "events/json.hpp"

#include <charconv>
#include <cmath>
#include <cstring>

#include "events/words.hpp"

namespace mlforge {
namespace {

// Length of the valid UTF-8 sequence at `at`, 0 where there is none (RFC 3629).
std::size_t utf8_length(std::string_view s, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const auto tail = [&](std::size_t i) { return i < s.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char c = byte(at);
  if (c < 0x80) return 1;
  if (c >= 0xC2 && c <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (c >= 0xE0 && c <= 0xEF) {
    if (!tail(at + 1) || !tail(at + 2)) return 0;
    if (c == 0xE0 && byte(at + 1) < 0xA0) return 0;
    if (c == 0xED && byte(at + 1) > 0x9F) return 0;
    return 3;
  }
  if (c >= 0xF0 && c <= 0xF4) {
    if (!tail(at + 1) || !tail(at + 2) || !tail(at + 3)) return 0;
    if (c == 0xF0 && byte(at + 1) < 0x90) return 0;
    if (c == 0xF4 && byte(at + 1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

void append_escape(std::string& out, unsigned char c) {
  static constexpr char kHex[] = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
  }
}

// Its high bits tell which of eight bytes cannot stand in a JSON string as they are: what is no
// ASCII from the blank on, quotes and backslashes. (A byte minus another borrows into its high bit
// where it is less; a borrow from the byte below can only refuse what the slow way then takes.)
std::uint64_t odd_bytes(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const std::uint64_t quote = word ^ (kOnes * '"'), backslash = word ^ (kOnes * '\\');
  return (word - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes) | word;
}

constexpr std::uint64_t kHighBits = 0x8080808080808080;

bool are_plain(const char* at) {
  return (odd_bytes(load_word<std::uint64_t>(at)) & kHighBits) == 0;
}

template <class T>
void append_number(std::string& out, T value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

// A whole number that no 64-bit integer holds keeps a point, or a reader would refuse it.
void append_decimal(std::string& out, double value) {
  const auto begin = out.size();
  append_number(out, value);
  if (std::abs(value) >= 1e19 && out.find_first_of(".e", begin) == std::string::npos) out += ".0";
}

void append_plain_string(std::string& out, std::string_view text) {
  const std::size_t before = out.size();
  out.resize(before + text.size() + 2);
  char* const at = out.data() + before;
  at[0] = '"';
  std::memcpy(at + 1, text.data(), text.size());
  at[text.size() + 1] = '"';
}

}  // namespace

// By words that overlap at the end.
bool is_plain_json(std::string_view text) {
  if (text.size() < 8) return (odd_bytes(word_of_short(text)) & kHighBits) == 0;
  std::uint64_t odd = odd_bytes(load_word<std::uint64_t>(text.data() + text.size() - 8));
  for (std::size_t at = 0; at + 8 < text.size(); at += 8)
    odd |= odd_bytes(load_word<std::uint64_t>(text.data() + at));
  return (odd & kHighBits) == 0;
}

void append_json_string(std::string& out, std::string_view text) {
  if (is_plain_json(text)) return append_plain_string(out, text);
  out += '"';
  std::size_t plain = 0, at = 0;
  while (at < text.size()) {
    if (text.size() - at >= 8 && are_plain(text.data() + at)) {
      at += 8;
      continue;
    }
    const auto c = static_cast<unsigned char>(text[at]);
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      ++at;
      continue;
    }
    const std::size_t length = c < 0x80 ? 0 : utf8_length(text, at);
    if (length > 0) {
      at += length;
      continue;
    }
    out.append(text, plain, at - plain);
    if (c < 0x80)
      append_escape(out, c);
    else
      out += "\xEF\xBF\xBD";
    plain = ++at;
  }
  out.append(text, plain, text.size() - plain);
  out += '"';
}

void append_json_double(std::string& out, double value) {
  if (std::isnan(value))
    out += "\"NaN\"";
  else if (std::isinf(value))
    out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
  else if (value == 0 && std::signbit(value))
    out += "-0.0";  // "-0" would read back as an integer, without its sign
  else
    append_decimal(out, value);
}

void append_json_int(std::string& out, std::int64_t value) { append_number(out, value); }
void append_json_uint(std::string& out, std::uint64_t value) { append_number(out, value); }

}  // namespace mlforge
