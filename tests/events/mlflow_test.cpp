// Experiments, runs, logged models and registered models by MLflow's rules.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "events/compaction.hpp"
#include "events/mlflow_checks.hpp"
#include "tests/events/given.hpp"

namespace mlforge::test::mlflow_client {
namespace {

RunStarted started() { return {.run_id = "r", .experiment_id = "1", .name = "n"}; }

LogBatch batch(std::vector<LogBatch::Metric> metrics,
               std::vector<std::pair<std::string, std::string>> params = {},
               std::vector<std::pair<std::string, std::string>> tags = {}) {
  LogBatch b{.run_id = "r", .experiment = {}};
  b.metrics = std::move(metrics);
  b.params = std::move(params);
  b.tags = std::move(tags);
  return b;
}

}  // namespace

TEST_CASE("mlflow experiments: ids count, names are taken while deleted, Default is there") {
  given<ExperimentsState>()
      .when(NewExperiment{.name = "a/b", .artifact_location = "", .tags = {{"k", "v"}}})
      .then({ExperimentCreated{.experiment_id = "1", .name = "a/b", .tags = {{"k", "v"}}}})
      .when(NewExperiment{.name = "a/b"})
      .refused(ErrorCode::already_exists, "name", "Experiment(name=a/b) already exists");
  given<ExperimentsState>()
      .when(NewExperiment{.name = "Default"})
      .refused(ErrorCode::already_exists, "name");
  given<ExperimentsState>({ExperimentCreated{.experiment_id = "1", .name = "a"}})
      .when(DeleteExperiment{"1"})
      .then({ExperimentDeleted{.experiment_id = "1"}})
      .when(RenameExperiment{"1", "b"})
      .refused(ErrorCode::conflict, "experiment_id", "non-active");
  given<ExperimentsState>()
      .when(TagExperiment{.experiment_id = "0", .tags = {{"k", "v"}}})
      .then({ExperimentCreated{.experiment_id = "0", .name = "Default"},
             ExperimentTagsSet{.experiment_id = "0", .tags = {{"k", "v"}}}})
      .when(EnsureDefaultExperiment{})
      .nothing()
      .when(NewExperiment{.name = "first"})
      .then({ExperimentCreated{.experiment_id = "1", .name = "first"}});
  given<ExperimentsState>()
      .when(DeleteExperiment{"7"})
      .refused(ErrorCode::not_found, "experiment_id", "No Experiment with id=7 exists");
  given<ExperimentsState>()
      .when(DeleteExperiment{"x"})
      .refused(ErrorCode::invalid_argument, "experiment_id");
}

TEST_CASE("mlflow batches: all of it or nothing") {
  const auto run = given<RunState>({started(), RunParamsLogged{.params = {{"p", "1"}}}});
  run.when(batch({{.key = "m", .value = 1, .timestamp = 5, .step = 2}}, {{"p", "1"}, {"q", "2"}},
                 {{"t", "x"}}))
      .then({RunParamsLogged{.params = {{"q", "2"}}},
             RunMetricsLogged{.keys = {"m"}, .values = {1}, .timestamps = {5}, .steps = {2}},
             RunTagsSet{.tags = {{"t", "x"}}}});
  run.when(batch({{.key = "m"}}, {{"p", "2"}}))
      .refused(ErrorCode::invalid_argument, "params", "Params were already logged='[{'key': 'p'");
  run.when(batch({}, {{"q", "1"}, {"q", "1"}}))
      .refused(ErrorCode::invalid_argument, "params", "Duplicate parameter keys");
  run.when(batch({}, {{"p", "1"}})).nothing();
  run.when(batch({{.key = "../x"}}))
      .refused(ErrorCode::invalid_argument, "metrics[0].name", "would resolve to '../x'");
  run.when(batch({{.key = "a#b"}}))
      .refused(ErrorCode::invalid_argument, "metrics[0].name", "alphanumerics");
  run.when(batch({{.key = "a", .timestamp = -1}}))
      .refused(ErrorCode::invalid_argument, "metrics[0].timestamp", "nonnegative");
  run.when(batch(std::vector<LogBatch::Metric>(1001, {.key = "m"})))
      .refused(ErrorCode::invalid_argument, "metrics", "at most 1000 metrics. Got 1001");
  given<RunState>().when(batch({})).refused(ErrorCode::not_found, "run_id",
                                            "Run with id=r not found");
}

TEST_CASE("mlflow batches: long values are cut, infinities are the largest numbers") {
  const double inf = std::numeric_limits<double>::infinity();
  const double most = std::numeric_limits<double>::max();
  const auto run = given<RunState>({started()});
  run.when(batch({{.key = "a", .value = inf}, {.key = "b", .value = -inf}}))
      .then({RunMetricsLogged{
          .keys = {"a", "b"}, .values = {most, -most}, .timestamps = {0, 0}, .steps = {0, 0}}});
  std::string wide;
  for (int i = 0; i < 7000; ++i) wide += "é";
  const auto result = run.when(batch({}, {{"p", wide}}));
  result.then({RunParamsLogged{.params = {{"p", wide.substr(0, 12000)}}}});
  run.when(batch({}, {{std::string(251, 'k'), "v"}}))
      .refused(ErrorCode::invalid_argument, "Param key", "maximum length of 250");
}

TEST_CASE("mlflow runs: a deleted run is written to by nobody until it, or all, is restored") {
  const auto run = given<RunState>({started()});
  const auto deleted = run.when(DeleteRun{"r", {}}).then({RunDeleted{.generation = 0}});
  deleted.when(batch({{.key = "m"}})).refused(ErrorCode::invalid_argument, "run_id", "'active'");
  deleted.when(DeleteRun{"r", {}}).nothing();
  auto later = batch({}, {}, {{"t", "x"}});
  later.experiment = {.deleted = false, .generation = 1};  // the experiment was restored since
  deleted.when(later).then({RunTagsSet{.tags = {{"t", "x"}}}});
  later.experiment = {.deleted = true, .generation = 0};
  run.when(later).refused(ErrorCode::invalid_argument, "run_id", "'active'");
  deleted.when(RestoreRun{"r", {}}).then({RunRestored{}}).when(RestoreRun{"r", {}}).nothing();
}

TEST_CASE("mlflow runs: name, status and end") {
  const auto run = given<RunState>({started()});
  UpdateRun end{.run_id = "r", .status = "finished", .end_time = 5, .name = "", .experiment = {}};
  const auto ended = run.when(end).then({RunEnded{.status = "finished", .end_time = 5}});
  ended.when(end).nothing();
  ended
      .when(UpdateRun{
          .run_id = "r", .status = "running", .end_time = {}, .name = "x", .experiment = {}})
      .then({RunStatusChanged{.status = "running"}, RunRenamed{.name = "x"},
             RunTagsSet{.tags = {{"mlflow.runName", "x"}}}});
  run.when(UntagRun{"r", "none", {}})
      .refused(ErrorCode::not_found, "key", "No tag with name: none in run with id r");
  given<RunState>()
      .when(NewRun{.run_id = "r",
                   .experiment_id = "1",
                   .user_id = "",
                   .name = "a",
                   .tags = {{"mlflow.runName", "b"}},
                   .start_time = 0,
                   .artifact_uri = ""})
      .refused(ErrorCode::invalid_argument, "run_name", "Both 'run_name' argument");
}

TEST_CASE("mlflow models: aliases, stages and what can be served") {
  const auto model = given<ModelState>(
      {ModelRegistered{.name = "m"}, ModelVersionCreated{.version = 1, .source = "s"}});
  model.when(PointAlias{.model = "m", .alias = "champion", .version = 1, .reason = "r"})
      .then({ModelAliasSet{.alias = "champion", .version = 1, .previous = 0, .reason = "r"}})
      .when(DeleteVersion{.model = "m", .version = 1, .reason = ""})
      .then({ModelAliasRemoved{
                 .alias = "champion", .previous = 1, .reason = "the version was deleted"},
             ModelVersionDeleted{.version = 1, .reason = ""}})
      .when(NewVersion{.model = "m", .source = "t"})
      .then({ModelVersionCreated{.version = 2, .source = "t"}});
  model.when(PointAlias{.model = "m", .alias = "a", .version = 1, .reason = "", .expected = 3})
      .refused(ErrorCode::conflict, "X-Mlforge-Expect");
  for (const char* alias : {"latest", "LATEST", "v1", "V22"})
    model.when(PointAlias{.model = "m", .alias = alias, .version = 1})
        .refused(ErrorCode::invalid_argument, "alias", "reserved");
  model.when(PointAlias{.model = "m", .alias = "a b", .version = 1})
      .refused(ErrorCode::invalid_argument, "alias", "Invalid alias name");
  model.when(MoveStage{.model = "m", .version = 1, .stage = "production"})
      .then({ModelStageChanged{.version = 1, .from = "None", .to = "Production", .reason = ""}});
  model.when(MoveStage{.model = "m", .version = 1, .stage = "Live"})
      .refused(ErrorCode::invalid_argument, "stage", "Invalid Model Version stage");
  const auto servable = given<ModelState>(
      {ModelRegistered{.name = "m"},
       ModelVersionCreated{.version = 1, .artifacts = {{"model.ubj", std::string(64, 'a'), 1}}}});
  servable.when(MoveStage{.model = "m", .version = 1, .stage = "Production"})
      .refused(ErrorCode::refused, "version", "promotion");
  servable.when(PointAlias{.model = "m", .alias = "champion", .version = 1})
      .refused(ErrorCode::refused, "version", "promotion");
  model.when(DeleteModel{.model = "m", .reason = ""})
      .then({ModelDeleted{.reason = ""}})
      .when(NewVersion{.model = "m", .source = "t"})
      .refused(ErrorCode::not_found, "name", "Registered Model with name=m not found");
}

TEST_CASE("mlflow models: renamed, with all but what is served under the old name") {
  ModelState old, target;
  for (const Event& e : std::initializer_list<Event>{
           ModelRegistered{.name = "m", .description = "d", .tags = {{"k", "v"}}},
           ModelVersionCreated{.version = 1, .run_id = "r", .source = "s"},
           ModelVersionCreated{.version = 2, .source = "s"},
           ModelStageChanged{.version = 1, .from = "None", .to = "Staging"},
           ModelAliasSet{.alias = "a", .version = 1}, ModelVersionDeleted{.version = 2}})
    fold(old, e);
  const auto events = decide(old, target, RenameModel{"m", "n"});
  REQUIRE(events);
  REQUIRE(events->size() == 2);
  CHECK(get<ModelRenamed>((*events)[0]).to == "n");
  fold(target, (*events)[1]);
  CHECK(target.aliases == old.aliases);
  CHECK(target.tags == old.tags);
  CHECK(target.description == "d");
  REQUIRE(target.versions.size() == 2);
  CHECK(target.version(1)->stage == "Staging");
  CHECK(target.version(1)->run_id == "r");
  CHECK_FALSE(target.version(2));
  ModelState gone = old;
  fold(gone, (*events)[0]);
  CHECK_FALSE(gone.exists);
  CHECK(decide(old, old, RenameModel{"m", "m"})->empty());
  CHECK(decide(old, target, RenameModel{"m", "n"}).error().code == ErrorCode::already_exists);
  CHECK(decide(old, {}, RenameModel{"m", "a/b"}).error().code == ErrorCode::invalid_argument);
  CHECK(decide({}, {}, RenameModel{"m", "n"}).error().code == ErrorCode::not_found);
  fold(old, ModelVersionCreated{.version = 3, .artifacts = {{"model.ubj", "", 1}}});
  CHECK(decide(old, {}, RenameModel{"m", "n"}).error().code == ErrorCode::refused);
}

TEST_CASE("mlflow runs: one that is restored alone shows in its deleted experiment") {
  const ExperimentFacts deleted{.deleted = true, .generation = 0};
  const auto alone = given<RunState>({started()})
                         .when(RestoreRun{"r", deleted})
                         .then({RunRestored{.generation = 0, .alone = true}});
  alone.when(RestoreRun{"r", deleted}).nothing();
  auto tagged = batch({}, {}, {{"t", "x"}});
  tagged.experiment = deleted;
  alone.when(tagged).then({RunTagsSet{.tags = {{"t", "x"}}}});
  alone.when(DeleteRun{"r", deleted})
      .then({RunDeleted{.generation = 0}})
      .when(tagged)
      .refused(ErrorCode::invalid_argument, "run_id", "'active'");
}

TEST_CASE("mlflow runs: models are recorded one after the other") {
  given<RunState>({started()})
      .when(RecordModel{"r", "{\"a\":1}", {}})
      .then({RunTagsSet{.tags = {{"mlflow.log-model.history", "[{\"a\":1}]"}}}})
      .when(RecordModel{"r", "{\"b\":2}", {}})
      .then({RunTagsSet{.tags = {{"mlflow.log-model.history", "[{\"a\":1}, {\"b\":2}]"}}}})
      .when(RecordModel{"r", std::string(8000, 'x'), {}})
      .refused(ErrorCode::invalid_argument, "value", "maximum length of 8000");
  given<LoggedModelState>({LoggedModelCreated{.model_id = "m-1"}})
      .when(RecordModelVersion{"m-1", "net", "1"})
      .then({LoggedModelTagsSet{
          .tags = {{"mlflow.modelVersions", "[{\"name\": \"net\", \"version\": 1}]"}}}})
      .when(RecordModelVersion{"m-1", "net", "1"})
      .nothing();
}

TEST_CASE("mlflow experiments: new ones lie below the root that the server was given") {
  NewExperiment made{.name = "a", .artifact_location = "", .tags = {}};
  made.artifact_root = "file:///srv/files";
  given<ExperimentsState>().when(made).then({ExperimentCreated{
      .experiment_id = "1", .name = "a", .artifact_location = "file:///srv/files/1"}});
  made.artifact_location = "s3://own/place";
  given<ExperimentsState>().when(made).then({ExperimentCreated{
      .experiment_id = "1", .name = "a", .artifact_location = "s3://own/place"}});
  given<ExperimentsState>()
      .when(EnsureDefaultExperiment{"s3://b/"})
      .then({ExperimentCreated{
          .experiment_id = "0", .name = "Default", .artifact_location = "s3://b/0"}});
}

TEST_CASE("mlflow states: restored from what they are compacted to") {
  ExperimentsState experiments;
  for (const Event& e : std::initializer_list<Event>{
           ExperimentCreated{.experiment_id = "1", .name = "a", .tags = {{"k", "v"}}},
           ExperimentCreated{.experiment_id = "0", .name = "Default"},
           ExperimentRenamed{.experiment_id = "0", .name = "zero"},
           ExperimentDeleted{.experiment_id = "1"}, ExperimentRestored{.experiment_id = "1"},
           ExperimentDeleted{.experiment_id = "1"}})
    fold(experiments, e);
  const auto again = restore<ExperimentsState>(compact(experiments));
  CHECK(again.next_id == 2);
  CHECK(again.id_by_name == experiments.id_by_name);
  CHECK(again.by_id.at("1").deleted);
  CHECK(again.by_id.at("1").restored == 1);
  CHECK(again.by_id.at("1").tags == Texts{{"k", "v"}});
  CHECK(again.by_id.at("0").logged);
  LoggedModelState model;
  fold(model, LoggedModelCreated{.model_id = "m", .params = {{"p", "1"}}});
  fold(model, LoggedModelStatusChanged{.status = "ready"});
  fold(model, LoggedModelDeleted{.model_id = "m"});
  const auto same = restore<LoggedModelState>(compact(model));
  CHECK((same.exists && same.deleted && same.status == "ready"));
  CHECK(same.params == model.params);
}

TEST_CASE("artifacts: numbered files of a folder tell in which order they came") {
  const auto stored = [](const std::string& name, char digest) {
    return ArtifactStored{.path = "f/t/" + name + ".json", .digest = digest_of(digest), .bytes = 1};
  };
  const auto next = [](char digest) {
    return StoreArtifact{"f~t", {"f/t", digest_of(digest), 1}, true};
  };
  // Of a former version: named by its digest, and before all numbered ones.
  given<ArtifactsState>({stored("ffffffff", 'a')})
      .when(next('a'))
      .then({stored("n000000000001", 'a')})
      .when(next('b'))
      .then({stored("n000000000002", 'b')})
      .when(next('b'))
      .nothing()
      .when(next('a'))
      .then({stored("n000000000003", 'a')});
  given<ArtifactsState>({stored("n000000000009", 'a')})
      .when(next('b'))
      .then({stored("n000000000010", 'b')});
  given<ArtifactsState>()
      .when(StoreArtifact{"f~t", {"f/t", "x", 1}, true})
      .refused(ErrorCode::invalid_argument, "digest");
}

TEST_CASE("mlflow keys: what passes at a glance passes every check") {
  std::mt19937_64 random(5);
  constexpr std::string_view kLetters = "ab09_/.- :.\\#\n\x7f\xc3\xa9";
  std::size_t plain = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string key(random() % 6, ' ');
    for (char& c : key) c = kLetters[random() % kLetters.size()];
    if (!mlflow::is_plain_key(key)) continue;
    ++plain;
    INFO(key);
    REQUIRE_FALSE(mlflow::check_key("metrics[0].name", key));
  }
  CHECK(plain > 1000);
  CHECK(mlflow::is_plain_key(std::string(mlflow::kMaxKey, 'k')));
  for (const auto& key : {std::string(), std::string("."), std::string(".."), std::string("..a"),
                          std::string("a/b"), std::string(mlflow::kMaxKey + 1, 'k')}) {
    INFO(key);
    CHECK_FALSE(mlflow::is_plain_key(key));
  }
}

}  // namespace mlforge::test::mlflow_client
