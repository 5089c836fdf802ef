#include "actors/pipeline_steps.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <fstream>
#include <sstream>

#include "actors/bundle.hpp"
#include "actors/dataset_table.hpp"
#include "ml/split.hpp"
#include "pipeline_test_effects.hpp"

namespace mlforge::actors::steps_tests {
namespace {

std::string blob(TestEffects& effects, const std::string& digest) {
  const auto bytes = effects.blobs().get(digest);
  REQUIRE(bytes);
  return *bytes;
}

PipelineSpec compiled(const std::string& yaml) {
  auto spec = compile_pipeline(yaml);
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::string small_head() { return kSmallPipeline.substr(0, kSmallPipeline.find("  split:")); }

}  // namespace

TEST_CASE("The same seed twice makes bit-identical outputs", "[steps]") {
  TestEffects one, two;
  const auto a = run_to_end("p1", small_pipeline(), one);
  const auto b = run_to_end("p1", small_pipeline(), two, {}, 1);
  for (const auto* step : {"split", "features", "deep", "wide"})
    for (const auto& [name, value] : a.completed.at(step).outputs)
      if (name != "run_id") {
        INFO(step << " " << name);
        CHECK(value == b.completed.at(step).outputs.at(name));
      }
  for (const auto* file : {"model", "preprocessor", "reference", "manifest"}) {
    const auto name = std::string("deep/") + file;
    CHECK(a.completed.at("evaluate").outputs.at(name) ==
          b.completed.at("evaluate").outputs.at(name));
  }
  TestEffects three;
  const auto c = run_to_end("p1", small_pipeline({{"seed", "8"}}), three);
  CHECK(c.completed.at("deep").outputs.at("model") != a.completed.at("deep").outputs.at("model"));
}

TEST_CASE("A split has the parts asked for", "[steps]") {
  TestEffects effects;
  const auto outcome = run_to_end("p1", small_pipeline(), effects);
  const auto& split = outcome.completed.at("split");
  CHECK(split.figures.at("rows") == 800);
  CHECK(split.figures.at("test") == 200);
  CHECK(split.figures.at("validation") == 120);
  CHECK(split.figures.at("train") == 480);
  CHECK(ml::parse_split(blob(effects, split.outputs.at("split")))->size() == 800);
}

TEST_CASE("A split can be taken from a file of the dataset", "[steps]") {
  TestEffects effects;
  const auto assigned = small_head() + "  split: {kind: split, assignment: letters.txt}\n";
  auto spec = compiled(assigned);
  CHECK(run_to_end("p1", spec, effects).failed.at("split").find("holds no file 'letters.txt'") !=
        std::string::npos);

  std::string letters(800, 'T');
  letters[3] = 'E', letters[5] = 'V';
  effects.versions[0].files.push_back(
      effects.storage.put("letters.txt", ml::format_split(letters)));
  const auto outcome = run_to_end("p2", spec, effects);
  CHECK(outcome.completed.at("split").figures.at("test") == 1);

  effects.versions[0].files.back() = effects.storage.put("letters.txt", "TVE\n");
  effects.cache.clear();
  CHECK(run_to_end("p3", spec, effects).failed.at("split") ==
        "the assignment has 3 letters, the table 800 rows; one letter a row would be right");
  effects.versions[0].files.back() =
      effects.storage.put("letters.txt", ml::format_split(std::string(800, 'T')));
  CHECK(run_to_end("p4", spec, effects).failed.at("split") ==
        "the split leaves no rows for the validation part");
}

TEST_CASE("A label that is not there fails the split", "[steps]") {
  TestEffects effects;
  CHECK_FALSE(
      run_to_end("p1", small_pipeline({{"label", "salary"}}), effects).failed.at("split").empty());
  CHECK_FALSE(
      run_to_end("p2", small_pipeline({{"positive", "rich"}}), effects).failed.at("split").empty());
}

TEST_CASE("Features leave out the label and what is dropped", "[steps]") {
  TestEffects effects;
  const auto outcome =
      run_to_end("p1", small_pipeline({{"features.drop", "[fnlwgt, education]"}}), effects);
  const auto& features = outcome.completed.at("features");
  CHECK(features.figures.at("columns") == 12);
  const auto names = from_json<std::vector<std::string>>(
      blob(effects, features.outputs.at("feature_names")), Unknown::refuse);
  REQUIRE(names);
  CHECK(names->size() == features.figures.at("features"));
  CHECK(std::find(names->begin(), names->end(), "workclass=?") != names->end());
  for (const auto& name : *names) CHECK(name.find("income") == std::string::npos);
  CHECK(run_to_end("p2", small_pipeline({{"features.drop", "[colour]"}}), effects)
            .failed.at("features") == "drop names 'colour', which is no feature of the dataset");
}

TEST_CASE("Training logs params, dataset and both curves, round by round", "[steps]") {
  TestEffects effects;
  const auto outcome = run_to_end("p1", small_pipeline(), effects);
  const auto& run = effects.run_of("wide");
  CHECK(run.request.experiment == "tests");
  CHECK(run.request.pipeline_run_id == "p1");
  CHECK(run.status == "finished");
  CHECK(run.params.at("max_depth") == "1");
  CHECK(run.params.at("rounds") == "3");
  CHECK(run.params.at("seed") == "7");
  REQUIRE(run.inputs.size() == 1);
  CHECK(run.inputs[0].dataset == "adult");
  CHECK(run.inputs[0].version == 1);
  CHECK(run.inputs[0].digest == effects.versions[0].digest);
  CHECK(run.count("train-auc") == 3);
  CHECK(run.count("validation-auc") == 3);
  std::int64_t step = 0;
  for (const auto& metric : run.metrics)
    if (metric.key == "validation-auc") CHECK(metric.step == step++);
  double best = 0;
  for (const auto& metric : effects.run_of("deep").metrics)
    if (metric.key == "validation-auc") best = std::max(best, metric.value);
  CHECK(outcome.completed.at("deep").figures.at("validation_auc") == best);
  CHECK(run.artifacts.at("model.ubj").digest == outcome.completed.at("wide").outputs.at("model"));
}

TEST_CASE("Curves go out while the model is trained", "[steps]") {
  TestEffects effects;
  effects.before_metrics = [&](const std::string&) -> Status {
    effects.cancel = true;
    return {};
  };
  const auto stopped = run_pipeline("p1", small_pipeline({{"rounds", "5000"}}), {}, effects, 1);
  REQUIRE_FALSE(stopped);
  const auto& run = effects.run_of("deep");
  CHECK(run.metric_calls == 1);
  CHECK(run.count("train-auc") == 1);
  CHECK(run.artifacts.empty());
}

TEST_CASE("Evaluation logs figures and reports to each model's run", "[steps]") {
  TestEffects effects;
  const auto outcome = run_to_end("p1", small_pipeline(), effects);
  const auto& figures = outcome.completed.at("evaluate").figures;
  for (const auto* step : {"deep", "wide"}) {
    INFO(step);
    const auto& run = effects.run_of(step);
    for (const auto* name : {"auc", "average_precision", "f1", "precision", "recall", "accuracy",
                             "log_loss", "tn", "fp", "fn", "tp"})
      CHECK(run.last(name) == figures.at(std::string(step) + "/" + name));
    CHECK(run.last("tn") + run.last("fp") + run.last("fn") + run.last("tp") == 200);
    CHECK(run.last("auc") > 0.6);
    for (const auto* file : {"confusion_matrix.json", "importances.json", "preprocessor.txt",
                             "reference.bin", "manifest.json", "model.ubj"})
      CHECK(run.artifacts.contains(file));
    CHECK(figures.at(std::string(step) + "/validation_auc") ==
          outcome.completed.at(step).figures.at("validation_auc"));
  }
  CHECK(figures.at("deep/auc") > figures.at("wide/auc"));
}

TEST_CASE("The best model by the named metric is registered", "[steps]") {
  TestEffects effects;
  const auto best = run_to_end("p1", small_pipeline(), effects).completed.at("register");
  CHECK(best.outputs.at("selected") == "deep");
  const auto worst = run_to_end("p2", small_pipeline({{"register.select.mode", "min"}}), effects)
                         .completed.at("register");
  CHECK(worst.outputs.at("selected") == "wide");
  const auto by_loss =
      run_to_end("p3", small_pipeline({{"register.select", "{metric: log_loss, mode: min}"}}),
                 effects)
          .completed.at("register");
  CHECK(by_loss.outputs.at("selected") == "deep");
  CHECK(effects.models.size() == 2);
  CHECK(run_to_end("p4", small_pipeline({{"register.select.metric", "beauty"}}), effects)
            .failed.at("register") ==
        "step 'register' selects by 'beauty', which 'deep' does not have");
}

TEST_CASE("A registered version carries a bundle that serving can load", "[steps]") {
  TestEffects effects;
  run_to_end("p1", small_pipeline(), effects);
  REQUIRE(effects.models.size() == 1);
  const auto& version = effects.models[0].command;
  CHECK(version.model == "adult");
  CHECK(version.pipeline_run_id == "p1");
  CHECK(version.dataset == "adult");
  CHECK(version.metrics.at("auc") > 0.6);
  CHECK(version.metrics.contains("validation_auc"));
  CHECK(version.params.at("max_depth") == "4");
  CHECK(version.artifacts.size() == 4);

  const auto bundle = load_bundle(version.artifacts, *effects.storage.store, "default");
  if (!bundle) FAIL(bundle.error().message);
  CHECK((*bundle)->manifest.label == "income");
  CHECK((*bundle)->manifest.positive == ">50K");
  CHECK((*bundle)->manifest.missing_category == "?");
  REQUIRE((*bundle)->manifest.features.size() == 14);
  CHECK((*bundle)->manifest.features[0] == FeatureColumn{"age", "numeric"});
  CHECK((*bundle)->reference.features.size() == 14);
  CHECK(std::get<ml::NumericReference>((*bundle)->reference.features.at("age")).sample.total() ==
        480);
  CHECK((*bundle)->reference.probabilities.sample.total() == 200);
}

TEST_CASE("On UCI Adult a pipeline reaches what scikit-learn and XGBoost reach", "[steps]") {
  const char* source = std::getenv("MLFORGE_SOURCE");
  const char* folder = std::getenv("MLFORGE_DATA");
  const auto root = std::string(source ? source : "");
  const auto data = folder ? std::string(folder) : root + "/../shared/data";
  const auto train = read_file(data + "/adult/adult.data");
  if (!source || train.empty()) {
    WARN("skipped: no UCI Adult in MLFORGE_DATA, or MLFORGE_SOURCE does not name the source tree");
    return;
  }
  TestEffects effects;
  auto& files = effects.versions[0].files;
  files = {
      effects.storage.put("adult.data", train),
      effects.storage.put("adult.test", read_file(data + "/adult/adult.test")),
      effects.storage.put("letters.txt", read_file(data + "/reference/adult_split_seed42.txt")),
      effects.storage.put("schema.yaml", read_file(root + "/ops/demo/schema.yaml"))};
  const auto spec = compiled(
      small_head() +
      "  split: {kind: split, assignment: letters.txt}\n"
      "  features: {kind: features, needs: [split]}\n"
      "  a: {kind: train, needs: [features], rounds: 500, early_stopping: 50,\n"
      "      params: {max_depth: 6, learning_rate: 0.1, min_child_weight: 1, tree_method: hist}}\n"
      "  evaluate: {kind: evaluate, needs: [a]}\n");
  const auto outcome = run_to_end("p1", spec, effects);
  REQUIRE(outcome.failed.empty());
  const auto& figures = outcome.completed.at("evaluate").figures;
  // reference/adult_xgboost.json, golden_metric_check: the same split, configuration and protocol.
  CHECK(figures.at("a/auc") == Approx(0.9320002074402439).margin(0.001));
  CHECK(figures.at("a/average_precision") == Approx(0.8380233834773694).margin(0.002));
  CHECK(figures.at("a/log_loss") == Approx(0.26969493081270857).margin(0.002));
  CHECK(figures.at("a/tn") + figures.at("a/fp") == 7431);
  CHECK(figures.at("a/fn") + figures.at("a/tp") == 2338);
}

TEST_CASE("Cross-validation logs mean and spread to a run of its own", "[steps]") {
  TestEffects effects;
  const auto spec =
      compiled(small_head() +
               "  split: {kind: split}\n"
               "  features: {kind: features, needs: [split], drop: [fnlwgt]}\n"
               "  cv: {kind: cross_validate, needs: [features], folds: 3, rounds: 4,\n"
               "       early_stopping: 0, params: {max_depth: 2}}\n");
  const auto outcome = run_to_end("p1", spec, effects);
  REQUIRE(outcome.failed.empty());
  const auto& figures = outcome.completed.at("cv").figures;
  CHECK(figures.at("cv_auc_mean") > 0.6);
  CHECK(figures.at("cv_auc_sd") > 0);
  const auto& run = effects.run_of("cv");
  CHECK(run.status == "finished");
  CHECK(run.count("fold_auc") == 3);
  CHECK(run.last("cv_auc_mean") == figures.at("cv_auc_mean"));
  CHECK(run.artifacts.contains("cross_validation.json"));
  double sum = 0;
  for (const auto& metric : run.metrics)
    if (metric.key == "fold_auc") sum += metric.value;
  CHECK(sum / 3 == Approx(figures.at("cv_auc_mean")).epsilon(1e-12));
}

TEST_CASE("Cache keys depend on input, configuration and function", "[steps]") {
  const auto spec = small_pipeline();
  const ResolvedDataset data{.name = "adult", .version = 1, .digest = "d1"};
  auto other = data;
  other.version = 9;  // the same content under another number
  const std::map<std::string, StepOutcome> inputs{{"split", {{{"split", "x"}}, {}, {}}}};
  const std::map<std::string, StepOutcome> changed{{"split", {{{"split", "y"}}, {}, {}}}};
  const auto key = cache_key(*spec.find("features"), data, inputs);
  CHECK(key.size() == 64);
  CHECK(cache_key(*spec.find("features"), other, inputs) == key);
  CHECK(cache_key(*spec.find("features"), data, changed) != key);
  other.digest = "d2";
  CHECK(cache_key(*spec.find("features"), other, inputs) != key);
  auto step = *spec.find("features");
  step.kind = "train";
  CHECK(cache_key(step, data, inputs) != key);
  step = *spec.find("features");
  step.canonical += " ";
  CHECK(cache_key(step, data, inputs) != key);
}

}  // namespace mlforge::actors::steps_tests
