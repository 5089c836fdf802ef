// Managers and writer on a scheduler that the tests step by hand.
#include <set>

#include "tests/actors/manager_support.hpp"

namespace mlforge::actors::test::managers {
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

std::string types_of(const storage::Log& log) {
  std::string out;
  for (const auto& each : read_all(log)) out += each.stream + " " + each.type + "\n";
  return out;
}

}  // namespace

TEST_CASE("managers: answer when the events are on disk, not before") {
  SteppedSystem system;
  const auto answer = system.track(adult);
  system.decide(system.managers.tracking);
  CHECK_FALSE(answer->has_value());
  CHECK(system.log.head() == 0);
  system.run();
  const auto outcome = outcome_of(answer);
  CHECK(outcome.position == 1);
  CHECK_FALSE(outcome.duplicate);
  REQUIRE(outcome.find<ExperimentCreated>());
  CHECK(outcome.find<ExperimentCreated>()->experiment_id == "1");
  CHECK(system.log.head() == 1);
  CHECK(system.commits == std::vector<Position>{1});
}

TEST_CASE("managers: what is decided while the writer is busy is one commit") {
  SteppedSystem system;
  system.track(adult);
  for (int i = 1; i <= 20; ++i)
    system.track(StartRun{.run_id = "r" + std::to_string(i), .experiment_id = "1"});
  system.decide(system.managers.tracking);
  CHECK(system.stats.commits == 0);
  system.run();
  CHECK(system.stats.commits == 1);
  CHECK(system.stats.events == 21);
  CHECK(system.log.batches == std::vector<std::size_t>{21});
  CHECK(system.commits == std::vector<Position>{21});
  CHECK(system.answered.size() == 21);
  CHECK(std::is_sorted(system.answered.begin(), system.answered.end()));
}

TEST_CASE("managers: commands in one message are decided in order and written together") {
  SteppedSystem system;
  Chain<Request<TrackingBody>> chain;
  std::vector<std::string> answers;
  for (const std::string name : {"a", "b", "a", "c"})
    chain.add(std::make_shared<Request<TrackingBody>>(
        Request<TrackingBody>{{}, CreateExperiment{.name = name}, [&, name](auto result) {
                                answers.push_back(name + (result ? "" : " refused"));
                              }}));
  CHECK(chain.size() == 4);
  system.managers.tracking.send(chain.take());
  CHECK(chain.empty());
  CHECK(chain.size() == 0);
  system.run();
  CHECK(answers == std::vector<std::string>{"a", "b", "a refused", "c"});
  CHECK(system.commits == std::vector<Position>{3});
}

TEST_CASE("managers: commands of several managers share a commit") {
  SteppedSystem system;
  system.track(adult);
  const auto model = system.send<RegistryBody>(system.managers.registry, {},
                                               RegistryBody{RegisterModel{"income", ""}});
  system.decide(system.managers.tracking);
  system.decide(system.managers.registry);
  system.run();
  CHECK(system.stats.commits == 1);
  CHECK(outcome_of(model).position == 2);
}

TEST_CASE("managers: a refusal waits for the events that it rests on") {
  SteppedSystem system;
  const auto first = system.track(adult), second = system.track(adult);
  system.decide(system.managers.tracking);
  CHECK_FALSE(second->has_value());
  system.run();
  CHECK(outcome_of(first).position == 1);
  const auto error = error_of(second);
  CHECK(error.code == ErrorCode::already_exists);
  CHECK(error.field == "name");
  CHECK(system.answered == std::vector<std::uint64_t>{1, 2});
  CHECK(system.log.head() == 1);
}

TEST_CASE(
    "managers: a command that changes nothing answers with the head, after what came before") {
  WithRun system;
  const auto first = system.track(depth), again = system.track(depth);
  system.decide(system.managers.tracking);
  CHECK_FALSE(again->has_value());
  system.run();
  CHECK(outcome_of(first).position == 3);
  CHECK(outcome_of(again).position == 3);
  CHECK(outcome_of(again).events.empty());
  CHECK_FALSE(outcome_of(again).duplicate);
}

TEST_CASE("managers: an event larger than the log takes is refused before the state moves on") {
  WithRun system;
  SetRunTags large{"r1", {}};
  for (int i = 0; i < 1100; ++i) large.tags["t" + std::to_string(i)] = std::string(8000, 'x');
  const auto answer = system.track(large);
  system.run();
  CHECK(error_of(answer).code == ErrorCode::payload_too_large);
  CHECK(system.done(SetRunTags{"r1", {{"t0", std::string(8000, 'x')}}}).events.size() == 1);
}

