// The window of a subscription on virtual time.
#include "actors/delivery_window.hpp"

#include <catch2/catch.hpp>

namespace mlforge::actors::test {
namespace {

constexpr TimeUs kSecond = 1'000'000;

std::vector<Position> positions(const std::vector<Delivery>& deliveries) {
  std::vector<Position> out;
  for (const auto& each : deliveries) out.push_back(each.position);
  return out;
}
using Some = std::vector<Position>;

DeliveryWindow window_of(std::initializer_list<Position> offered, DeliveryPolicy policy = {}) {
  DeliveryWindow window(policy, 0, 7);
  for (const auto each : offered) window.offer(each);
  return window;
}

}  // namespace

TEST_CASE("window: events are taken once, oldest first, and are gone when acknowledged") {
  auto w = window_of({2, 5, 9});
  CHECK(positions(w.take(2, "a", 0)) == Some{2, 5});
  CHECK(positions(w.take(2, "b", 0)) == Some{9});
  CHECK(w.take(2, "a", 0).empty());
  CHECK(w.floor() == 1);
  CHECK(w.acknowledge(Some{5}) == 1);
  CHECK(w.acknowledge(Some{5, 77}) == 0);
  CHECK(w.floor() == 1);
  CHECK(w.acknowledge(Some{2}) == 1);
  CHECK(w.floor() == 8);
  CHECK(w.acknowledge(Some{9}) == 1);
  CHECK(w.floor() == 9);
  w.scanned_to(20);
  CHECK(w.floor() == 20);
  CHECK(w.in_flight() == 0);
}

TEST_CASE("window: what was never delivered cannot be acknowledged") {
  auto w = window_of({1});
  CHECK(w.acknowledge(Some{1}) == 0);
  CHECK(w.take(1, "", 0).size() == 1);
  CHECK(w.acknowledge(Some{1}) == 1);
}

TEST_CASE("window: a deadline that passes is an attempt that failed") {
  auto w = window_of({1}, {.ack_deadline = 10 * kSecond, .backoff = 2 * kSecond});
  CHECK(w.take(1, "a", 0).at(0).deadline == 10 * kSecond);
  CHECK(w.advance(10 * kSecond - 1) == 0);
  CHECK(w.advance(10 * kSecond) == 1);
  CHECK_FALSE(w.has_ready());
  const auto due = w.next_due().value();
  CHECK(due >= 12 * kSecond);
  CHECK(due <= 12 * kSecond + kSecond / 2);
  CHECK(w.advance(due - 1) == 0);
  CHECK_FALSE(w.has_ready());
  CHECK(w.advance(due) == 0);
  const auto again = w.take(1, "b", due);
  REQUIRE(again.size() == 1);
  CHECK(again[0].attempt == 2);
  // The first consumer comes late: it is dealt with all the same.
  CHECK(w.acknowledge(Some{1}) == 1);
  CHECK_FALSE(w.next_due());
}

TEST_CASE("window: the backoff doubles up to its limit, and is at most a quarter longer") {
  auto w = window_of({1}, {.max_attempts = 0, .backoff = kSecond, .max_backoff = 5 * kSecond});
  TimeUs now = 0;
  for (const TimeUs base : {1, 2, 4, 5, 5, 5}) {
    REQUIRE(w.take(1, "", now).size() == 1);
    CHECK(w.fail(Some{1}, "no", now) == 1);
    const auto delay = w.next_due().value() - now;
    CHECK(delay >= base * kSecond);
    CHECK(delay <= base * kSecond * 5 / 4);
    now += delay;
    w.advance(now);
  }
}

TEST_CASE("window: the jitter is of the seed") {
  const auto delays = [](std::uint64_t seed) {
    DeliveryWindow w({}, 0, seed);
    std::vector<TimeUs> out;
    for (Position p = 1; p < 9; ++p) {
      w.offer(p);
      w.take(1, "", 0);
      w.fail(Some{p}, "no", 0);
      out.push_back(w.next_due().value());
    }
    return out;
  };
  CHECK(delays(1) == delays(1));
  CHECK(delays(1) != delays(2));
}

TEST_CASE("window: after its last attempt an event is parked, once it is written that it is") {
  auto w = window_of({1, 2}, {.max_attempts = 2});
  TimeUs now = 0;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(positions(w.take(1, "", now)) == Some{1});
    w.fail(Some{1}, i == 0 ? "first" : "last", now, TimeUs{0});
    w.advance(now);
  }
  const auto parking = w.to_park();
  REQUIRE(parking.size() == 1);
  CHECK(parking[0].position == 1);
  CHECK(parking[0].attempts == 2);
  CHECK(parking[0].error == "last");
  CHECK(w.to_park().empty());
  CHECK(w.floor() == 0);
  w.park_later(1, 50);
  CHECK(w.next_due() == TimeUs{50});
  w.advance(49);
  CHECK(w.to_park().empty());
  w.advance(50);
  CHECK(w.to_park().size() == 1);
  CHECK_FALSE(w.next_due());
  CHECK(positions(w.take(9, "", now)) == Some{2});
  w.remove(1);
  CHECK(w.in_flight() == 1);
  // Replayed, it begins anew, behind the window's edge.
  w.reopen(1, 0);
  const auto again = w.take(1, "", now);
  REQUIRE(again.size() == 1);
  CHECK(again[0].position == 1);
  CHECK(again[0].attempt == 1);
}

