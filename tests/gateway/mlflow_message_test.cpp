// protobuf's JSON as MLflow's client sends it and reads it.
#include "gateway/mlflow/message.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace mlforge::gateway::mlflow {
namespace {

http::Request with_body(std::string_view body) {
  http::Request request;
  request.method = http::Method::post;
  request.body = body;
  return request;
}

std::string error_of(const Fields& fields) { return fields.error() ? fields.error()->message : ""; }

}  // namespace

TEST_CASE("mlflow message: integers are numbers or text, names may be in camelCase") {
  const auto request = with_body(
      R"({"a": 9007199254740993, "b": "-9223372036854775808", "runId": "r", "c": 3.0, "n": null,
          "unknown": {"x": [1]}, "values": ["p", "q"]})");
  Fields fields(request);
  CHECK(fields.integer("a") == 9007199254740993);
  CHECK(fields.integer("b") == std::numeric_limits<std::int64_t>::min());
  CHECK(fields.integer("c") == 3);
  CHECK(fields.integer("n") == std::nullopt);
  CHECK(fields.text("run_id") == "r");
  CHECK(fields.texts("values") == std::vector<std::string>{"p", "q"});
  CHECK_FALSE(fields.has("n"));
  CHECK(error_of(fields).empty());
}

TEST_CASE("mlflow message: doubles may be NaN and the infinities, as text") {
  const auto request = with_body(
      R"({"a": "NaN", "b": "Infinity", "c": "-Infinity", "d": 1, "e": "1.5", "f": 0.25})");
  Fields fields(request);
  CHECK(std::isnan(fields.number("a")));
  CHECK(fields.number("b") == INFINITY);
  CHECK(fields.number("c") == -INFINITY);
  CHECK(fields.number("d") == 1);
  CHECK(fields.number("e") == 1.5);
  CHECK(fields.number("f") == 0.25);
  CHECK(error_of(fields).empty());
}

TEST_CASE("mlflow message: what is missing or of another type is named, the first only") {
  {
    const auto request = with_body("{}");
    Fields fields(request);
    (void)fields.text("name", Need::required);
    (void)fields.text("other", Need::required);
    CHECK(error_of(fields) ==
          "Missing value for required parameter 'name'. See the API docs for more information "
          "about request parameters.");
  }
  {
    const auto request = with_body(R"({"name": 123})");
    Fields fields(request);
    (void)fields.text("name", Need::required);
    CHECK(error_of(fields) ==
          "Invalid value 123 for parameter 'name' supplied:  Hint: Value was of type 'int'. See "
          "the API docs for more information about request parameters.");
  }
  {
    const auto request = with_body(R"({"metrics": [{"key": "a"}, {"key": ["b"]}]})");
    Fields fields(request);
    for (auto& each : fields.list("metrics")) (void)each.text("key", Need::required);
    CHECK_THAT(error_of(fields), Catch::Contains("'metrics[1].key'"));
  }
  for (const char* body : {"{", "[]", "\"x\"", "\xff"}) {
    const auto request = with_body(body);
    CHECK_THAT(error_of(Fields(request)), Catch::Contains("Invalid request"));
  }
}

TEST_CASE("mlflow message: a query string is a message too") {
  http::Request request;
  request.query_params = {{"run_ids", "a"}, {"run_ids", "b"}, {"max_results", "7"}, {"bad", "x"}};
  Fields fields(request);
  CHECK(fields.texts("run_ids") == std::vector<std::string>{"a", "b"});
  CHECK(fields.integer("max_results") == 7);
  CHECK(fields.integer("none") == std::nullopt);
  CHECK(error_of(fields).empty());
  CHECK(fields.integer("bad") == std::nullopt);
  CHECK_THAT(error_of(fields), Catch::Contains("'bad'"));
}

TEST_CASE("mlflow message: objects are written") {
  std::string out;
  {
    Object object(out);
    object.text("a", "x\"y").integer("b", -5).number("c", std::nan("")).boolean("d", true);
    object.some_text("e", "")
        .pairs("f", {{"k", "v"}})
        .array("g", std::vector<int>{1, 2},
               [](std::string& to, int i) { to += std::to_string(i); });
  }
  CHECK(out == R"({"a":"x\"y","b":-5,"c":"NaN","d":true,"f":[{"key":"k","value":"v"}],"g":[1,2]})");
}

TEST_CASE("mlflow message: page tokens") {
  for (const std::size_t offset : {0u, 1u, 25000u}) {
    const auto back = page_offset(page_token(offset));
    REQUIRE(back);
    CHECK(*back == offset);
  }
  CHECK(*page_offset("") == 0);
  for (const char* bad : {"x", "!!!!", "e30=", "eyJvZmZzZXQiOiAtMX0="})
    CHECK_FALSE(page_offset(bad));
}

TEST_CASE("mlflow message: errors have MLflow's names and statuses") {
  const auto shown = [](ErrorCode code, const char* field = "") {
    const auto response = error_response({code, "m", field});
    return std::to_string(response.status) + " " + response.body;
  };
  CHECK(shown(ErrorCode::not_found) ==
        R"(404 {"error_code":"RESOURCE_DOES_NOT_EXIST","message":"m"})");
  CHECK(shown(ErrorCode::already_exists) ==
        R"(400 {"error_code":"RESOURCE_ALREADY_EXISTS","message":"m"})");
  CHECK(shown(ErrorCode::invalid_argument) ==
        R"(400 {"error_code":"INVALID_PARAMETER_VALUE","message":"m"})");
  CHECK(shown(ErrorCode::conflict) == R"(400 {"error_code":"INVALID_STATE","message":"m"})");
  CHECK(shown(ErrorCode::conflict, "X-Mlforge-Expect") ==
        R"(409 {"error_code":"RESOURCE_CONFLICT","message":"m"})");
  CHECK(shown(ErrorCode::read_only) ==
        R"(503 {"error_code":"TEMPORARILY_UNAVAILABLE","message":"m"})");
  CHECK(shown(ErrorCode::internal) == R"(500 {"error_code":"INTERNAL_ERROR","message":"m"})");
}

}  // namespace mlforge::gateway::mlflow