TEST_CASE("managers: an exception restarts the manager from the log, and the caller is told") {
  WithRun system;
  system.log.throw_on_next_read = true;
  const auto answer = system.track(StartRun{.run_id = "r2", .experiment_id = "1"});
  system.run();
  CHECK(error_of(answer).code == ErrorCode::internal);
  CHECK_THAT(error_of(answer).message, Catch::Matchers::Contains("restarted: out of memory"));
  CHECK(system.done(StartRun{.run_id = "r2", .experiment_id = "1"}).position == 3);
  CHECK(system.done(depth).position == 4);
}

TEST_CASE("managers: a restart while events are on their way costs another attempt") {
  WithRun system;
  const auto first = system.track(depth);
  system.log.throw_on_next_read = true;
  const auto broken = system.track(StartRun{.run_id = "r2", .experiment_id = "1"});
  const auto behind = system.track(LogParams{"r1", {{"depth", "7"}}});
  system.decide(system.managers.tracking);
  system.run();
  CHECK(outcome_of(first).position == 3);
  CHECK(error_of(broken).code == ErrorCode::internal);
  CHECK(error_of(behind).code == ErrorCode::unavailable);
  const auto again = system.track(LogParams{"r1", {{"depth", "7"}}});
  system.run();
  CHECK(error_of(again).field == "params.depth");
}

TEST_CASE("managers: a damaged stream is corrupt, the others go on") {
  WithRun system;
  NewEvent damaged{.type = "run.started", .payload = "{\"run_id\":"};
  append_event(system.log, "run/bad", damaged);
  const auto answer = system.track(LogParams{"bad", {{"a", "1"}}});
  system.run();
  CHECK(error_of(answer).code == ErrorCode::corrupt);
  CHECK(system.done(depth).position == 4);
}

TEST_CASE("managers: events say who did it, when, and why") {
  SteppedSystem system;
  CommandMeta meta{.tenant = "acme", .actor = "ann", .command_id = "c1"};
  meta.causation.bytes[0] = 1;
  meta.correlation.bytes[0] = 2;
  system.done(adult, meta);
  const auto e = read_all(system.log).at(0);
  CHECK(e.tenant == "acme");
  CHECK(e.actor == "ann");
  CHECK(e.command_id == "c1");
  CHECK(e.causation == meta.causation);
  CHECK(e.correlation == meta.correlation);
  CHECK(e.stream == "experiments/all");
  CHECK(e.version == 1);
  CHECK(e.time == kNow);
  CHECK_FALSE(e.id.is_nil());
}

TEST_CASE("managers: tenants do not see each other") {
  WithRun system;
  const auto unknown = system.track(depth, {.tenant = "other"});
  system.run();
  CHECK(error_of(unknown).code == ErrorCode::not_found);
  const auto same_name = system.track(adult, {.tenant = "other"});
  system.run();
  CHECK(outcome_of(same_name).find<ExperimentCreated>()->experiment_id == "1");
}

TEST_CASE("managers: a run belongs to an experiment, and gets an id where it has none") {
  SteppedSystem system;
  const auto orphan = system.track(StartRun{.experiment_id = "1"});
  system.run();
  CHECK(error_of(orphan).code == ErrorCode::not_found);
  CHECK(error_of(orphan).field == "experiment_id");
  system.done(adult);
  std::set<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    const auto outcome = system.done(StartRun{.experiment_id = "1"});
    const auto& run = *outcome.find<RunStarted>();
    CHECK(run.run_id.size() == 32);
    CHECK(run.run_id.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(run.start_time == kNow);
    ids.insert(run.run_id);
  }
  CHECK(ids.size() == 3);
  const auto outcome = system.done(LogMetrics{*ids.begin(), {{"auc", 1}}});
  CHECK(outcome.find<RunMetricsLogged>()->timestamps == std::vector<std::int64_t>{kNow / 1000});
}

TEST_CASE("managers: a name that is no stream's is refused") {
  SteppedSystem system;
  for (const std::string id : {"a/b", "", ".", "a\nb"}) {
    const auto answer = system.track(LogParams{id, {{"a", "1"}}});
    system.run();
    CHECK(error_of(answer).code == ErrorCode::invalid_argument);
  }
  CHECK(system.log.head() == 0);
}

