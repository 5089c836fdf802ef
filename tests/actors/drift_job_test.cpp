#include "actors/drift_job.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace drift_job_tests {

using namespace mlforge;
using namespace mlforge::actors;

namespace {

const double kMissing = std::numeric_limits<double>::quiet_NaN();

// A batch of n rows of the numeric feature "x" and the categorical one "c".
PredictionsLogged batch_of(std::vector<double> x, std::vector<std::string> c,
                           std::vector<double> probabilities) {
  PredictionsLogged out;
  const std::size_t n = probabilities.size();
  for (std::size_t i = 0; i < n; ++i) out.request_ids.push_back(std::to_string(i));
  out.probabilities = std::move(probabilities);
  out.versions.assign(n, 1);
  out.challenger.assign(n, 0);
  out.times.assign(n, 0);
  out.numeric_names = {"x"};
  out.numeric_values = std::move(x);
  out.categorical_names = {"c"};
  out.categorical_values = std::move(c);
  return out;
}

std::vector<std::string> letters(std::size_t a, std::size_t b, std::size_t missing = 0) {
  std::vector<std::string> out(a, "a");
  out.insert(out.end(), b, "b");
  out.insert(out.end(), missing, "");
  return out;
}

// x: 1 2 3 4 in two bins split at 2.5; c: 5 a, 5 b; probabilities: 0.1 0.2 0.3 0.4 split at 0.25.
ReferenceSet reference() {
  const std::vector<double> x{1, 2, 3, 4}, p{0.1, 0.2, 0.3, 0.4};
  ReferenceSet out;
  out.features["x"] = ml::make_reference(ml::count_values(x), 2);
  out.features["c"] = ml::make_reference(ml::CategoryCounts{{{"a", 5}, {"b", 5}}, 0});
  out.probabilities = ml::make_reference(ml::count_values(p), 2);
  return out;
}

DriftReported report_of(const PredictionsLogged& batch, DriftThresholds thresholds = {},
                        const ReferenceSet& against = reference()) {
  DriftWindow window;
  window.add(17, batch);
  return evaluate_drift(against, window, 3, thresholds, "report-1");
}

const FeatureDrift& feature(const DriftReported& report, const std::string& name) {
  for (const auto& each : report.features)
    if (each.feature == name) return each;
  FAIL("no feature " << name);
  throw 0;
}

}  // namespace

TEST_CASE("drift job: the same distributions are stable") {
  const auto report = report_of(batch_of({1, 2, 3, 4}, letters(2, 2), {0.1, 0.2, 0.3, 0.4}));
  CHECK(report.report_id == "report-1");
  CHECK(report.model_version == 3);
  CHECK(report.first_position == 17);
  CHECK(report.last_position == 17);
  CHECK(report.predictions == 4);
  CHECK(report.severity == "stable");
  CHECK_FALSE(report.triggered);
  REQUIRE(report.features.size() == 3);
  CHECK(report.features[0] == FeatureDrift{"c", "categorical", 0, "chi2", 0, 1, "stable"});
  CHECK(report.features[1] == FeatureDrift{"x", "numeric", 0, "ks", 0, 1, "stable"});
  CHECK(report.features[2] == FeatureDrift{"prediction", "prediction", 0, "ks", 0, 1, "stable"});
}

TEST_CASE("drift job: a numeric feature by hand") {
  // Shares 1/2, 1/2 against 1/4, 3/4: -1/4 ln 1/2 + 1/4 ln 3/2. The largest gap is at 2: 1/2 - 1/4.
  const auto batch = batch_of({1, 3, 3, 4}, letters(2, 2), {0.1, 0.2, 0.3, 0.4});
  const auto report = report_of(batch);
  const auto& x = feature(report, "x");
  CHECK(x.psi == Approx(0.25 * std::log(2) + 0.25 * std::log(1.5)).epsilon(1e-12));
  CHECK(x.statistic == Approx(0.25));
  CHECK(x.p_value == Approx(1));  // two against a gap of a quarter say nothing
  CHECK(x.severity == "alert");   // 0.2747 > 0.2, though the p-value is 1
  CHECK(report.triggered);
  CHECK(report.severity == "alert");
}

