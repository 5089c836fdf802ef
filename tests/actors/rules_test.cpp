// The server's own rules, from an alias that moves to the retraining that drift calls for.
#include "actors/rules.hpp"

#include <filesystem>
#include <fstream>
#include <future>

#include "tests/actors/manager_support.hpp"
#include "tests/actors/serving_support.hpp"

namespace mlforge::actors::test {
namespace {

using serving::must;

// Rules over a running system, with a model "income" and an executor that only notes its runs.
class RulesFixture : public RunningSystem {
 public:
  RulesFixture() {
    using Actor = ActorOf<ExecutorActor>;
    executor =
        handle_of<ExecutorActor>(system.spawn([this](Actor::pointer) -> Actor::behavior_type {
          return {[this](const RunPipeline& run) {
            {
              const std::lock_guard lock(runs_mutex);
              runs.push_back(run.tenant + "/" + run.pipeline_run_id);
            }
            wake();
          }};
        }));
    follow([this](Position head) {
      const std::lock_guard lock(rules_mutex);
      rules.send(Committed{head});
    });
  }
  ~RulesFixture() {
    stop();
    executor.end();
  }

  void start(const RulesStart& begin = {}) {
    ruled = std::make_unique<ReadBarrier>();
    scorer = std::make_unique<Scorer>();
    const std::lock_guard lock(rules_mutex);
    rules = spawn_rules(system,
                        {.log = &log,
                         .blobs = store.blobs.get(),
                         .ids = ids,
                         .scorer = scorer.get(),
                         .managers = managers,
                         .executor = executor,
                         .ruled = ruled.get(),
                         .bell = &bell,
                         .cursor_file = cursor_file()},
                        begin);
  }
  void stop() {
    RulesActor ending;
    {
      const std::lock_guard lock(rules_mutex);
      ending = std::exchange(rules, {});
    }
    ending.end();
  }
  std::string cursor_file() const { return (store.folder.path() / "rules.cursor").string(); }
  void write_cursor(Position position) const {
    std::ofstream(cursor_file()) << to_string(log.log_id()) << ' ' << position << '\n';
  }

  // Waits until the rules have nothing more to do: what they do themselves is in the log when they
  // have passed its cause.
  void settle() {
    for (Position head = 0; head != log.head();) {
      head = log.head();
      const auto there = std::make_shared<std::promise<void>>();
      ruled->when(head, [there] { there->set_value(); });
      REQUIRE(there->get_future().wait_for(std::chrono::seconds(120)) == std::future_status::ready);
      REQUIRE_FALSE(ruled->failed());
    }
  }

  // A new version of the model, with files that load, or with one that is not there.
  std::uint64_t version(double auc, bool sound = true) {
    CreateModelVersion command{
        .model = "income", .run_id = "r" + std::to_string(auc), .metrics = {{"auc", auc}}};
    for (const auto& [name, bytes] : serving::files_of(serving::census_model().bundle)) {
      const auto stored = must(store.blobs->put("default", storage::as_bytes(bytes)));
      command.artifacts.push_back({name, storage::to_string(stored.digest), bytes.size()});
    }
    if (!sound) command.artifacts[0].digest = std::string(64, '0');
    return done<RegistryBody>(managers.registry, command).find<ModelVersionCreated>()->version;
  }
  void stage(std::uint64_t version) {
    done<RegistryBody>(managers.registry, TransitionStage{"income", version, "Staging", ""});
  }
  void promote(std::uint64_t version) {
    stage(version);
    done<RegistryBody>(managers.registry, RecordGate{"income", version, {{"shape", "", true}}});
    done<RegistryBody>(managers.registry, Promote{"income", version, "auc", 0.0, ""});
  }
  void endpoint(const std::string& pipeline = "retrain") {
    done<PipelineBody>(managers.pipelines, DefinePipeline{"retrain", "steps: []", "digest", {}});
    done<DeploymentBody>(
        managers.deployments,
        CreateEndpoint{
            .name = "score", .model = "income", .retrain_pipeline = pipeline, .drift_window = 50});
  }
  // `count` predictions whose every number lies far from where the model was trained.
  void predictions(std::size_t count) {
    const auto served = serving::served(1, serving::census_model().bundle);
    PredictionsLogged batch{.numeric_names = served->numeric_names(),
                            .categorical_names = served->categorical_names()};
    batch.request_ids.assign(count, "q");
    batch.probabilities.assign(count, 0.5);
    batch.versions.assign(count, 1);
    batch.challenger.assign(count, 0);
    batch.times.assign(count, kNow);
    batch.numeric_values.assign(count * batch.numeric_names.size(), 1e6);
    batch.categorical_values.assign(count * batch.categorical_names.size(), "Nowhere");
    done<DeploymentBody>(managers.deployments, RecordPredictions{"score", std::move(batch)});
  }
  std::uint64_t champion() const {
    const auto endpoint = scorer->find("score");
    return endpoint && endpoint->champion ? endpoint->champion->version() : 0;
  }
  std::uint64_t challenger() const {
    const auto endpoint = scorer->find("score");
    return endpoint && endpoint->challenger ? endpoint->challenger->version() : 0;
  }

