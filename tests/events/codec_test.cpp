#include "events/codec.hpp"

#include <catch2/catch.hpp>

#include "tests/events/samples.hpp"

namespace mlforge::test {
namespace {

struct Inner {
  std::int64_t x = 0;
  std::string name;
  static constexpr auto fields() {
    return FieldList{required("x", &Inner::x), field("name", &Inner::name)};
  }
};

struct All {
  bool flag = false;
  std::int64_t i64 = 0;
  std::uint64_t u64 = 0;
  std::int32_t i32 = 0;
  std::uint16_t u16 = 0;
  double real = 0;
  std::string text;
  Scalar scalar;
  RawJson raw;
  std::vector<Inner> list;
  std::map<std::string, double> map;
  std::optional<std::uint64_t> maybe;
  std::vector<std::vector<std::int64_t>> table;
  Inner inner;
  static constexpr auto fields() {
    return FieldList{
        field("flag", &All::flag),   field("i64", &All::i64),       field("u64", &All::u64),
        field("i32", &All::i32),     field("u16", &All::u16),       field("real", &All::real),
        field("text", &All::text),   field("scalar", &All::scalar), field("raw", &All::raw),
        field("list", &All::list),   field("map", &All::map),       field("maybe", &All::maybe),
        field("table", &All::table), field("inner", &All::inner)};
  }
};

All must(std::string_view text, Unknown unknown = Unknown::refuse) {
  const auto value = from_json<All>(text, unknown);
  if (!value) FAIL(value.error().message);
  return *value;
}

// The error of a text, which must name the field and say it in its sentence.
Error refused(std::string_view text, ErrorCode code, const std::string& field,
              Unknown unknown = Unknown::refuse) {
  INFO(text);
  const auto value = from_json<All>(text, unknown);
  if (value) FAIL("accepted");
  CHECK(error_row(value.error().code).name == error_row(code).name);
  CHECK(value.error().field == field);
  if (!field.empty())
    CHECK_THAT(value.error().message, Catch::Matchers::Contains("'" + field + "'"));
  return value.error();
}

void wrong(std::string_view text, const std::string& field, const std::string& words) {
  const auto error = refused(text, ErrorCode::invalid_argument, field);
  CHECK_THAT(error.message, Catch::Matchers::Contains(words));
}

}  // namespace

TEST_CASE("codec: every type is written and read") {
  const std::string text =
      R"({"flag":true,"i64":-9223372036854775808,"u64":18446744073709551615,)"
      R"("i32":-2147483648,"u16":65535,"real":0.1,"text":"a\"b","scalar":"s",)"
      R"("raw":{"k":[1,null,"x"]},"list":[{"x":1,"name":"n"},{"x":2,"name":""}],)"
      R"("map":{"a":1,"b":"NaN"},"maybe":7,"table":[[1,2],[],[3]],"inner":{"x":5,"name":""}})";
  const auto value = must(text);
  CHECK(value.i64 == std::numeric_limits<std::int64_t>::min());
  CHECK(value.u64 == std::numeric_limits<std::uint64_t>::max());
  CHECK(value.list.size() == 2);
  CHECK(std::isnan(value.map.at("b")));
  CHECK(value.table == std::vector<std::vector<std::int64_t>>{{1, 2}, {}, {3}});
  CHECK(value.raw.text == R"({"k":[1,null,"x"]})");
  CHECK(to_json(value) == text);
}

TEST_CASE("codec: an absent field keeps its default, an empty optional is not written") {
  const auto value = must("{}");
  CHECK_FALSE(value.maybe.has_value());
  CHECK(to_json(value).find("maybe") == std::string::npos);
  CHECK(to_json(value) == to_json(All{}));
  CHECK_FALSE(must(R"({"maybe":null})").maybe.has_value());
}