TEST_CASE("window: a consumer can have an event parked at once, or come again when it wants") {
  auto w = window_of({1, 2});
  w.take(2, "", 0);
  CHECK(w.fail(Some{1}, "poison", 0, {}, true) == 1);
  CHECK(w.to_park().size() == 1);
  CHECK(w.fail(Some{2}, "busy", 0, 3 * kSecond) == 1);
  CHECK(w.next_due() == 3 * kSecond);
  CHECK(w.fail(Some{2}, "twice", 0) == 0);
}

TEST_CASE("window: it is bounded, and what is replayed comes on top") {
  DeliveryWindow w({.max_in_flight = 3}, 10, 1);
  CHECK(w.room() == 3);
  for (const Position p : {11, 12, 13}) w.offer(p);
  CHECK(w.room() == 0);
  w.reopen(4, 0);
  CHECK(w.room() == 0);
  w.take(1, "", 0);
  w.acknowledge(Some{4});
  CHECK(w.room() == 0);
  w.take(1, "", 0);
  w.acknowledge(Some{11});
  CHECK(w.room() == 1);
}

TEST_CASE("window: a consumer that goes gives back what it has") {
  auto w = window_of({1, 2, 3});
  w.take(2, "a", 0);
  w.take(1, "b", 0);
  CHECK(w.out_of("a") == 2);
  CHECK(w.release("a", 5) == 2);
  w.advance(5);
  const auto taken = w.take(9, "b", 5);
  CHECK(positions(taken) == Some{1, 2});
  CHECK(taken[0].attempt == 2);
  CHECK(w.acknowledge_upto(2, "a") == 0);
  CHECK(w.acknowledge_upto(2, "b") == 2);
  CHECK(w.acknowledge_upto(9, "") == 1);
}

