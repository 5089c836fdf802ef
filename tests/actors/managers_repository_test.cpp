#include "actors/repository.hpp"

#include "tests/actors/manager_support.hpp"

namespace mlforge::actors::test {
namespace {

struct WithRuns {
  storage::MemoryLog log{std::make_shared<FixedClock>(), storage::seeded_ids(1)};
  WithRuns() {
    for (const std::string name : {"a", "b", "c"})
      append_event(log, "run/" + name,
                   encode_event(RunStarted{.run_id = name, .experiment_id = "1"}));
  }
};

}  // namespace

TEST_CASE("repository: folds a stream once, and again when it is told to forget") {
  WithRuns runs;
  Repository<RunState> states(runs.log);
  const auto entry = states.load("default", "run/a");
  REQUIRE(entry);
  CHECK((*entry)->state.exists);
  CHECK((*entry)->version == 1);
  append_event(runs.log, "run/a", encode_event(RunEnded{.status = "failed"}));
  CHECK((*states.load("default", "run/a"))->version == 1);
  states.forget("default", "run/b");
  CHECK((*states.load("default", "run/a"))->version == 1);
  states.forget("default", "run/a");
  CHECK((*states.load("default", "run/a"))->version == 2);
  CHECK((*states.load("default", "run/a"))->state.status == "failed");
}

TEST_CASE("repository: a stream that nobody wrote is an empty state") {
  WithRuns runs;
  Repository<RunState> states(runs.log);
  CHECK((*states.load("default", "run/none"))->version == 0);
  CHECK_FALSE((*states.load("other", "run/a"))->state.exists);
}

TEST_CASE("repository: a full one lets go what the log has, and keeps what it has not yet") {
  WithRuns runs;
  Repository<RunState> states(runs.log, 2);
  (*states.load("default", "run/a"))->state.status = "only cached";
  auto* ahead = *states.load("default", "run/b");
  ahead->state.status = "on its way";
  ahead->version = 2;
  REQUIRE(states.load("default", "run/c"));
  CHECK((*states.load("default", "run/b"))->state.status == "on its way");
  CHECK((*states.load("default", "run/a"))->state.status == "running");
}

TEST_CASE("repository: an event that it cannot read is corrupt, one it does not know is none") {
  WithRuns runs;
  append_event(runs.log, "run/a", {.type = "run.exploded", .payload = "?"});
  append_event(runs.log, "run/b", {.type = "run.ended", .payload = "?"});
  Repository<RunState> states(runs.log);
  const auto unknown = states.load("default", "run/a");
  REQUIRE(unknown);
  CHECK((*unknown)->version == 2);
  CHECK((*unknown)->state.status == "running");
  const auto damaged = states.load("default", "run/b");
  REQUIRE_FALSE(damaged);
  CHECK(damaged.error().code == ErrorCode::corrupt);
}

}  // namespace mlforge::actors::test
