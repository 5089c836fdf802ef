// Requests and answers over real sockets.
#include <thread>

#include "gateway/http/mailbox.hpp"
#include "tests/http/support.hpp"

namespace server_tests {

using namespace mlforge;
using namespace mlforge::http;
using namespace mlforge::http::test;

TEST_CASE("a connection serves one request after another") {
  TestServer server;
  RawClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    const auto empty = client.roundtrip(get("/empty"));
    CHECK(empty.status == 200);
    CHECK(empty.has("Content-Length: 0\r\n"));
    CHECK(empty.has("Date: "));
    CHECK(empty.has("X-Correlation-Id: "));
    CHECK_FALSE(empty.has("Connection: close"));
    CHECK(client.roundtrip(post("/echo", "{\"a\":1}")).body == "{\"a\":1}");
  }
  CHECK(server.server->connections() == 1);
}

TEST_CASE("pipelined requests are answered in order, also when one waits") {
  TestServer server;
  RawClient client(server.port());
  std::string all;
  for (int i = 0; i < 50; ++i) all += post("/echo", std::to_string(i));
  all += post("/hold", "later") + post("/echo", "after");
  client.send(all);
  for (int i = 0; i < 50; ++i) CHECK(client.response().body == std::to_string(i));
  auto held = server.held.take();
  CHECK(held.body == "later");
  held.reply.send(Response::text("held"));
  CHECK(client.response().body == "held");
  CHECK(client.response().body == "after");
}

TEST_CASE("a request may come byte by byte") {
  TestServer server;
  RawClient client(server.port());
  for (const char c : "\r\n" + post("/echo", "slow but sure")) client.send({&c, 1});
  CHECK(client.response().body == "slow but sure");
  const std::string chunked =
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "4\r\nslow\r\n6;name=value\r\n chunk\r\n0\r\nTrailer: x\r\n\r\n";
  for (const char c : chunked) client.send({&c, 1});
  CHECK(client.response().body == "slow chunk");
  CHECK(client.roundtrip(get("/empty")).status == 200);
}

TEST_CASE("large bodies go in and out whole") {
  TestServer server;
  RawClient client(server.port());
  std::string body;
  for (int i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i) + ' ';
  std::thread sender([&] { client.send(post("/echo", body) + get("/big")); });
  CHECK(client.response().body == body);
  CHECK(client.response().body == std::string(300000, 'x'));
  sender.join();
  CHECK(server.server->pending_bytes() == 0);
}

TEST_CASE("HEAD answers like GET without a body, and OPTIONS names the methods") {
  TestServer server;
  RawClient client(server.port());
  const auto head = client.roundtrip("HEAD /big HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
  CHECK(head.status == 200);
  CHECK(head.has("Content-Length: 300000\r\n"));
  const auto options = client.roundtrip("OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
  CHECK(options.status == 204);
  CHECK(options.has("Allow: POST, OPTIONS\r\n"));
  CHECK(client.roundtrip(get("/empty")).status == 200);
}

TEST_CASE("unknown paths and methods are answered, and the connection goes on") {
  TestServer server;
  RawClient client(server.port());
  const auto missing = client.roundtrip(post("/nowhere", "body that is skipped"));
  CHECK(missing.status == 404);
  CHECK(missing.body.find(R"("code":"not_found")") != std::string::npos);
  const auto wrong = client.roundtrip(get("/echo"));
  CHECK(wrong.status == 405);
  CHECK(wrong.has("Allow: POST, OPTIONS\r\n"));
  const auto brew = client.roundtrip("BREW /empty HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(brew.status == 405);
  CHECK(brew.has("Allow: GET, HEAD, OPTIONS\r\n"));
  CHECK(client.roundtrip(get("/empty")).status == 200);
}

TEST_CASE("a Reply is answered from another thread") {
  TestServer server;
  RawClient client(server.port());
  client.send(post("/hold", "x"));
  auto held = server.held.take();
  std::thread([reply = std::move(held.reply)]() mutable {
    reply.send(Response::json("{\"from\":\"elsewhere\"}", 201));
  }).join();
  const auto response = client.response();
  CHECK(response.status == 201);
  CHECK(response.has("Content-Type: application/json\r\n"));
  CHECK(response.body == "{\"from\":\"elsewhere\"}");
}

TEST_CASE("a batch answers many connections") {
  TestServer server;
  std::vector<std::unique_ptr<RawClient>> clients;
  ReplyBatch batch;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(post("/hold", std::to_string(i)));
    auto held = server.held.take();
    if (i % 2)
      batch.add(std::move(held.reply), Response::text(held.body));
    else
      batch.add(std::move(held.reply), Error{ErrorCode::conflict, held.body, {}});
  }
  batch.flush();
  for (int i = 0; i < 20; ++i) {
    const auto response = clients[std::size_t(i)]->response();
    CHECK(response.status == (i % 2 ? 200 : 409));
    CHECK(response.body.find(std::to_string(i)) != std::string::npos);
  }
}

TEST_CASE("answers that a thread gathers go out some at a time, the last when it stops") {
  TestServer server;
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<Reply> replies;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<RawClient>(server.port()));
    clients.back()->send(post("/hold", "x"));
    replies.push_back(std::move(server.held.take().reply));
  }
  std::thread([&] {
    const Mailbox::Gather together;
    {
      const Mailbox::Gather inner;
      replies[0].send(Response::text("0"));
    }
    CHECK(clients[0]->response().body == "0");
    for (std::size_t i = 1; i < replies.size(); ++i)
      replies[i].send(Response::text(std::to_string(i)));
    for (std::size_t i = 1; i <= 32; ++i) CHECK(clients[i]->response().body == std::to_string(i));
  }).join();
  for (std::size_t i = 33; i < replies.size(); ++i)
    CHECK(clients[i]->response().body == std::to_string(i));
}