TEST_CASE("codec: the short form leaves out what is empty, and reads back the same") {
  struct Row {
    std::string none, text = "set", word = "kept";
    std::vector<std::int64_t> numbers, some = {1};
    std::map<std::string, std::string> texts;
    std::uint64_t zero = 0;
    static constexpr auto fields() {
      return FieldList{field("none", &Row::none), field("text", &Row::text),
                       field("word", &Row::word), field("numbers", &Row::numbers),
                       field("some", &Row::some), field("texts", &Row::texts),
                       field("zero", &Row::zero)};
    }
  };
  Row row;
  row.word.clear();  // is not so by default
  row.some.clear();
  std::string out;
  append_short_json(out, row);
  CHECK(out == R"({"text":"set","word":"","some":[],"zero":0})");
  const auto back = from_json<Row>(out, Unknown::skip);
  REQUIRE(back);
  CHECK(to_json(*back) == to_json(row));
  row = {.none = std::string(600, 'x'), .texts = {{"a\"", "b"}, {std::string(300, 'k'), ""}}};
  out.clear();
  append_short_json(out, row);
  const auto full = from_json<Row>(out, Unknown::skip);
  REQUIRE(full);
  CHECK(full->none == row.none);
  CHECK(full->texts == row.texts);
}

TEST_CASE("codec: objects of many short and long members come back") {
  std::map<std::string, std::string> texts;
  for (std::size_t i = 0; i < 300; ++i)
    texts[std::string(i, char('a' + i % 26)) + std::to_string(i)] = std::string(i * 7 % 530, '"');
  const auto text = to_json(texts);
  const auto back = from_json<std::map<std::string, std::string>>(text, Unknown::refuse);
  REQUIRE(back);
  CHECK(*back == texts);
}

TEST_CASE("codec: scalars are null, a number or a text, and flags count as numbers") {
  CHECK(must(R"({"scalar":null})").scalar == Scalar{});
  CHECK(must(R"({"scalar":-2})").scalar == Scalar{-2.0});
  CHECK(must(R"({"scalar":2.5})").scalar == Scalar{2.5});
  CHECK(must(R"({"scalar":"NaN"})").scalar == Scalar{std::string("NaN")});
  CHECK(must(R"({"scalar":true})").scalar == Scalar{1.0});
  CHECK(must(R"({"scalar":false})").scalar == Scalar{0.0});
  wrong(R"({"scalar":[1]})", "scalar", "a number, a string or null");
}

TEST_CASE("codec: a type that does not fit names the field and says what would") {
  wrong(R"({"flag":1})", "flag", "must be true or false, got an integer");
  wrong(R"({"i64":"7"})", "i64", "must be an integer, got a string");
  wrong(R"({"i64":1.5})", "i64", "must be an integer, got a number");
  wrong(R"({"i64":null})", "i64", "got null");
  wrong(R"({"real":"high"})", "real", "NaN, Infinity, -Infinity");
  wrong(R"({"real":[]})", "real", "must be a number, got an array");
  wrong(R"({"text":7})", "text", "must be a string");
  wrong(R"({"list":{}})", "list", "must be an array, got an object");
  wrong(R"({"map":[]})", "map", "must be an object, got an array");
  wrong(R"({"inner":3})", "inner", "must be an object");
}

TEST_CASE("codec: errors carry the whole path") {
  wrong(R"({"list":[{"x":1},{"x":"2"}]})", "list[1].x", "an integer");
  wrong(R"({"table":[[1],[2,"3"]]})", "table[1][1]", "an integer");
  wrong(R"({"map":{"auc":true}})", "map.auc", "a number");
  wrong(R"({"inner":{"x":1,"name":false}})", "inner.name", "a string");
  refused(R"({"list":[{"x":1,"zz":2}]})", ErrorCode::unknown_field, "list[0].zz");
}

TEST_CASE("codec: integers out of range") {
  wrong(R"({"i32":2147483648})", "i32", "out of range");
  wrong(R"({"i32":-2147483649})", "i32", "out of range");
  wrong(R"({"u16":65536})", "u16", "out of range");
  wrong(R"({"u16":-1})", "u16", "out of range");
  wrong(R"({"u64":-1})", "u64", "out of range");
  wrong(R"({"i64":9223372036854775808})", "i64", "out of range");
  wrong(R"({"i32":18446744073709551615})", "i32", "out of range");
  refused(R"({"u64":18446744073709551616})", ErrorCode::malformed, "");
}

