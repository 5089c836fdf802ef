// JSON of any shape: read, changed, written, compared.
#include "events/json_tree.hpp"

#include <catch2/catch.hpp>

namespace mlforge::test {
namespace {

std::string again(std::string_view text) {
  const auto tree = parse_tree(text);
  return tree ? to_text(*tree) : "refused: " + tree.error().message;
}

}  // namespace

TEST_CASE("json tree: what is read is written as Python does") {
  for (const char* text :
       {"null", "true", "false", "0", "-1", "1.50", "1e5", "NaN", "-Infinity", "\"\"", "[]", "{}",
        "123456789012345678901234567890", R"({"a": [1, {"b": "c"}], "d": null})"})
    CHECK(again(text) == text);
  CHECK(again(" [1,2 ,\t3]\n") == "[1, 2, 3]");
  CHECK(again(R"("A\u00e9\ud83d\ude00\n\/")") == "\"Aé😀\\n/\"");
  CHECK(again(R"("\ud83dx")") == "\"\xEF\xBF\xBDx\"");
  CHECK(again(R"({"a": 1, "b": 2, "a": 3})") == R"({"b": 2, "a": 3})");
}

TEST_CASE("json tree: in ASCII as Python does by default") {
  const auto ascii = [](const std::string& text) {
    const auto tree = parse_tree(text);
    return tree ? ascii_text(*tree) : "refused: " + tree.error().message;
  };
  CHECK(ascii(R"({"a,b:c":"d\",e:\\","f":[2.50,null]})") ==
        R"({"a,b:c": "d\",e:\\", "f": [2.50, null]})");
  CHECK(ascii("\"\xC3\xBC\xE2\x80\xA8\xF0\x9F\x98\x80z\"") == R"("\u00fc\u2028\ud83d\ude00z")");
}

TEST_CASE("json tree: what is no JSON is refused") {
  for (const char* text :
       {"",          " ",      "nul", "01",      "1.",     ".5",          "1e",  "+1",
        "-",         "[1,]",   "[1",  "{\"a\"}", "{a: 1}", "{\"a\": 1,}", "\"a", "\"\\x\"",
        "\"\\u12\"", "\"\n\"", "1 2", "[1] x",   "'a'",    "nan"}) {
    INFO(text);
    CHECK_FALSE(parse_tree(text));
  }
  CHECK(parse_tree(std::string(200, '[') + std::string(200, ']')));
  const auto deep = parse_tree(std::string(100000, '['));
  REQUIRE_FALSE(deep);
  CHECK_THAT(deep.error().message, Catch::Matchers::Contains("nested too deep"));
}

TEST_CASE("json tree: equal trees have one canonical text, others have not") {
  const auto canon = [](std::string_view text) { return canonical_text(*parse_tree(text)); };
  CHECK(canon(R"({"a": 1, "b": [true, "x"]})") == canon(R"({"b":[true,"x"],"a":1})"));
  CHECK(canon("[1.0]") == canon("[10e-1]"));
  CHECK(canon("0") == canon("-0"));
  CHECK(canon("1") != canon("1.0"));
  CHECK(canon("1") != canon("true"));
  CHECK(canon("1") != canon("\"1\""));
  CHECK(canon("[1, 2]") != canon("[2, 1]"));
  CHECK(canon("{}") != canon("[]"));
  CHECK(canon(R"({"a": {"b": 1}})") != canon(R"({"a": {}, "b": 1})"));
}

TEST_CASE("json tree: members are found and set; what is empty is falsy") {
  auto tree = *parse_tree(R"({"a": 1})");
  tree.set("b", JsonTree::of_text("x"));
  tree.set("a", *parse_tree("[2]"));
  CHECK(to_text(tree) == R"({"a": [2], "b": "x"})");
  CHECK(tree.find("b")->value == "x");
  CHECK(tree.find("c") == nullptr);
  for (const char* text : {"null", "false", "0", "0.0", "\"\"", "[]", "{}"})
    CHECK(parse_tree(text)->is_falsy());
  for (const char* text : {"true", "-1", "0.1", "NaN", "\"0\"", "[0]", "{\"a\": null}"})
    CHECK_FALSE(parse_tree(text)->is_falsy());
}

}  // namespace mlforge::test
