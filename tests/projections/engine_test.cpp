#include <map>

#include "fixture.hpp"

namespace engine_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

std::unique_ptr<storage::MemoryLog> log_of(const std::vector<Happened>& history,
                                           std::size_t count = SIZE_MAX, std::uint64_t seed = 1) {
  auto log = make_log(seed);
  for (std::size_t i = 0; i < std::min(count, history.size()); ++i) append(*log, history[i]);
  return log;
}

// Throws at one event, once.
class Throwing final : public Projection {
 public:
  Throwing(Position at, bool& armed) : at_(at), armed_(armed) {}
  std::string_view name() const override { return "throwing"; }
  std::uint32_t version() const override { return 1; }
  void apply(ViewWriter& view, const EventView& e, const Event&) override {
    view.put(view_key("throwing", "row"), std::to_string(e.position), e.position);
    view.plain(view_key("throwing", "plain")) += '.';
    if (armed_ && e.position == at_) throw std::runtime_error("it does not add up");
  }

 private:
  Position at_;
  bool& armed_;
};

// Counts events; its code version is the test's to choose.
class Counting final : public Projection {
 public:
  Counting(std::uint32_t version, std::size_t& applied) : version_(version), applied_(applied) {}
  std::string_view name() const override { return "counting"; }
  std::uint32_t version() const override { return version_; }
  void apply(ViewWriter& view, const EventView& e, const Event&) override {
    ++applied_;
    view.put(view_key("counting", std::string(e.stream)), std::to_string(e.position), e.position);
  }

 private:
  std::uint32_t version_;
  std::size_t& applied_;
};

std::vector<std::unique_ptr<Projection>> only(std::unique_ptr<Projection> p) {
  std::vector<std::unique_ptr<Projection>> out;
  out.push_back(std::move(p));
  return out;
}

}  // namespace

TEST_CASE("as of any position, a view answers what one built up to there answers") {
  for (const std::uint64_t seed : {11u, 12u, 13u}) {
    const auto history = random_history(seed, 260);
    const auto log = log_of(history);
    Folder folder, partial_folder;
    auto store = open_store(folder.path());
    auto engine = open_engine(*log, *store, 37);
    REQUIRE(engine->catch_up());
    auto whole = store->reader();
    REQUIRE(whole);

    auto partial_store = open_store(partial_folder.path());
    auto partial = open_engine(*log, *partial_store);
    for (Position p = 1; p <= log->head(); ++p) {
      const auto reached = partial->catch_up(1);
      REQUIRE(reached);
      REQUIRE(*reached == p);
      auto view = partial_store->reader();
      REQUIRE(view);
      const auto expected = answers_of(*view, *log, kLatest);
      INFO("seed " << seed << ", position " << p);
      REQUIRE(answers_of(*whole, *log, p) == expected);
    }
  }
}

TEST_CASE("the rows do not depend on how the log is cut into batches") {
  const auto log = log_of(random_history(21, 1500));
  std::vector<std::vector<std::string>> all;
  for (const std::uint64_t batch : {1u, 7u, 256u, 100000u}) {
    Folder folder;
    auto store = open_store(folder.path());
    auto engine = open_engine(*log, *store, batch);
    REQUIRE(engine->catch_up());
    all.push_back(digests(*engine));
    REQUIRE(all.back() == all.front());
  }
  for (std::size_t i = 1; i < all[0].size(); ++i) REQUIRE(all[0][i] != all[0][0]);
}

TEST_CASE("a rebuild gives the same rows, of one projection or of all") {
  const auto log = log_of(random_history(31, 800));
  Folder folder;
  auto store = open_store(folder.path());
  auto engine = open_engine(*log, *store, 100);
  REQUIRE(engine->catch_up());
  const auto before = digests(*engine);
  std::vector<Position> seen;
  REQUIRE_FALSE(engine->rebuild("runs", [&](Position at, Position head) {
    REQUIRE(head == log->head());
    seen.push_back(at);
  }));
  REQUIRE(seen.size() == 8);
  REQUIRE(seen.back() == log->head());
  REQUIRE(digests(*engine) == before);
  REQUIRE_FALSE(engine->rebuild("", {}));
  REQUIRE(digests(*engine) == before);
  const auto unknown = engine->rebuild("nonsense", {});
  REQUIRE(unknown);
  REQUIRE(unknown->code == ErrorCode::not_found);
}

TEST_CASE("a killed process keeps its views, and catches up from where it was") {
  const auto history = random_history(41, 400);
  Folder folder;
  std::vector<std::string> expected;
  {
    Folder other;
    const auto log = log_of(history);
    auto store = open_store(other.path());
    auto engine = open_engine(*log, *store);
    REQUIRE(engine->catch_up());
    expected = digests(*engine);
  }
  const auto log = log_of(history);
  {
    auto store = open_store(folder.path());
    auto engine = open_engine(*log, *store, 50);
    REQUIRE(engine->catch_up(250));
  }
  auto store = open_store(folder.path());
  REQUIRE_FALSE(store->discarded());
  auto engine = open_engine(*log, *store);
  REQUIRE(engine->position() == 250);
  REQUIRE(engine->catch_up());
  REQUIRE(digests(*engine) == expected);
}

