#include "ml/cv.hpp"

#include "tests/ml/data.hpp"

namespace cv_tests {

using namespace mlforge;
using namespace mlforge::ml;
using namespace mlforge::ml::test;

namespace {

CvOptions quick_cv() {
  CvOptions options;
  options.preprocess.encoding = Encoding::ordinal;
  options.train.rounds = 80;
  options.train.early_stopping_rounds = 10;
  options.train.params = {{"max_depth", "3"}, {"learning_rate", "0.2"}};
  return options;
}

}  // namespace

TEST_CASE("cross-validation judges every fold and summarises") {
  const auto table = synthetic(3000);
  auto options = quick_cv();
  std::vector<std::uint32_t> told;
  options.on_fold = [&](const FoldResult& fold) {
    told.push_back(fold.fold);
    return true;
  };
  const auto result = must(cross_validate(table, "income", ">50K", options));
  CHECK(told == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
  REQUIRE(result.folds.size() == 5);
  CHECK(result.roc_auc.mean > 0.87);
  CHECK(result.roc_auc.sd > 0);
  CHECK(result.roc_auc.sd < 0.03);
  std::uint64_t rows = 0;
  double sum = 0;
  for (const auto& fold : result.folds) {
    const auto& c = fold.metrics.at_threshold.confusion;
    rows += c.tn + c.fp + c.fn + c.tp;
    sum += fold.metrics.at_threshold.f1;
    CHECK(fold.trees > 0);
  }
  CHECK(rows == 3000);
  CHECK(result.f1.mean == Approx(sum / 5));
}

TEST_CASE("folds in parallel give the same results") {
  const auto table = synthetic(1000);
  auto options = quick_cv();
  options.folds = 3;
  const auto one = must(cross_validate(table, "income", ">50K", options));
  options.max_parallel = 2;
  const auto two = must(cross_validate(table, "income", ">50K", options));
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(one.folds[i].metrics.roc_auc == two.folds[i].metrics.roc_auc);
    CHECK(one.folds[i].metrics.log_loss == two.folds[i].metrics.log_loss);
    CHECK(one.folds[i].trees == two.folds[i].trees);
  }
}

TEST_CASE("cross-validation can be cancelled and refuses what does not fit") {
  const auto table = synthetic(400);
  auto options = quick_cv();
  int calls = 0;
  options.on_fold = [&](const FoldResult&) { return ++calls < 2; };
  const auto cancelled = cross_validate(table, "income", ">50K", options);
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().code == ErrorCode::conflict);
  CHECK(calls == 2);
  CHECK(cross_validate(table, "wages", ">50K", quick_cv()).error().code == ErrorCode::not_found);
  auto folds = quick_cv();
  folds.folds = 1;
  CHECK(cross_validate(table, "income", ">50K", folds).error().field == "folds");
  auto holdout = quick_cv();
  holdout.holdout_basis_points = 10000;
  CHECK(cross_validate(table, "income", ">50K", holdout).error().field == "holdout_basis_points");
  auto none = quick_cv();
  none.holdout_basis_points = 0;
  CHECK(cross_validate(table, "income", ">50K", none).error().field == "early_stopping_rounds");
}

}  // namespace cv_tests
