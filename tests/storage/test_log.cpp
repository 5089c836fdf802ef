// One suite for every log: what the port promises.
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <thread>

#include "tests/storage/log_fixtures.hpp"

namespace log_tests {

using namespace mlforge;
using namespace mlforge::storage;

#define LOG_TEST(name) \
  TEMPLATE_TEST_CASE("log: " name, "", MemoryLogFixture, LmdbLogFixture, ArchivedLogFixture)

LOG_TEST("an empty log has nothing") {
  TestType f;
  CHECK(f.log().head() == 0);
  CHECK(read_all(f.log()).empty());
  CHECK(read_stream(f.log(), "run/1").empty());
  CHECK(f.log().stream_version("acme", "run/1").value() == 0);
  CHECK(f.log().position_at(std::numeric_limits<TimeUs>::max()) == 0);
  CHECK_FALSE(f.log().find_command("acme", "c"));
  CHECK_FALSE(f.log().writable());
  CHECK_FALSE(f.log().log_id().is_nil());
  CHECK(f.log().append({}).empty());
}

LOG_TEST("an event comes back as it went in") {
  TestType f;
  AppendRequest r = request({event("run/1", "{\"loss\":0.5}")}, "cmd-1");
  r.causation = *parse_uuid("00000000-0000-7000-8000-000000000001");
  r.correlation = *parse_uuid("00000000-0000-7000-8000-000000000002");
  r.events[0].schema = 3;
  r.events[0].content_type = ContentType::columns;
  r.events[0].id = *parse_uuid("00000000-0000-7000-8000-000000000003");
  const Appended appended = must_append(f.log(), r);
  CHECK(appended.first == 1);
  CHECK(appended.last == 1);
  CHECK_FALSE(appended.duplicate);
  f.reopen();
  REQUIRE(f.log().head() == 1);
  const Envelope e = read_all(f.log()).at(0);
  CHECK(e.position == 1);
  CHECK(e.id == r.events[0].id);
  CHECK(e.tenant == "acme");
  CHECK(e.stream == "run/1");
  CHECK(e.version == 1);
  CHECK(e.type == "run.metrics_logged");
  CHECK(e.schema == 3);
  CHECK(e.actor == "ann");
  CHECK(e.time == f.clock->time);
  CHECK(e.causation == r.causation);
  CHECK(e.correlation == r.correlation);
  CHECK(e.command_id == "cmd-1");
  CHECK(e.content_type == ContentType::columns);
  CHECK(e.payload == "{\"loss\":0.5}");
}

LOG_TEST("positions and versions have no gap, ids ascend") {
  TestType f;
  for (int i = 0; i < 20; ++i)
    must_append(f.log(), request({event("run/1"), event("run/" + std::to_string(i % 3))}));
  const auto all = read_all(f.log());
  REQUIRE(all.size() == 40);
  std::map<std::string, std::uint64_t> versions;
  for (std::size_t i = 0; i < all.size(); ++i) {
    CHECK(all[i].position == i + 1);
    CHECK(all[i].version == ++versions[all[i].stream]);
    CHECK((all[i].id.bytes[6] >> 4) == 7);
    if (i > 0) CHECK(all[i - 1].id < all[i].id);
  }
  for (const auto& [stream, version] : versions)
    CHECK(f.log().stream_version("acme", stream).value() == version);
}

LOG_TEST("an expectation that does not hold is a conflict and writes nothing") {
  TestType f;
  must_append(f.log(), request({event("run/1"), event("run/1")}));
  AppendRequest r = request({event("run/1"), event("run/2")});
  r.expectations = {{"run/1", 1}};
  const auto answer = append(f.log(), r);
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code == ErrorCode::conflict);
  CHECK(answer.error().message.find("run/1 holds 2 events") != std::string::npos);
  CHECK(f.log().head() == 2);
  CHECK(f.log().stream_version("acme", "run/2").value() == 0);
  r.expectations = {{"run/1", 2}, {"run/2", 0}, {"model/never-written", 0}};
  CHECK(must_append(f.log(), r).last == 4);
  f.reopen();
  r.expectations = {{"run/1", 3}, {"run/2", 2}};
  CHECK(append(f.log(), r).error().code == ErrorCode::conflict);
}

LOG_TEST("requests of one call see the ones before them") {
  TestType f;
  AppendRequest create = request({event("run/1")});
  create.expectations = {{"run/1", 0}};
  AppendRequest next = request({event("run/1")});
  next.expectations = {{"run/1", 1}};
  const std::vector<AppendRequest> batch{create, create, next};
  const auto answers = f.log().append(batch);
  REQUIRE(answers.size() == 3);
  REQUIRE(answers[0]);
  CHECK(answers[0]->last == 1);
  CHECK(answers[1].error().code == ErrorCode::conflict);
  REQUIRE(answers[2]);
  CHECK(answers[2]->first == 2);
  CHECK(read_stream(f.log(), "run/1").size() == 2);
}