TEST_CASE("after an unclean restart of the machine the views are thrown away") {
  const auto log = log_of(random_history(42, 60));
  Folder folder;
  {
    auto store = open_store(folder.path(), "boot-1");
    REQUIRE(open_engine(*log, *store)->catch_up());
  }
  {
    auto store = open_store(folder.path(), "boot-2");
    REQUIRE(store->discarded());
    auto engine = open_engine(*log, *store);
    REQUIRE(engine->position() == 0);
    REQUIRE(engine->catch_up());
    engine.reset();
    REQUIRE_FALSE(store->close());
    REQUIRE_FALSE(store->reader());
  }
  auto store = open_store(folder.path(), "boot-3");  // closed cleanly before
  REQUIRE_FALSE(store->discarded());
  REQUIRE(open_engine(*log, *store)->position() == log->head());
}

TEST_CASE("views of another log, or from beyond the log's head, are rebuilt") {
  const auto history = random_history(43, 120);
  const auto log = log_of(history);
  Folder folder;
  auto store = open_store(folder.path());
  std::vector<std::string> expected;
  {
    auto engine = open_engine(*log, *store);
    REQUIRE(engine->catch_up());
    expected = digests(*engine);
  }
  SECTION("another log id") {
    const auto other = log_of(random_history(44, 130), SIZE_MAX, 2);
    auto engine = open_engine(*other, *store);
    REQUIRE(engine->position() == 0);
    REQUIRE(engine->catch_up());
    REQUIRE(digests(*engine) != expected);
  }
  SECTION("the same log, but shorter") {
    const auto shorter = log_of(history, 100);
    REQUIRE(shorter->log_id() == log->log_id());
    auto engine = open_engine(*shorter, *store);
    REQUIRE(engine->position() == 0);
    auto view = store->reader();
    REQUIRE(view);
    REQUIRE(answers_of(*view, *shorter, kLatest).find("run0") == std::string::npos);
  }
}

TEST_CASE("a projection that throws stops before that event, and stops nobody else") {
  const auto log = log_of(random_history(51, 100));
  Folder folder;
  auto store = open_store(folder.path());
  bool armed = true;
  auto projections = all_projections();
  projections.push_back(std::make_unique<Throwing>(77, armed));
  auto engine = open_engine(*log, *store, 50, std::move(projections));
  const auto reached = engine->catch_up();
  REQUIRE(reached);
  REQUIRE(*reached == 100);
  REQUIRE(engine->position("throwing") == 76);
  REQUIRE(engine->position("runs") == 100);
  const auto status = engine->statuses().back();
  REQUIRE(status.failed);
  REQUIRE(status.failed_at == 77);
  REQUIRE(status.error == "it does not add up");
  {
    auto view = store->reader();
    REQUIRE(view);
    REQUIRE(view->position("throwing") == 76);
    REQUIRE(view->get(view_key("throwing", "row")) == "76");
    REQUIRE(view->get(view_key("throwing", "row"), 60) == "60");
    REQUIRE(view->get_plain(view_key("throwing", "plain"))->size() == 76);
    view->require(76);
    REQUIRE(view->get(view_key("throwing", "row")) == "76");
    view->require(77);
    REQUIRE_FALSE(view->status());
    int rows = 0;
    view->scan(view_key("throwing"), {}, kLatest, 10, [&](auto, auto) { return ++rows > 0; });
    CHECK(rows == 0);
    REQUIRE(view->status());
    CHECK(view->status()->code == ErrorCode::unavailable);
    CHECK(view->status()->message.find("'throwing' stands still at position 76") !=
          std::string::npos);
  }
  REQUIRE(engine->catch_up());
  REQUIRE(engine->position("throwing") == 76);
  armed = false;
  REQUIRE_FALSE(engine->rebuild("throwing", {}));
  REQUIRE(engine->position("throwing") == 100);
  REQUIRE_FALSE(engine->statuses().back().failed);
}

TEST_CASE("another code version rebuilds that projection only") {
  const auto log = log_of(random_history(61, 40));
  Folder folder;
  auto store = open_store(folder.path());
  std::size_t applied = 0;
  const auto run = [&](std::uint32_t version) {
    applied = 0;
    auto engine =
        open_engine(*log, *store, 2000, only(std::make_unique<Counting>(version, applied)));
    REQUIRE(engine->catch_up());
    REQUIRE(engine->position() == 40);
  };
  run(1);
  REQUIRE(applied == 40);
  run(1);
  REQUIRE(applied == 0);
  run(2);
  REQUIRE(applied == 40);
}

TEST_CASE("an event that does not decode is passed on as unknown, and counted") {
  World world;
  storage::AppendRequest request{.tenant = kTenant, .actor = "ann"};
  request.events.push_back({"run/r", "run.started", 1, ContentType::json, "{\"run_id\":7}", {}});
  REQUIRE(world.log->append({&request, 1})[0]);
  auto view = world.reader();
  REQUIRE(world.engine->undecodable() == 1);
  const auto audit = list_audit(view, *world.log, kTenant, {}, {});
  REQUIRE(audit);
  REQUIRE(audit->items.size() == 1);
  REQUIRE(audit->items[0].type == "run.started");
}

}  // namespace engine_tests