TEST_CASE("managers: a bad name is refused by the field that has it") {
  SteppedSystem system;
  const auto field_of = [&](const Answer& answer) {
    system.run();
    return error_of(answer).field;
  };
  CHECK(field_of(system.track(LogMetrics{"a/b", {{"auc", 0.9}}})) == "run_id");
  CHECK(field_of(system.track(LogParams{"", {{"a", "b"}}})) == "run_id");
  CHECK(field_of(system.send<PipelineBody>(system.managers.pipelines, {},
                                           PipelineBody{EndPipelineRun{"a/b"}})) ==
        "pipeline_run_id");
  CHECK(field_of(system.send<RegistryBody>(system.managers.registry, {},
                                           RegistryBody{RegisterModel{"a/b", ""}})) == "name");
}

TEST_CASE("managers: a damaged log that takes no writes says read_only, whatever is read for it") {
  SteppedSystem system;
  system.done(adult);
  system.log.damaged = Error{ErrorCode::corrupt, "The record at position 1 is damaged.", ""};
  const auto code_of = [&](const Answer& answer) {
    system.run();
    return error_of(answer).code;
  };
  const auto model = [&] {
    return system.send<RegistryBody>(system.managers.registry, {},
                                     RegistryBody{RegisterModel{"m", ""}});
  };
  CHECK(code_of(model()) == ErrorCode::corrupt);
  system.log.stopped = Error{ErrorCode::read_only, "The log does not accept writes.", ""};
  CHECK(code_of(model()) == ErrorCode::read_only);
  each_manager(system.managers, [](const auto& manager) {
    manager.send(ForgetStream{"default", "experiments/all"});
  });
  CHECK(code_of(system.track(CreateExperiment{"other"})) == ErrorCode::read_only);
  CHECK(code_of(system.track(StartRun{.run_id = "r", .experiment_id = "1"})) ==
        ErrorCode::read_only);
}

TEST_CASE("managers: each stage writes to the streams of its own kind") {
  SteppedSystem s;
  const auto& m = s.managers;
  const FileRef file{"a.csv", std::string(64, 'a'), 1};
  std::vector<Answer> answers{
      s.send<DatasetBody>(m.datasets, {}, DatasetBody{StageFiles{"d", "", {file}}}),
      s.send<EnvironmentBody>(m.environments, {},
                              EnvironmentBody{CaptureEnvironment{"host", "local", "x", {}}}),
      s.track(adult),
      s.track(StartRun{.run_id = "r1", .experiment_id = "1"}),
      s.send<RegistryBody>(
          m.registry, {},
          RegistryBody{CreateModelVersion{.model = "m", .run_id = "r1", .artifacts = {file}}}),
      s.send<PipelineBody>(m.pipelines, {}, PipelineBody{DefinePipeline{"p", "x", "y", {}}}),
      s.send<PipelineBody>(
          m.pipelines, {},
          PipelineBody{StartPipelineRun{.pipeline_run_id = "pr", .pipeline = "p"}}),
      s.send<DeploymentBody>(m.deployments, {},
                             DeploymentBody{CreateEndpoint{.name = "e", .model = "m"}}),
      s.send<DeploymentBody>(m.deployments, {},
                             DeploymentBody{RecordPredictions{"e", {.request_ids = {"q"}}}}),
      s.send<DriftBody>(m.drift, {}, DriftBody{RecordDriftReport{"e", {.report_id = "x"}}})};
  each_manager(m, [&](const auto& manager) { s.decide(manager); });
  s.run();
  for (const auto& each : answers) outcome_of(each);
  const auto log = types_of(s.log);
  for (const std::string line :
       {"dataset/d dataset.created", "dataset/d dataset.file_staged",
        "environment/host environment.captured", "experiments/all experiment.created",
        "run/r1 run.started", "model/m model.registered", "model/m model.version_created",
        "pipeline/p pipeline.defined", "pipeline_run/pr pipeline_run.started",
        "deployment/e deployment.created", "predictions/e prediction.logged",
        "drift/e drift.reported"})
    CHECK_THAT(log, Catch::Matchers::Contains(line + "\n"));
  CHECK(s.stats.commits == 1);
}

TEST_CASE("completion: answered once, and unavailable where nobody answered") {
  int calls = 0;
  ErrorCode code{};
  const auto count = [&](Expected<Outcome> result) {
    ++calls;
    if (!result) code = result.error().code;
  };
  { Completion dropped(count); }
  CHECK(calls == 1);
  CHECK(code == ErrorCode::unavailable);
  {
    Completion done(count);
    done(Outcome{});
    done(Outcome{});
  }
  CHECK(calls == 2);
  Completion first(count), second(count);
  first = std::move(second);
  CHECK(calls == 3);
}

}  // namespace mlforge::actors::test::managers
