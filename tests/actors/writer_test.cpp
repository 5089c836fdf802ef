// The writer, and what becomes of a command that is sent twice, stepped by hand.
#include "tests/actors/manager_support.hpp"

namespace mlforge::actors::test::writer {
namespace {

const CreateExperiment adult{"adult"};
const LogParams depth{"r1", {{"depth", "6"}}};
const LogMetrics auc{"r1", {{"auc", 0.9}}};

// With experiment 1 and run r1.
struct WithRun : SteppedSystem {
  WithRun() {
    done(adult);
    done(StartRun{.run_id = "r1", .experiment_id = "1"});
  }
};

}  // namespace

TEST_CASE("command ids: a repetition answers what the first one did") {
  WithRun system;
  const auto first = system.done(auc, {.command_id = "c1"});
  const auto commits = system.stats.commits.load();
  const auto again = system.done(auc, {.command_id = "c1"});
  CHECK(again.duplicate);
  CHECK(again.position == first.position);
  REQUIRE(again.events.size() == 1);
  CHECK(encode_event(again.events[0]).payload == encode_event(first.events[0]).payload);
  CHECK(system.log.head() == first.position);
  CHECK(system.stats.commits == commits);
}

TEST_CASE("command ids: a repetition while the first is still on its way") {
  WithRun system;
  const auto first = system.track(auc, {.command_id = "c1"});
  const auto again = system.track(auc, {.command_id = "c1"});
  const auto next = system.track(auc);
  system.decide(system.managers.tracking);
  CHECK_FALSE(again->has_value());
  system.run();
  CHECK(outcome_of(first).position == 3);
  CHECK(outcome_of(again).position == 3);
  CHECK(outcome_of(again).duplicate);
  CHECK(outcome_of(again).events.size() == 1);
  CHECK(outcome_of(next).position == 4);
  CHECK(system.log.head() == 4);
}

TEST_CASE("command ids: a repetition is not refused for what the first one did") {
  SteppedSystem system;
  const auto first = system.track(adult, {.command_id = "c1"});
  const auto again = system.track(adult, {.command_id = "c1"});
  system.decide(system.managers.tracking);
  system.run();
  CHECK(outcome_of(first).position == 1);
  const auto outcome = outcome_of(again);
  CHECK(outcome.duplicate);
  REQUIRE(outcome.find<ExperimentCreated>());
  CHECK(outcome.find<ExperimentCreated>()->experiment_id == "1");
}

TEST_CASE("command ids: where the first one fails, the repetition is to try again, and then goes") {
  SteppedSystem system;
  system.log.refuse_next = Error{ErrorCode::unavailable, "the disk is slow today", ""};
  const auto first = system.track(adult, {.command_id = "c1"});
  const auto again = system.track(adult, {.command_id = "c1"});
  system.decide(system.managers.tracking);
  system.run();
  CHECK(error_of(first).code == ErrorCode::unavailable);
  CHECK(error_of(again).code == ErrorCode::unavailable);
  CHECK(system.log.head() == 0);
  CHECK_FALSE(system.done(adult, {.command_id = "c1"}).duplicate);
  CHECK(system.done(adult, {.command_id = "c1"}).duplicate);
}

TEST_CASE("command ids: what is drawn for a command is drawn once") {
  WithRun system;
  const auto first = system.track(StartRun{.experiment_id = "1"}, {.command_id = "c1"});
  const auto again = system.track(StartRun{.experiment_id = "1"}, {.command_id = "c1"});
  system.run();
  const auto run = outcome_of(first), same = outcome_of(again);
  REQUIRE(same.find<RunStarted>());
  CHECK(same.find<RunStarted>()->run_id == run.find<RunStarted>()->run_id);
  CHECK(system.done(StartRun{.experiment_id = "1"}, {.command_id = "c1"}).duplicate);
  const auto other = system.done(StartRun{.experiment_id = "1"}, {.command_id = "c2"});
  CHECK(other.find<RunStarted>()->run_id != run.find<RunStarted>()->run_id);
}

TEST_CASE("command ids: one that was used for another stream is a conflict") {
  WithRun system;
  system.done(auc, {.command_id = "c1"});
  const auto answer = system.track(CreateExperiment{"wine"}, {.command_id = "c1"});
  system.run();
  CHECK(error_of(answer).code == ErrorCode::conflict);
  CHECK_THAT(error_of(answer).message, Catch::Matchers::Contains("run/r1"));
  CHECK(system.log.head() == 3);
}

TEST_CASE("command ids: the same one of another tenant is another command") {
  SteppedSystem system;
  const auto first = system.track(adult, {.tenant = "acme", .command_id = "c1"});
  const auto other = system.track(adult, {.tenant = "other", .command_id = "c1"});
  system.run();
  CHECK_FALSE(outcome_of(first).duplicate);
  CHECK_FALSE(outcome_of(other).duplicate);
}

TEST_CASE(
    "command ids: a repetition later answers the first outcome, also of what is refused now") {
  SteppedSystem system;
  const auto first = system.done(adult, {.command_id = "c1"});
  const auto again = system.done(adult, {.command_id = "c1"});
  CHECK(again.duplicate);
  CHECK(again.position == first.position);
  CHECK(again.find<ExperimentCreated>()->experiment_id == "1");
}

TEST_CASE("conditions: streams that are only read must still hold what the command names") {
  WithRun system;
  const auto head = system.log.head();
  const std::vector<storage::Expectation> held{{"experiments/all", 1}};
  system.done(auc, {.conditions = held});
  const auto refused = system.track(auc, {.conditions = {{"experiments/all", 2}}});
  system.run();
  CHECK(error_of(refused).code == ErrorCode::conflict);
  CHECK(error_of(refused).field == "X-Mlforge-Expect");
  CHECK(system.log.head() == head + 1);
}

TEST_CASE("conditions: one that ceases to hold on the way is a conflict, and nothing is written") {
  WithRun system;
  const auto head = system.log.head();
  const auto first = system.track(auc);  // moves run/r1 to version 2
  const auto second = system.track(CreateExperiment{"wine"}, {.conditions = {{"run/r1", 1}}});
  system.decide(system.managers.tracking);
  CHECK_FALSE(second->has_value());
  system.run();
  outcome_of(first);
  CHECK(error_of(second).code == ErrorCode::conflict);
  CHECK_THAT(error_of(second).message, Catch::Matchers::Contains("run/r1=1 does not hold"));
  CHECK(system.log.head() == head + 1);
}

TEST_CASE("writer: a state that is not the log's is told, and read again") {
  WithRun system;
  append_event(system.log, "run/r1", encode_event(RunParamsLogged{.params = {{"depth", "9"}}}));
  const auto answer = system.track(depth);
  system.run();
  CHECK(error_of(answer).code == ErrorCode::unavailable);
  CHECK(system.stats.conflicts == 1);
  const auto again = system.track(depth);
  system.run();
  CHECK(error_of(again).field == "params.depth");
  CHECK(system.done(LogParams{"r1", {{"eta", "1"}}}).position == 4);
}

TEST_CASE("writer: a refused append leaves nothing behind, in the log or in the manager") {
  SteppedSystem system;
  system.log.refuse_next = Error{ErrorCode::unavailable, "the disk is slow today", ""};
  const auto answer = system.track(adult);
  system.run();
  CHECK(error_of(answer).message == "the disk is slow today");
  CHECK(system.stats.refused == 1);
  CHECK(system.stats.events == 0);
  CHECK(system.log.head() == 0);
  CHECK(system.done(adult).find<ExperimentCreated>()->experiment_id == "1");
}

TEST_CASE("writer: a batch that is refused forgets the states of all its streams") {
  WithRun system;
  system.done(StartRun{.run_id = "r2", .experiment_id = "1"});
  system.log.refuse_next = Error{ErrorCode::unavailable, "the disk is slow today", ""};
  const auto one = system.track(depth), two = system.track(LogParams{"r2", {{"depth", "7"}}});
  system.decide(system.managers.tracking);
  system.run();
  CHECK(error_of(one).code == ErrorCode::unavailable);
  CHECK(error_of(two).code == ErrorCode::unavailable);
  CHECK(system.done(LogParams{"r1", {{"depth", "1"}}}).position == 4);
  CHECK(system.done(LogParams{"r2", {{"depth", "2"}}}).position == 5);
}

TEST_CASE("writer: a log that is read-only refuses every write, and still answers") {
  WithRun system;
  system.log.memory.stop_writing({ErrorCode::read_only, "the disk is full", ""});
  for (int i = 0; i < 3; ++i) {
    const auto answer = system.track(auc);
    system.run();
    CHECK(error_of(answer).code == ErrorCode::read_only);
    CHECK(error_of(answer).message == "the disk is full");
  }
  CHECK(system.stats.refused == 3);
  CHECK(system.log.head() == 2);
  const auto exists = system.track(adult);
  system.run();
  CHECK(error_of(exists).code == ErrorCode::already_exists);
}

TEST_CASE("writer: without anything to write, a log that is read-only still says so") {
  WithRun system;
  system.done(depth);
  system.log.memory.stop_writing({ErrorCode::read_only, "the disk is full", ""});
  const auto unchanged = system.track(depth);
  system.run();
  CHECK(error_of(unchanged).code == ErrorCode::read_only);
}

TEST_CASE("writer: a log that throws costs its batch, not the writer") {
  SteppedSystem system;
  system.log.throw_on_next_append = true;
  const auto answer = system.track(adult);
  system.run();
  CHECK(error_of(answer).code == ErrorCode::internal);
  CHECK_THAT(error_of(answer).message, Catch::Matchers::Contains("out of memory"));
  CHECK(system.done(adult).position == 1);
}

}  // namespace mlforge::actors::test::writer
