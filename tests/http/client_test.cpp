// The blocking client: what it says when things go wrong.
#include <sstream>

#include "tests/http/support.hpp"

namespace client_tests {

using namespace mlforge;
using namespace mlforge::http;
using namespace mlforge::http::test;

namespace {

// A port where nobody listens any more.
std::uint16_t dead_port() {
  Server server({}, Router());
  if (server.bind()) throw std::runtime_error("cannot bind");
  return server.port();
}

}  // namespace

TEST_CASE("a server that is not there is named, with the way to start it") {
  HttpClient client("http://127.0.0.1:" + std::to_string(dead_port()));
  const auto response = client.get("/empty");
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::unavailable);
  CHECK(response.error().message.find(client.url()) != std::string::npos);
  CHECK(response.error().message.find("mlforge serve") != std::string::npos);
}

TEST_CASE("URLs that are wrong are refused") {
  for (const auto* url : {"", "localhost:5000", "https://x", "http://", "http://:80",
                          "http://h:port", "http://h:", "http://[::1"}) {
    CAPTURE(url);
    const auto response = HttpClient(url).get("/");
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::invalid_argument);
    CHECK(response.error().field == "url");
  }
}

TEST_CASE("the client keeps its connection, and makes a new one when the server has closed it") {
  ServerOptions options;
  TestServer server(options);
  HttpClient client(server.server->url() + "/");
  CHECK(client.get("/empty")->status == 200);
  CHECK(client.post("echo", "{}")->body == "{}");
  CHECK(client.request(Method::head, "/big")->header("content-length") == "300000");
  CHECK(client.get("/big")->body.size() == 300000);
  CHECK(server.server->connections() == 1);
  CHECK(client.request(Method::get, "/empty", {}, {}, {{"Connection", "close"}})->status == 200);
  CHECK(client.get("/empty")->status == 200);

  const auto port = server.port();
  server.server->stop();
  options.port = port;
  TestServer again(options);
  CHECK(client.post("/echo", "after a restart")->body == "after a restart");
}

TEST_CASE("a URL may have a path in front") {
  TestServer server;
  HttpClient client(server.server->url() + "/nowhere/");
  const auto response = client.get("/empty");
  REQUIRE(response);
  CHECK(error_from(*response).message.find("/nowhere/empty") != std::string::npos);
}

TEST_CASE("an answer that does not come is a timeout") {
  TestServer server;
  ClientOptions options;
  options.io_timeout = 50ms;
  HttpClient client(server.server->url(), options);
  const auto response = client.post("/hold", "x");
  REQUIRE_FALSE(response);
  CHECK(response.error().code == ErrorCode::timeout);
}

TEST_CASE("answers that are too large, and targets that are not clean, are refused") {
  TestServer server;
  ClientOptions options;
  options.max_response_bytes = 1000;
  HttpClient client(server.server->url(), options);
  CHECK(client.get("/big").error().code == ErrorCode::payload_too_large);
  CHECK(client.get("/empty HTTP/1.1\r\nX: y").error().code == ErrorCode::invalid_argument);
  CHECK(client.request(Method::get, "/empty", {}, {}, {{"A", "b\r\nC: d"}}).error().code ==
        ErrorCode::invalid_argument);
}

TEST_CASE("a download goes to its sink, an error answer does not") {
  TestServer server;
  HttpClient client(server.server->url());
  std::size_t bytes = 0;
  const auto count = [&](std::string_view piece) {
    bytes += piece.size();
    return true;
  };
  const auto good = client.download("/big", count);
  REQUIRE(good);
  CHECK(bytes == 300000);
  CHECK(good->body.empty());
  const auto bad = client.download("/nowhere", count);
  REQUIRE(bad);
  CHECK(bytes == 300000);
  CHECK(error_from(*bad).code == ErrorCode::not_found);
  const auto stopped = client.download("/big", [](std::string_view) { return false; });
  REQUIRE(stopped);
  CHECK(client.get("/empty")->status == 200);
}

TEST_CASE("a file that is shorter or longer than it was is not sent as whole") {
  TestServer server;
  HttpClient client(server.server->url());
  for (const std::uint64_t claimed : {2, 9}) {
    std::istringstream file("12345");
    const auto response = client.upload(Method::post, "/echo", file, claimed, "text/plain");
    REQUIRE_FALSE(response);
    CHECK(response.error().field == "body");
  }
  std::istringstream file("12345");
  CHECK(client.upload(Method::post, "/echo", file, 5, "text/plain")->body == "12345");
}

TEST_CASE("an answer that is no error of this server still makes a sentence") {
  ClientResponse response;
  response.status = 502;
  response.body = "<html>";
  CHECK(error_from(response).message == "The server answered 502 Bad Gateway.");
  CHECK(error_from(response).code == ErrorCode::internal);
  response.status = 404;
  CHECK(error_from(response).code == ErrorCode::not_found);
}

}  // namespace client_tests
