// The broadcaster's protocol on a simulated terrible network: hundreds of seeds, virtual time, no
// IO.
#include "actors/nats_protocol.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "nats_sim_broker.hpp"
#include "nats_test_log.hpp"
#include "tests/sanitized.hpp"

namespace mlforge::actors::test {
namespace {

using mlforge::test::kEvery;
using std::chrono::milliseconds;

ProtocolOptions small_options() {
  ProtocolOptions options;
  options.window_messages = 16;
  options.window_bytes = 4096;
  options.ack_timeout = milliseconds(400);
  options.min_backoff = milliseconds(1);
  options.max_backoff = milliseconds(50);
  options.refused_retry = milliseconds(200);
  return options;
}

// A publisher that can be killed: a new one starts with the cursor that was saved last.
struct Publisher {
  const TestLog& log;
  SimBroker& broker;
  BroadcastCursor saved;
  std::unique_ptr<BroadcastProtocol> protocol;

  Publisher(const TestLog& l, SimBroker& b) : log(l), broker(b) { restart(); }
  void restart() {
    broker.disconnect();
    broker.acks.clear();
    protocol = std::make_unique<BroadcastProtocol>(
        log.log, broker, [](const EventView& e) { return std::string(e.payload); }, small_options(),
        saved);
  }
  // The cursor is saved now and then, and at once when the broker turned out to have lost
  // something.
  void save_if_behind() {
    if (protocol->cursor().position < saved.position) saved = protocol->cursor();
  }
  void step(Time now) {
    for (const auto& ack : std::exchange(broker.acks, {})) protocol->on_ack(ack, now);
    if (broker.closed) protocol->on_disconnect("simulated: closed", now);
    protocol->step(now);
  }
};

// Drives both sides until the faults have had their time, then heals the network and lets the
// publisher catch up.
void run_storm(std::uint64_t seed, TestLog& log, SimBroker& broker, Publisher& publisher) {
  std::mt19937_64 random(seed ^ 0x5eed);
  Time now{};
  for (int i = 0; i < 3000; ++i) {
    now += milliseconds(random() % 3);
    if (random() % 10 == 0) log.grow(random() % 8);
    if (random() % 50 == 0) publisher.saved = publisher.protocol->cursor();
    if (random() % 400 == 0) publisher.restart();
    for (auto n = random() % 6; n > 0; --n) broker.tick(now);
    if (random() % 3 != 0) publisher.step(now);
    publisher.save_if_behind();
  }
  broker.heal();
  log.grow(20);
  // The duplicate window is waited out: a message that somebody deleted can only be stored again
  // after it.
  const auto until = now + 2 * broker.window + milliseconds(5000);
  while (now < until && publisher.protocol->cursor().position < log.log.head()) {
    now += milliseconds(25);
    broker.take_all(now);
    publisher.step(now);
  }
}

// Exactly one copy of each event from some position on, ascending without a gap, to the head.
// Answers what is wrong.
std::string fault_in_stream(const SimBroker& broker, const TestLog& log) {
  if (!broker.violation.empty()) return broker.violation;
  Position last = 0;
  for (const auto& [sequence, message] : broker.stream.messages) {
    if (message.position == 0) continue;
    if (last == 0 && message.position > broker.stream.purged_to + 1)
      return "the first event is missing";
    if (last != 0 && message.position != last + 1) return "wrong after " + std::to_string(last);
    last = message.position;
    if (message.id != to_string(test_id(1, last))) return "wrong id at " + std::to_string(last);
  }
  return last == log.log.head() ? "" : "ends at " + std::to_string(last);
}

}  // namespace

TEST_CASE("nats protocol: every event once and in order on a terrible network", "[nats]") {
  std::map<std::string, int> happened;
  for (std::uint64_t seed = 1; seed <= 300 / kEvery; ++seed) {
    INFO("seed " << seed);
    SimFaults faults;
    faults.drop = 0.005, faults.lose_ack = 0.004, faults.refuse = 0.004, faults.connect_fails = 0.1;
    faults.request_fails = 0.05, faults.crash = 0.001;
    if (seed % 2 == 0) faults.foreign = 0.01;
    if (seed % 3 == 0) faults.roll_back = 0.002;
    if (seed % 5 == 0) faults.remove_stream = 0.001;
    TestLog log;
    SimBroker broker(seed, faults, log.log.log_id());
    if (seed % 4 == 0) broker.window = milliseconds(50);
    Publisher publisher(log, broker);
    run_storm(seed, log, broker, publisher);
    REQUIRE(fault_in_stream(broker, log) == "");
    REQUIRE(broker.stream.messages.size() >= log.log.head());
    for (const auto& [fault, times] : broker.happened) happened[fault] += times;
  }
  for (const auto* fault :
       {"drop", "refuse", "crash", "roll_back", "foreign", "remove_stream", "long_outage"}) {
    INFO(fault);
    CHECK(happened[fault] > 50 / int{kEvery});
  }
}

TEST_CASE("nats protocol: nothing is skipped when the stream is purged under us", "[nats]") {
  int purges = 0;
  for (std::uint64_t seed = 1; seed <= 200 / kEvery; ++seed) {
    INFO("seed " << seed);
    SimFaults faults;
    faults.drop = 0.004, faults.lose_ack = 0.003, faults.crash = 0.001, faults.purge = 0.002;
    if (seed % 2 == 0)
      faults.roll_back = 0.002;
    else if (seed % 3 == 0)
      faults.foreign = 0.005;
    TestLog log;
    SimBroker broker(seed, faults, log.log.log_id());
    if (seed % 4 == 0) broker.window = milliseconds(50);
    Publisher publisher(log, broker);
    run_storm(seed, log, broker, publisher);
    REQUIRE(fault_in_stream(broker, log) == "");
    purges += broker.happened["purge"];
  }
  CHECK(purges > 200 / int{kEvery});
}

}  // namespace mlforge::actors::test
