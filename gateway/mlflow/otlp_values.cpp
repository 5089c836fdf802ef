// Values of attributes in the form that Python's json module gives them: MLflow's clients and
// searches see these texts.
#include <simdjson.h>

#include <charconv>
#include <cmath>

#include "events/codec.hpp"
#include "events/json_tree.hpp"
#include "gateway/mlflow/otlp.hpp"

namespace mlforge::gateway::mlflow::otlp {
namespace otlp_values {
namespace {

// As Python's repr() has a byte between the quotes of b'..'.
void append_byte(std::string& out, unsigned char byte, char quote) {
  static constexpr char kHex[] = "0123456789abcdef";
  static constexpr std::string_view kFrom = "\t\n\r\\", kTo = "tnr\\";
  const char c = static_cast<char>(byte);
  if (const auto at = kFrom.find(c); at != kFrom.npos)
    out += '\\', out += kTo[at];
  else if (c == quote)
    out += '\\', out += c;
  else if (byte < 0x20 || byte >= 0x7F)
    out += "\\x", out += kHex[byte >> 4], out += kHex[byte & 15];
  else
    out += c;
}

// Whether it is JSON of a text, a list or an object: numbers and words in a text stay texts.
bool is_dumped(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n\r");
  return first != text.npos && (text[first] == '"' || text[first] == '[' || text[first] == '{') &&
         parse_tree(text);
}

}  // namespace
}  // namespace otlp_values

void append_float(std::string& out, double value) {
  if (std::isnan(value)) return void(out += "NaN");
  if (std::isinf(value)) return void(out += value > 0 ? "Infinity" : "-Infinity");
  const auto size = std::abs(value);
  const bool fixed = size == 0 || (size >= 1e-4 && size < 1e16);
  char text[64];
  const auto end = std::to_chars(text, text + sizeof text, value,
                                 fixed ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  const std::string_view digits(text, end);
  out += digits;
  if (digits.find_first_of(".e") == digits.npos) out += ".0";
}

void append_bytes(std::string& out, std::string_view bytes) {
  const bool only_apostrophes = bytes.find('\'') != bytes.npos && bytes.find('"') == bytes.npos;
  const char quote = only_apostrophes ? '"' : '\'';
  std::string text = std::string("b") + quote;
  for (const char c : bytes) otlp_values::append_byte(text, static_cast<unsigned char>(c), quote);
  append_json_string(out, text + quote);
}

std::string text_of(const std::string& json) {
  const auto value = codec::parse(json);
  std::string_view text;
  return value && value->get(text) == simdjson::SUCCESS ? std::string(text) : json;
}

void unwrap_dumped_texts(Attributes& attributes) {
  for (auto& [name, value] : attributes) {
    if (!value.starts_with('"')) continue;
    auto text = text_of(value);
    if (otlp_values::is_dumped(text)) value = std::move(text);
  }
}

}  // namespace mlforge::gateway::mlflow::otlp
