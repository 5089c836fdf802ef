#include "actors/gate.hpp"

#include <algorithm>

#include "tests/actors/serving_support.hpp"

namespace gate_tests {

using namespace mlforge;
using namespace mlforge::actors;
using namespace mlforge::actors::test::serving;

namespace {

const Bundle& trained() {
  static const TrainedModel model = train_model(7, {"age", "workclass"});
  return model.bundle;
}

// The gate over stored files, with figures that pass unless a test changes them.
struct Gate {
  Store store;
  std::vector<FileRef> artifacts;
  Figures metrics{{"auc", 0.9}};
  std::optional<Figures> champion;
  GatePolicy policy;

  explicit Gate(const Files& files = files_of(trained())) : artifacts(store.put(files)) {}

  std::vector<Check> checks() const {
    auto out = evaluate_gate(artifacts, metrics, champion, policy, *store.blobs, kTenant);
    REQUIRE(out.size() == 4);
    CHECK(out[0].name == "integrity");
    CHECK(out[1].name == "shape");
    CHECK(out[2].name == "metric_minimum");
    CHECK(out[3].name == "no_regression");
    for (const auto& each : out) {
      CHECK_FALSE(each.observed.empty());
      CHECK_FALSE(each.expected.empty());
    }
    return out;
  }
  // "++-+" for: the third check failed.
  std::string verdict() const {
    std::string out;
    for (const auto& each : checks()) out += each.passed ? '+' : '-';
    return out;
  }
  FileRef& file(std::string_view name) {
    return *std::find_if(artifacts.begin(), artifacts.end(),
                         [&](const auto& each) { return each.path == name; });
  }
};

std::string shape_of(const Files& files) {
  const Gate gate(files);
  const auto checks = gate.checks();
  CHECK(checks[0].passed);  // whole, but wrong
  CHECK_FALSE(checks[1].passed);
  return checks[1].observed;
}

bool holds(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("gate: a good version passes, and says what was seen") {
  const Gate gate;
  CHECK(gate.verdict() == "++++");
  const auto checks = gate.checks();
  CHECK(checks[0].observed == "4 files match");
  CHECK(holds(checks[1].observed, "a sample row scores 0."));
  CHECK(checks[2].column == "auc");
  CHECK(checks[2].observed == "0.9");
  CHECK(checks[2].expected == "at least 0.85");
  CHECK(checks[3].observed == "no champion");
}

TEST_CASE("gate: a bit that flipped in any stored file") {
  for (const auto& name : {kModelFile, kPreprocessorFile, kReferenceFile, kManifestFile}) {
    Gate gate;
    gate.store.damage(gate.file(name));
    const auto checks = gate.checks();
    INFO(name);
    CHECK_FALSE(checks[0].passed);
    CHECK(holds(checks[0].observed, std::string(name)));
    CHECK_FALSE(checks[1].passed);
    CHECK(holds(checks[1].observed, std::string(name)));
    CHECK(checks[2].passed);
  }
}

TEST_CASE("gate: a damaged file that serving does not read still fails") {
  auto files = files_of(trained());
  files["report.html"] = "<p>0.9</p>";
  Gate gate(files);
  CHECK(gate.verdict() == "++++");
  gate.store.damage(gate.file("report.html"));
  CHECK(gate.verdict() == "-+++");
}

TEST_CASE("gate: a file that was never stored, a digest that is none, and no files at all") {
  Gate gate;
  gate.file(kModelFile).digest = std::string(64, '0');
  CHECK(gate.verdict() == "--++");
  gate.file(kModelFile).digest = "../../etc";
  CHECK(gate.verdict() == "--++");
  gate.artifacts.clear();
  CHECK(gate.verdict() == "--++");
  CHECK(holds(gate.checks()[0].observed, "no files"));
}

TEST_CASE("gate: a version without one of its files") {
  for (const auto& name : {kModelFile, kPreprocessorFile, kReferenceFile, kManifestFile}) {
    auto files = files_of(trained());
    files.erase(std::string(name));
    CHECK(holds(shape_of(files), std::string(name)));
  }
}

TEST_CASE("gate: a model of another width than its preprocessor's") {
  auto files = files_of(trained());
  files[std::string(kModelFile)] = census_model().bundle.model;
  CHECK(holds(shape_of(files), "features, the preprocessor gives"));
}

TEST_CASE("gate: bytes that are no model, or half of one") {
  auto files = files_of(trained());
  auto& model = files[std::string(kModelFile)];
  const std::string whole = model;
  for (const auto& bytes : {std::string(), std::string("no model"), std::string(10000, '{'),
                            whole.substr(0, whole.size() / 2), whole.substr(1)}) {
    model = bytes;
    CHECK_FALSE(shape_of(files).empty());
  }
}

TEST_CASE("gate: a model whose answers are no probabilities") {
  const ml::Matrix x{4, 2, {0, 1, 1, 0, 2, 1, 3, 0}};
  const std::vector<float> y{500, 600, 700, 800};
  ml::TrainOptions options;
  options.rounds = 3;
  options.eval_metric = "rmse";
  options.params = {{"objective", "reg:squarederror"}};
  const auto numeric = train_model(3, {"age", "hours-per-week"}, 60);
  auto files = files_of(numeric.bundle);
  files[std::string(kModelFile)] = must(ml::train(x, y, options)).bytes;
  CHECK(holds(shape_of(files), "a sample row scores "));
}

TEST_CASE("gate: below the minimum, exactly at it, and without the metric") {
  Gate gate;
  gate.metrics = {{"auc", 0.8499}};
  CHECK(gate.verdict() == "++-+");
  gate.metrics = {{"auc", 0.85}};
  CHECK(gate.verdict() == "++++");
  gate.metrics = {{"auc", std::nan("")}};
  CHECK(gate.verdict() == "++-+");
  gate.metrics = {{"accuracy", 0.99}};
  CHECK(gate.verdict() == "++-+");
  CHECK(gate.checks()[2].observed == "none");
  gate.policy.metric = "accuracy";
  CHECK(gate.verdict() == "++++");
}

TEST_CASE("gate: worse than the champion") {
  Gate gate;
  gate.champion = Figures{{"auc", 0.91}};
  CHECK(gate.verdict() == "+++-");
  CHECK(gate.checks()[3].observed == "0.9");
  CHECK(gate.checks()[3].expected == "at least 0.91");
  gate.champion = Figures{{"auc", 0.9}};  // as good is no step back
  CHECK(gate.verdict() == "++++");
  gate.champion = Figures{{"auc", 0.91}};
  gate.policy.max_regression = 0.02;
  CHECK(gate.verdict() == "++++");
  gate.metrics.clear();
  CHECK(gate.verdict() == "++--");
}

TEST_CASE("gate: a regression of just what is allowed is allowed, whatever rounding says") {
  Gate gate;
  gate.policy = {.metric = "auc", .minimum = 0.5, .max_regression = 0.1};
  gate.metrics = {{"auc", 0.7}};
  gate.champion = Figures{{"auc", 0.8}};  // 0.8 - 0.1 > 0.7 in binary
  CHECK(gate.verdict() == "++++");
  gate.metrics = {{"auc", 0.6999}};
  CHECK(gate.verdict() == "+++-");
}

TEST_CASE("gate: a champion without the metric cannot be compared with") {
  Gate gate;
  for (const auto& figures : {Figures{}, Figures{{"auc", std::nan("")}}}) {
    gate.champion = figures;
    CHECK(gate.verdict() == "++++");
    CHECK(gate.checks()[3].observed == "the champion has no auc");
  }
}

}  // namespace gate_tests