LOG_TEST("tenants do not see each other's streams and commands") {
  TestType f;
  AppendRequest other = request({event("run/1", "other")}, "c");
  other.tenant = "globex";
  must_append(f.log(), request({event("run/1", "own")}, "c"));
  CHECK_FALSE(must_append(f.log(), other).duplicate);
  REQUIRE(f.index());
  REQUIRE(read_stream(f.log(), "run/1").size() == 1);
  CHECK(read_stream(f.log(), "run/1").at(0).payload == "own");
  CHECK(read_stream(f.log(), "run/1", 1, 9, 9, "globex").at(0).payload == "other");
  CHECK(f.log().find_command("globex", "c")->first == 2);
}

LOG_TEST("a command is done once") {
  TestType f;
  const AppendRequest r = request({event("run/1"), event("run/2")}, "cmd-1");
  const std::vector<AppendRequest> batch{r, r};
  const auto answers = f.log().append(batch);
  REQUIRE(answers[1]);
  CHECK(answers[1]->duplicate);
  CHECK(answers[1]->first == 1);
  CHECK(answers[1]->last == 2);
  f.reopen();
  const Appended again = must_append(f.log(), r);
  CHECK(again.duplicate);
  CHECK(again.first == 1);
  CHECK(again.last == 2);
  CHECK(f.log().head() == 2);
  REQUIRE(f.log().find_command("acme", "cmd-1"));
  CHECK(f.log().find_command("acme", "cmd-1")->last == 2);
}

LOG_TEST("a command id with another fingerprint is a duplicate of another request") {
  TestType f;
  const std::string id = "key:promote", one = "#0123456789abcdef", other = "#fedcba9876543210";
  const AppendRequest batch[] = {request({event("run/1")}, id + one),
                                 request({event("run/2")}, id + other),
                                 request({event("run/1")}, id + one)};
  const auto answers = f.log().append(batch);
  REQUIRE((answers[0] && answers[1] && answers[2]));
  CHECK_FALSE(answers[0]->duplicate);
  CHECK(answers[1]->duplicate);
  CHECK(answers[1]->other_request);
  CHECK(answers[2]->duplicate);
  CHECK_FALSE(answers[2]->other_request);
  f.reopen();
  CHECK(f.log().head() == 1);
  CHECK_FALSE(f.log().find_command("acme", id + one)->other_request);
  CHECK(f.log().find_command("acme", id + other)->other_request);
  CHECK(must_append(f.log(), request({event("run/3")}, id + other)).other_request);
  CHECK(bare_command_id(id + one) == id);
  CHECK(bare_command_id("a#0123456789abcdeF") == "a#0123456789abcdeF");
  CHECK(bare_command_id(one) == one);
}

LOG_TEST("a duplicate answers before its expectations are looked at") {
  TestType f;
  AppendRequest r = request({event("run/1")}, "cmd-1");
  r.expectations = {{"run/1", 0}};
  must_append(f.log(), r);
  CHECK(must_append(f.log(), r).duplicate);
}

LOG_TEST("a command is forgotten once the window has moved past it") {
  TestType f;
  must_append(f.log(), request({event("run/1")}, "old"));
  must_append(f.log(), request({event("run/1"), event("run/1")}, "kept"));
  std::vector<NewEvent> many(Log::command_window() - 1, event("run/2", ""));
  must_append(f.log(), request(many));
  CHECK_FALSE(f.log().find_command("acme", "old"));
  REQUIRE(f.log().find_command("acme", "kept"));
  f.reopen();
  CHECK_FALSE(f.log().find_command("acme", "old"));
  REQUIRE(f.log().find_command("acme", "kept"));
  // Its first event is outside of the window, its last one inside.
  CHECK(f.log().find_command("acme", "kept")->first == 2);
  CHECK(f.log().find_command("acme", "kept")->last == 3);
}

