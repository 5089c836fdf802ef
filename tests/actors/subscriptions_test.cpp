// Subscriptions over a log in memory, with a clock that the test moves.
#include "actors/subscriptions.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>

#include "actors/repository.hpp"
#include "storage/memory_log.hpp"

namespace mlforge::actors::test {
namespace {

using Some = std::vector<Position>;

struct MovedClock final : storage::Clock {
  std::atomic<TimeUs> time = 1'800'000'000'000'000;
  TimeUs now() override { return time; }
};

// A log, a store, and what the manager would do with commands.
class World {
 public:
  World() {
    std::string name = (std::filesystem::temp_directory_path() / "mlforge-subs-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()));
    folder = name;
    open();
  }
  ~World() {
    all.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }

  void open() {
    all.reset();
    store.reset();
    auto opened = storage::CursorStore::open(folder / "cursors", log.log_id());
    REQUIRE(opened);
    store = *std::move(opened);
    auto made = Subscriptions::open({.log = &log,
                                     .store = store.get(),
                                     .clock = clock,
                                     .seed = 1,
                                     .command = [this](SubscriptionBody body, Completion done) {
                                       auto outcome = visit(
                                           [&](const auto& c) { return decide_now(c); }, body);
                                       done(std::move(outcome));
                                     }});
    REQUIRE(made);
    all = *std::move(made);
    all->start();
  }

  template <class Command>
  Expected<Outcome> decide_now(const Command& c) {
    const std::lock_guard lock(mutex);
    if (refuse_parking && std::is_same_v<Command, ParkEvent>)
      return Error{ErrorCode::read_only, "the disk is full, says the test", ""};
    const auto stream = "subscription/" + c.name;
    Repository<SubscriptionState> states(log, 1);
    auto entry = states.load("default", stream);
    if (!entry) return entry.error();
    auto events = decide((*entry)->state, c);
    if (!events) return events.error();
    Outcome outcome{.position = log.head(), .events = *events};
    for (const auto& event : *events) append_now(encode_event(event, stream));
    return outcome;
  }

  Position append_now(NewEvent event) {
    storage::AppendRequest request;
    request.tenant = "default";
    request.actor = "test";
    request.events = {std::move(event)};
    const auto answers = log.append(std::span(&request, 1));
    if (!answers.at(0)) throw std::runtime_error(answers.at(0).error().message);
    if (all) all->notify();
    return log.head();
  }

  Position happen(const std::string& type = "run.tags_set") {
    const std::lock_guard lock(mutex);
    return append_now({"run/1", type, 1, ContentType::json, R"({"tags":{}})", {}});
  }

  template <class Command>
  void command(const Command& c) {
    const auto outcome = decide_now(c);
    if (!outcome) FAIL(outcome.error().message);
  }

  void create(const std::string& name, SubscriptionSettings settings = {}) {
    if (settings.types.empty()) settings.types = {"run.*"};
    command(CreateSubscription{name, settings, 1});
  }

  // Waits for at least one, on the real clock: the test's stands still.
  Some fetch(const std::string& name, std::size_t max = 100, const std::string& consumer = {}) {
    auto promise = std::make_shared<std::promise<Deliveries>>();
    auto future = promise->get_future();
    all->fetch(name, max, std::chrono::hours(1), consumer,
               [promise](Deliveries taken) { promise->set_value(std::move(taken)); });
    const auto taken = future.get();
    if (!taken) FAIL(taken.error().message);
    Some out;
    for (const auto& each : *taken) out.push_back(each.position);
    return out;
  }
  // What is there when the log has been looked at.
  Some look(const std::string& name) {
    auto promise = std::make_shared<std::promise<Deliveries>>();
    auto future = promise->get_future();
    all->fetch(name, 100, std::chrono::milliseconds(0), "",
               [promise](Deliveries taken) { promise->set_value(std::move(taken)); });
    const auto taken = future.get();
    if (!taken) FAIL(taken.error().message);
    Some out;
    for (const auto& each : *taken) out.push_back(each.position);
    return out;
  }
  void pass(TimeUs time) {
    clock->time += time;
    all->notify();
  }
  // What comes again when enough time has passed.
  Some fetch_later(const std::string& name) {
    Some out;
    while (out.empty()) {
      pass(60'000'000);
      out = look(name);
    }
    return out;
  }
  std::size_t acknowledge(const std::string& name, const Some& positions) {
    return all->acknowledge(name, positions).value();
  }
  // Until the follower has written down what happened.
  template <class Enough>
  void until(const Enough& enough) {
    while (!enough()) std::this_thread::yield();
  }

  std::filesystem::path folder;
  std::shared_ptr<MovedClock> clock = std::make_shared<MovedClock>();
  storage::MemoryLog log{clock, storage::seeded_ids(1)};
  std::unique_ptr<storage::CursorStore> store;
  std::unique_ptr<Subscriptions> all;
  std::recursive_mutex mutex;  // the log has one writer at a time
  bool refuse_parking = false;
};

constexpr TimeUs kMinute = 60'000'000;

}  // namespace

TEST_CASE("subscriptions: what the filter lets through, once, from the start on") {
  World w;
  const auto before = w.happen();
  w.create("s");
  w.happen("model.registered");
  const auto after = w.happen();
  Some seen = w.fetch("s");
  if (seen.size() == 1) {
    const auto more = w.fetch("s");
    seen.insert(seen.end(), more.begin(), more.end());
  }
  CHECK(seen == Some{before, after});
  CHECK(w.look("s").empty());
  CHECK(w.acknowledge("s", seen) == 2);
  const auto status = w.all->status("s").value();
  CHECK(status.in_flight == 0);
  CHECK(status.acknowledged == 2);
  CHECK(w.all->status("none").error().code == ErrorCode::not_found);
}

TEST_CASE("subscriptions: consumers of one name share its events, those of two do not") {
  World w;
  w.create("a");
  w.create("b");
  Some all;
  for (int i = 0; i < 4; ++i) all.push_back(w.happen());
  // A fetch answers as soon as there is something.
  const auto fetch_all = [&](const std::string& name, const std::vector<std::string>& consumers) {
    Some got;
    for (std::size_t turn = 0; got.size() < all.size(); ++turn) {
      const auto some = w.fetch(name, 2, consumers[turn % consumers.size()]);
      REQUIRE_FALSE(some.empty());
      CHECK(some.size() <= 2);
      got.insert(got.end(), some.begin(), some.end());
    }
    return got;
  };
  CHECK(fetch_all("a", {"x", "y"}) == all);
  CHECK(fetch_all("b", {"x"}) == all);
}

TEST_CASE("subscriptions: a deadline brings the event back, and the last attempt parks it") {
  World w;
  w.create("s", {.max_attempts = 2, .ack_deadline_ms = 1000, .backoff_ms = 1000});
  const auto position = w.happen();
  CHECK(w.fetch("s") == Some{position});
  CHECK(w.fetch_later("s") == Some{position});
  w.until([&] {
    w.pass(kMinute);
    return w.all->status("s").value().parked == 1;
  });
  CHECK(w.all->status("s").value().in_flight == 0);
  w.command(ReleaseParked{"s", {}, "replayed"});
  CHECK(w.fetch("s") == Some{position});
  CHECK(w.acknowledge("s", {position}) == 1);
  CHECK(w.all->status("s").value().parked == 0);
}

TEST_CASE("subscriptions: an event is not given up before the log says that it is parked") {
  World w;
  w.refuse_parking = true;
  w.create("s", {.max_attempts = 1, .ack_deadline_ms = 1000});
  const auto position = w.happen();
  CHECK(w.fetch("s") == Some{position});
  w.pass(kMinute);
  w.until([&] { return w.all->status("s").value().failed == 1; });
  CHECK(w.all->status("s").value().in_flight == 1);
  {
    const std::lock_guard lock(w.mutex);
    w.refuse_parking = false;
  }
  w.until([&] {
    w.pass(kMinute);
    return w.all->status("s").value().parked == 1;
  });
  CHECK(w.all->status("s").value().in_flight == 0);
}

TEST_CASE("subscriptions: they go on where they stood") {
  World w;
  w.create("s");
  Some sent;
  for (int i = 0; i < 6; ++i) sent.push_back(w.happen());
  w.until([&] { return w.all->status("s").value().in_flight == 6; });
  const auto taken = w.fetch("s", 4);
  CHECK(taken.size() == 4);
  w.acknowledge("s", {taken[0], taken[2]});
  w.open();
  const auto rest = w.fetch("s");
  CHECK(rest == Some{sent[1], sent[3], sent[4], sent[5]});
  w.acknowledge("s", rest);
  w.command(DeleteSubscription{"s"});
  w.open();
  CHECK_FALSE(w.all->status("s"));
  // Made again it is another one.
  w.create("s");
  w.until([&] { return w.all->status("s").value().in_flight == 6; });
}

TEST_CASE("subscriptions: without their store they tell everything again") {
  World w;
  w.create("s", {.max_attempts = 1});
  const auto first = w.happen(), second = w.happen();
  w.until([&] { return w.all->status("s").value().in_flight == 2; });
  const auto taken = w.fetch("s");
  (void)w.all->nack("s", {{first}, "no", {}, false});
  w.acknowledge("s", {second});
  w.until([&] { return w.all->status("s").value().parked == 1; });
  w.all.reset();
  w.store.reset();
  std::filesystem::remove_all(w.folder / "cursors");
  w.open();
  // What the log says is parked stays so.
  CHECK(w.fetch("s") == Some{second});
  CHECK(w.all->status("s").value().parked == 1);
}

TEST_CASE("subscriptions: one whose row is damaged begins again and says so, others go on") {
  World w;
  w.create("good");
  w.create("poor", {.max_attempts = 1});
  const auto first = w.happen(), second = w.happen();
  w.until([&] { return w.all->status("poor").value().in_flight == 2; });
  CHECK(w.fetch("good") == Some{first, second});
  CHECK(w.fetch("poor") == Some{first, second});
  w.acknowledge("good", {first, second});
  w.acknowledge("poor", {second});
  (void)w.all->nack("poor", {{first}, "no", {}, false});
  w.until([&] { return w.all->status("poor").value().parked == 1; });
  w.all.reset();
  w.store.reset();
  const auto file = w.folder / "cursors" / "data.mdb";
  std::string bytes;
  {
    std::ifstream in(file, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  // Nothing that is in flight or acknowledged may be taken from a row that says it wrongly.
  for (auto at = bytes.find("{\"name\":\"poor\""); at != bytes.npos;
       at = bytes.find("{\"name\":\"poor\"", at + 1))
    bytes.replace(at + 9, 4, "rich");
  std::ofstream(file, std::ios::binary) << bytes;
  w.open();
  CHECK(w.look("good").empty());
  CHECK(w.all->status("good").value().last_error.empty());
  CHECK(w.fetch("poor") == Some{second});
  const auto status = w.all->status("poor").value();
  CHECK(status.parked == 1);
  CHECK(status.last_error.find("was damaged") != std::string::npos);
  CHECK(std::filesystem::exists(w.folder / "cursors.damaged-1" / "data.mdb"));
}

TEST_CASE("subscriptions: who waits is answered when it is over") {
  World w;
  w.create("s");
  std::promise<Deliveries> ended, deleted;
  auto end = ended.get_future(), gone = deleted.get_future();
  w.create("t");
  w.all->fetch("t", 1, std::chrono::hours(1), "",
               [&](Deliveries taken) { deleted.set_value(std::move(taken)); });
  w.command(DeleteSubscription{"t"});
  CHECK(gone.get().value().empty());
  w.all->fetch("s", 1, std::chrono::hours(1), "",
               [&](Deliveries taken) { ended.set_value(std::move(taken)); });
  w.all->no_more_waiting();
  CHECK(end.get().value().empty());
  CHECK(w.fetch("s").empty());
}

TEST_CASE("subscriptions: a full window is not read past, and others go on") {
  World w;
  w.create("idle", {.max_in_flight = 2});
  w.create("busy");
  Some sent;
  for (int i = 0; i < 50; ++i) sent.push_back(w.happen());
  CHECK(w.look("idle") == Some{sent[0], sent[1]});
  Some seen;
  while (seen.size() < sent.size()) {
    const auto got = w.fetch("busy");
    w.acknowledge("busy", got);
    seen.insert(seen.end(), got.begin(), got.end());
  }
  CHECK(seen == sent);
  CHECK(w.all->status("idle").value().scanned == sent[1]);
  w.acknowledge("idle", {sent[0]});
  CHECK(w.fetch("idle") == Some{sent[2]});
}

TEST_CASE("subscriptions: one that is not active waits, and loses nothing") {
  World w;
  SubscriptionSettings settings{.types = {"run.*"}};
  w.create("s", settings);
  settings.active = false;
  w.command(UpdateSubscription{"s", settings, ""});
  const auto position = w.happen();
  CHECK(w.all->take("s", 1, "").error().code == ErrorCode::conflict);
  settings.active = true;
  w.command(UpdateSubscription{"s", settings, ""});
  CHECK(w.fetch("s") == Some{position});
}

}  // namespace mlforge::actors::test
