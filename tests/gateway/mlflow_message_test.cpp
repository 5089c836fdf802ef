// protobuf's JSON as MLflow's client sends it and reads it.
#include "gateway/mlflow/message.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "gateway/mlflow/request_names.hpp"

namespace mlforge::gateway::mlflow {
namespace {

http::Request with_body(std::string_view body) {
  http::Request request;
  request.method = http::Method::post;
  request.body = body;
  request.headers.push_back({"Content-Type", "application/json; charset=utf-8"});
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

TEST_CASE("mlflow message: what a page of another origin can send unasked is none") {
  auto request = with_body(R"({"name": "x"})");
  for (const char* type :
       {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"}) {
    request.headers = {{"Content-Type", type}};
    CHECK(error_of(Fields(request)) ==
          "Bad Request. Content-Type must be one of ['application/json'].");
  }
  request.headers.clear();
  CHECK(error_of(Fields(request)) == "Bad Request. Content-Type header is missing.");
  request.method = http::Method::patch;
  CHECK(error_of(Fields(request)).empty());
}

TEST_CASE("mlflow message: enums are names or numbers, integers may have an exponent") {
  const auto request = with_body(
      R"({"view": "ALL", "number": 3, "wrong": [], "e": "1e3", "half": "5e-1", "empty": ""})");
  Fields fields(request);
  CHECK(fields.enumerator("view") == "ALL");
  CHECK(fields.enumerator("number") == "3");
  CHECK(fields.enumerator("none").empty());
  CHECK(fields.integer("e") == 1000);
  CHECK(error_of(fields).empty());
  CHECK_FALSE(fields.integer("half"));
  CHECK_THAT(error_of(fields), Catch::Contains("'half'"));
  Fields other(request);
  (void)other.enumerator("wrong");
  CHECK_THAT(error_of(other), Catch::Contains("Invalid value [] for parameter 'wrong'"));
  Fields empty(request);
  (void)empty.number("empty", Need::required);
  CHECK_THAT(error_of(empty), Catch::StartsWith("Missing value for required parameter 'empty'"));
}

TEST_CASE("mlflow message: versions and experiment ids are numbers in texts") {
  const auto version = [](const char* written) {
    const auto body = std::string(R"({"version": )") + written + "}";
    const auto request = with_body(body);
    Fields fields(request);
    const auto number = read_version(fields);
    return error_of(fields).empty() ? std::to_string(number) : error_of(fields);
  };
  CHECK(version("\"12\"") == "12");
  CHECK(version("12") == "12");
  CHECK(version("\"-1\"") == "0");
  CHECK(version("\"x1\"") == "Parameter 'version' must be an integer, got 'x1'.");
  CHECK(version("\"1.0\"") == "Parameter 'version' must be an integer, got '1.0'.");
  CHECK_THAT(version("\"\""), Catch::StartsWith("Missing value for required parameter 'version'"));
  CHECK(*experiment_id_of("007") == "7");
  CHECK(*experiment_id_of("0") == "0");
  CHECK(*experiment_id_of("-3") == "-3");
  for (const char* bad : {"", "x", "1e3", "1.0", "--1", "a/b"}) CHECK_FALSE(experiment_id_of(bad));
}

TEST_CASE("mlflow message: run ids that cannot be are not found, or refused in batches") {
  CHECK_FALSE(check_run_id("abc"));
  for (const char* bad : {"a/b", "../x"}) CHECK(check_run_id(bad)->code == ErrorCode::not_found);
  CHECK(check_run_id(std::string(500, 'x'))->code == ErrorCode::not_found);
  CHECK_FALSE(check_strict_run_id("0a-_"));
  for (const char* bad : {"a/b", "a:b", " ", "_a", "-a"})
    CHECK(check_strict_run_id(bad)->code == ErrorCode::invalid_argument);
}

TEST_CASE("mlflow message: errors have MLflow's names and statuses") {
  const auto shown = [](ErrorCode code, const char* field = "") {
    const auto response = error_response({code, "m", field});
    auto body = response.body;
    if (const auto at = body.find(",\"sqlstate\""); at != body.npos)
      body = body.substr(0, at) + "}";
    return std::to_string(response.status) + " " + body;
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
  CHECK_THAT(error_response({ErrorCode::not_found, "m", ""}).body,
             Catch::EndsWith(R"("sqlstate":"KAM00","error_class":"RESOURCE_NOT_FOUND"})"));
  CHECK(shown(ErrorCode::internal) == R"(500 {"error_code":"INTERNAL_ERROR","message":"m"})");
}

}  // namespace mlforge::gateway::mlflow
