#include "ml/metrics.hpp"

#include <cmath>

#include "tests/ml/data.hpp"

namespace metrics_tests {

using namespace mlforge;
using namespace mlforge::ml;
using namespace mlforge::ml::test;

TEST_CASE("metrics of the golden predictions equal scikit-learn's") {
  const auto text = data_file("reference/adult_test_predictions_seed42.csv");
  if (!text) return;
  const auto table = must(read_csv(*text));
  REQUIRE(table.rows() == 9769);
  const auto& y = table.columns[*table.find("y")].numbers;
  const std::vector<float> labels(y.begin(), y.end());
  const auto m = must(binary_metrics(labels, table.columns[*table.find("p")].numbers));
  // adult_xgboost.json, golden_metric_check
  CHECK(std::abs(m.roc_auc - 0.9320002074402439) < 1e-9);
  CHECK(std::abs(m.average_precision - 0.8380233834773694) < 1e-9);
  CHECK(std::abs(m.log_loss - 0.26969493081270857) < 1e-9);
  CHECK(std::abs(m.brier - 0.08567406293524626) < 1e-9);
  CHECK(std::abs(m.at_threshold.accuracy - 0.8795168389804484) < 1e-9);
  CHECK(std::abs(m.at_threshold.f1 - 0.7251926219939293) < 1e-9);
  CHECK(std::abs(m.at_threshold.precision - 0.7984575835475578) < 1e-9);
  CHECK(std::abs(m.at_threshold.recall - 0.6642429426860564) < 1e-9);
  CHECK(std::abs(m.at_threshold.mcc - 0.6533737763669402) < 1e-9);
  CHECK(m.at_threshold.confusion == Confusion{7039, 392, 785, 1553});
}

TEST_CASE("small metrics by hand, with ties") {
  const std::vector<float> labels{1, 0, 1, 0, 1};
  const std::vector<double> scores{0.9, 0.5, 0.5, 0.2, 0.1};
  // Pairs (positive, negative): 0.9 wins both, 0.5 ties one and wins one, 0.1 loses both: 3.5 of 6.
  CHECK(must(roc_auc(labels, scores)) == Approx(3.5 / 6).epsilon(1e-15));
  // Thresholds 0.9: P 1/1, R 1/3; 0.5: P 2/3, R 2/3; 0.2: no new positive; 0.1: P 3/5, R 1.
  CHECK(must(average_precision(labels, scores)) ==
        Approx((1 + 2.0 / 3 + 3.0 / 5) / 3).epsilon(1e-15));
  CHECK(must(brier(labels, scores)) ==
        Approx((0.01 + 0.25 + 0.25 + 0.04 + 0.81) / 5).epsilon(1e-15));
  CHECK(must(log_loss(labels, scores)) ==
        Approx(-(std::log(0.9) + 2 * std::log(0.5) + std::log(0.8) + std::log(0.1)) / 5)
            .epsilon(1e-14));
  const auto at = must(class_metrics(labels, scores, 0.5));
  CHECK(at.confusion == Confusion{1, 1, 1, 2});
  CHECK(at.accuracy == Approx(0.6));
  CHECK(at.f1 == Approx(2.0 / 3));
  CHECK(at.mcc == Approx((2.0 * 1 - 1.0 * 1) / std::sqrt(3.0 * 3 * 2 * 2)));
}

TEST_CASE("the edges of metrics") {
  const std::vector<float> both{1, 0};
  CHECK(must(log_loss(both, std::vector<double>{0, 1})) ==
        Approx(52 * std::log(2.0)).epsilon(1e-12));
  const auto none = must(class_metrics(both, std::vector<double>{0.1, 0.2}, 0.5));
  CHECK(none.precision == 0);
  CHECK(none.f1 == 0);
  CHECK(none.mcc == 0);
  CHECK_THAT(roc_auc(both, std::vector<double>{0.1, NAN}).error().message,
             Catch::Contains("row 1"));
  CHECK_FALSE(roc_auc(both, std::vector<double>{0.1}));
  CHECK_FALSE(roc_auc(std::vector<float>{1, 1}, std::vector<double>{0.1, 0.2}));
  CHECK_FALSE(average_precision(std::vector<float>{0, 0}, std::vector<double>{0.1, 0.2}));
  CHECK_FALSE(brier(std::vector<float>{0, 2}, std::vector<double>{0.1, 0.2}));
  CHECK_FALSE(brier(both, std::vector<double>{0.1, 1.5}));
  CHECK_FALSE(brier(std::vector<float>{}, std::vector<double>{}));
}

TEST_CASE("mean and standard deviation") {
  const auto m = mean_sd(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  CHECK(m.mean == Approx(5));
  CHECK(m.sd == Approx(std::sqrt(32.0 / 7)));
  CHECK(mean_sd(std::vector<double>{3}).sd == 0);
  CHECK(mean_sd(std::vector<double>{}).mean == 0);
}

}  // namespace metrics_tests
