#include "ml/xgb.hpp"

#include <cmath>

#include "ml/metrics.hpp"
#include "ml/preprocess.hpp"
#include "ml/random.hpp"
#include "ml/scorer.hpp"
#include "ml/split.hpp"
#include "ml/tree_model.hpp"
#include "ml/tree_walker.hpp"
#include "ml/xgb_handles.hpp"
#include "tests/ml/data.hpp"

namespace xgb_tests {

using namespace mlforge;
using namespace mlforge::ml;
using namespace mlforge::ml::test;

namespace {

struct Sample {
  Matrix x;
  std::vector<float> y;
  std::vector<std::string> names;
};

Sample sample(std::uint32_t rows, std::uint64_t seed, Encoding encoding = Encoding::ordinal) {
  const auto fit_on = synthetic(2000, 1);
  const auto table = synthetic(rows, seed);
  PreprocessOptions options;
  options.encoding = encoding;
  const auto p = must(Preprocessor::fit(fit_on, all_rows(2000), options, "income"));
  return {must(p.transform(table, all_rows(rows))), must(binary_labels(table, "income", ">50K")),
          p.feature_names()};
}

TrainOptions quick(int rounds) {
  TrainOptions options;
  options.rounds = rounds;
  options.params = {{"max_depth", "4"}, {"learning_rate", "0.2"}};
  return options;
}

double auc_of(const std::string& model, const Sample& s) {
  const auto scores = must(predict(model, s.x));
  return must(roc_auc(s.y, std::vector<double>(scores.begin(), scores.end())));
}

// What XGBoost itself says, through a DMatrix.
std::vector<float> reference_predictions(const std::string& model, const Matrix& x) {
  auto booster = must(load_booster(model));
  void* handle = nullptr;
  REQUIRE(XGDMatrixCreateFromMat(x.data.data(), x.rows, x.cols, NAN, &handle) == 0);
  DMatrixPtr matrix(handle);
  bst_ulong size = 0;
  const float* result = nullptr;
  REQUIRE(XGBoosterPredict(booster.get(), handle, 0, 0, 0, &size, &result) == 0);
  return {result, result + size};
}

}  // namespace

TEST_CASE("training learns, and the same seed gives the same bytes") {
  const auto train_on = sample(3000, 2), test_on = sample(2000, 3);
  auto options = quick(60);
  options.params["colsample_bytree"] = "0.5";
  options.params["subsample"] = "0.8";
  options.seed = 7;
  const auto model = must(train(train_on.x, train_on.y, options));
  CHECK(model.trees == 60);
  CHECK(auc_of(model.bytes, test_on) > 0.87);
  CHECK(must(train(train_on.x, train_on.y, options)).bytes == model.bytes);
  options.seed = 8;
  CHECK(must(train(train_on.x, train_on.y, options)).bytes != model.bytes);
}

TEST_CASE("early stopping keeps the best iteration's trees") {
  const auto train_on = sample(1500, 2), validate_on = sample(1000, 3);
  auto options = quick(300);
  options.params["max_depth"] = "6";
  options.early_stopping_rounds = 10;
  options.eval_sets = {{"train", &train_on.x, train_on.y},
                       {"validation", &validate_on.x, validate_on.y}};
  std::vector<double> curve;
  int others = 0;
  options.on_metric = [&](const RoundMetric& m) {
    CHECK(m.metric == "auc");
    if (m.set == "validation")
      curve.push_back(m.value);
    else
      ++others;
    return true;
  };
  const auto model = must(train(train_on.x, train_on.y, options));
  const auto best = std::max_element(curve.begin(), curve.end());
  CHECK(others == static_cast<int>(curve.size()));
  CHECK(model.best_iteration == best - curve.begin());
  CHECK(model.best_score == *best);
  CHECK(model.trees == model.best_iteration + 1);
  CHECK(model.rounds_run == model.best_iteration + 11);
  CHECK(static_cast<int>(curve.size()) == model.rounds_run);
  CHECK(must(read_model(model.bytes)).trees.size() == static_cast<std::size_t>(model.trees));
  CHECK(auc_of(model.bytes, validate_on) == Approx(model.best_score).epsilon(1e-6));
  // The kept trees are those of a run that simply stops there.
  auto plain = quick(model.trees);
  plain.params["max_depth"] = "6";
  CHECK(must(predict(must(train(train_on.x, train_on.y, plain)).bytes, validate_on.x)) ==
        must(predict(model.bytes, validate_on.x)));
}

TEST_CASE("a smaller log loss is better, and several metrics are reported") {
  const auto train_on = sample(800, 2), validate_on = sample(500, 3);
  auto options = quick(200);
  options.early_stopping_rounds = 5;
  options.eval_metric = "auc,logloss";
  options.eval_sets = {{"a-b", &validate_on.x, validate_on.y}};
  std::map<std::string, std::vector<double>> curves;
  options.on_metric = [&](const RoundMetric& m) {
    CHECK(m.set == "a-b");
    curves[std::string(m.metric)].push_back(m.value);
    return true;
  };
  const auto model = must(train(train_on.x, train_on.y, options));
  const auto& losses = curves.at("logloss");
  CHECK(curves.at("auc").size() == losses.size());
  CHECK(model.best_iteration == std::min_element(losses.begin(), losses.end()) - losses.begin());
}

TEST_CASE("a callback can cancel") {
  const auto s = sample(300, 2);
  auto options = quick(50);
  options.eval_sets = {{"train", &s.x, s.y}};
  options.on_metric = [](const RoundMetric& m) { return m.round < 3; };
  const auto model = train(s.x, s.y, options);
  REQUIRE_FALSE(model);
  CHECK(model.error().code == ErrorCode::conflict);
  CHECK_THAT(model.error().message, Catch::Contains("round 3"));
}

TEST_CASE("training refuses what does not fit") {
  const auto s = sample(100, 2);
  CHECK(train(s.x, std::vector<float>(99), quick(1)).error().field == "labels");
  CHECK(train(Matrix{2, 2, {1, 2, 3}}, std::vector<float>(2), quick(1)).error().field ==
        "features");
  CHECK(train(Matrix{}, std::vector<float>{}, quick(1)).error().field == "features");
  CHECK(train(s.x, s.y, quick(0)).error().field == "rounds");
  auto names = quick(1);
  names.feature_names = {"only one"};
  CHECK(train(s.x, s.y, names).error().field == "feature_names");
  auto early = quick(1);
  early.early_stopping_rounds = 5;
  CHECK(train(s.x, s.y, early).error().field == "early_stopping_rounds");
  Matrix narrow{1, 1, {0}};
  const std::vector<float> one{1};
  auto sets = quick(1);
  sets.eval_sets = {{"narrow", &narrow, one}};
  CHECK_THAT(train(s.x, s.y, sets).error().message, Catch::Contains("'narrow' has 1 features"));
  auto bad = quick(1);
  bad.params["max_depth"] = "deep";
  const auto refused = train(s.x, s.y, bad);
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("max_depth"));
  CHECK_THAT(refused.error().message, !Catch::Contains("Stack trace"));
}

