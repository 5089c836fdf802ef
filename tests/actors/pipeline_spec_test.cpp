#include "actors/pipeline_spec.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "actors/pipeline_params.hpp"

namespace mlforge::actors {
namespace {

const std::string kHead =
    "pipeline: p\ndataset: d\nlabel: y\npositive: \"1\"\nmodel: m\nseed: 7\nsteps:\n";
const std::string kSplit = "  split: {kind: split}\n";
const std::string kFeatures = "  features: {kind: features, needs: [split]}\n";
const std::string kTrain = "  train: {kind: train, needs: [features], params: {max_depth: 3}}\n";
const std::string kEvaluate = "  evaluate: {kind: evaluate, needs: [train]}\n";
const std::string kRegister = "  register: {kind: register, needs: [evaluate]}\n";
const std::string kAll = kHead + kSplit + kFeatures + kTrain + kEvaluate + kRegister;

Error error_of(const std::string& yaml, const Texts& overrides = {}) {
  const auto spec = compile_pipeline(yaml, overrides);
  return spec ? Error{ErrorCode::internal, "no error", ""} : spec.error();
}
std::string message_of(const std::string& yaml, const Texts& overrides = {}) {
  return error_of(yaml, overrides).message;
}
PipelineSpec compiled(const std::string& yaml, const Texts& overrides = {}) {
  auto spec = compile_pipeline(yaml, overrides);
  if (!spec) FAIL(spec.error().message);
  return *spec;
}

}  // namespace

TEST_CASE("A pipeline compiles to ordered steps", "[pipeline]") {
  const auto spec = compiled(kHead + kRegister + kEvaluate + kTrain + kFeatures + kSplit);
  CHECK(spec.name == "p");
  CHECK(spec.experiment == "p");
  CHECK(spec.dataset == "d");
  CHECK(spec.dataset_version == 0);
  CHECK(spec.positive == "1");
  CHECK(spec.seed == 7);
  CHECK(spec.step_names() ==
        std::vector<std::string>{"split", "features", "train", "evaluate", "register"});
  const auto& train = std::get<TrainConfig>(spec.find("train")->config);
  CHECK(train.params == Texts{{"max_depth", "3"}});
  CHECK(train.early_stopping == 50);
  CHECK(spec.find("nothing") == nullptr);
}

TEST_CASE("A dataset may name its version", "[pipeline]") {
  auto yaml = kAll;
  yaml.replace(yaml.find("dataset: d"), 10, "dataset: d@3");
  CHECK(compiled(yaml).dataset_version == 3);
  yaml.replace(yaml.find("dataset: d@3"), 12, "dataset: d@x");
  CHECK(message_of(yaml).find("line 2, column 10: dataset must be a name or name@version") == 0);
}

TEST_CASE("Unknown keys are refused wherever they stand", "[pipeline]") {
  CHECK(error_of("colour: red\n" + kAll).code == ErrorCode::unknown_field);
  CHECK(message_of("colour: red\n" + kAll).find("line 1, column 1: colour is not a key") == 0);
  CHECK(message_of(kHead + "  split: {kind: split, tset: 0.2}\n") ==
        "line 8, column 24: steps.split.tset is not a key of this place; the keys are assignment, "
        "test, validation");
  CHECK(message_of(kHead + kSplit +
                   "  f: {kind: features, needs: [split], numeric: {scale: none, bins: 3}}\n")
            .find("line 9, column 62: steps.f.numeric.bins is not a key") == 0);
  CHECK(message_of(kHead + kSplit + kFeatures +
                   "  t: {kind: train, needs: [features], params: {depth: 3}}\n")
            .find("steps.t.params.depth is not a param that a step may set") != std::string::npos);
}

TEST_CASE("A label's value may hold a slash, but must be there", "[pipeline]") {
  CHECK(compiled(kAll, {{"positive", "n/a"}}).positive == "n/a");
  CHECK(message_of(kAll, {{"label", "''"}}) ==
        "override: label must be a text of 1 to 200 bytes without control characters");
  CHECK(message_of(kAll, {{"experiment", "a/b"}}).find("override: experiment") == 0);
}

TEST_CASE("A key given twice is refused", "[pipeline]") {
  CHECK(message_of(kAll + "  split: {kind: split}\n") ==
        "line 13, column 3: key 'split' is given twice, first in line 8");
}

TEST_CASE("A missing key and a wrong type name their place", "[pipeline]") {
  CHECK(message_of("pipeline: p\nlabel: y\npositive: a\nsteps: {s: {kind: split}}\n") ==
        "line 1, column 1: dataset is missing");
  CHECK(
      message_of(kHead + "  s: {needs: []}\n").find("line 8, column 6: steps.s.kind is missing") ==
      0);
  CHECK(message_of(kHead + kSplit + kFeatures +
                   "  t: {kind: train, needs: [features], rounds: many}\n") ==
        "line 10, column 47: steps.t.rounds must be a whole number from 0 on, not 'many'");
  CHECK(message_of(kHead + kSplit + kFeatures + "  t: {kind: train, needs: features}\n") ==
        "line 10, column 27: steps.t.needs must be a list, not 'features'");
  CHECK(message_of("[1]") == "line 1, column 1: the document must be a map, not a list");
  CHECK(message_of("pipeline: p\ndataset: d\nlabel: y\npositive: a\nsteps: {}\n") ==
        "line 5, column 8: steps must be a map of at least one step, not a map");
}

TEST_CASE("A text that holds no document says so", "[pipeline]") {
  for (const std::string empty : {"", "  \n", "# nothing\n", "---\n"}) {
    const auto spec = compile_pipeline(empty);
    REQUIRE_FALSE(spec);
    CHECK_THAT(spec.error().message, Catch::Matchers::StartsWith("line 1, column 1: ") ||
                                         Catch::Matchers::StartsWith("line 2, column 1: "));
    CHECK_THAT(spec.error().message, Catch::Matchers::Contains("must be a map, not nothing"));
  }
}

TEST_CASE("Values out of range are refused", "[pipeline]") {
  CHECK(message_of(kHead + "  s: {kind: split, test: 1.5}\n") ==
        "line 8, column 26: steps.s.test must be a share between 0 and 1");
  CHECK(message_of(kHead + "  s: {kind: split, test: 0.6, validation: 0.4}\n")
            .find("must leave rows to train on") != std::string::npos);
  CHECK(message_of(kHead + "  s: {kind: split, assignment: ../x}\n").find("relative path") !=
        std::string::npos);
  CHECK(message_of(kAll, {{"steps.train.rounds", "0"}}) ==
        "override: steps.train.rounds must be from 1 to 100000, not 0");
  CHECK(message_of(kAll, {{"steps.register.stage", "Production"}}) ==
        "override: steps.register.stage must be one of None, Staging, not 'Production'");
  CHECK(message_of(kAll, {{"seed", "4000000000"}}).find("override: seed must be from 0") == 0);
}

TEST_CASE("Params have ranges", "[pipeline]") {
  CHECK_FALSE(check_param("learning_rate", "0.1"));
  CHECK_FALSE(check_param("tree_method", "hist"));
  CHECK(check_param("max_depth", "2.5") == "must be a whole number from 0 to 64, not '2.5'");
  CHECK(check_param("subsample", "1.5") == "must be a number from 0 to 1, not '1.5'");
  CHECK(check_param("gamma", "nan") == "must be a number from 0 on, not 'nan'");
  CHECK(check_param("tree_method", "gpu_hist") ==
        "must be one of hist,approx,exact, not 'gpu_hist'");
  CHECK(check_param("nthread", "8")->find("is not a param that a step may set") == 0);
}

TEST_CASE("Unknown kinds and needs are named", "[pipeline]") {
  CHECK(message_of(kHead + "  s: {kind: spilt}\n") ==
        "line 8, column 13: steps.s.kind must be one of split, features, train, cross_validate, "
        "evaluate, register, not 'spilt'");
  CHECK(message_of(kHead + "  f: {kind: features, needs: [splitt]}\n") ==
        "line 8, column 31: steps.f.needs[0] names a step 'splitt' that does not exist");
  CHECK(message_of(kHead + kSplit + "  f: {kind: features}\n") ==
        "line 9, column 6: steps.f.needs must name one step of kind split, not 0");
  CHECK(message_of(kHead + kSplit + "  t: {kind: train, needs: [split]}\n") ==
        "line 9, column 27: steps.t.needs names 'split' of kind split; a train step needs kind "
        "features");
  CHECK(message_of(kHead + kSplit + "  s: {kind: split, needs: [split]}\n")
            .find("must be left out") != std::string::npos);
  CHECK(message_of(kHead + kSplit + kFeatures + kTrain +
                   "  e: {kind: evaluate, needs: [train, train]}\n") ==
        "line 11, column 38: steps.e.needs[1] names 'train' a second time");
  CHECK(message_of(kHead + "  a b: {kind: split}\n").find("must be a step name") !=
        std::string::npos);
}

TEST_CASE("A cycle is named step by step", "[pipeline]") {
  const auto cycle = kHead +
                     "  a: {kind: train, needs: [b]}\n"
                     "  b: {kind: features, needs: [c]}\n"
                     "  c: {kind: split, needs: [a]}\n";
  CHECK(message_of(cycle) ==
        "line 8, column 27: steps.a.needs leads back to where it began: a -> b -> c -> a");
  CHECK(message_of(kHead + "  a: {kind: split, needs: [a]}\n").find("a -> a") != std::string::npos);
}

TEST_CASE("Models of different splits cannot be evaluated together", "[pipeline]") {
  CHECK(message_of(kHead + kSplit + kFeatures + kTrain +
                   "  s2: {kind: split, test: 0.3}\n  f2: {kind: features, needs: [s2]}\n"
                   "  t2: {kind: train, needs: [f2]}\n"
                   "  e: {kind: evaluate, needs: [train, t2]}\n")
            .find("different splits") != std::string::npos);
}

TEST_CASE("Registering needs a model's name", "[pipeline]") {
  auto yaml = kAll;
  yaml.erase(yaml.find("model: m\n"), 9);
  CHECK(message_of(yaml).find("model is missing; the step 'register' registers a model") !=
        std::string::npos);
}

TEST_CASE("Overrides are applied before the checks", "[pipeline]") {
  const auto spec = compiled(kAll, {{"steps.train.params.max_depth", "4"},
                                    {"train.params.subsample", "0.5"},
                                    {"seed", "9"},
                                    {"rounds", "12"},
                                    {"fresh", "report-1"}});
  const auto& train = std::get<TrainConfig>(spec.find("train")->config);
  CHECK(train.params == Texts{{"max_depth", "4"}, {"subsample", "0.5"}});
  CHECK(train.rounds == 12);
  CHECK(spec.seed == 9);
  CHECK(message_of(kAll, {{"steps.trian.rounds", "3"}}) ==
        "override steps.trian.rounds: there is no step 'trian'");
  CHECK(message_of(kAll, {{"steps.train.params.max_depth", "deep"}})
            .find("override: steps.train.params.max_depth must be a whole number") == 0);
  CHECK(error_of(kAll, {{"colour", "red"}}).code == ErrorCode::unknown_field);
}

TEST_CASE("The canonical form is sorted, complete and independent of the order", "[pipeline]") {
  const auto one = compiled(kAll, {{"steps.train.params", "{subsample: 0.5, max_depth: 3}"}});
  const auto two = compiled(kAll, {{"steps.train.params", "{max_depth: 3, subsample: 0.5}"}});
  CHECK(one.find("train")->canonical == two.find("train")->canonical);
  CHECK(one.find("train")->canonical ==
        R"({"config":{"early_stopping":50,"params":{"max_depth":"3","subsample":"0.5"},)"
        R"("rounds":100},"experiment":"p","fresh":"","label":"y","positive":"1","seed":7,)"
        R"("step":"train"})");
  CHECK(one.find("split")->canonical ==
        R"({"config":{"assignment":"","test":0.2,"validation":0.1},"experiment":"","fresh":"",)"
        R"("label":"y","positive":"1","seed":7,"step":""})");
}

TEST_CASE("Only training sees `fresh`", "[pipeline]") {
  const auto before = compiled(kAll), after = compiled(kAll, {{"fresh", "r1"}});
  CHECK(before.find("train")->canonical != after.find("train")->canonical);
  for (const auto* step : {"split", "features", "evaluate"})
    CHECK(before.find(step)->canonical == after.find(step)->canonical);
}

TEST_CASE("The demonstration pipeline compiles", "[pipeline]") {
  const char* source = std::getenv("MLFORGE_SOURCE");
  if (!source) {
    WARN("skipped: MLFORGE_SOURCE does not name the source tree");
    return;
  }
  std::ifstream in(std::string(source) + "/ops/demo/adult.yaml");
  REQUIRE(in);
  std::stringstream text;
  text << in.rdbuf();
  const auto spec = compiled(text.str());
  CHECK(spec.model == "adult");
  for (const auto* step : {"split", "features", "train_deep", "train_wide", "evaluate", "register"})
    CHECK(spec.find(step));
}

}  // namespace mlforge::actors
