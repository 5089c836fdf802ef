// Uploads, streamed answers and event streams.
#include <malloc.h>

#include <fstream>
#include <thread>

#include "tests/http/support.hpp"

namespace streams_tests {

using namespace mlforge;
using namespace mlforge::http;
using namespace mlforge::http::test;

namespace {

struct UploadSeen {
  Channel<std::string> events;
  std::size_t bytes = 0;  // the server's thread, then the test's after "end"
  std::size_t largest = 0;
};

// Takes every chunk on a thread of its own, as a writer to disk would.
class PausingUpload final : public Upload {
 public:
  PausingUpload(UploadSeen& seen, Reply reply, UploadFlow flow)
      : seen_(seen), reply_(std::move(reply)), flow_(std::move(flow)) {}
  ~PausingUpload() override {
    if (worker_.joinable()) worker_.join();
  }
  Flow on_chunk(std::string_view chunk) override {
    if (worker_.joinable()) worker_.join();
    worker_ = std::thread([this, chunk] {
      for (const char c : chunk) sum_ += static_cast<unsigned char>(c);
      seen_.bytes += chunk.size();
      seen_.largest = std::max(seen_.largest, chunk.size());
      flow_.resume();
    });
    return Flow::pause;
  }
  void on_end() override {
    worker_.join();
    reply_.send(Response::text(std::to_string(seen_.bytes) + " " + std::to_string(sum_)));
    seen_.events.put("end");
  }
  void on_abort(const Error& why) override { seen_.events.put("abort: " + why.message); }

 private:
  UploadSeen& seen_;
  Reply reply_;
  UploadFlow flow_;
  std::thread worker_;
  std::size_t sum_ = 0;
};

class RefusingUpload final : public Upload {
 public:
  explicit RefusingUpload(Reply reply) : reply_(std::move(reply)) {}
  Flow on_chunk(std::string_view) override {
    reply_.send(Error{ErrorCode::conflict, "It is closed.", {}});
    return Flow::more;
  }
  void on_end() override {}
  void on_abort(const Error&) override {}

 private:
  Reply reply_;
};

void upload_routes(Router& router, UploadSeen& seen) {
  RouteInfo info;
  info.max_body = kNoLimit;
  router.upload(
      Method::put, "/upload",
      [&seen](const Request&, Reply reply, UploadFlow flow) {
        return std::make_unique<PausingUpload>(seen, std::move(reply), std::move(flow));
      },
      info);
  router.upload(Method::put, "/refuse", [](const Request&, Reply reply, UploadFlow) {
    return std::make_unique<RefusingUpload>(std::move(reply));
  });
  router.upload(Method::put, "/nobody", [](const Request&, Reply reply, UploadFlow) {
    reply.send(Error{ErrorCode::not_found, "No such place.", {}});
    return std::unique_ptr<Upload>();
  });
}

// A stream of `size` bytes that needs no memory.
class Zeros final : public std::streambuf {
 public:
  explicit Zeros(std::size_t size) : left_(size) {}

 protected:
  std::streamsize xsgetn(char* out, std::streamsize n) override {
    const auto give = std::min<std::size_t>(left_, static_cast<std::size_t>(n));
    std::memset(out, 1, give);
    left_ -= give;
    return static_cast<std::streamsize>(give);
  }
  int_type underflow() override { return traits_type::eof(); }

