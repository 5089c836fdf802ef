// Numbers as text and back, and the simple text format in which ml/ keeps fitted things: same bytes
// on every machine.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mlforge::ml {

// The shortest text that reads back as the same double ("nan", "inf", "-inf" for the rest).
std::string format_number(double value);

// A finite decimal number that fills the whole text ("1", "-2.5e3", "+7"); nothing otherwise.
std::optional<double> parse_number(std::string_view text);

// Nothing when all of it is valid UTF-8 (RFC 3629: no overlong forms, no surrogates), else the
// offset of the first bad byte.
std::optional<std::size_t> find_invalid_utf8(std::string_view text);

// Writes space-separated tokens in lines. A text is written with its length in front ("7:Private"),
// so it may hold anything.
class TextWriter {
 public:
  TextWriter& word(std::string_view word);  // a bare word without blanks
  TextWriter& text(std::string_view text);
  TextWriter& number(double value);
  TextWriter& integer(std::uint64_t value);
  void end_line();
  std::string take() { return std::move(out_); }

 private:
  void separate();
  std::string out_;
  bool fresh_ = true;
};

// Reads what TextWriter wrote. After the first mismatch failed() stays true and every read gives an
// empty value, so one check at the end is enough.
class TextReader {
 public:
  explicit TextReader(std::string_view bytes) : rest_(bytes) {}
  void expect(std::string_view word);
  std::string text();
  double number();
  std::uint64_t integer();
  // An integer that says how many tokens follow: never more than the bytes that are left.
  std::uint64_t count();
  void end_line();
  bool failed() const { return failed_; }
  bool finished() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view token();
  bool skip(char c);
  std::string_view rest_;
  bool fresh_ = true;
  bool failed_ = false;
};

}  // namespace mlforge::ml