TEST_CASE("drift job: the threshold is the endpoint's") {
  const auto batch = batch_of({1, 3, 3, 4}, letters(2, 2), {0.1, 0.2, 0.3, 0.4});
  const double psi = feature(report_of(batch), "x").psi;
  const auto at = report_of(batch, {.psi = psi});  // not above it
  CHECK(feature(at, "x").severity == "investigate");
  CHECK_FALSE(at.triggered);
  CHECK(report_of(batch, {.psi = std::nextafter(psi, 0)}).triggered);
  // A threshold below 0.1 leaves no room for "investigate".
  const auto low =
      report_of(batch_of(std::vector<double>(20, 2), letters(11, 9), std::vector<double>(20, 0.2)),
                {.psi = 0.001});
  CHECK(feature(low, "c").psi == Approx(0.05 * std::log(1.1 / 0.9)).epsilon(1e-12));
  CHECK(feature(low, "c").severity == "alert");
}

TEST_CASE("drift job: a categorical feature by hand") {
  // Shares 1/2, 1/2 against 3/10, 7/10. Chi-squared of 5 5 / 3 7: 4 expected 4 4, 6 6.
  const auto report =
      report_of(batch_of(std::vector<double>(10, 2), letters(3, 7), std::vector<double>(10, 0.2)));
  const auto& c = feature(report, "c");
  CHECK(c.psi == Approx(-0.2 * std::log(0.6) + 0.2 * std::log(1.4)).epsilon(1e-12));
  const double chi2 = 2 * (1.0 / 4) + 2 * (1.0 / 6);
  CHECK(c.statistic == Approx(chi2).epsilon(1e-12));
  CHECK(c.p_value ==
        Approx(std::erfc(std::sqrt(chi2 / 2))).epsilon(1e-9));  // one degree of freedom
  CHECK(c.severity == "investigate");                           // 0.1695
}

TEST_CASE("drift job: a category that training never saw, floored at 1e-4") {
  auto batch = batch_of({1, 2, 3, 4}, {"a", "b", "new", "new"}, {0.1, 0.2, 0.3, 0.4});
  const auto report = report_of(batch);
  const double by_hand =
      2 * (0.25 - 0.5) * std::log(0.25 / 0.5) + (0.5 - 1e-4) * std::log(0.5 / 1e-4);
  CHECK(feature(report, "c").psi == Approx(by_hand).epsilon(1e-12));
  CHECK(report.triggered);
}

TEST_CASE("drift job: predictions that drift alone trigger nothing") {
  const auto report = report_of(batch_of({1, 2, 3, 4}, letters(2, 2), {0.4, 0.4, 0.4, 0.4}));
  const auto& prediction = feature(report, "prediction");
  // All in the upper bin: -1/2 kept, the lower one at the floor.
  CHECK(prediction.psi ==
        Approx((1e-4 - 0.5) * std::log(1e-4 / 0.5) + 0.5 * std::log(2)).epsilon(1e-12));
  CHECK(prediction.statistic == Approx(0.75));
  CHECK(prediction.severity == "alert");
  CHECK(report.severity == "alert");
  CHECK_FALSE(report.triggered);
}

TEST_CASE("drift job: a challenger's probabilities say nothing about the champion") {
  auto batch = batch_of({1, 2, 3, 4}, letters(2, 2), {0.1, 0.2, 0.9, 0.9});
  batch.challenger = {0, 0, 1, 1};
  DriftWindow window;
  window.add(1, batch);
  CHECK(window.size() == 4);  // their features are the population's
  CHECK(window.numeric().at("x").size() == 4);
  CHECK(window.probabilities() == std::vector<double>{0.1, 0.2});
}

TEST_CASE("drift job: missing categories are a bin, missing numbers a row of their own") {
  const auto report =
      report_of(batch_of({1, 3, kMissing, kMissing}, letters(1, 1, 2), {0.1, 0.2, 0.3, 0.4}));
  // 5, 5, none of 10 against 1, 1, 2 of 4.
  const double by_hand =
      2 * (0.25 - 0.5) * std::log(0.25 / 0.5) + (0.5 - 1e-4) * std::log(0.5 / 1e-4);
  CHECK(feature(report, "c").psi == Approx(by_hand).epsilon(1e-12));
  // Of what is there: 1 and 3 against 1 2 3 4; a and b in equal parts.
  CHECK(feature(report, "x").psi == Approx(0).margin(1e-12));
  CHECK(feature(report, "x").statistic == Approx(0.25));
  CHECK(feature(report, "c").statistic == Approx(0).margin(1e-12));
  // None of 4 missing against 2 of 4.
  const auto& missing = feature(report, "x missing");
  CHECK(missing.kind == "missing");
  CHECK(missing.psi ==
        Approx((0.5 - 1e-4) * std::log(0.5 / 1e-4) + (0.5 - 1) * std::log(0.5)).epsilon(1e-12));
  CHECK(missing.severity == "alert");
  CHECK(report.triggered);
}

