// The route table, its document, and the small parts around it.
#include <simdjson.h>

#include "gateway/http/guard.hpp"
#include "tests/http/support.hpp"

namespace router_tests {

using namespace mlforge;
using namespace mlforge::http;
using namespace mlforge::http::test;

namespace {

const Handler kNothing = [](const Request&, Reply) {};

std::string match(const Router& router, Method method, std::string_view path) {
  std::vector<http::Field> params;
  const auto found = router.match(method, path, params);
  if (!found.route) return found.allow.empty() ? "404" : "405 " + found.allow;
  std::string out = found.route->pattern;
  for (const auto& [name, value] : params)
    out += " " + std::string(name) + "=" + std::string(value);
  return out;
}

}  // namespace

TEST_CASE("paths find their route") {
  Router router;
  router.get("/", kNothing);
  router.get("/runs", kNothing);
  router.post("/runs", kNothing);
  router.get("/runs/{id}", kNothing);
  router.get("/runs/search", kNothing);
  router.get("/runs/{run_id}/metrics", kNothing);
  router.delete_("/runs/{key}", kNothing);
  router.post("/models/{name}:predict", kNothing);
  router.post("/models/{name}", kNothing);
  router.post("/models/{name}/versions/{version}:predict", kNothing);
  router.get("/files/{path*}", kNothing);
  router.get("/files/index/{page}", kNothing);
  REQUIRE_FALSE(router.build());
  const std::vector<std::pair<std::string, std::string>> gets{
      {"/", "/"},
      {"/runs", "/runs"},
      {"/runs/7", "/runs/{id} id=7"},
      {"/runs/search", "/runs/search"},
      {"/runs/search/metrics", "/runs/{run_id}/metrics run_id=search"},
      {"/runs/a%2Fb/metrics", "/runs/{run_id}/metrics run_id=a%2Fb"},
      {"/runs/", "404"},
      {"/runs/7/", "404"},
      {"//runs", "404"},
      {"runs", "404"},
      {"", "404"},
      {"/files/", "/files/{path*} path="},
      {"/files/a/b.txt", "/files/{path*} path=a/b.txt"},
      {"/files/index/2", "/files/index/{page} page=2"},
      {"/files/index/2/3", "/files/{path*} path=index/2/3"},
      {"/files", "404"}};
  for (const auto& [path, expected] : gets) {
    CAPTURE(path);
    CHECK(match(router, Method::get, path) == expected);
  }
  CHECK(match(router, Method::post, "/models/m:predict") == "/models/{name}:predict name=m");
  CHECK(match(router, Method::post, "/models/a:b:predict") == "/models/{name}:predict name=a:b");
  CHECK(match(router, Method::post, "/models/:predict") == "/models/{name} name=:predict");
  CHECK(match(router, Method::post, "/models/m/versions/3:predict") ==
        "/models/{name}/versions/{version}:predict name=m version=3");
  CHECK(match(router, Method::delete_, "/runs/7") == "/runs/{key} key=7");
  CHECK(match(router, Method::head, "/runs/7") == "/runs/{id} id=7");
  CHECK(match(router, Method::put, "/runs") == "405 GET, HEAD, POST, OPTIONS");
  CHECK(match(router, Method::other, "/runs/7") == "405 GET, HEAD, DELETE, OPTIONS");
}

TEST_CASE("patterns that are wrong or stand twice are refused") {
  for (const auto* pattern :
       {"runs", "", "/a{b}", "/{}", "/{a", "/a}", "/{a*}/b", "/{*}", "/{a}{b}"}) {
    CAPTURE(pattern);
    Router router;
    router.get(pattern, kNothing);
    const auto error = router.build();
    REQUIRE(error);
    CHECK(error->code == ErrorCode::invalid_argument);
    CHECK(error->message.find(std::string("'") + pattern + "'") != std::string::npos);
  }
  Router twice;
  twice.get("/runs/{a}", kNothing);
  twice.post("/runs/{a}", kNothing);
  twice.get("/runs/{b}", kNothing);
  const auto error = Server({}, std::move(twice)).bind();
  REQUIRE(error);
  CHECK(error->message.find("stands twice for GET") != std::string::npos);
}

TEST_CASE("the OpenAPI document describes the table") {
  Router router;
  RouteInfo info;
  info.summary = "Logs a \"metric\"";
  info.tag = "tracking";
  info.body = R"({"type":"object"})";
  info.response = R"({"type":"array"})";
  info.query = {{"as_of", "position", "integer", true}};
  info.status = 201;
  info.headers = {{"Last-Event-ID", "the last one", "integer"}};
  router.post("/api/runs/{run_id}/metrics", kNothing, info);
  RouteInfo points;
  points.response = R"({"type":"object"})";
  points.other_statuses = {206};
  router.get("/api/runs/{run_id}/metrics", kNothing, points);
  RouteInfo plain;
  plain.reads_write_headers = false;
  router.post("/plain", kNothing, plain);
  router.get("/files/{path*}", kNothing);
  router.upload(Method::put, "/files/{path*}", nullptr);
  router.websocket("/ws", nullptr);
  RouteInfo hidden;
  hidden.hidden = true;
  router.get("/secret", kNothing, hidden);
  RouteInfo needs;
  needs.body = R"({"type":"object","required":["name"]})";
  router.post("/needs", kNothing, needs);
  RouteInfo bytes;
  bytes.response_type = "application/octet-stream";
  router.get("/bytes", kNothing, bytes);
  const auto text = openapi_json(router, {"mlforge",
                                          "1.0",
                                          "All of it.",
                                          "http://localhost",
                                          {{"X-Correlation-Id", "", "string"}},
                                          {{"Idempotency-Key", "", "string"}}});
  simdjson::dom::parser parser;
  simdjson::dom::element doc;
  REQUIRE(parser.parse(text).get(doc) == simdjson::SUCCESS);
  const auto str = [&](const char* pointer) {
    std::string_view value;
    CAPTURE(pointer);
    REQUIRE(doc.at_pointer(pointer).get(value) == simdjson::SUCCESS);
    return std::string(value);
  };
  CHECK(str("/openapi") == "3.1.0");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/summary") == "Logs a \"metric\"");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/parameters/0/name") == "run_id");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/parameters/1/schema/type") == "integer");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/requestBody/content/application~1json/"
            "schema/type") == "object");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/responses/201/content/application~1json/"
            "schema/type") == "array");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/get/responses/200/content/application~1json/"
            "schema/type") == "object");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/get/responses/206/content/application~1json/"
            "schema/type") == "object");
  CHECK(str("/paths/~1plain/post/parameters/0/name") == "X-Correlation-Id");
  simdjson::dom::element more;
  CHECK(doc.at_pointer("/paths/~1plain/post/parameters/1").get(more) != simdjson::SUCCESS);
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/parameters/2/name") == "Last-Event-ID");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/parameters/2/in") == "header");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/parameters/3/name") == "X-Correlation-Id");
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/post/parameters/4/name") == "Idempotency-Key");
  simdjson::dom::element at;
  CHECK(doc.at_pointer("/paths/~1bytes/get/responses/200/content/application~1octet-stream")
            .get(at) == simdjson::SUCCESS);
  CHECK(doc.at_pointer("/paths/~1bytes/get/parameters/1").get(at) != simdjson::SUCCESS);
  bool required = false;
  CHECK(doc.at_pointer("/paths/~1needs/post/requestBody/required").get(required) ==
        simdjson::SUCCESS);
  CHECK(required);
  CHECK(doc.at_pointer("/paths/~1api~1runs~1{run_id}~1metrics/post/requestBody/required")
            .get(required) == simdjson::SUCCESS);
  CHECK_FALSE(required);
  CHECK(str("/paths/~1api~1runs~1{run_id}~1metrics/get/operationId") ==
        "get_api_runs_run_id_metrics");
  CHECK(str("/paths/~1files~1{path}/get/parameters/0/in") == "path");
  CHECK(str("/paths/~1ws/get/responses/101/description") == "It went well.");
  CHECK(text.find("secret") == std::string::npos);
}