  serving::Store store;
  ExecutorActor executor;
  std::mutex rules_mutex, runs_mutex;
  std::vector<std::string> runs;  // what the executor was told to run
  CommitBell bell;
  RulesActor rules;
  std::unique_ptr<ReadBarrier> ruled;
  std::unique_ptr<Scorer> scorer;
};

// "deployment.version_activated" events as "route previous->version".
std::vector<std::string> activations(const RunningSystem& system) {
  std::vector<std::string> out;
  for (const auto& each : system.of_type(EndpointVersionActivated::type)) {
    const auto event = must(decode_event(each.view()));
    const auto& e = get<EndpointVersionActivated>(event);
    out.push_back(e.route + " " + std::to_string(e.previous) + "->" + std::to_string(e.version));
  }
  return out;
}

}  // namespace

TEST_CASE("rules: what an alias points to is served, and the event says so") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint();
  f.settle();
  CHECK(f.champion() == 1);
  CHECK(f.challenger() == 0);
  Envelope activated;
  only<EndpointVersionActivated>(f, &activated);
  CHECK(activated.actor == "rule:serve:champion:score");
  CHECK(activated.causation == f.of_type(EndpointCreated::type).at(0).id);
  f.stage(f.version(0.9));
  f.settle();
  CHECK(f.champion() == 1);
  CHECK(f.challenger() == 2);
  f.promote(2);
  f.settle();
  CHECK(f.champion() == 2);
  CHECK(f.challenger() == 0);
  CHECK(activations(f) == std::vector<std::string>{"champion 0->1", "challenger 0->2",
                                                   "challenger 2->0", "champion 1->2"});
  const auto alias = f.of_type(ModelAliasSet::type).back();
  CHECK(f.of_type(EndpointVersionActivated::type).back().causation == alias.id);
}

TEST_CASE("rules: a version that cannot be loaded leaves the old one served") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint();
  f.settle();
  f.promote(f.version(0.9, false));
  f.settle();
  CHECK(f.champion() == 1);
  CHECK(activations(f) == std::vector<std::string>{"champion 0->1"});
  f.promote(f.version(0.95));
  f.settle();
  CHECK(f.champion() == 3);
}

TEST_CASE("rules: drift is reported, alerted, and retrained, each caused by the one before") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint();
  f.predictions(30);
  f.settle();
  CHECK(f.of_type(DriftReported::type).empty());
  f.predictions(30);
  f.settle();
  const auto logged = f.of_type(PredictionsLogged::type);
  Envelope reported, alerted, triggered, started;
  const auto report = only<DriftReported>(f, &reported);
  const auto alert = only<DriftAlertRaised>(f, &alerted);
  const auto retraining = only<RetrainingTriggered>(f, &triggered);
  const auto run = only<PipelineRunStarted>(f, &started);
  CHECK(report.triggered);
  CHECK(report.predictions == 60);
  CHECK(report.model_version == 1);
  CHECK(report.first_position == logged[0].position);
  CHECK(report.last_position == logged[1].position);
  CHECK(alert.report_id == report.report_id);
  CHECK_FALSE(alert.features.empty());
  CHECK(retraining.report_id == report.report_id);
  CHECK(retraining.model_version == 1);
  CHECK(run.pipeline_run_id == retraining.pipeline_run_id);
  CHECK(run.pipeline == "retrain");
  CHECK(run.spec == "steps: []");
  CHECK(run.trigger == "drift:score");
  CHECK(run.overrides == Texts{{"fresh", report.report_id}});
  CHECK(reported.causation == logged[1].id);
  CHECK(alerted.causation == reported.id);
  CHECK(triggered.causation == alerted.id);
  CHECK(started.causation == triggered.id);
  for (const auto* each : {&reported, &alerted, &triggered, &started})
    CHECK(each->correlation == logged[1].id);
  CHECK(alerted.actor == "rule:drift-alert");
  f.until([&] {
    const std::lock_guard lock(f.runs_mutex);
    return !f.runs.empty();
  });
  CHECK(f.runs == std::vector<std::string>{"default/" + run.pipeline_run_id});
}