TEST_CASE("codec: a request with a field that nobody reads, or twice one, is refused") {
  const auto error = refused(R"({"flagg":true})", ErrorCode::unknown_field, "flagg");
  CHECK_THAT(error.message, Catch::Matchers::Contains("not a field"));
  refused(R"({"i64":1,"i64":1})", ErrorCode::invalid_argument, "i64");
  refused(R"({"map":{"a":1,"a":2}})", ErrorCode::invalid_argument, "map.a");
  refused(R"({"inner":{"x":1,"x":2}})", ErrorCode::invalid_argument, "inner.x");
}

TEST_CASE("codec: stored JSON is read leniently") {
  const auto value = must(R"({"later":1,"i64":1,"i64":2,"map":{"a":1,"a":2},"inner":{"later":[]}})",
                          Unknown::skip);
  CHECK(value.i64 == 2);
  CHECK(value.map.at("a") == 1);
  refused(R"({"i64":"x"})", ErrorCode::invalid_argument, "i64", Unknown::skip);
}

TEST_CASE("codec: a required field that is missing is named") {
  const auto error = refused(R"({"inner":{}})", ErrorCode::invalid_argument, "inner.x");
  CHECK_THAT(error.message, Catch::Matchers::Contains("is missing"));
  refused(R"({"list":[{"x":1},{"name":"n"}]})", ErrorCode::invalid_argument, "list[1].x");
  CHECK(from_json<Inner>(R"({"name":"n"})", Unknown::skip));
}

TEST_CASE("codec: what is no JSON is malformed") {
  for (const std::string text :
       {"", " ", "{", "}", "{\"i64\":}", "{'i64':1}", "{\"i64\":1,}", "{\"i64\":01}", "nul",
        "{\"text\":\"\x01\"}", "{\"i64\":1} x", "{\"real\":1e999}", "\"\\ud800\""})
    refused(text, ErrorCode::malformed, "");
  CHECK_THAT(refused("", ErrorCode::malformed, "").message, Catch::Matchers::Contains("empty"));
  CHECK_THAT(refused(R"({"real":NaN})", ErrorCode::malformed, "").message,
             Catch::Matchers::Contains("send them as strings"));
}

TEST_CASE("codec: bytes that are not UTF-8 are malformed") {
  for (const std::string bytes :
       {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe2\x82"})
    refused("{\"text\":\"" + bytes + "\"}", ErrorCode::malformed, "");
  CHECK(must("{\"text\":\"\xf4\x8f\xbf\xbf\"}").text == "\xf4\x8f\xbf\xbf");
}

TEST_CASE("codec: nesting that is too deep is malformed, not a crash") {
  const auto nested = [](std::size_t depth) {
    return "{\"raw\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  CHECK(must(nested(500)).raw.text.size() == 1000);
  for (const std::size_t depth : {2000, 1000000}) refused(nested(depth), ErrorCode::malformed, "");
  refused(std::string(100000, '['), ErrorCode::malformed, "");
}

TEST_CASE("codec: another value than an object at the top is refused as the body") {
  for (const std::string text : {"[]", "7", "\"x\"", "null", "true"}) {
    const auto error = refused(text, ErrorCode::invalid_argument, "");
    CHECK_THAT(error.message, Catch::Matchers::StartsWith("the body must be an object"));
  }
}

TEST_CASE("codec: doubles come back to the bit") {
  Random random(11, false);
  for (int round = 0; round < 2000; ++round) {
    std::vector<double> value;
    random.fill(value);
    const auto back = from_json<std::vector<double>>(to_json(value), Unknown::refuse);
    REQUIRE(back);
    REQUIRE(same_bits(*back, value));
  }
}

TEST_CASE("codec: the parser is as good after an error and a large text as before") {
  CHECK_FALSE(from_json<All>("{", Unknown::refuse));
  const auto large = "{\"text\":\"" + std::string(3 << 20, 'x') + "\"}";
  CHECK(must(large).text.size() == 3u << 20);
  CHECK(must(R"({"i64":3})").i64 == 3);
}

}  // namespace mlforge::test
