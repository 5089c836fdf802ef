#include "fixture.hpp"

namespace registry_tests {

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

TEST_CASE("datasets: staging, committing, validating") {
  World w;
  const std::string s = "dataset/adult";
  w.append(s, DatasetCreated{.name = "adult", .source = "UCI"});
  w.append(s, DatasetFileStaged{.path = "b.csv", .digest = "d1", .bytes = 1});
  w.append(s, DatasetFileStaged{.path = "a.csv", .digest = "d2", .bytes = 2});
  w.append(s, DatasetFileStaged{.path = "c.csv", .digest = "d3", .bytes = 3});
  w.append(s, DatasetFileUnstaged{.path = "c.csv"});
  const Position staged = w.log->head();
  w.append(s, DatasetCommitted{.version = 1,
                               .digest = "v1",
                               .message = "first",
                               .files = {{"a.csv", "d2", 2}, {"b.csv", "d1", 1}}});
  const Position committed = w.log->head();
  w.append(s,
           DatasetValidated{
               .version = 1, .rows = 10, .columns = 3, .passed = true, .checks = {{.name = "x"}}});
  w.append(s, DatasetFileUnstaged{.path = "b.csv"});
  w.append("dataset/zoo", DatasetCreated{.name = "zoo"});
  auto v = w.reader();

  const auto now = get_dataset(v, kTenant, "adult");
  REQUIRE(now);
  REQUIRE(now->source == "UCI");
  REQUIRE(now->staged.empty());
  REQUIRE(now->removed == std::vector<std::string>{"b.csv"});
  REQUIRE(now->versions.size() == 1);
  const auto& version = now->versions[0];
  REQUIRE(version.files.size() == 2);
  REQUIRE(version.message == "first");
  REQUIRE(version.actor == "ann");
  REQUIRE(version.valid == true);
  REQUIRE(version.rows == 10);
  REQUIRE(version.checks.size() == 1);
  REQUIRE(get_dataset_version(v, kTenant, "adult", 0)->version == 1);

  const auto then = get_dataset(v, kTenant, "adult", staged);
  REQUIRE(then->versions.empty());
  REQUIRE(then->staged == std::vector<FileRef>{{"a.csv", "d2", 2}, {"b.csv", "d1", 1}});
  const auto fresh = get_dataset(v, kTenant, "adult", committed);
  REQUIRE(fresh->staged.empty());
  REQUIRE_FALSE(fresh->versions.at(0).valid);
  REQUIRE(get_dataset_version(v, kTenant, "adult", 0, committed).error().code ==
          ErrorCode::not_found);
  REQUIRE(get_dataset_version(v, kTenant, "adult", 2).error().message ==
          "there is no version of dataset 'adult' '2'");

  const auto first = list_datasets(v, kTenant, {.limit = 1});
  REQUIRE(first->items.at(0).name == "adult");
  const auto second = list_datasets(v, kTenant, {.limit = 1, .page_token = first->next_page_token});
  REQUIRE(second->items.at(0).name == "zoo");
  REQUIRE(second->next_page_token.empty());
}

TEST_CASE("models: versions, gate, decision, aliases") {
  World w;
  const std::string s = "model/adult";
  w.append(s, ModelRegistered{.name = "adult", .description = "income"});
  w.append(s, ModelVersionCreated{.version = 1,
                                  .run_id = "r1",
                                  .dataset = "adult",
                                  .dataset_version = 3,
                                  .artifacts = {{"model.ubj", "d", 9}},
                                  .metrics = {{"auc", 0.91}},
                                  .params = {{"depth", "6"}}});
  w.append(s, ModelVersionCreated{.version = 2, .run_id = "r2"});
  w.append(s, ModelStageChanged{.version = 1, .from = "None", .to = "Staging"});
  w.append(s, ModelGateEvaluated{.version = 1, .passed = true, .checks = {{.name = "integrity"}}});
  w.append(s, ModelPromotionDecided{.version = 1,
                                    .metric = "auc",
                                    .challenger_value = 0.91,
                                    .approved = true,
                                    .reason = "there is no champion yet"});
  w.append(s, ModelStageChanged{.version = 1, .from = "Staging", .to = "Production"});
  w.append(s, ModelAliasSet{.alias = "champion", .version = 1});
  w.append(s, ModelAliasSet{.alias = "best", .version = 1});
  const Position before = w.log->head();
  w.append(s, ModelAliasSet{.alias = "champion", .version = 2, .previous = 1});
  w.append(s, ModelAliasRemoved{.alias = "best", .previous = 1});
  auto v = w.reader();

  const auto model = get_model(v, kTenant, "adult");
  REQUIRE(model->latest_version == 2);
  REQUIRE(model->aliases == std::map<std::string, std::uint64_t>{{"champion", 2}});
  const auto one = get_model_version(v, kTenant, "adult", 1);
  REQUIRE(one->stage == "Production");
  REQUIRE(one->metrics.at("auc") == 0.91);
  REQUIRE(one->gate);
  REQUIRE(one->gate->passed);
  REQUIRE(one->decision);
  REQUIRE(one->decision->challenger_value == 0.91);
  REQUIRE(one->aliases.empty());
  REQUIRE(one->artifacts.size() == 1);
  REQUIRE(get_model_version_by_alias(v, kTenant, "adult", "champion")->version == 2);
  REQUIRE(get_model_version_by_alias(v, kTenant, "adult", "champion", before)->version == 1);
  REQUIRE(get_model_version(v, kTenant, "adult", 1, before)->aliases ==
          std::vector<std::string>{"best", "champion"});
  REQUIRE(get_model_version_by_alias(v, kTenant, "adult", "x").error().message ==
          "there is no alias of model 'adult' 'x'");
  const auto versions = list_model_versions(v, kTenant, "adult", {.limit = 1});
  REQUIRE(versions->items.at(0).version == 2);
  REQUIRE(list_model_versions(v, kTenant, "adult",
                              {.limit = 1, .page_token = versions->next_page_token})
              ->items.at(0)
              .version == 1);
  REQUIRE_FALSE(list_model_versions(v, kTenant, "nobody", {}));
}

TEST_CASE("pipeline runs step by step, and the step cache") {
  World w;
  w.append(
      "pipeline/adult",
      PipelineDefined{.name = "adult", .version = 1, .spec = "y", .steps = {"split", "train"}});
  const std::string s = "pipeline_run/p1";
  const Uuid cause{{1, 2, 3}};
  w.append(s,
           PipelineRunStarted{.pipeline_run_id = "p1",
                              .pipeline = "adult",
                              .pipeline_version = 1,
                              .overrides = {{"seed", "7"}},
                              .trigger = "drift:adult",
                              .start_time = kStart},
           cause);
  w.append(s, PipelineStepStarted{.step = "split", .kind = "split", .cache_key = "k1"});
  const Position running = w.log->head();
  w.append(s, PipelineStepCompleted{.step = "split",
                                    .kind = "split",
                                    .cache_key = "k1",
                                    .outputs = {{"letters", "d"}},
                                    .figures = {{"rows", 10}},
                                    .seconds = 0.25});
  w.append(s, PipelineStepStarted{.step = "train", .kind = "train", .cache_key = "k2"});
  w.append(s, PipelineStepFailed{.step = "train", .kind = "train", .error = "no rows"});
  w.append(s, PipelineRunEnded{.status = "failed", .steps_run = 1, .end_time = kStart + 1});
  w.append("pipeline_run/p2", PipelineRunStarted{.pipeline_run_id = "p2", .pipeline = "adult"});
  w.append("pipeline_run/p2", PipelineStepCompleted{.step = "split",
                                                    .kind = "split",
                                                    .cache_key = "k1",
                                                    .cached = true,
                                                    .cached_from = "p1",
                                                    .outputs = {{"letters", "other"}}});
  auto v = w.reader();

  const auto run = get_pipeline_run(v, kTenant, "p1");
  REQUIRE(run->status == "failed");
  REQUIRE(run->trigger == "drift:adult");
  REQUIRE(run->causation_id == to_string(cause));
  REQUIRE(run->steps.size() == 2);
  REQUIRE(run->steps[0].status == "completed");
  REQUIRE(run->steps[0].figures.at("rows") == 10);
  REQUIRE(run->steps[1].status == "failed");
  REQUIRE(run->steps[1].error == "no rows");
  REQUIRE(run->steps_run == 1);
  const auto then = get_pipeline_run(v, kTenant, "p1", running);
  REQUIRE(then->steps[0].status == "running");
  REQUIRE(then->steps[1].status == "pending");
  REQUIRE(running_pipeline_runs(v, kTenant, running)->at(0).pipeline_run_id == "p1");
  const auto still = running_pipeline_runs(v, kTenant);
  REQUIRE(still->size() == 1);
  REQUIRE(still->at(0).pipeline_run_id == "p2");
  REQUIRE(still->at(0).steps.at(0).status == "cached");
  REQUIRE(still->at(0).steps_cached == 1);
  const auto cached = find_cached_step(v, kTenant, "k1");
  REQUIRE(cached->pipeline_run_id == "p1");
  REQUIRE(cached->outputs.at("letters") == "d");
  REQUIRE_FALSE(find_cached_step(v, kTenant, "k1", running));
  REQUIRE_FALSE(find_cached_step(v, kTenant, "k2"));
  REQUIRE(list_pipeline_runs(v, kTenant, "adult", {})->items.at(0).pipeline_run_id == "p2");
  REQUIRE(list_pipeline_runs(v, kTenant, "x", {})->items.empty());
  REQUIRE(get_pipeline(v, kTenant, "adult")->steps.size() == 2);
  REQUIRE(list_pipelines(v, kTenant, {})->items.size() == 1);
}

TEST_CASE("environments by name and by digest") {
  World w;
  w.append("environment/local", EnvironmentCaptured{.name = "local", .digest = "e1"});
  w.append("environment/local",
           EnvironmentCaptured{.name = "local", .digest = "e2", .facts = {{"os", "Debian"}}});
  auto v = w.reader();
  REQUIRE(get_environment(v, kTenant, "local")->facts.at("os") == "Debian");
  REQUIRE(get_environment(v, kTenant, "local", 1)->digest == "e1");
  REQUIRE(find_environment(v, kTenant, "e1")->facts.empty());
  REQUIRE_FALSE(find_environment(v, kTenant, "e2", 1));
  REQUIRE(list_environments(v, kTenant, {})->items.size() == 1);
}

}  // namespace registry_tests