TEST_CASE("a Reply that is dropped, and a handler that throws, answer 500") {
  TestServer server;
  RawClient client(server.port());
  for (const auto* path : {"/drop", "/boom"}) {
    const auto response = client.roundtrip(get(path, "X-Correlation-Id: abc-1\r\n"));
    CHECK(response.status == 500);
    CHECK(response.body.find(R"("code":"internal")") != std::string::npos);
    // No UUID: what the events would carry is made from it, and that is what is answered.
    Request sent;
    sent.correlation_id = "abc-1";
    const auto made = to_string(sent.correlation());
    CHECK(response.body.find("\"correlation_id\":\"" + made + '"') != std::string::npos);
    CHECK(response.head.find("X-Correlation-Id: " + made + "\r\n") != std::string::npos);
  }
  client.send(post("/hold", "x"));
  { auto held = server.held.take(); }  // dropped on this thread
  CHECK(client.response().status == 500);
}

TEST_CASE("a Reply may outlive its connection and its server") {
  TestServer server;
  std::optional<Held> orphan, late;
  {
    RawClient client(server.port());
    client.send(post("/hold", "gone"));
    orphan = server.held.take();
    client.send(get("/empty"));
  }
  orphan->reply.send(Response::text("nobody hears"));
  RawClient client(server.port());
  client.send(post("/hold", "late"));
  late = server.held.take();
  CHECK(late->reply.request().path == "/hold");
  server.server->stop();
  CHECK(client.at_end());
  late->reply.send(Response::text("too late"));
}

TEST_CASE("correlation ids are kept when safe, else drawn") {
  TestServer server;
  RawClient client(server.port());
  const std::string uuid = "0190b6f0-1111-7222-8333-444455556666";
  CHECK(client.roundtrip(get("/empty", "X-Request-Id: " + uuid + "\r\n"))
            .has("X-Correlation-Id: " + uuid + "\r\n"));
  const auto drawn = client.roundtrip(get("/empty", "X-Correlation-Id: not safe <>\r\n")).head;
  const auto at = drawn.find("X-Correlation-Id: ") + 18;
  const auto id = parse_uuid(drawn.substr(at, 36));
  REQUIRE(id);
  CHECK((id->bytes[6] >> 4) == 4);
  CHECK((id->bytes[8] >> 6) == 2);
  CHECK_FALSE(client.roundtrip(get("/empty")).has(drawn.substr(at, 36)));
}

TEST_CASE("HTTP/1.0 and Connection: close end the connection") {
  TestServer server;
  RawClient old(server.port());
  const auto response = old.roundtrip("GET /empty HTTP/1.0\r\n\r\n");
  CHECK(response.has("Connection: close\r\n"));
  CHECK(old.at_end());
  RawClient kept(server.port());
  CHECK(kept.roundtrip("GET /empty HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .has("Connection: keep-alive\r\n"));
  CHECK(kept.roundtrip(get("/empty", "Connection: close\r\n")).has("Connection: close\r\n"));
  CHECK(kept.at_end());
}

TEST_CASE("query and path parameters are decoded") {
  Channel<std::vector<std::string>> seen;
  TestServer server({}, [&](Router& router) {
    router.get("/m/{name}/v/{version}:predict", [&](const Request& r, Reply reply) {
      seen.put({std::string(r.param("name")), std::string(r.param("version")),
                std::string(r.query("q").value_or("none")),
                std::string(r.query("e").value_or("none")),
                std::string(r.query("absent").value_or("none")), std::string(r.pattern)});
      reply.send(Response{});
    });
  });
  RawClient client(server.port());
  client.roundtrip(get("/m/a%2Fb%20c/v/7:predict?q=x+y%26z&e&q=second"));
  CHECK(seen.take() == std::vector<std::string>{"a/b c", "7", "x y&z", "", "none",
                                                "/m/{name}/v/{version}:predict"});
  client.roundtrip(get("http://localhost/m/n/v/1:predict?q=abs"));
  CHECK(seen.take()[2] == "abs");
  CHECK(client.roundtrip(get("/m/n/v/1:predict?q=%zz")).status == 400);
}

TEST_CASE("extra headers cannot smuggle in another answer") {
  TestServer server({}, [](Router& router) {
    router.get("/evil", [](const Request&, Reply reply) {
      Response response = Response::text("ok");
      response.headers.emplace_back("X-Name", "a\r\nX-Injected: yes");
      reply.send(std::move(response));
    });
  });
  RawClient client(server.port());
  const auto response = client.roundtrip(get("/evil"));
  CHECK(response.has("X-Name: a  X-Injected: yes\r\n"));
}

TEST_CASE("binding an address that is taken or strange says so") {
  TestServer first;
  ServerOptions options;
  options.port = first.port();
  const auto taken = Server(options, Router()).bind();
  REQUIRE(taken);
  CHECK(taken->code == ErrorCode::unavailable);
  CHECK(taken->message.find(std::to_string(first.port())) != std::string::npos);
  options.host = "no such host";
  const auto strange = Server(options, Router()).bind();
  REQUIRE(strange);
  CHECK(strange->code == ErrorCode::invalid_argument);
}

}  // namespace server_tests