TEST_CASE("rules: one champion is retrained once, however often its data drifts") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint();
  for (int window = 0; window < 3; ++window) f.predictions(60);
  f.settle();
  CHECK(f.of_type(DriftReported::type).size() == 3);
  CHECK(f.of_type(DriftAlertRaised::type).size() == 3);
  CHECK(f.of_type(RetrainingTriggered::type).size() == 1);
  CHECK(f.of_type(PipelineRunStarted::type).size() == 1);
  f.promote(f.version(0.9));
  f.settle();
  f.predictions(60);
  f.settle();
  CHECK(f.of_type(RetrainingTriggered::type).size() == 2);
  CHECK(f.of_type(PipelineRunStarted::type).size() == 2);
}

TEST_CASE("rules: without a pipeline to retrain with, drift is only alerted") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint("");
  f.predictions(60);
  f.settle();
  CHECK(f.of_type(DriftAlertRaised::type).size() == 1);
  CHECK(f.of_type(RetrainingTriggered::type).empty());
}

TEST_CASE("rules: a pipeline that is not defined is not announced to retrain") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint("gone");
  f.predictions(60);
  f.settle();
  CHECK(f.of_type(DriftAlertRaised::type).size() == 1);
  CHECK(f.of_type(RetrainingTriggered::type).empty());
  CHECK(f.of_type(PipelineRunStarted::type).empty());
}

TEST_CASE("rules: run again from an old cursor, or from none, they change nothing") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint();
  f.predictions(60);
  f.stage(f.version(0.9));
  f.settle();
  f.stop();
  const Position head = f.log.head();
  const auto reported = f.of_type(DriftReported::type).at(0).position;
  for (const Position cursor : {Position{0}, reported - 2, reported, head}) {
    INFO("from " << cursor << " of " << head);
    f.write_cursor(cursor);
    f.start({.endpoints = {"score"}});
    f.settle();
    f.stop();
    CHECK(f.log.head() == head);
    CHECK(f.champion() == 1);
    CHECK(f.challenger() == 2);
  }
  std::filesystem::remove(f.cursor_file());
  f.start({.endpoints = {"score"}});
  f.settle();
  CHECK(f.log.head() == head);
}

TEST_CASE("rules: a cursor of another log, or beyond this one, is not taken") {
  RulesFixture f;
  f.promote(f.version(0.8));
  f.endpoint();
  f.write_cursor(f.log.head() + 1);
  f.start();
  f.settle();
  CHECK(f.champion() == 1);
  f.stop();
  std::ofstream(f.cursor_file()) << to_string(Uuid{}) << " 3\n";
  f.start();
  f.settle();
  CHECK(f.champion() == 1);
}

TEST_CASE("rules: predictions that wait for their window count again after a restart") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint();
  f.predictions(60);
  f.predictions(30);
  f.settle();
  f.stop();
  f.start({.endpoints = {"score"}});
  f.predictions(30);
  f.settle();
  const auto reports = f.of_type(DriftReported::type);
  REQUIRE(reports.size() == 2);
  const auto second = get<DriftReported>(must(decode_event(reports[1].view())));
  CHECK(second.predictions == 60);
  CHECK(second.first_position == f.of_type(PredictionsLogged::type).at(1).position);
}

TEST_CASE("rules: after a crash, predictions that a report has covered are not counted again") {
  RulesFixture f;
  f.start();
  f.promote(f.version(0.8));
  f.endpoint();
  f.predictions(30);
  f.predictions(30);
  f.settle();
  f.stop();
  f.write_cursor(f.of_type(PredictionsLogged::type).at(0).position);
  f.start({.endpoints = {"score"}});
  f.settle();
  f.predictions(30);
  f.settle();
  f.predictions(30);
  f.settle();
  CHECK(f.of_type(DriftReported::type).size() == 2);
}

TEST_CASE("rules: pipeline runs that had not ended are gone on with at the start") {
  RulesFixture f;
  f.start({.running = {"p1", "p2"}});
  f.until([&] {
    const std::lock_guard lock(f.runs_mutex);
    return f.runs.size() == 2;
  });
  CHECK(f.runs == std::vector<std::string>{"default/p1", "default/p2"});
}

}  // namespace mlforge::actors::test
