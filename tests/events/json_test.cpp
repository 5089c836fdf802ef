#include "events/json.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "events/codec.hpp"

namespace mlforge::test {
namespace {

std::string quote(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

std::string written(double value) {
  std::string out;
  append_json_double(out, value);
  return out;
}

}  // namespace

TEST_CASE("json: strings are escaped where they must be, and nowhere else") {
  CHECK(quote("") == R"("")");
  CHECK(quote("plain / text") == R"("plain / text")");
  CHECK(quote("a\"b\\c") == R"("a\"b\\c")");
  CHECK(quote("\n\r\t") == R"("\n\r\t")");
  CHECK(quote(std::string("\0\x01\x1f", 3)) == R"("\u0000\u0001\u001f")");
  CHECK(quote("\x7f") == "\"\x7f\"");
  CHECK(quote("é日😀") == "\"é日😀\"");
}

TEST_CASE("json: bytes that are not UTF-8 become replacement characters") {
  const std::string r = "\xEF\xBF\xBD";
  CHECK(quote("\xff") == "\"" + r + "\"");
  CHECK(quote("a\x80z") == "\"a" + r + "z\"");
  CHECK(quote("\xc3") == "\"" + r + "\"");                  // ends early
  CHECK(quote("\xc0\xaf") == "\"" + r + r + "\"");          // overlong
  CHECK(quote("\xed\xa0\x80") == "\"" + r + r + r + "\"");  // a surrogate
  CHECK(quote("\xf4\x90\x80\x80") == "\"" + r + r + r + r + "\"");
  CHECK(quote("\xe2\x82\"") == "\"" + r + r + "\\\"\"");  // the quote is not swallowed
}

TEST_CASE("json: every pair of bytes gives a text that parses") {
  for (int first = 0; first < 256; ++first)
    for (int second = 0; second < 256; ++second) {
      const char bytes[] = {static_cast<char>(first), static_cast<char>(second)};
      const auto parsed = from_json<std::string>(quote({bytes, 2}), Unknown::refuse);
      REQUIRE(parsed);
      if (first < 128 && second < 128) REQUIRE(*parsed == std::string(bytes, 2));
    }
}

TEST_CASE("json: a byte is escaped the same wherever it stands in a long text") {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    std::string alone;
    append_json_string(alone, one);
    const auto escaped = alone.substr(1, alone.size() - 2);
    for (std::size_t at = 0; at < 20; ++at) {
      const std::string before(at, 'a'), after(20 - at, ' ');
      std::string whole;
      append_json_string(whole, before + one + after);
      REQUIRE(whole == '"' + before + escaped + after + '"');
    }
  }
}

TEST_CASE("json: numbers are the shortest that read back to the same bits") {
  CHECK(written(0.1) == "0.1");
  CHECK(written(1.0) == "1");
  CHECK(written(1e300) == "1e+300");
  CHECK(written(std::numeric_limits<double>::denorm_min()) == "5e-324");
  CHECK(written(std::numeric_limits<double>::max()) == "1.7976931348623157e+308");
  CHECK(written(std::numeric_limits<double>::quiet_NaN()) == "\"NaN\"");
  CHECK(written(std::numeric_limits<double>::infinity()) == "\"Infinity\"");
  CHECK(written(-std::numeric_limits<double>::infinity()) == "\"-Infinity\"");
  std::string out;
  append_json_int(out, std::numeric_limits<std::int64_t>::min());
  out += ' ';
  append_json_uint(out, std::numeric_limits<std::uint64_t>::max());
  CHECK(out == "-9223372036854775808 18446744073709551615");
}

TEST_CASE("json: a negative zero keeps its sign") {
  const auto back = from_json<double>(written(-0.0), Unknown::refuse);
  REQUIRE(back);
  CHECK(std::signbit(*back));
}

TEST_CASE("json: a double of 21 digits comes back") {
  const double value = 123456789012345680000.0;
  const auto back = from_json<double>(written(value), Unknown::refuse);
  INFO(written(value));
  REQUIRE(back);
  CHECK(*back == value);
}

}  // namespace mlforge::test
