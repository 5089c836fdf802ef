// What a pipeline run does through the managers, and the executor that runs it.
#include <filesystem>
#include <future>
#include <set>

#include "actors/executor.hpp"
#include "actors/manager_effects.hpp"
#include "projections/projector.hpp"
#include "tests/actors/manager_support.hpp"
#include "tests/actors/serving_support.hpp"

namespace mlforge::actors::test {
namespace {

using serving::must;

const RunRequest train{"adult", "train it", "p1", "train"};
const FileRef model_file{"model.ubj", std::string(64, 'a'), 7};

struct EffectsFixture : RunningSystem {
  ExecutorContext context() {
    return {.log = &log,
            .blobs = store.blobs.get(),
            .views = views.get(),
            .projected = &projected,
            .managers = managers,
            .stopping = &stopping};
  }
  ManagerEffects effects() {
    CommandMeta meta{.actor = "pipeline:p1"};
    meta.causation.bytes[0] = 1;
    return ManagerEffects(context(), meta);
  }
  RunState run(const std::string& id) {
    Repository<RunState> states(log, 1);
    return (*must(states.load("default", "run/" + id))).state;
  }
  // Brings the read models to the head.
  void project() { projected.reached(must(engine->catch_up())); }
  std::string start_pipeline_run(const std::string& id, const std::string& spec) {
    done<PipelineBody>(managers.pipelines,
                       StartPipelineRun{.pipeline_run_id = id, .pipeline = "p", .spec = spec});
    return id;
  }

