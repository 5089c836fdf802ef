// What the server refuses, and how it says so.
#include <prometheus/registry.h>

#include "gateway/http/metrics.hpp"
#include "tests/http/support.hpp"

namespace limits_tests {

using namespace mlforge;
using namespace mlforge::http;
using namespace mlforge::http::test;

namespace {

// Sends `bytes` on a connection of its own; the server must answer and then close.
RawResponse refused(const TestServer& server, std::string_view bytes) {
  RawClient client(server.port());
  client.send(bytes);
  auto response = client.response();
  CHECK(response.has("Connection: close\r\n"));
  CHECK(client.at_end());
  return response;
}

}  // namespace

TEST_CASE("malformed requests get 400 and lose the connection") {
  TestServer server;
  const std::vector<std::string> bad{
      "\x16\x03\x01 a TLS hello",
      "GET\r\n\r\n",
      "GET /empty HTTP/2.0\r\nHost: localhost\r\n\r\n",
      "GET /empty\r\nHost: localhost\r\n\r\n",
      "GET empty HTTP/1.1\r\nHost: localhost\r\n\r\n",
      "GET /empty HTTP/1.1\r\n\r\n",
      "GET /empty HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
      "GET /empty HTTP/1.1\r\nHost: localhost\r\nBad Name: x\r\n\r\n",
      "GET /empty HTTP/1.1\r\nHost: localhost\r\nX-Folded: a\r\n b\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
      "chunked\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "GET /%zz/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"};
  for (std::size_t i = 0; i + 1 < bad.size(); ++i) {
    CAPTURE(bad[i]);
    const auto response = refused(server, bad[i]);
    CHECK(response.status == 400);
    CHECK(has_code(response, "malformed"));
  }
  CHECK(RawClient(server.port()).roundtrip(bad.back()).status ==
        404);  // only parameters are decoded
}

TEST_CASE("a body over the limit gets 413, announced or chunked") {
  ServerOptions options;
  options.max_body_bytes = 1000;
  TestServer server(options, [](Router& router) {
    RouteInfo info;
    info.max_body = 5000;
    router.post(
        "/more",
        [](const Request& r, Reply reply) {
          reply.send(Response::text(std::to_string(r.body.size())));
        },
        info);
  });
  const std::string body(1001, 'x');
  CHECK(RawClient(server.port()).roundtrip(post("/echo", body.substr(1))).status == 200);
  CHECK(RawClient(server.port()).roundtrip(post("/more", body)).body == "1001");
  const auto announced = refused(server, post("/echo", body));
  CHECK(announced.status == 413);
  CHECK(has_code(announced, "payload_too_large"));
  const std::string head =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
  CHECK(refused(server, head + "3e9\r\n" + body + "\r\n0\r\n\r\n").status == 413);
  std::string small;
  for (int i = 0; i < 101; ++i) small += "a\r\n0123456789\r\n";
  CHECK(refused(server, head + small + "0\r\n\r\n").status == 413);
  CHECK(server.server->pending_bytes() == 0);
}

TEST_CASE("a client that sends all of a refused body still sees the answer") {
  TestServer server;
  RawClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n");
  const std::string piece(1 << 20, 'x');
  for (int i = 0; i < 4; ++i) client.send(piece);
  CHECK(client.response().status == 413);
}

TEST_CASE("a head over the limit gets 431") {
  ServerOptions options;
  options.max_header_bytes = 1000;
  TestServer server(options);
  const auto huge = refused(server, get("/empty", "X-Long: " + std::string(1000, 'x') + "\r\n"));
  CHECK(huge.status == 431);
  CHECK(has_code(huge, "headers_too_large"));
  CHECK(refused(server, "GET /" + std::string(1000, 'x')).status == 431);  // without its end
  std::string many;
  for (int i = 0; i < 130; ++i) many += "a:b\r\n";
  CHECK(refused(server, get("/empty", many)).status == 431);
}

TEST_CASE("a foreign Host gets 403") {
  ServerOptions options;
  options.allowed_hosts = {"ml.example.org"};
  TestServer server(options);
  const auto with_host = [](std::string_view host) {
    return "GET /empty HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n";
  };
  for (const auto* good :
       {"localhost", "LOCALHOST:80", "127.0.0.1:5000", "[::1]:5000", "ml.example.org"})
    CHECK(RawClient(server.port()).roundtrip(with_host(good)).status == 200);
  for (const auto* bad :
       {"evil.example.org", "localhost.evil.org", "127.0.0.1.evil.org", "10.0.0.1"}) {
    const auto response = refused(server, with_host(bad));
    CHECK(response.status == 403);
    CHECK(has_code(response, "forbidden"));
    CHECK(response.body.find("\"field\":\"Host\"") != std::string::npos);
  }
  CHECK(refused(server, get("http://evil.example.org/empty")).status == 403);
}

TEST_CASE("a server on all addresses serves IP literals but not foreign names") {
  ServerOptions options;
  options.host = "0.0.0.0";
  TestServer server(options);
  CHECK(RawClient(server.port())
            .roundtrip("GET /empty HTTP/1.1\r\nHost: 10.1.2.3:80\r\n\r\n")
            .status == 200);
  CHECK(refused(server, "GET /empty HTTP/1.1\r\nHost: evil.org\r\n\r\n").status == 403);
}

TEST_CASE("a foreign Origin gets 403, a listed one CORS headers") {
  ServerOptions options;
  options.allowed_origins = {"https://notebooks.example.org"};
  TestServer server(options);
  RawClient client(server.port());
  const auto own = client.roundtrip(get("/empty", "Origin: http://localhost\r\n"));
  CHECK(own.status == 200);
  CHECK_FALSE(own.has("Access-Control"));
  const auto listed = client.roundtrip(get("/empty", "Origin: https://notebooks.example.org\r\n"));
  CHECK(listed.status == 200);
  CHECK(listed.has("Access-Control-Allow-Origin: https://notebooks.example.org\r\n"));
  const auto preflight = client.roundtrip(
      "OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nOrigin: https://notebooks.example.org\r\n"
      "Access-Control-Request-Headers: content-type\r\n\r\n",
      true);
  CHECK(preflight.has("Access-Control-Allow-Methods: POST, OPTIONS\r\n"));
  CHECK(preflight.has("Access-Control-Allow-Headers: content-type\r\n"));
  for (const auto* bad :
       {"null", "http://localhost:3000", "https://evil.org", "http://localhost.evil.org"})
    CHECK(refused(server, get("/empty", "Origin: " + std::string(bad) + "\r\n")).status == 403);
}

TEST_CASE("bodies in flight over the limit get 429") {
  ServerOptions options;
  options.max_pending_bytes = 1000;
  TestServer server(options);
  RawClient first(server.port()), second(server.port());
  first.send(post("/hold", std::string(800, 'x')));
  auto held = server.held.take();
  CHECK(server.server->pending_bytes() == 800);
  const auto full = second.roundtrip(post("/echo", std::string(300, 'y')));
  CHECK(full.status == 429);
  CHECK(full.has("Retry-After: 1\r\n"));
  CHECK(has_code(full, "too_many_requests"));
  CHECK(second.roundtrip(post("/echo", std::string(100, 'y'))).status == 200);  // still connected
  held.reply.send(Response{});
  CHECK(first.response().status == 200);
  CHECK(second.roundtrip(post("/echo", std::string(300, 'y'))).status == 200);
  CHECK(server.server->pending_bytes() == 0);
}

TEST_CASE("connections over the limit get 503") {
  ServerOptions options;
  options.max_connections = 2;
  options.registry = std::make_shared<prometheus::Registry>();
  TestServer server(options);
  RawClient first(server.port());
  CHECK(first.roundtrip(get("/empty")).status == 200);
  {
    RawClient second(server.port());
    CHECK(second.roundtrip(get("/empty")).status == 200);
    RawClient third(server.port());
    const auto full = third.response();
    CHECK(full.status == 503);
    CHECK(full.has("Retry-After: 1\r\n"));
    CHECK(has_code(full, "unavailable"));
    CHECK(third.at_end());
    const auto text = render_metrics(*options.registry);
    CHECK(text.find("rejected_total{reason=\"connections\"} 1") != std::string::npos);
    CHECK(text.find("seconds_bucket{method=\"OTHER\",route=\"unmatched\",le=\"10\"} 1") !=
          std::string::npos);
  }
  CHECK(first.roundtrip(get("/empty")).status == 200);
}

TEST_CASE("slow clients are let go") {
  ServerOptions options;
  options.idle_timeout = 400ms;
  options.min_body_rate = 1 << 20;
  TestServer server(options);
  SECTION("idle: closed without a word") {
    RawClient client(server.port());
    CHECK(client.roundtrip(get("/empty")).status == 200);
    CHECK(client.at_end());
  }
  SECTION("a head that does not end") {
    RawClient client(server.port());
    client.send("GET /empty HTTP/1.1\r\nHost: loc");
    const auto response = client.response();
    CHECK(response.status == 408);
    CHECK(has_code(response, "request_timeout"));
    CHECK(client.at_end());
  }
  SECTION("a body that does not end") {
    RawClient client(server.port());
    client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345");
    CHECK(client.response().status == 408);
    CHECK(client.at_end());
    CHECK(server.server->pending_bytes() == 0);
  }
}

TEST_CASE("a client that does not take its answer is let go") {
  ServerOptions options;
  options.idle_timeout = 400ms;
  Channel<int> ended;
  TestServer server(options, [&](Router& router) {
    router.get("/endless", [&](const Request&, Reply reply) {
      StreamedResponse stream;
      auto token = std::shared_ptr<void>(nullptr, [&](void*) { ended.put(1); });
      stream.next = [token](std::string& out) -> Status {
        out.assign(64 << 10, 'x');
        return std::nullopt;
      };
      token.reset();
      reply.stream(std::move(stream));
    });
  });
  RawClient client(server.port(), 4096);
  client.send(get("/endless"));
  CHECK(ended.take() == 1);  // without reading a byte
}

TEST_CASE("a server counts what it does") {
  ServerOptions options;
  options.registry = std::make_shared<prometheus::Registry>();
  TestServer server(options);
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) client.roundtrip(get("/empty"));
  client.roundtrip(get("/nowhere"));
  CHECK(render_metrics(*options.registry).find("mlforge_http_open_connections 1\n") !=
        std::string::npos);
  refused(server, get("/empty", "Origin: null\r\n"));
  const auto text = render_metrics(*options.registry);
  const auto has = [&](std::string_view line) { return text.find(line) != std::string::npos; };
  CHECK(has(R"(mlforge_http_requests_total{code="2xx",method="GET",route="/empty"} 3)"));
  CHECK(has(R"(mlforge_http_request_duration_seconds_count{method="GET",route="/empty"} 3)"));
  CHECK(has(R"(mlforge_http_requests_total{code="4xx",method="OTHER",route="unmatched"})"));
  CHECK(has(R"(mlforge_http_rejected_total{reason="origin"} 1)"));
}

TEST_CASE("a drain finishes what is in flight and closes the rest") {
  TestServer server;
  RawClient idle(server.port()), busy(server.port());
  CHECK(idle.roundtrip(get("/empty")).status == 200);
  busy.send(post("/hold", "x") + get("/empty"));
  auto held = server.held.take();
  Channel<bool> done;
  server.server->drain(20s, [&](bool complete) { done.put(complete); });
  CHECK(idle.at_end());
  CHECK_THROWS(RawClient(server.port()));
  CHECK(done.size() == 0);
  held.reply.send(Response::text("finished"));
  const auto response = busy.response();
  CHECK(response.body == "finished");
  CHECK(response.has("Connection: close\r\n"));
  CHECK(busy.at_end());
  CHECK(done.take());
}

TEST_CASE("a drain does not wait for a head that never ends") {
  TestServer server;
  RawClient half(server.port()), used(server.port());
  half.send("GET /empty HTTP/1.1\r\nHost: loc");
  // The answer shows that the server has seen what came before it.
  used.send(get("/empty") + "GET /empty HT");
  CHECK(used.response().status == 200);
  Channel<bool> done;
  server.server->drain(20s, [&](bool complete) { done.put(complete); });
  CHECK(half.at_end());
  CHECK(used.at_end());
  CHECK(done.take());
}

TEST_CASE("a drain cuts off what does not end in time") {
  TestServer server;
  RawClient busy(server.port());
  busy.send(post("/hold", "x"));
  auto held = server.held.take();
  Channel<bool> done;
  server.server->drain(50ms, [&](bool complete) { done.put(complete); });
  CHECK_FALSE(done.take());
  CHECK(busy.at_end());
}

}  // namespace limits_tests