TEST_CASE("drift job: as many missing as in training is no drift") {
  auto against = reference();
  const std::vector<double> x{1, 2, 3, 4, kMissing};
  against.features["x"] = ml::make_reference(ml::count_values(x), 2);
  against.features["c"] = ml::make_reference(ml::CategoryCounts{{{"a", 2}, {"b", 2}}, 1});
  const auto report = report_of(
      batch_of({1, 2, 3, 4, kMissing}, letters(2, 2, 1), {0.1, 0.2, 0.3, 0.4, 0.25}), {}, against);
  for (const auto* name : {"x", "x missing", "c"})
    CHECK(feature(report, name).psi == Approx(0).margin(1e-12));
  CHECK_FALSE(report.triggered);
}

TEST_CASE("drift job: a feature that is no longer sent is an alert") {
  const auto report =
      report_of(batch_of(std::vector<double>(4, kMissing), letters(0, 0, 4), {0.1, 0.2, 0.3, 0.4}));
  for (const auto* name : {"x missing", "c"}) {
    const auto& each = feature(report, name);
    CHECK(each.severity == "alert");
    CHECK(each.psi > 5);
  }
  CHECK(feature(report, "x").psi == 0);
  CHECK(feature(report, "x").p_value == 1);
  CHECK(report.triggered);
}

TEST_CASE("drift job: a feature that the window does not have is left out") {
  auto batch = batch_of({1, 2, 3, 4}, letters(2, 2), {0.1, 0.2, 0.3, 0.4});
  batch.categorical_names = {"other"};
  const auto report = report_of(batch);
  REQUIRE(report.features.size() == 2);
  CHECK(report.features[0].feature == "x");
  CHECK(report.features[1].feature == "prediction");
}

TEST_CASE("drift job: an empty window reports nothing alarming") {
  const auto report = evaluate_drift(reference(), DriftWindow(), 1, {}, "r");
  CHECK(report.predictions == 0);
  CHECK(report.severity == "stable");
  CHECK_FALSE(report.triggered);
}

TEST_CASE("drift window: gathers batches value by feature, with the positions of its ends") {
  DriftWindow window;
  auto two = batch_of({1, 2}, letters(1, 1), {0.1, 0.2});
  two.numeric_names = {"x", "y"};
  two.numeric_values = {1, 2, 10, 20};
  window.add(5, two);
  window.add(9, batch_of({3}, letters(0, 1), {0.3}));
  CHECK(window.size() == 3);
  CHECK(window.first_position() == 5);
  CHECK(window.last_position() == 9);
  CHECK(window.numeric().at("x") == std::vector<double>{1, 2, 3});
  CHECK(window.numeric().at("y") == std::vector<double>{10, 20});
  CHECK(window.categorical().at("c").at("a") == 1);
  CHECK(window.categorical().at("c").at("b") == 2);
  CHECK(window.probabilities() == std::vector<double>{0.1, 0.2, 0.3});
}

TEST_CASE("drift window: the next window begins after the last, and shares nothing with it") {
  DriftWindow window;
  window.add(5, batch_of({1, 2}, letters(1, 1), {0.1, 0.2}));
  window.clear();
  CHECK(window.size() == 0);
  CHECK(window.first_position() == 0);
  CHECK(window.last_position() == 5);  // what has been looked at
  CHECK(window.numeric().empty());
  CHECK(window.categorical().empty());
  CHECK(window.probabilities().empty());
  window.add(6, batch_of({7}, letters(1, 0), {0.9}));
  CHECK(window.first_position() == 6);
  CHECK(window.last_position() == 6);
  CHECK(window.numeric().at("x") == std::vector<double>{7});
}

TEST_CASE("drift window: columns shorter than they claim are not read beyond their end") {
  DriftWindow window;
  auto batch = batch_of({1, 2, 3}, letters(2, 1), {0.1, 0.2, 0.3});
  batch.numeric_names = {"x", "y"};
  batch.categorical_names = {"c", "d"};
  batch.categorical_values.push_back("half of d");
  batch.challenger.clear();
  window.add(1, batch);
  CHECK(window.numeric().size() == 1);
  CHECK(window.categorical().size() == 1);
  CHECK(window.probabilities().size() == 3);
}

}  // namespace drift_job_tests
