// What is brought over from another MLflow server, by the aggregates.
#include "events/compaction.hpp"
#include "tests/events/given.hpp"

namespace mlforge::test {
namespace {

ImportRun a_run() {
  ImportRun run;
  run.run_id = "r1";
  run.experiment_id = "7";
  run.name = "n";
  run.user_id = "ann";
  run.status = "finished";
  run.start_time = 5000;
  run.end_time = 9000;
  run.artifact_uri = "s3://b/7/r1/artifacts";
  run.params = {{"p", "1"}};
  run.tags = {{"mlflow.runName", "n"}};
  run.metrics.push_back({"loss", "", "", "", {10, 11}, {0, 1}, {0.5, 0.25}});
  run.metrics.push_back({"acc", "m-1", "d", "dig", {12}, {1}, {0.9}});
  return run;
}

}  // namespace

TEST_CASE("import: an experiment keeps its id, times and stage; the next new id is free") {
  const ImportExperiment e{.experiment_id = "3",
                           .name = "e",
                           .artifact_location = "s3://b/3",
                           .deleted = true,
                           .creation_time = 1000,
                           .last_update_time = 2000,
                           .tags = {{"k", "v"}}};
  given<ExperimentsState>()
      .when(e)
      .then({ExperimentCreated{.experiment_id = "3",
                               .name = "e",
                               .artifact_location = "s3://b/3",
                               .tags = {{"k", "v"}}},
             ExperimentDeleted{.experiment_id = "3"},
             ExperimentImported{
                 .experiment_id = "3", .creation_time = 1000, .last_update_time = 2000}})
      .when(e)
      .nothing();
  ExperimentsState state;
  for (const char* id : {"1", "3"}) {
    const auto events =
        decide(state, ImportExperiment{.experiment_id = id, .name = std::string("e") + id});
    REQUIRE(events);
    for (const auto& event : *events) fold(state, event);
  }
  CHECK(state.next_id == 2);
  fold(state, ExperimentCreated{.experiment_id = "2", .name = "new"});
  CHECK(state.next_id == 4);
}

TEST_CASE(
    "import: an experiment whose id or name is another's is refused; without id it gets one") {
  const std::vector<Event> there{ExperimentCreated{.experiment_id = "1", .name = "here"}};
  given<ExperimentsState>(there)
      .when(ImportExperiment{.experiment_id = "1", .name = "other"})
      .refused(ErrorCode::conflict, "", "experiment 1 is here already, with the name 'here'");
  given<ExperimentsState>(there)
      .when(ImportExperiment{.experiment_id = "9", .name = "here"})
      .refused(ErrorCode::conflict, "", "experiment 'here' is here already, with the id 1");
  given<ExperimentsState>(there)
      .when(ImportExperiment{.experiment_id = "", .name = "other"})
      .then({ExperimentCreated{.experiment_id = "2", .name = "other"},
             ExperimentImported{.experiment_id = "2"}});
  given<ExperimentsState>(there)
      .when(ImportExperiment{.experiment_id = "x7", .name = "other"})
      .refused(ErrorCode::invalid_argument, "experiment_id", "whole number");
}

TEST_CASE("import: the default experiment takes what the source says of it") {
  given<ExperimentsState>()
      .when(ImportExperiment{
          .experiment_id = "0", .name = "Default", .artifact_location = "/mlruns/0"})
      .then({ExperimentCreated{
                 .experiment_id = "0", .name = "Default", .artifact_location = "/mlruns/0"},
             ExperimentImported{.experiment_id = "0"}});
}

TEST_CASE("import: a run in one piece, and the same again is nothing") {
  auto again = a_run();
  again.metrics.clear();
  given<RunState>()
      .when(a_run())
      .then({RunStarted{.run_id = "r1",
                        .experiment_id = "7",
                        .name = "n",
                        .start_time = 5000,
                        .user_id = "ann",
                        .artifact_uri = "s3://b/7/r1/artifacts"},
             RunParamsLogged{.params = {{"p", "1"}}}, RunTagsSet{.tags = {{"mlflow.runName", "n"}}},
             RunMetricsLogged{.keys = {"loss", "loss"},
                              .values = {0.5, 0.25},
                              .timestamps = {10, 11},
                              .steps = {0, 1}},
             RunModelMetricsLogged{.keys = {"acc"},
                                   .values = {0.9},
                                   .timestamps = {12},
                                   .steps = {1},
                                   .model_ids = {"m-1"},
                                   .dataset_names = {"d"},
                                   .dataset_digests = {"dig"}},
             RunEnded{.status = "finished", .end_time = 9000}})
      .when(again)
      .nothing();
}

TEST_CASE("import: what went on at the source comes along, another run does not") {
  auto first = a_run();
  first.status = "running";
  first.end_time = 0;
  first.metrics.clear();
  auto later = first;
  later.status = "failed";
  later.end_time = 7000;
  later.deleted = true;
  later.params["q"] = "2";
  later.tags["mlflow.runName"] = "renamed";
  const auto running = *decide(RunState{}, first);
  given<RunState>(running).when(later).then(
      {RunParamsLogged{.params = {{"q", "2"}}}, RunRenamed{.name = "renamed"},
       RunTagsSet{.tags = {{"mlflow.runName", "renamed"}}},
       RunEnded{.status = "failed", .end_time = 7000}, RunDeleted{.generation = 0}});
  auto other = first;
  other.params["p"] = "another";
  given<RunState>(running).when(other).refused(ErrorCode::conflict, "", "another value of param");
  other = first;
  other.experiment_id = "8";
  given<RunState>(running).when(other).refused(ErrorCode::conflict, "", "in experiment 7");
  other = first;
  other.status = "paused";
  given<RunState>().when(other).refused(ErrorCode::invalid_argument, "status", "must be one of");
  other = first;
  other.metrics.push_back({"loss", "", "", "", {1}, {}, {0.5}});
  given<RunState>().when(other).refused(ErrorCode::invalid_argument, "metrics.loss",
                                        "as many timestamps");
}

TEST_CASE("import: what was restored at the source is restored here") {
  ImportExperiment e{.experiment_id = "3", .name = "e", .deleted = true};
  const auto gone = given<ExperimentsState>().when(e).then(
      {ExperimentCreated{.experiment_id = "3", .name = "e"},
       ExperimentDeleted{.experiment_id = "3"}, ExperimentImported{.experiment_id = "3"}});
  e.deleted = false;
  gone.when(e)
      .then({ExperimentRestored{.experiment_id = "3"}, ExperimentImported{.experiment_id = "3"}})
      .when(e)
      .nothing();

  auto run = a_run();
  run.metrics.clear();
  run.deleted = true;
  auto there = *decide(RunState{}, run);
  run.deleted = false;
  given<RunState>(there).when(run).then({RunRestored{.generation = 0}}).when(run).nothing();
  // With its experiment: no event says so.
  run.experiment = {.deleted = false, .generation = 1};
  given<RunState>(there).when(run).nothing();
  run.deleted = true;
  given<RunState>(there).when(run).then({RunDeleted{.generation = 1}}).when(run).nothing();
  // Alone, its experiment stays deleted.
  run.deleted = false;
  run.experiment = {.deleted = true, .generation = 1};
  given<RunState>(there)
      .when(run)
      .then({RunRestored{.generation = 1, .alone = true}})
      .when(run)
      .nothing();
}

TEST_CASE("import: an alias of a version that was deleted here stays away") {
  ImportModel model{.model = "m", .creation_time = 1, .last_update_time = 2};
  model.versions.push_back({.version = 1, .source = "s", .creation_time = 3});
  auto there = *decide(ModelState{}, model);
  there.push_back(ModelVersionDeleted{.version = 1});
  model.aliases = {{"best", 1}};
  given<ModelState>(there).when(model).nothing();
}

TEST_CASE("import: a model with gaps keeps its numbers, stages, aliases and times") {
  ImportModel model{.model = "m",
                    .description = "d",
                    .creation_time = 100,
                    .last_update_time = 200,
                    .tags = {{"k", "v"}},
                    .versions = {},
                    .aliases = {{"best", 3}}};
  model.versions.push_back({.version = 1,
                            .source = "s1",
                            .stage = "Archived",
                            .creation_time = 110,
                            .last_update_time = 120});
  model.versions.push_back({.version = 3, .source = "s3", .creation_time = 130});
  model.versions.push_back({.version = 4, .source = "deleted", .deleted = true});
  const auto after = given<ModelState>().when(model).then(
      {ModelRegistered{.name = "m", .description = "d", .tags = {{"k", "v"}}},
       ModelVersionCreated{.version = 1, .source = "s1"},
       ModelStageChanged{.version = 1, .from = "None", .to = "Archived", .reason = "imported"},
       ModelVersionCreated{.version = 3, .source = "s3"},
       ModelVersionCreated{.version = 4, .source = "deleted"},
       ModelVersionDeleted{.version = 4, .reason = "imported"},
       ModelAliasSet{.alias = "best", .version = 3, .reason = "imported"},
       ModelImported{.creation_time = 100,
                     .last_update_time = 200,
                     .versions = {{1, 110, 120}, {3, 130, 0}}}});
  after.when(model).nothing();
  after.when(NewVersion{.model = "m", .source = "new"})
      .then({ModelVersionCreated{.version = 5, .source = "new"}});
  auto moved = model;
  moved.aliases["best"] = 1;
  moved.versions.clear();
  after.when(moved).then(
      {ModelAliasSet{.alias = "best", .version = 1, .previous = 3, .reason = "imported"},
       ModelImported{.creation_time = 100,
                     .last_update_time = 200,
                     .versions = {{1, 110, 120}, {3, 130, 0}}}});
  moved.aliases["best"] = 2;
  after.when(moved).refused(ErrorCode::invalid_argument, "aliases.best", "a version that is there");
  auto other = model;
  other.versions[0].source = "elsewhere";
  after.when(other).refused(ErrorCode::conflict, "", "it is another model");
}

TEST_CASE("import: a logged model, and the states are restored from what they are compacted to") {
  const ImportLoggedModel model{.logged_model_id = "m-1",
                                .experiment_id = "7",
                                .name = "n",
                                .status = "ready",
                                .creation_time = 10,
                                .last_update_time = 20,
                                .params = {{"p", "1"}}};
  given<LoggedModelState>()
      .when(model)
      .then({LoggedModelCreated{
                 .model_id = "m-1", .experiment_id = "7", .name = "n", .params = {{"p", "1"}}},
             LoggedModelStatusChanged{.status = "ready"},
             LoggedModelImported{.creation_time = 10, .last_update_time = 20}})
      .when(model)
      .nothing();
  ModelState state;
  for (const Event& event : std::initializer_list<Event>{
           ModelRegistered{.name = "m"}, ModelVersionCreated{.version = 2, .source = "s"},
           ModelImported{.creation_time = 1, .last_update_time = 2, .versions = {{2, 3, 4}}}})
    fold(state, event);
  REQUIRE(state.versions.size() == 2);
  CHECK_FALSE(state.version(1));
  const auto again = restore<ModelState>(compact(state));
  CHECK(again.created == 1);
  CHECK(again.versions[1].source == "s");
  CHECK(again.versions[1].updated == 4);
  CHECK_FALSE(again.version(1));
}

}  // namespace mlforge::test
