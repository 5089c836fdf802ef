// Those who watch the log from its beginning: all of it, once, in order, beside a writer; and never
// made by the server's thread while it is the past.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "gateway/live.hpp"
#include "storage/memory_log.hpp"
#include "tests/http/support.hpp"

using namespace mlforge;
using namespace mlforge::gateway;
using http::test::RawClient;
using http::test::TestServer;

namespace {

constexpr Position kPast = 3000;  // many pages
constexpr Position kMore = 500;   // that are added meanwhile

void append(storage::Log& log, Position count) {
  for (Position i = 0; i < count; ++i) {
    storage::AppendRequest request{.tenant = "default", .actor = "ann"};
    NewEvent event;
    event.stream = i % 3 ? "run/1" : "model/m";
    event.type = i % 3 ? "run.noted" : "model.noted";
    event.payload = "{\"text\":\"" + std::string(200, 'x') + "\"}";
    request.events.push_back(std::move(event));
    // Also on a second thread, where Catch's macros may not be used.
    if (!log.append({&request, 1}).front()) throw std::runtime_error("an append failed");
  }
}

// The log with a server over it, as the gateway puts them together.
struct Live {
  explicit Live(Position past) { append(log, past); }
  ~Live() { server.server->stop(); }

  void write(Position count) {
    for (Position i = 0; i < count; ++i) {
      append(log, 1);
      hub.wake_all();
    }
  }

  storage::MemoryLog log{storage::system_clock(), storage::seeded_ids(1)};
  PastReader past{log};
  LiveHub hub;
  TestServer server{
      {}, [this](http::Router& router) {
        router.websocket(
            "/live",
            [this](const http::Request& request,
                   const std::shared_ptr<http::WsSession>& session) -> Status {
              auto filter = parse_event_filter(request);
              if (!filter) return filter.error();
              const auto wake = [weak = std::weak_ptr(session)] {
                if (const auto alive = weak.lock()) alive->wake();
              };
              session->set_source(live_source(past, log, *filter, 1, Form::frames, wake));
              session->on_close([this, id = hub.add(wake)] { hub.remove(id); });
              return {};
            });
      }};
};

class Frames {
 public:
  explicit Frames(std::uint16_t port, const std::string& query = "") : client_(port) {
    client_.send(http::test::get("/live" + query,
                                 "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                 "Sec-WebSocket-Version: 13\r\n"
                                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    client_.read_until("\r\n\r\n");
  }
  Position next() {
    const std::string head = client_.read_exactly(2);
    REQUIRE(static_cast<unsigned char>(head[0]) == 0x81);
    std::size_t size = static_cast<unsigned char>(head[1]);
    if (size == 126) {
      const std::string more = client_.read_exactly(2);
      size = static_cast<unsigned char>(more[0]) << 8 | static_cast<unsigned char>(more[1]);
    }
    const std::string text = client_.read_exactly(size);
    constexpr std::string_view kStart = "{\"position\":";
    REQUIRE(text.starts_with(kStart));
    return std::stoull(text.substr(kStart.size()));
  }

 private:
  RawClient client_;
};

// A pull at a time, as the server's thread does it; waits for a wake where there is nothing.
class Puller {
 public:
  void wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }
  std::string next(const http::PullSource& source) {
    while (true) {
      const auto message = source(http::kMaxBatchBytes);
      if (message) {
        REQUIRE(*message);
        return **message;
      }
      std::unique_lock lock(mutex_);
      REQUIRE(changed_.wait_for(lock, std::chrono::seconds(20), [this] { return woken_; }));
      woken_ = false;
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
};

// Tells who reads it.
class WatchedLog final : public storage::Log {
 public:
  explicit WatchedLog(const storage::Log& log) : log_(log) {}
  std::vector<Expected<storage::Appended>> append(
      std::span<const storage::AppendRequest>) override {
    return {};
  }
  Position head() const override { return log_.head(); }
  Expected<Position> read(Position from, std::uint64_t limit,
                          const storage::Visitor& visit) const override {
    if (std::this_thread::get_id() == here_ && from + 300 < head()) ++read_here;
    return log_.read(from, limit, visit);
  }
  Expected<Position> read_records(Position from, std::uint64_t limit,
                                  const storage::RecordVisitor& visit) const override {
    return log_.read_records(from, limit, visit);
  }
  Expected<std::uint64_t> read_stream(std::string_view tenant, std::string_view stream,
                                      std::uint64_t from, std::uint64_t limit, Position as_of,
                                      const storage::Visitor& visit) const override {
    return log_.read_stream(tenant, stream, from, limit, as_of, visit);
  }
  Expected<std::uint64_t> stream_version(std::string_view tenant,
                                         std::string_view stream) const override {
    return log_.stream_version(tenant, stream);
  }
  std::optional<storage::Appended> find_command(std::string_view, std::string_view) const override {
    return std::nullopt;
  }
  Position position_at(TimeUs time) const override { return log_.position_at(time); }
  Status writable() const override { return log_.writable(); }
  Uuid log_id() const override { return log_.log_id(); }

  mutable std::atomic<int> read_here = 0;

 private:
  const storage::Log& log_;
  const std::thread::id here_ = std::this_thread::get_id();
};

}  // namespace

TEST_CASE("live: the past and what is added, over WebSockets, each once and in order") {
  Live live(kPast);
  Frames all(live.server.port()), again(live.server.port()),
      models(live.server.port(), "?type=model.*");
  std::thread writer([&] { live.write(kMore); });
  for (Position p = 1; p <= kPast + kMore; ++p) {
    REQUIRE(all.next() == p);
    REQUIRE(again.next() == p);
  }
  for (Position p = 1; p <= kPast; p += 3) REQUIRE(models.next() == p);
  writer.join();
}

TEST_CASE("live: the past is read by its own thread, the present where it is asked for") {
  storage::MemoryLog memory{storage::system_clock(), storage::seeded_ids(1)};
  append(memory, kPast);
  const WatchedLog log(memory);
  PastReader past(log);
  Puller puller;
  const auto source =
      live_source(past, log, {.tenant = "default"}, 1, Form::event_stream, [&] { puller.wake(); });
  std::string text;
  while (text.find("id: " + std::to_string(kPast) + "\n") == text.npos) text += puller.next(source);
  CHECK(log.read_here == 0);
  std::size_t at = 0;
  for (Position p = 1; p <= kPast; ++p) {
    const auto found = text.find("id: " + std::to_string(p) + "\n", at);
    REQUIRE(found != text.npos);
    at = found + 1;
  }
  CHECK_FALSE(source(http::kMaxBatchBytes));  // nothing yet
  append(memory, 1);
  const auto one = source(http::kMaxBatchBytes);
  REQUIRE(one);
  CHECK((*one)->find("id: " + std::to_string(kPast + 1) + "\n") != std::string::npos);
}

TEST_CASE(
    "live: a reader that has ended answers nobody, and a watcher that has gone is no matter") {
  storage::MemoryLog log{storage::system_clock(), storage::seeded_ids(1)};
  append(log, kPast);
  PastReader past(log);
  {
    const auto gone = live_source(past, log, {.tenant = "default"}, 1, Form::frames, [] {});
    (void)gone(http::kMaxBatchBytes);
  }
  past.stop();
  const auto late = live_source(past, log, {.tenant = "default"}, 1, Form::frames, [] {});
  CHECK_FALSE(late(http::kMaxBatchBytes));
}