TEST_CASE("a scorer answers bit for bit what XGBoost answers") {
  for (const auto encoding : {Encoding::one_hot, Encoding::ordinal}) {
    auto train_on = sample(1500, 2, encoding), ask = sample(1000, 3, encoding);
    Random random(5);
    for (auto* m : {&train_on.x, &ask.x})
      for (auto& v : m->data)
        if (random.below(20) == 0) v = NAN;
    const auto model = must(train(train_on.x, train_on.y, quick(37)));
    const auto scorer = must(Scorer::load(model.bytes));
    CHECK(scorer.walks_trees());
    CHECK(scorer.features() == ask.x.cols);
    const auto expected = reference_predictions(model.bytes, ask.x);
    CHECK(must(scorer.score(ask.x)) == expected);
    for (std::size_t i = 0; i < ask.x.rows; ++i)
      REQUIRE(must(scorer.score(ask.x.row(i))) == expected[i]);
  }
}

TEST_CASE("a scorer asks XGBoost for models that it does not walk") {
  const auto train_on = sample(500, 2), ask = sample(200, 3);
  for (const auto& params :
       std::vector<std::map<std::string, std::string>>{{{"booster", "dart"}, {"rate_drop", "0.2"}},
                                                       {{"booster", "gblinear"}},
                                                       {{"objective", "binary:hinge"}}}) {
    TrainOptions options;
    options.rounds = 10;
    options.params = params;
    if (params.count("booster") != 0 && params.at("booster") == "gblinear")
      options.params["tree_method"] = "auto";
    const auto model = must(train(train_on.x, train_on.y, options));
    const auto scorer = must(Scorer::load(model.bytes));
    CHECK_FALSE(scorer.walks_trees());
    const auto expected = reference_predictions(model.bytes, ask.x);
    const auto all = must(scorer.score(ask.x));
    for (std::size_t i = 0; i < ask.x.rows; ++i) {
      REQUIRE(all[i] == Approx(expected[i]).margin(1e-6));
      REQUIRE(must(scorer.score(ask.x.row(i))) == all[i]);
    }
  }
}

