// The broadcaster's protocol, rule by rule: where it goes on, and what it refuses.
#include <catch2/catch.hpp>
#include <utility>

#include "actors/nats_protocol.hpp"
#include "nats_sim_broker.hpp"
#include "nats_test_log.hpp"

namespace mlforge::actors::test {
namespace {

using std::chrono::milliseconds;

// A healthy broker, a log, and a protocol between them.
struct Fixture {
  TestLog log;
  SimBroker broker{1, {}, log.log.log_id()};
  Time now{};
  ProtocolOptions options;
  std::size_t body_bytes = 1;

  Fixture() {
    options.window_messages = 8;
    options.max_walk_back = 5;
    options.refused_retry = milliseconds(1000);
  }

  BroadcastProtocol protocol(BroadcastCursor cursor = {}) {
    return BroadcastProtocol(
        log.log, broker, [this](const EventView&) { return std::string(body_bytes, 'x'); }, options,
        cursor);
  }

  // Lets both sides work until nothing is left to do.
  void settle(BroadcastProtocol& p, int rounds = 100) {
    for (int i = 0; i < rounds; ++i) {
      now += milliseconds(50);
      broker.take_all(now);
      for (const auto& ack : std::exchange(broker.acks, {})) p.on_ack(ack, now);
      p.step(now);
    }
  }