LOG_TEST("requests that cannot be written are refused by name") {
  TestType f;
  CHECK(append(f.log(), request({})).error().field == "events");
  CHECK(append(f.log(), request({event("")})).error().field == "stream");
  CHECK(append(f.log(), request({event(std::string("a\0b", 3))})).error().field == "stream");
  CHECK(append(f.log(), request({event(std::string(70'000, 'x'))})).error().field == "stream");
  AppendRequest nobody = request({event("run/1")});
  nobody.tenant = "";
  CHECK(append(f.log(), nobody).error().code == ErrorCode::invalid_argument);
  AppendRequest untyped = request({event("run/1")});
  untyped.events[0].type = "";
  CHECK(append(f.log(), untyped).error().field == "type");
  const auto large =
      append(f.log(), request({event("run/1", std::string(Log::max_event_bytes() + 1, 'x'))}));
  CHECK(large.error().code == ErrorCode::payload_too_large);
  CHECK(f.log().head() == 0);
  CHECK_FALSE(f.log().writable());
}

LOG_TEST("a batch answers each request on its own") {
  TestType f;
  const std::vector<AppendRequest> batch{request({event("run/1")}), request({}),
                                         request({event("run/2")})};
  const auto answers = f.log().append(batch);
  REQUIRE(answers[0]);
  CHECK_FALSE(answers[1]);
  REQUIRE(answers[2]);
  CHECK(answers[2]->first == 2);
}

LOG_TEST("a stream is read as of a position") {
  TestType f;
  for (int i = 0; i < 10; ++i)
    must_append(f.log(), request({event(i % 2 ? "run/odd" : "run/even", std::to_string(i))}));
  for (int pass = 0; pass < 2; ++pass, f.index()) {
    CHECK(read_stream(f.log(), "run/even", 1, 99, 0).empty());
    CHECK(read_stream(f.log(), "run/even", 1, 99, 1).size() == 1);
    CHECK(read_stream(f.log(), "run/even", 1, 99, 4).size() == 2);
    CHECK(read_stream(f.log(), "run/even", 1, 99, 5).size() == 3);
    CHECK(read_stream(f.log(), "run/even", 1, 99, 99).size() == 5);
    const auto part = read_stream(f.log(), "run/odd", 3, 2, 99);
    REQUIRE(part.size() == 2);
    CHECK(part[0].payload == "5");
    CHECK(part[1].version == 4);
    CHECK(read_stream(f.log(), "run/odd", 0, 1).at(0).version == 1);
    CHECK(read_stream(f.log(), "run/odd", 6).empty());
    CHECK(read_stream(f.log(), "run/odd", 1, 0).empty());
  }
}

LOG_TEST("a long stream reads whole, indexed or not") {
  TestType f;
  std::vector<NewEvent> events;
  for (int i = 0; i < 1500; ++i) events.push_back(event(i % 3 ? "run/long" : "run/other"));
  must_append(f.log(), request(events));
  REQUIRE(f.index());
  must_append(f.log(), request(events));
  must_append(f.log(), request(events));
  for (int pass = 0; pass < 2; ++pass, f.index()) {
    const auto stream = read_stream(f.log(), "run/long");
    REQUIRE(stream.size() == 3000);
    for (std::size_t i = 0; i < stream.size(); ++i) REQUIRE(stream[i].version == i + 1);
    CHECK(read_stream(f.log(), "run/long", 2999).size() == 2);
    CHECK(read_stream(f.log(), "run/long", 900, 1100).back().version == 1999);
    CHECK(f.log().stream_version("acme", "run/long").value() == 3000);
  }
}

LOG_TEST("reads go page by page and stop when told") {
  TestType f;
  std::vector<NewEvent> events(9000, event("run/1", "x"));
  must_append(f.log(), request(events));
  CHECK(read_all(f.log()).size() == 9000);
  CHECK(read_all(f.log(), 0, 3).size() == 3);
  CHECK(read_all(f.log(), 8999).size() == 2);
  CHECK(read_all(f.log(), 9001).empty());
  CHECK(read_all(f.log(), 1, 0).empty());
  int seen = 0;
  const auto last = f.log().read(10, 100, [&](const EventView&) { return ++seen < 5; });
  REQUIRE(last);
  CHECK(*last == 14);
  CHECK(seen == 5);
  std::uint64_t sum = 0;
  const auto raw = f.log().read_records(5000, 2, [&](Position p, Bytes record) {
    EventView e;
    sum += p;
    return decode_record(record, e) == nullptr && e.position == p;
  });
  REQUIRE(raw);
  CHECK(*raw == 5001);
  CHECK(sum == 10001);
}

LOG_TEST("a visitor may append; the read keeps to the head it began with") {
  TestType f;
  must_append(f.log(), request({event("run/1"), event("run/1")}));
  int seen = 0;
  const auto last = f.log().read(1, 99, [&](const EventView&) {
    must_append(f.log(), request({event("run/1")}));
    return ++seen < 50;
  });
  REQUIRE(last);
  CHECK(*last == 2);
  CHECK(f.log().head() == 4);
}

LOG_TEST("time never goes back") {
  TestType f;
  const TimeUs start = f.clock->time;
  must_append(f.log(), request({event("run/1")}));
  f.clock->time = start - 5'000'000;
  must_append(f.log(), request({event("run/1")}));
  f.reopen();
  must_append(f.log(), request({event("run/1")}));
  f.clock->time = start + 7;
  must_append(f.log(), request({event("run/1")}));
  const auto all = read_all(f.log());
  CHECK(all[1].time == start);
  CHECK(all[2].time == start);
  CHECK(all[3].time == start + 7);
  CHECK(all[0].id < all[1].id);
}

LOG_TEST("a time is found as a position") {
  TestType f;
  const TimeUs start = f.clock->time;
  for (int i = 0; i < 10; ++i) {
    f.clock->time = start + 100 * (i / 2);  // pairs share a time
    must_append(f.log(), request({event("run/1")}));
  }
  CHECK(f.log().position_at(start - 1) == 0);
  CHECK(f.log().position_at(start) == 2);
  CHECK(f.log().position_at(start + 99) == 2);
  CHECK(f.log().position_at(start + 100) == 4);
  CHECK(f.log().position_at(start + 400) == 10);
  CHECK(f.log().position_at(std::numeric_limits<TimeUs>::max()) == 10);
}

LOG_TEST("payloads keep every byte") {
  TestType f;
  const double values[] = {std::nan("0x5"), -0.0, std::numeric_limits<double>::infinity()};
  std::string columns(sizeof values, '\0');
  std::memcpy(columns.data(), values, sizeof values);
  std::string large(Log::max_event_bytes(), '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 3);
  const std::vector<std::string> payloads{"",
                                          columns,
                                          large,
                                          "Größe 量 🙂",
                                          std::string(1, '\0'),
                                          std::string(1900, 'a'),
                                          std::string(4096, 'b')};
  std::vector<NewEvent> events;
  for (const auto& payload : payloads) events.push_back(event("modell/Übung ☃", payload));
  events[1].content_type = ContentType::columns;
  must_append(f.log(), request(events));
  f.reopen();
  const auto all = read_stream(f.log(), "modell/Übung ☃");
  REQUIRE(all.size() == payloads.size());
  for (std::size_t i = 0; i < payloads.size(); ++i) CHECK((all[i].payload == payloads[i]));
  CHECK(all[1].content_type == ContentType::columns);
}

LOG_TEST("long stream names are told apart") {
  TestType f;
  const std::string a = "model/" + std::string(600, 'x') + "a",
                    b = "model/" + std::string(600, 'x') + "b";
  must_append(f.log(), request({event(a, "1"), event(b, "2"), event(a, "3")}));
  REQUIRE(f.index());
  f.reopen();
  CHECK(f.log().stream_version("acme", a).value() == 2);
  REQUIRE(read_stream(f.log(), b).size() == 1);
  CHECK(read_stream(f.log(), b).at(0).payload == "2");
}

LOG_TEST("readers run while one thread appends") {
  TestType f;
  Log& log = f.log();  // once: not every fixture may be asked by many threads
  constexpr int kRounds = 200;
  std::atomic<bool> done{false};
  std::atomic<int> faults{0};
  const auto reader = [&] {
    while (!done.load()) {
      const Position head = log.head();
      Position next = 1;
      const auto last = log.read(1, ~0ull, [&](const EventView& e) {
        if (e.position != next++) ++faults;
        return true;
      });
      if (!last || *last < head) ++faults;
      std::uint64_t version = 0;
      const auto stream = log.read_stream("acme", "run/1", 1, ~0ull, head, [&](const EventView& e) {
        if (e.version != ++version) ++faults;
        return true;
      });
      // Of every four events three are of this stream.
      if (!stream || version != head / 4 * 3) ++faults;
      if (log.stream_version("acme", "run/1").value() < version) ++faults;
    }
  };
  std::thread first(reader), second(reader), indexer([&] {
    while (!done.load())
      if (!f.index()) ++faults;
  });
  for (int i = 0; i < kRounds; ++i)
    must_append(log, request({event("run/1"), event("run/1"), event("run/1"), event("run/2")}));
  done = true;
  first.join();
  second.join();
  indexer.join();
  CHECK(faults == 0);
  CHECK(log.head() == 4 * kRounds);
}

TEST_CASE("memory log: stops writing when told, and goes on reading") {
  MemoryLogFixture f;
  must_append(f.log(), request({event("run/1")}));
  static_cast<MemoryLog&>(f.log()).stop_writing({ErrorCode::read_only, "The disk is full."});
  CHECK(append(f.log(), request({event("run/1")})).error().code == ErrorCode::read_only);
  CHECK(read_all(f.log()).size() == 1);
  CHECK(f.log().writable());
}

}  // namespace log_tests