TEST_CASE("window: how many events each consumer has") {
  auto w = window_of({1, 2, 3, 4, 5, 6, 7, 8},
                     {.max_attempts = 1, .ack_deadline = 10 * kSecond, .backoff = kSecond});
  const auto has = [&](std::size_t a, std::size_t b) {
    CHECK(w.out_of("a") == a);
    CHECK(w.out_of("b") == b);
  };
  has(0, 0);
  w.take(6, "a", 0);
  w.take(2, "b", kSecond);
  has(6, 2);
  w.acknowledge(Some{1});
  has(5, 2);
  w.give_back(Some{2, 7});
  has(4, 1);
  w.take(1, "b", kSecond);
  has(4, 2);
  w.remove(3);
  w.fail(Some{4}, "no", kSecond);  // its last attempt
  has(2, 2);
  CHECK(w.advance(10 * kSecond) == 2);  // of a
  has(0, 2);
  CHECK(w.to_park().size() == 3);
  CHECK(w.to_park().empty());
  w.park_later(4, 20 * kSecond);
  CHECK(w.to_park().empty());
  CHECK(w.release("b", 10 * kSecond) == 2);
  has(0, 0);
  CHECK(w.to_park().size() == 2);
  w.advance(20 * kSecond);
  CHECK(w.to_park().size() == 1);
  for (const Position each : {2, 4, 5, 6, 7, 8}) w.remove(each);
  CHECK(w.in_flight() == 0);
  CHECK_FALSE(w.next_due());
}

TEST_CASE("window: an event that is given back has not been tried") {
  auto w = window_of({1});
  w.take(1, "", 0);
  w.give_back(Some{1});
  CHECK(w.take(1, "", 0).at(0).attempt == 1);
}

// Consumers that take, acknowledge, fail, fall silent and vanish; a process that is killed and goes
// on from what it had last kept. In the end every event was acknowledged or parked.
TEST_CASE("window: nothing is ever lost, whatever consumers and restarts do") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    const DeliveryPolicy policy{.max_attempts = below(2) == 0 ? 4u : 0u,
                                .ack_deadline = 5 * kSecond,
                                .backoff = kSecond,
                                .max_backoff = 8 * kSecond,
                                .max_in_flight = 1 + below(7)};
    constexpr Position kLast = 120;
    DeliveryWindow w(policy, 0, seed);
    std::set<Position> acknowledged, parked;
    Position kept_scanned = 0;
    std::vector<OpenDelivery> kept;
    TimeUs now = 0;
    std::vector<Position> out;
    for (int step = 0; step < 20'000 && (w.scanned() < kLast || w.in_flight() > 0); ++step) {
      now += static_cast<TimeUs>(below(kSecond));
      w.advance(now);
      while (w.room() > 0 && w.scanned() < kLast) {
        if (w.scanned() % 3 == 0)
          w.scanned_to(w.scanned() + 1);  // the filter does not want it
        else
          w.offer(w.scanned() + 1);
      }
      REQUIRE(w.in_flight() <= policy.max_in_flight);
      for (const auto& each : w.take(below(4), below(2) == 0 ? "a" : "b", now))
        out.push_back(each.position);
      for (const auto& each : w.to_park()) {
        if (below(3) == 0) {
          w.park_later(each.position, now + kSecond);
        } else {
          parked.insert(each.position);
          w.remove(each.position);
        }
      }
      if (!out.empty()) {
        const Some one{out[below(out.size())]};
        switch (below(6)) {
          case 0:
          case 1:
            if (w.acknowledge(one) == 1) acknowledged.insert(one[0]);
            break;
          case 2:
            w.fail(one, "no", now);
            break;
          case 3:
            w.release("a", now);
            break;
          default:
            break;  // silent
        }
        if (below(2) == 0) std::erase(out, one[0]);
      }
      if (below(10) == 0) {
        kept_scanned = w.scanned();
        kept = w.open();
      }
      if (below(200) == 0) {
        w = DeliveryWindow(policy, kept_scanned, seed + step);
        for (const auto& each : kept)
          if (!parked.contains(each.position)) w.reopen(each.position, each.attempts);
        out.clear();
      }
    }
    REQUIRE(w.scanned() == kLast);
    REQUIRE(w.in_flight() == 0);
    REQUIRE(w.floor() == kLast);
    for (Position p = 1; p <= kLast; ++p)
      if ((p - 1) % 3 != 0) REQUIRE((acknowledged.contains(p) || parked.contains(p)));
    if (policy.max_attempts == 0) REQUIRE(parked.empty());
  }
}

}  // namespace mlforge::actors::test
