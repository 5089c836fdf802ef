// What traces need beyond runs: regular expressions in filters, spans in OpenTelemetry's shape.
#include <catch2/catch.hpp>

#include "events/codec.hpp"
#include "gateway/mlflow/search.hpp"
#include "gateway/mlflow/search_pattern.hpp"
#include "gateway/mlflow/trace_spans.hpp"

namespace mlforge::gateway::mlflow {
namespace {

bool pattern_fits(const std::string& pattern, std::string_view text) {
  INFO(pattern);
  const auto made = Pattern::make(pattern);
  if (!made) FAIL(made.error().message);
  return (*made)->fits(text);
}

std::string otel(std::string_view file) {
  std::string out;
  if (auto bad = append_otel_spans(out, file)) return "refused: " + bad->message;
  return out;
}

}  // namespace

TEST_CASE("pattern: what fits") {
  CHECK(pattern_fits("b.d", "abcde"));
  CHECK_FALSE(pattern_fits("^b", "abc"));
  CHECK_FALSE(pattern_fits("B", "abc"));
  CHECK(pattern_fits(R"(^error_\d+$)", "error_17"));
  CHECK_FALSE(pattern_fits(R"(\D)", "17"));
  CHECK(pattern_fits(R"(^[\d.]+\s\w+$)", "1.5 ms"));
  CHECK(pattern_fits(R"(a|b{2,3})", "xbbx"));
  CHECK(pattern_fits(R"(\.)", "a.b"));
  CHECK(pattern_fits("", "anything"));
}

TEST_CASE("pattern: what is refused") {
  const std::vector<std::string> patterns{
      "(", "[a", "a{1001}", "(a{40}){40}", "(?i)a", R"((a)\1)", std::string(1001, 'a')};
  for (const auto& pattern : patterns) {
    INFO(pattern);
    const auto made = Pattern::make(pattern);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::invalid_argument);
    CHECK_THAT(made.error().message, Catch::Matchers::Contains("Invalid regular expression"));
  }
}

TEST_CASE("pattern: RLIKE is of dialects that know it") {
  Dialect dialect{.attributes = {{.name = "name"}}, .entities = {Entity::metadata}};
  CHECK_FALSE(Filter::parse("name RLIKE 'a'", dialect));
  CHECK(Filter::parse("metadata.x IS NULL", dialect));
  dialect.patterns = true;
  CHECK(Filter::parse("trace.name RLIKE 'a'", dialect));
  CHECK_FALSE(Filter::parse("name RLIKE '('", dialect));
  CHECK_FALSE(Filter::parse("name RLIKE 1", dialect));
  CHECK_FALSE(Filter::parse("feedback.x = 'a'", dialect));
}

TEST_CASE("spans: attributes are decoded, what is absent is left out") {
  CHECK(otel(R"({"spans": []})") == "[]");
  CHECK(otel(R"({"spans": [{"trace_id": "AQ==", "span_id": "Ag==", "parent_span_id": null,
      "name": "s", "start_time_unix_nano": 1, "end_time_unix_nano": null, "events": [],
      "status": {"code": "STATUS_CODE_OK", "message": ""},
      "attributes": {"a": "\"text\"", "b": "17", "c": "no JSON", "d": 5, "e": "{\"x\": []}"}}]})") ==
        R"([{"trace_id":"AQ==","span_id":"Ag==","name":"s","start_time_unix_nano":1,)"
        R"("status":{"code":"STATUS_CODE_OK","message":""},"attributes":[)"
        R"({"key":"a","value":{"string_value":"text"}},{"key":"b","value":{"int_value":17}},)"
        R"({"key":"c","value":{"string_value":"no JSON"}},{"key":"d","value":{"int_value":5}},)"
        R"({"key":"e","value":{"kvlist_value":{"values":[)"
        R"({"key":"x","value":{"array_value":{}}}]}}}]}])");
}

TEST_CASE("spans: a file that is none is refused, and depth is bounded") {
  for (const char* file : {"", "[]", "{}", R"({"spans": 1})", "{\"spans\": [", "\xff"})
    CHECK_THAT(otel(file), Catch::Matchers::StartsWith("refused"));
  CHECK(otel(R"({"spans": [1, "x", null, {"attributes": 5, "status": "OK"}]})") == "[{},{},{},{}]");
  std::string deep = "1";
  for (int i = 0; i < 500; ++i) deep = "[" + deep + "]";
  const auto spans = otel(R"({"spans": [{"attributes": {"a": ")" + deep + R"("}}]})");
  CHECK(codec::is_json(spans));
}

}  // namespace mlforge::gateway::mlflow
