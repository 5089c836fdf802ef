// WebSockets against Beast's own client.
#include <utility>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

#include "tests/http/support.hpp"

namespace websocket_tests {

using namespace mlforge;
using namespace mlforge::http;
using namespace mlforge::http::test;

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

constexpr std::string_view kUpgrade =
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

class WsClient {
 public:
  explicit WsClient(std::uint16_t port, int receive_buffer = 0) : stream_(context_) {
    const asio::ip::tcp::endpoint server(asio::ip::address_v4::loopback(), port);
    stream_.next_layer().open(server.protocol());
    if (receive_buffer)
      stream_.next_layer().set_option(asio::socket_base::receive_buffer_size(receive_buffer));
    stream_.next_layer().connect(server);
    timeval limit{20, 0};
    ::setsockopt(stream_.next_layer().native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit,
                 sizeof limit);
  }
  void open(const std::string& target) { stream_.handshake(response, "localhost", target); }
  void send(std::string_view text) { stream_.write(asio::buffer(text.data(), text.size())); }
  std::string receive() {
    beast::flat_buffer buffer;
    stream_.read(buffer);
    return beast::buffers_to_string(buffer.data());
  }
  // Reads until the server closes; its code.
  int closed_with() {
    try {
      for (;;) receive();
    } catch (const boost::system::system_error& error) {
      UNSCOPED_INFO("the client saw: " << error.code().message());
      return stream_.reason() ? stream_.reason().code : -1;
    }
  }
  void close() { stream_.close(websocket::close_code::normal); }
  void cut() { stream_.next_layer().close(); }

  websocket::response_type response;

 private:
  asio::io_context context_;
  websocket::stream<asio::ip::tcp::socket> stream_;
};

struct Sessions {
  Channel<std::shared_ptr<WsSession>> opened;
  Channel<int> closed;
};

// /ws echoes; /ws?from=N sends the numbers after N as they come.
struct Numbers {
  std::mutex mutex;
  std::size_t last = 0;
  std::size_t given = 0;  // by the source, in all

  PullSource source(std::size_t from) {
    return [this, at = from](std::size_t max_bytes) mutable -> std::optional<Message> {
      std::lock_guard lock(mutex);
      if (at == last) return std::nullopt;
      auto text = std::make_shared<std::string>();
      while (at < last && text->size() + 20 < max_bytes) *text += std::to_string(++at) + '\n';
      given = at;
      return text;
    };
  }
};

void ws_route(Router& router, Sessions& sessions, Numbers& numbers) {
  RouteInfo info;
  info.max_body = 100000;
  router.websocket(
      "/ws",
      [&](const Request& request, const std::shared_ptr<WsSession>& session) -> Status {
        if (request.query("refuse"))
          return Error{ErrorCode::unauthorized, "A token is needed.", "token"};
        session->on_close([&] { sessions.closed.put(1); });
        session->on_message([weak = std::weak_ptr(session)](std::string_view text) {
          weak.lock()->send(std::make_shared<const std::string>("echo " + std::string(text)));
        });
        if (const auto from = request.query("from"))
          session->set_source(numbers.source(std::stoul(std::string(*from))));
        sessions.opened.put(session);
        return std::nullopt;
      },
      info);
}

struct Fixture {
  explicit Fixture(ServerOptions options = {})
      : server(std::move(options),
               [this](Router& router) { ws_route(router, sessions, numbers); }) {}
  Sessions sessions;
  Numbers numbers;
  TestServer server;
};

}  // namespace

TEST_CASE("a WebSocket echoes and closes") {
  Fixture f;
  WsClient client(f.server.port());
  client.open("/ws");
  CHECK(client.response["X-Correlation-Id"].size() == 36);
  for (int i = 0; i < 5; ++i) {
    client.send(std::to_string(i));
    CHECK(client.receive() == "echo " + std::to_string(i));
  }
  const std::string large(90000, 'x');
  client.send(large);
  CHECK(client.receive() == "echo " + large);
  client.close();
  CHECK(f.sessions.closed.take() == 1);
  CHECK_FALSE(f.sessions.opened.take()->send(std::make_shared<const std::string>("late")));
}

TEST_CASE("a WebSocket refuses a message over its limit") {
  Fixture f;
  WsClient client(f.server.port());
  client.open("/ws");
  client.send(std::string(100001, 'x'));
  CHECK(client.closed_with() == websocket::close_code::too_big);
  CHECK(f.sessions.closed.take() == 1);
}

TEST_CASE("a WebSocket pulls from its source, is woken, and resumes where it was") {
  Fixture f;
  f.numbers.last = 3;
  std::size_t seen = 0;
  {
    WsClient client(f.server.port());
    client.open("/ws?from=0");
    CHECK(client.receive() == "1\n2\n3\n");
    const auto session = f.sessions.opened.take();
    {
      std::lock_guard lock(f.numbers.mutex);
      f.numbers.last = 5;
    }
    session->wake();
    CHECK(client.receive() == "4\n5\n");
    seen = 5;
    client.cut();
    CHECK(f.sessions.closed.take() == 1);
  }
  {
    std::lock_guard lock(f.numbers.mutex);
    f.numbers.last = 7;
  }
  WsClient again(f.server.port());
  again.open("/ws?from=" + std::to_string(seen));
  CHECK(again.receive() == "6\n7\n");
}