TEST_CASE("a pruned model, with nodes left over, is read and walked") {
  const auto s = sample(1000, 2);
  auto options = quick(20);
  options.params["gamma"] = "3";
  const auto model = must(train(s.x, s.y, options));
  const auto plain = must(train(s.x, s.y, quick(20)));
  CHECK(model.bytes.size() < plain.bytes.size());
  const auto scorer = must(Scorer::load(model.bytes));
  CHECK(scorer.walks_trees());
  CHECK(must(scorer.score(s.x)) == reference_predictions(model.bytes, s.x));
}

TEST_CASE("regression with a base score is walked too") {
  const auto s = sample(400, 2);
  auto options = quick(20);
  options.params["objective"] = "reg:squarederror";
  options.params["base_score"] = "3.25";
  options.eval_metric = "rmse";
  const auto model = must(train(s.x, s.y, options));
  const auto scorer = must(Scorer::load(model.bytes));
  CHECK(scorer.walks_trees());
  CHECK(must(scorer.score(s.x)) == reference_predictions(model.bytes, s.x));
}

TEST_CASE("a scorer refuses wrong rows") {
  const auto s = sample(200, 2);
  const auto model = must(train(s.x, s.y, quick(3)));
  const auto scorer = must(Scorer::load(model.bytes));
  CHECK_THAT(scorer.score(std::vector<float>(3)).error().message, Catch::Contains("trained on 14"));
  CHECK_FALSE(scorer.score(std::vector<float>(14, INFINITY)));
  CHECK(scorer.score(std::vector<float>(14, NAN)));
  CHECK_FALSE(predict(model.bytes, Matrix{1, 3, {0, 0, 0}}));
  CHECK(must(predict(model.bytes, Matrix{0, 14, {}})).empty());
}

TEST_CASE("importances name features and agree between kinds") {
  const auto s = sample(2000, 2);
  auto options = quick(30);
  options.feature_names = s.names;
  const auto model = must(train(s.x, s.y, options));
  const auto found = must(importances(model.bytes));
  REQUIRE(found.size() == s.names.size());
  CHECK(std::is_sorted(found.begin(), found.end(),
                       [](const auto& a, const auto& b) { return a.gain > b.gain; }));
  CHECK((found[0].feature == "marital-status" || found[0].feature == "relationship"));
  double splits = 0, nodes = 0;
  for (const auto& f : found) splits += f.weight;
  for (const auto& tree : must(read_model(model.bytes)).trees)
    for (const auto& node : tree) nodes += node.left >= 0 ? 1 : 0;
  CHECK(splits == nodes);
  CHECK(must(Scorer::load(model.bytes)).feature_names() == s.names);
  const auto nameless = must(train(s.x, s.y, quick(3)));
  CHECK(must(importances(nameless.bytes))[0].feature[0] == 'f');
}

TEST_CASE("damaged models are refused, never a crash") {
  const auto s = sample(200, 2);
  auto options = quick(3);
  options.feature_names = s.names;
  const auto bytes = must(train(s.x, s.y, options)).bytes;
  for (std::size_t n = 0; n < bytes.size(); n += 13)
    CHECK(Scorer::load(bytes.substr(0, n)).error().code == ErrorCode::corrupt);
  CHECK_FALSE(Scorer::load(bytes + "x"));
  CHECK_FALSE(Scorer::load("{}"));
  CHECK_FALSE(Scorer::load(std::string(5000, '[')));
  auto wrong_id = bytes;
  const auto id = wrong_id.find(std::string("idi\0", 4));
  REQUIRE(id != std::string::npos);
  wrong_id[id + 3] = 5;
  CHECK(Scorer::load(wrong_id).error().code == ErrorCode::corrupt);
  Random random(11);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    auto damaged = bytes;
    damaged[random.below(static_cast<std::uint32_t>(bytes.size()))] =
        static_cast<char>(random.below(256));
    const auto scorer = Scorer::load(damaged);  // a changed threshold is still a model
    if (!scorer)
      ++refused;
    else if (scorer->features() == s.x.cols)
      for (std::size_t r = 0; r < 5; ++r) (void)scorer->score(s.x.row(r));
  }
  CHECK(refused > 500);
}

}  // namespace xgb_tests