  serving::Store store;
  std::unique_ptr<projections::ViewStore> views = must(projections::ViewStore::open(
      store.folder.path() / "views", {.map_bytes = 1u << 28, .boot_id = "boot"}));
  std::unique_ptr<projections::ProjectionEngine> engine =
      must(projections::ProjectionEngine::open(log, *views));
  ReadBarrier projected;
  std::atomic<bool> stopping{false};
};

void well(const Status& status) {
  if (status) FAIL(status->message);
}

}  // namespace

TEST_CASE("effects: a run starts in its experiment, which is made where it is missing") {
  EffectsFixture f;
  auto effects = f.effects();
  const auto id = must(effects.start_run(train));
  CHECK(id.size() == 32);
  CHECK(f.run(id).status == "running");
  CHECK(only<ExperimentCreated>(f).name == "adult");
  Envelope envelope;
  const auto started = only<RunStarted>(f, &envelope);
  CHECK(started.experiment_id == "1");
  CHECK(started.pipeline_run_id == "p1");
  CHECK(started.step == "train");
  CHECK(envelope.actor == "pipeline:p1");
  CHECK(envelope.causation.bytes[0] == 1);
  CHECK(must(effects.start_run({"adult", "other", "p1", "evaluate"})) != id);
  CHECK(f.of_type(ExperimentCreated::type).size() == 1);
}

TEST_CASE("effects: a run that a crash left running is killed, and the next attempt begins") {
  EffectsFixture f;
  std::vector<std::string> attempts;
  for (int crash = 0; crash < 3; ++crash) attempts.push_back(must(f.effects().start_run(train)));
  CHECK(f.run(attempts[0]).status == "killed");
  CHECK(f.run(attempts[1]).status == "killed");
  CHECK(f.run(attempts[2]).status == "running");
  well(f.effects().end_run(attempts[2], "finished"));
  const auto after = must(f.effects().start_run(train));
  CHECK(f.run(attempts[2]).status == "finished");
  CHECK(std::set<std::string>(attempts.begin(), attempts.end()).size() == 3);
  CHECK(f.of_type(RunStarted::type).size() == 4);
  CHECK(f.of_type(RunEnded::type).size() == 3);
  CHECK(f.run(after).status == "running");
}

TEST_CASE("effects: a run's record goes to its stream") {
  EffectsFixture f;
  auto effects = f.effects();
  const auto id = must(effects.start_run(train));
  const std::vector<Metric> metrics{{"auc", 0.9, 1}, {"auc", 0.91, 2}};
  well(effects.log_params(id, {{"depth", "6"}}));
  well(effects.log_metrics(id, metrics));
  well(effects.log_artifact(id, model_file));
  well(effects.log_run_input(id, {.dataset = "adult", .version = 1, .digest = "d"}));
  well(effects.end_run(id, "finished"));
  const auto run = f.run(id);
  CHECK(run.params == Texts{{"depth", "6"}});
  CHECK(run.artifacts.at("model.ubj") == model_file);
  CHECK(run.inputs.size() == 1);
  CHECK(run.status == "finished");
  CHECK(only<RunMetricsLogged>(f).values == std::vector<double>{0.9, 0.91});
  const auto bad = effects.log_params(id, {{"depth", "7"}});
  REQUIRE(bad);
  CHECK(bad->code == ErrorCode::conflict);
}

TEST_CASE("effects: the same model version again answers the one that is there") {
  EffectsFixture f;
  auto effects = f.effects();
  CreateModelVersion command{.model = "income",
                             .run_id = "r1",
                             .pipeline_run_id = "p1",
                             .artifacts = {model_file},
                             .metrics = {{"auc", 0.9}}};
  const auto first = must(effects.create_model_version(command));
  CHECK(first.version == 1);
  CHECK(first.stage == "None");
  CHECK(first.created);
  well(effects.transition_stage({"income", 1, "Staging", "by the pipeline"}));
  const auto again = must(effects.create_model_version(command));
  CHECK(again.version == 1);
  CHECK(again.stage == "Staging");
  CHECK_FALSE(again.created);
  command.run_id = "r2";
  CHECK(must(effects.create_model_version(command)).version == 2);
  CHECK(must(f.effects().create_model_version(command)).version == 2);
  CHECK(f.of_type(ModelVersionCreated::type).size() == 2);
  command.artifacts.clear();
  const auto bad = effects.create_model_version(command);
  REQUIRE_FALSE(bad);
  CHECK(bad.error().field == "artifacts");
}

TEST_CASE("effects: a dataset is the version that is asked for, or the newest valid one") {
  EffectsFixture f;
  auto effects = f.effects();
  CHECK(effects.resolve_dataset("adult", 0).error().code == ErrorCode::not_found);
  for (const char name : {'a', 'b', 'c'}) {
    const FileRef file{"data.csv", std::string(64, name), 1};
    f.done<DatasetBody>(f.managers.datasets, StageFiles{"adult", "", {file}});
    f.done<DatasetBody>(f.managers.datasets,
                        CommitDataset{"adult", "", std::string(64, name), {file}});
  }
  CHECK(effects.resolve_dataset("adult", 0).error().code == ErrorCode::not_found);
  const Check good{"rows", "", true}, bad{"rows", "", false};
  f.done<DatasetBody>(f.managers.datasets, RecordValidation{"adult", 2, 1, 1, {good}});
  f.done<DatasetBody>(f.managers.datasets, RecordValidation{"adult", 3, 1, 1, {bad}});
  const auto newest = must(effects.resolve_dataset("adult", 0));
  CHECK(newest.version == 2);
  CHECK(newest.valid);
  CHECK(newest.digest == std::string(64, 'b'));
  REQUIRE(newest.files.size() == 1);
  CHECK_FALSE(must(effects.resolve_dataset("adult", 3)).valid);
  CHECK_FALSE(must(effects.resolve_dataset("adult", 1)).valid);
  CHECK(effects.resolve_dataset("adult", 4).error().code == ErrorCode::not_found);
}

TEST_CASE("effects: a step is found in the cache as soon as it has completed") {
  EffectsFixture f;
  auto effects = f.effects();
  f.start_pipeline_run("p1", "steps: []");
  f.project();
  CHECK_FALSE(must(effects.find_cached("key")).has_value());
  well(effects.step_started("p1", "split", "split", "key"));
  well(effects.step_completed("p1", {.step = "split",
                                     .kind = "split",
                                     .cache_key = "key",
                                     .outputs = {{"train", "digest"}},
                                     .figures = {{"rows", 10}}}));
  // The read models lag: the question waits for them, on its own thread.
  auto asked = std::async(std::launch::async, [&] { return f.effects().find_cached("key"); });
  f.project();
  const auto found = must(asked.get());
  REQUIRE(found.has_value());
  CHECK(found->pipeline_run_id == "p1");
  CHECK(found->outputs == Texts{{"train", "digest"}});
  CHECK(found->figures == Figures{{"rows", 10}});
  well(effects.step_failed("p1", "train", "train", "no memory"));
  well(effects.run_ended("p1"));
  const auto ended = only<PipelineRunEnded>(f);
  CHECK(ended.status == "failed");
  CHECK(ended.steps_run == 1);
  CHECK(effects.step_started("p1", "x", "split", "k")->code == ErrorCode::conflict);
  CHECK_FALSE(effects.cancelled());
  f.stopping = true;
  CHECK(effects.cancelled());
}

TEST_CASE("executor: a run whose text does not compile fails as a whole, and says why") {
  EffectsFixture f;
  const auto executor = spawn_executor(f.system, f.context());
  f.start_pipeline_run("p1", "steps: [");
  executor.send(RunPipeline{"default", "p1"});
  f.until([&] { return !f.of_type(PipelineRunEnded::type).empty(); });
  CHECK(only<PipelineRunEnded>(f).status == "failed");
  Envelope envelope;
  const auto failed = only<PipelineStepFailed>(f, &envelope);
  CHECK(failed.step == "compile");
  CHECK_FALSE(failed.error.empty());
  CHECK(envelope.actor == "pipeline:p1");
  CHECK(envelope.causation == f.of_type(PipelineRunStarted::type).at(0).id);
  CHECK(envelope.correlation == envelope.causation);
  executor.end();
}

TEST_CASE("executor: a run that has ended, that is unknown, or at shutdown, is not run") {
  EffectsFixture f;
  const auto executor = spawn_executor(f.system, f.context());
  const auto start = [&](const std::string& id) { executor.send(RunPipeline{"default", id}); };
  f.start_pipeline_run("p1", "steps: [");
  for (const char* id : {"p1", "p1", "unknown"}) start(id);
  // One run after another: when the last has ended, nothing more comes of the others.
  start(f.start_pipeline_run("p2", "steps: ["));
  f.until([&] { return f.of_type(PipelineRunEnded::type).size() == 2; });
  CHECK(f.of_type(PipelineStepFailed::type).size() == 2);
  f.stopping = true;
  start(f.start_pipeline_run("p3", "steps: ["));
  executor.end();
  CHECK(f.of_type(PipelineRunEnded::type).size() == 2);
}

}  // namespace mlforge::actors::test