TEST_CASE("a slow WebSocket client holds its source back, and gets all in the end") {
  Fixture f;
  f.numbers.last = 3'000'000;
  WsClient client(f.server.port(), 4096);
  client.open("/ws?from=0");
  client.send("ping");
  std::string text;
  bool echoed = false;
  std::size_t largest = 0;
  {
    const auto first = client.receive();
    std::lock_guard lock(f.numbers.mutex);
    CHECK(f.numbers.given < f.numbers.last);  // the source has not been emptied into memory
  }
  for (std::string message; message.find("\n3000000\n") == std::string::npos;) {
    message = client.receive();
    largest = std::max(largest, message.size());
    echoed |= message == "echo ping";
  }
  CHECK(echoed);
  CHECK(largest <= kMaxBatchBytes);
}

TEST_CASE("what is sent to a slow WebSocket client is bounded") {
  Fixture f;
  WsClient client(f.server.port(), 4096);
  client.open("/ws");
  const auto session = f.sessions.opened.take();
  const auto message = std::make_shared<const std::string>(60000, 'x');
  std::size_t sent = 0;
  while (sent < 100000 && session->send(message)) ++sent;
  CHECK(sent < 1000);  // what the kernel holds, one being written, and one batch waiting
  for (std::size_t i = 0; i < sent; ++i) CHECK(client.receive().size() == 60000);
  client.send("hello");
  CHECK(client.receive() == "echo hello");
}

TEST_CASE("a WebSocket route answers what is no handshake, and a handler may refuse") {
  Fixture f;
  RawClient plain(f.server.port());
  const auto upgrade = plain.roundtrip(get("/ws"));
  CHECK(upgrade.status == 426);
  CHECK(upgrade.has("Upgrade: websocket\r\n"));
  CHECK(has_code(upgrade, "upgrade_required"));
  CHECK(plain.roundtrip(get("/empty")).status == 200);
  const auto refused = RawClient(f.server.port()).roundtrip(get("/ws?refuse=1", kUpgrade));
  CHECK(refused.status == 401);
  CHECK(refused.body.find("\"field\":\"token\"") != std::string::npos);
  CHECK(RawClient(f.server.port()).roundtrip(get("http://evil.org/ws", kUpgrade)).status == 403);
  const auto foreign = std::string(kUpgrade) + "Origin: http://evil.org\r\n";
  CHECK(RawClient(f.server.port()).roundtrip(get("/ws", foreign)).status == 403);
  CHECK(RawClient(f.server.port()).roundtrip(get("/ws", kUpgrade) + "x").status == 426);
}

TEST_CASE("the server closes WebSockets: by the session, by a drain, by its end") {
  Fixture f;
  WsClient client(f.server.port()), drained(f.server.port());
  client.open("/ws");
  f.sessions.opened.take()->close(4001, "enough");
  CHECK(client.closed_with() == 4001);
  CHECK(f.sessions.closed.take() == 1);
  drained.open("/ws");
  Channel<bool> done;
  f.server.server->drain(20s, [&](bool complete) { done.put(complete); });
  CHECK(drained.closed_with() == websocket::close_code::going_away);
  CHECK(done.take());
  CHECK(f.sessions.closed.take() == 1);

  Fixture g;
  WsClient cut(g.server.port());
  cut.open("/ws");
  g.server.server->stop();
  CHECK(cut.closed_with() == -1);
  CHECK(g.sessions.closed.take() == 1);
}

TEST_CASE("a drain waits a second for a WebSocket peer that does not answer the close") {
  Fixture f;
  RawClient client(f.server.port());
  client.send(get("/ws", kUpgrade));
  client.read_until("\r\n\r\n");
  const auto begun = std::chrono::steady_clock::now();
  Channel<bool> done;
  f.server.server->drain(20s, [&](bool complete) { done.put(complete); });
  CHECK(done.take());
  CHECK(std::chrono::steady_clock::now() - begun < 4s);  // any other close may take five
}

TEST_CASE("a WebSocket peer that answers no pings is let go") {
  ServerOptions options;
  options.idle_timeout = 400ms;
  Fixture f(options);
  RawClient client(f.server.port());
  client.send(get("/ws", kUpgrade));
  const auto head = client.read_until("\r\n\r\n");
  CHECK(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") != std::string::npos);
  CHECK(client.read_exactly(2) == std::string("\x89\x00", 2));  // a ping
  CHECK(f.sessions.closed.take() == 1);
}

}  // namespace websocket_tests