TEST_CASE("errors have one shape") {
  const auto response = error_response(
      {ErrorCode::invalid_argument, "The \"rate\" must be a number.", "rate"}, "abc");
  CHECK(response.status == 400);
  CHECK(response.body ==
        R"({"error":{"code":"invalid_argument","message":"The \"rate\" must be a number.",)"
        R"("field":"rate","correlation_id":"abc"}})");
  for (const auto& row : kErrorTable) {
    ClientResponse answer;
    const auto made = error_response({row.code, "m", "f"}, "id");
    answer.status = made.status;
    answer.body = made.body;
    const auto back = error_from(answer);
    CHECK(back.code == row.code);
    CHECK(back.message == "m");
    CHECK(back.field == "f");
  }
}

TEST_CASE("correlation ids become UUIDs") {
  Request request;
  request.correlation_id = "0190b6f0-1111-7222-8333-444455556666";
  CHECK(to_string(request.correlation()) == request.correlation_id);
  request.correlation_id = "job-17";
  const auto made = request.correlation();
  CHECK(made == request.correlation());
  CHECK((made.bytes[6] >> 4) == 8);
  request.correlation_id = "job-18";
  CHECK(made != request.correlation());
  CHECK(is_safe_token("a-B_9.:"));
  CHECK_FALSE(is_safe_token(""));
  CHECK_FALSE(is_safe_token("a b"));
  CHECK_FALSE(is_safe_token(std::string(65, 'a')));
}

TEST_CASE("percent escapes are decoded or refused") {
  CHECK(percent_decode("a%20b+c") == "a b+c");
  CHECK(percent_decode("a+b", true) == "a b");
  CHECK(percent_decode("%e2%82%AC") == "\xe2\x82\xac");
  for (const auto* bad : {"%", "%2", "%2x", "%zz"}) CHECK_FALSE(percent_decode(bad));
}

TEST_CASE("events are written as an event stream reads them") {
  std::string out;
  append_sse_event(out, "7", "run.started", "a\nb");
  append_sse_event(out, "", "", "x");
  append_sse_event(out, "1\n2", "", "");
  CHECK(out == "id: 7\nevent: run.started\ndata: a\ndata: b\n\ndata: x\n\nid: 12\ndata: \n\n");
}

TEST_CASE("a handler is tested without a server") {
  Request request;
  request.correlation_id = "test-1";
  std::vector<Response> answers;
  const auto reply = [&] {
    return captured_reply(request, [&](Response r) { answers.push_back(std::move(r)); });
  };
  reply().send(Response::text("hello"));
  reply().send(Error{ErrorCode::not_found, "No such run.", {}});
  reply();
  ReplyBatch batch;
  batch.add(reply(), Response::text("one"));
  batch.add(reply(), Response::text("two"));
  batch.flush();
  StreamedResponse stream;
  stream.next = [n = 0](std::string& piece) mutable -> Status {
    if (n++ < 3) piece = std::to_string(n);
    return std::nullopt;
  };
  reply().stream(std::move(stream));
  REQUIRE(answers.size() == 6);
  CHECK(answers[0].body == "hello");
  CHECK(answers[1].status == 404);
  CHECK(answers[1].body.find("test-1") != std::string::npos);
  CHECK(answers[2].status == 500);
  CHECK(answers[3].body == "one");
  CHECK(answers[4].body == "two");
  CHECK(answers[5].body == "123");
}

}  // namespace router_tests