 private:
  std::size_t left_;
};

}  // namespace

TEST_CASE("64 MiB are uploaded in small pieces, with and without a length") {
  static constexpr std::size_t kSize = 64 << 20;
  UploadSeen seen;
  TestServer server({}, [&](Router& router) { upload_routes(router, seen); });
  HttpClient client(server.server->url());
  const auto length = GENERATE(std::optional<std::uint64_t>(kSize), std::optional<std::uint64_t>());
  Zeros zeros(kSize);
  std::istream body(&zeros);
  const auto before = mallinfo2().uordblks;
  const auto response =
      client.upload(Method::put, "/upload", body, length, "application/octet-stream");
  REQUIRE(response);
  CHECK(response->body == std::to_string(kSize) + " " + std::to_string(kSize));
  CHECK(seen.events.take() == "end");
  CHECK(seen.largest <= 256 << 10);
  CHECK(mallinfo2().uordblks < before + (4 << 20));
  CHECK(client.get("/empty")->status == 200);  // the same connection goes on
}

TEST_CASE("an upload that the client breaks off is aborted") {
  UploadSeen seen;
  TestServer server({}, [&](Router& router) { upload_routes(router, seen); });
  RawClient client(server.port());
  client.send("PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n12345");
  client.close();
  CHECK(seen.events.take().find("went away") != std::string::npos);
}

TEST_CASE("a slow upload is aborted with 408") {
  ServerOptions options;
  options.idle_timeout = 400ms;
  UploadSeen seen;
  TestServer server(options, [&](Router& router) { upload_routes(router, seen); });
  RawClient client(server.port());
  client.send("PUT /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n12345");
  CHECK(client.response().status == 408);
  CHECK(seen.events.take().find("slowly") != std::string::npos);
}

TEST_CASE("an upload may be refused before its end, and the client sees why") {
  UploadSeen seen;
  TestServer server({}, [&](Router& router) { upload_routes(router, seen); });
  HttpClient client(server.server->url());
  for (const auto& [path, status] : {std::pair{"/refuse", 409}, {"/nobody", 404}}) {
    Zeros zeros(4 << 20);
    std::istream body(&zeros);
    const auto response =
        client.upload(Method::put, path, body, 4 << 20, "application/octet-stream");
    REQUIRE(response);
    CHECK(response->status == status);
  }
  RawClient raw(server.port());
  const auto late = raw.roundtrip(
      "PUT /refuse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  CHECK(late.status == 409);
  CHECK(raw.at_end());
}

TEST_CASE("Expect: 100-continue is answered before the body") {
  UploadSeen seen;
  TestServer server({}, [&](Router& router) { upload_routes(router, seen); });
  for (const auto* start : {"PUT /upload", "POST /echo"}) {
    RawClient client(server.port());
    client.send(
        std::string(start) +
        " HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    CHECK(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    CHECK(client.response().status == 200);
  }
  RawClient client(server.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
      "99999999\r\n\r\n");
  CHECK(client.response().status == 413);
}

namespace {

StreamedResponse counting_stream(int pieces, std::optional<std::uint64_t> length,
                                 int fail_at = -1) {
  StreamedResponse stream;
  stream.content_type = "text/plain";
  stream.content_length = length;
  stream.next = [i = 0, pieces, fail_at](std::string& out) mutable -> Status {
    if (i == fail_at) return Error{ErrorCode::corrupt, "It broke.", {}};
    if (i++ < pieces) out.assign(10000, static_cast<char>('a' + i % 26));
    return std::nullopt;
  };
  return stream;
}

}  // namespace

TEST_CASE("a streamed answer comes whole, chunked or counted, and the connection goes on") {
  TestServer server({}, [](Router& router) {
    router.get("/chunked", [](const Request&, Reply r) { r.stream(counting_stream(100, {})); });
    router.get("/counted",
               [](const Request&, Reply r) { r.stream(counting_stream(100, 1000000)); });
    router.get("/broken", [](const Request&, Reply r) { r.stream(counting_stream(100, {}, 3)); });
    router.get("/short", [](const Request&, Reply r) { r.stream(counting_stream(2, 1000000)); });
    router.get("/thread", [](const Request&, Reply r) {
      std::thread([r = std::move(r)]() mutable { r.stream(counting_stream(3, {})); }).detach();
    });
  });
  HttpClient client(server.server->url());
  for (const auto* path : {"/chunked", "/counted"}) {
    const auto response = client.get(path);
    REQUIRE(response);
    CHECK(response->body.size() == 1000000);
    CHECK(response->body.substr(9999, 2) == "bc");
    CHECK(client.request(Method::head, path)->body.empty());
  }
  CHECK(client.get("/thread")->body.size() == 30000);
  for (const auto* path : {"/broken", "/short"}) {
    const auto response = client.get(path);
    REQUIRE_FALSE(response);
    CHECK(response.error().code == ErrorCode::unavailable);
  }
  RawClient old(server.port());
  old.send("GET /chunked HTTP/1.0\r\n\r\n");
  CHECK_FALSE(old.response().has("chunked"));
  CHECK(old.read_exactly(1000000).size() == 1000000);
  CHECK(old.at_end());
}

namespace {

// Numbered events up to `last`, from after the position that the client names.
struct EventLog {
  std::mutex mutex;
  std::size_t last = 0;
  std::size_t largest_batch = 0;
  std::vector<std::shared_ptr<SseSession>> sessions;
  Channel<int> closed;

  void grow(std::size_t to) {
    std::lock_guard lock(mutex);
    last = to;
    for (auto& session : sessions) session->wake();
  }
  PullSource source(std::size_t from, std::size_t end) {
    return [this, at = from, end](std::size_t max_bytes) mutable -> std::optional<Message> {
      std::lock_guard lock(mutex);
      if (at == end) return Message();
      if (at == last) return std::nullopt;
      auto text = std::make_shared<std::string>();
      while (at < last && at < end && text->size() + 200 < max_bytes) {
        const auto id = std::to_string(++at);
        append_sse_event(*text, id, "number", "line one\nevent " + id);
      }
      largest_batch = std::max(largest_batch, text->size());
      return text;
    };
  }
};

void sse_route(Router& router, EventLog& log) {
  router.get("/events", [&log](const Request& request, Reply reply) {
    const std::string from(request.header("Last-Event-ID"));
    const std::string end(request.query("end").value_or("0"));
    SseOptions options;
    options.source =
        log.source(from.empty() ? 0 : std::stoul(from), end == "0" ? ~0ull : std::stoul(end));
    options.on_close = [&log] { log.closed.put(1); };
    auto session = reply.sse(std::move(options));
    std::lock_guard lock(log.mutex);
    log.sessions.push_back(std::move(session));
  });
}

}  // namespace

TEST_CASE("an event stream follows its source and goes on from Last-Event-ID") {
  EventLog log;
  TestServer server({}, [&](Router& router) { sse_route(router, log); });
  log.grow(5);
  HttpClient client(server.server->url());
  std::vector<std::string> ids;
  const auto status = client.events("/events", "3", [&](const SseEvent& event) {
    CHECK(event.event == "number");
    CHECK(event.data == "line one\nevent " + event.id);
    ids.push_back(event.id);
    if (ids.size() == 2) log.grow(7);  // seen all there is: now more comes
    return ids.size() < 4;
  });
  CHECK_FALSE(status);
  CHECK(ids == std::vector<std::string>{"4", "5", "6", "7"});
  CHECK(log.closed.take() == 1);  // the server has noticed that the client left
}

TEST_CASE("an event stream ends when its source ends, and errors are errors") {
  EventLog log;
  TestServer server({}, [&](Router& router) { sse_route(router, log); });
  log.grow(20000);
  HttpClient client(server.server->url());
  std::size_t count = 0;
  CHECK_FALSE(client.events("/events?end=20000", {}, [&](const SseEvent&) { return ++count > 0; }));
  CHECK(count == 20000);
  CHECK(log.largest_batch <= kMaxBatchBytes);
  const auto missing = client.events("/nowhere", {}, [](const SseEvent&) { return true; });
  REQUIRE(missing);
  CHECK(missing->code == ErrorCode::not_found);
}

TEST_CASE("a silent event stream sends heartbeats, and the session closes it") {
  ServerOptions options;
  options.heartbeat = 20ms;
  EventLog log;
  TestServer server(options, [&](Router& router) { sse_route(router, log); });
  RawClient client(server.port());
  client.send(get("/events"));
  const auto head = client.read_until("\r\n\r\n");
  CHECK(head.find("Content-Type: text/event-stream\r\n") != std::string::npos);
  CHECK(client.read_chunk() == ":\n\n");
  CHECK(client.read_chunk() == ":\n\n");
  {
    std::lock_guard lock(log.mutex);
    log.sessions.front()->close();
  }
  CHECK(log.closed.take() == 1);
}

TEST_CASE("a slow reader of an event stream holds the source back") {
  EventLog log;
  TestServer server({}, [&](Router& router) { sse_route(router, log); });
  RawClient client(server.port(), 4096);
  client.send(get("/events"));
  client.read_until("\r\n\r\n");
  log.grow(200000);
  std::string text;
  while (text.find("id: 200000\n") == std::string::npos) {
    const auto chunk = client.read_chunk();
    REQUIRE(chunk);
    CHECK(chunk->size() <= kMaxBatchBytes);
    text = text.substr(text.size() > 200 ? text.size() - 200 : 0) + *chunk;
  }
  client.close();
  CHECK(log.closed.take() == 1);
}

}  // namespace streams_tests
