#include "ml/text.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace mlforge::ml {
namespace {

std::optional<double> read_double(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// How many bytes the character at the front takes; 0 when it is not valid.
std::size_t utf8_length(const unsigned char* p, std::size_t left) {
  const auto continues = [&](std::size_t i) { return i < left && (p[i] & 0xC0) == 0x80; };
  if (p[0] < 0x80) return 1;
  if (p[0] >= 0xC2 && p[0] <= 0xDF) return continues(1) ? 2 : 0;
  if (p[0] >= 0xE0 && p[0] <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (p[0] == 0xE0 && p[1] < 0xA0) return 0;  // overlong
    if (p[0] == 0xED && p[1] > 0x9F) return 0;  // surrogate
    return 3;
  }
  if (p[0] >= 0xF0 && p[0] <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (p[0] == 0xF0 && p[1] < 0x90) return 0;
    if (p[0] == 0xF4 && p[1] > 0x8F) return 0;  // above U+10FFFF
    return 4;
  }
  return 0;
}

}  // namespace

std::string format_number(double value) {
  std::array<char, 40> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

std::optional<double> parse_number(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  const auto value = read_double(text);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<std::size_t> find_invalid_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  for (std::size_t i = 0; i < text.size();) {
    const auto length = utf8_length(bytes + i, text.size() - i);
    if (length == 0) return i;
    i += length;
  }
  return std::nullopt;
}

void TextWriter::separate() {
  if (!fresh_) out_ += ' ';
  fresh_ = false;
}

TextWriter& TextWriter::word(std::string_view word) {
  separate();
  out_ += word;
  return *this;
}

TextWriter& TextWriter::text(std::string_view text) {
  integer(text.size());
  out_ += ':';
  out_ += text;
  return *this;
}

TextWriter& TextWriter::number(double value) { return word(format_number(value)); }

TextWriter& TextWriter::integer(std::uint64_t value) { return word(std::to_string(value)); }

void TextWriter::end_line() {
  out_ += '\n';
  fresh_ = true;
}

bool TextReader::skip(char c) {
  if (!failed_ && !rest_.empty() && rest_.front() == c) {
    rest_.remove_prefix(1);
    return true;
  }
  failed_ = true;
  return false;
}

std::string_view TextReader::token() {
  if (!fresh_ && !skip(' ')) return {};
  fresh_ = false;
  const auto end = rest_.find_first_of(" \n:");
  if (failed_ || end == std::string_view::npos || end == 0) {
    failed_ = true;
    return {};
  }
  const auto found = rest_.substr(0, end);
  rest_.remove_prefix(end);
  return found;
}

void TextReader::expect(std::string_view word) {
  if (token() != word) failed_ = true;
}

std::string TextReader::text() {
  const auto size = integer();
  if (!skip(':') || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  std::string found(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return found;
}

double TextReader::number() {
  const auto value = read_double(token());
  if (!value) failed_ = true;
  return value.value_or(0);
}

std::uint64_t TextReader::integer() {
  const auto found = token();
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(found.data(), found.data() + found.size(), value);
  if (failed_ || error != std::errc() || end != found.data() + found.size()) failed_ = true;
  return failed_ ? 0 : value;
}

std::uint64_t TextReader::count() {
  const auto value = integer();
  if (value > rest_.size()) failed_ = true;
  return failed_ ? 0 : value;
}

void TextReader::end_line() {
  skip('\n');
  fresh_ = true;
}

}  // namespace mlforge::ml