  void put(std::string source, std::string id, Position position) {
    broker.exists = true;
    broker.stream.messages[++broker.stream.last_sequence] = {std::move(source), id, position};
    broker.stream.last_id = id;
  }
  void put_own(Position position) {
    put(broadcast_source(log.log.log_id()), to_string(test_id(1, position)), position);
  }
  std::vector<Position> positions() const {
    std::vector<Position> all;
    for (const auto& [sequence, m] : broker.stream.messages) all.push_back(m.position);
    return all;
  }
};

}  // namespace

TEST_CASE("nats rules: goes on after the stream's last message, not after the cursor", "[nats]") {
  Fixture f;
  f.log.grow(6);
  f.put_own(1), f.put_own(2);
  auto p = f.protocol({5, 5, f.broker.stream.created});
  f.settle(p);
  CHECK(p.state() == BroadcastState::live);
  CHECK(f.positions() == std::vector<Position>{1, 2, 3, 4, 5, 6});
  CHECK(p.cursor() == BroadcastCursor{6, 6, f.broker.stream.created});
}

TEST_CASE("nats rules: an emptied stream goes on after the cursor", "[nats]") {
  Fixture f;
  f.log.grow(6);
  f.put_own(1);
  f.broker.stream.messages.clear();
  f.broker.stream.last_sequence = 10;
  SECTION("the cursor is exact") {
    auto p = f.protocol({4, 10, f.broker.stream.created});
    f.settle(p);
    CHECK(f.positions() == std::vector<Position>{5, 6});
  }
  SECTION("the cursor is older than the stream") {
    auto p = f.protocol({3, 9, f.broker.stream.created});
    f.settle(p);
    CHECK(f.positions() == std::vector<Position>{4, 5, 6});
  }
  SECTION("the stream is older than the cursor") {
    auto p = f.protocol({4, 12, f.broker.stream.created});
    f.settle(p);
    CHECK(f.positions() == std::vector<Position>{3, 4, 5, 6});
  }
  SECTION("the cursor is of a stream that was made earlier") {
    auto p = f.protocol({4, 10, f.broker.stream.created + 1});
    f.settle(p);
    CHECK(f.positions() == std::vector<Position>{1, 2, 3, 4, 5, 6});
  }
  SECTION("the cursor is beyond the log") {
    auto p = f.protocol({40, 10, f.broker.stream.created});
    f.settle(p);
    CHECK(f.positions().empty());
    f.log.grow(1);
    f.settle(p);
    CHECK(f.positions() == std::vector<Position>{7});
  }
}

TEST_CASE("nats rules: a new stream is filled from the beginning", "[nats]") {
  Fixture f;
  f.log.grow(3);
  auto p = f.protocol({2, 2, 77});
  f.settle(p);
  CHECK(f.positions() == std::vector<Position>{1, 2, 3});
}

TEST_CASE("nats rules: another log's stream is refused until it is emptied", "[nats]") {
  Fixture f;
  f.log.grow(3);
  f.put("mlforge/" + to_string(test_id(8, 8)), "x", 2);
  auto p = f.protocol();
  f.settle(p);
  CHECK(p.state() == BroadcastState::refused);
  CHECK(p.last_error().find("comes from mlforge/" + to_string(test_id(8, 8))) != std::string::npos);
  CHECK(f.positions() == std::vector<Position>{2});
  f.broker.stream = SimStream{};
  f.settle(p);
  CHECK(p.state() == BroadcastState::live);
  CHECK(f.positions() == std::vector<Position>{1, 2, 3});
}

TEST_CASE("nats rules: a log restored from an older copy is refused", "[nats]") {
  Fixture f;
  f.log.grow(3);
  SECTION("the stream is ahead") {
    f.put_own(4);
    auto p = f.protocol();
    f.settle(p);
    CHECK(p.state() == BroadcastState::refused);
    CHECK(p.last_error().find("ends at 3") != std::string::npos);
  }
  SECTION("the log went on in another way") {
    f.put_own(3);
    f.broker.stream.messages.rbegin()->second.id = to_string(test_id(2, 3));
    auto p = f.protocol();
    f.settle(p);
    CHECK(p.state() == BroadcastState::refused);
    CHECK(p.last_error().find("restored from an older copy") != std::string::npos);
  }
  CHECK(f.broker.stream.messages.size() == 1);
}

TEST_CASE("nats rules: strangers' messages are read past, up to a limit", "[nats]") {
  Fixture f;
  f.log.grow(4);
  f.put_own(1), f.put_own(2);
  for (int i = 0; i < 5; ++i) f.put("", "", 0);
  auto p = f.protocol();
  f.settle(p);
  CHECK(f.positions() == std::vector<Position>{1, 2, 0, 0, 0, 0, 0, 3, 4});
  for (int i = 0; i < 6; ++i) f.put("", "", 0);
  f.log.grow(1);
  f.settle(p);
  CHECK(p.state() == BroadcastState::refused);
  CHECK(f.broker.stream.messages.size() == 15);
}

TEST_CASE("nats rules: a stream of strangers only is filled from the beginning", "[nats]") {
  Fixture f;
  f.log.grow(2);
  f.put("", "", 0), f.put("someone", "id", 7);
  auto p = f.protocol({1, 1, f.broker.stream.created});
  f.settle(p);
  CHECK(f.positions() == std::vector<Position>{0, 7, 1, 2});
}

TEST_CASE("nats rules: what is in flight is bounded in messages and bytes", "[nats]") {
  Fixture f;
  f.log.grow(50);
  SECTION("messages") {
    auto p = f.protocol();
    p.step(f.now);
    CHECK(p.in_flight() == 8);
    f.settle(p);
    CHECK(f.positions().size() == 50);
  }
  SECTION("bytes") {
    f.options.window_bytes = 1000;
    f.body_bytes = 400;
    auto p = f.protocol();
    p.step(f.now);
    CHECK(p.in_flight() == 3);
    f.settle(p);
    CHECK(f.positions().size() == 50);
  }
  SECTION("a body over the bound goes alone") {
    f.options.window_bytes = 1000;
    f.body_bytes = 5000;
    auto p = f.protocol();
    p.step(f.now);
    CHECK(p.in_flight() == 1);
    f.settle(p);
    CHECK(f.positions().size() == 50);
  }
}

TEST_CASE("nats rules: pauses grow while the broker is away and shrink when it is back", "[nats]") {
  Fixture f;
  f.log.grow(1);
  SimBroker away{1, {.connect_fails = 1}, f.log.log.log_id()};
  BroadcastProtocol p(f.log.log, away, [](const EventView&) { return std::string(); }, f.options,
                      {});
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 12; ++i) {
    const auto next = p.step(f.now);
    pauses.push_back(std::chrono::duration_cast<milliseconds>(next - f.now).count());
    CHECK(p.step(f.now) == next);  // asked too early: nothing happens
    f.now = next;
  }
  CHECK(pauses ==
        std::vector<std::int64_t>{10, 20, 40, 80, 160, 320, 640, 1280, 2000, 2000, 2000, 2000});
  CHECK(p.state() == BroadcastState::disconnected);
  away.heal();
  p.step(f.now);
  CHECK(p.state() == BroadcastState::live);
  away.take_all(f.now);
  for (const auto& ack : std::exchange(away.acks, {})) p.on_ack(ack, f.now);
  p.on_disconnect("test", f.now);
  CHECK(p.step(f.now) == f.now + milliseconds(10));
}

}  // namespace mlforge::actors::test
