// Series by rank, against the same points sorted in a vector.
#include <algorithm>
#include <cmath>
#include <limits>

#include "fixture.hpp"
#include "projections/metric_history.hpp"

using namespace mlforge;
using namespace mlforge::projections;
using namespace mlforge::projections::test;

namespace {

using Points = std::vector<MetricPoint>;

enum class Shape { ascending, same_time, several_a_step, shuffled, repeated };

int value_order(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return int(std::isnan(b)) - int(std::isnan(a));
  return a < b ? -1 : a > b;
}

bool equal(const Points& a, const Points& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.step == y.step && x.timestamp == y.timestamp && value_order(x.value, y.value) == 0;
  });
}

// What was logged, in the order of the log.
Points log_series(World& w, Shape shape, std::size_t count, std::mt19937_64& random) {
  Points all;
  while (all.size() < count) {
    RunMetricsLogged e;
    const std::size_t n = 1 + random() % 40;
    for (std::size_t i = 0; i < n; ++i) {
      const auto at = static_cast<std::int64_t>(all.size());
      MetricPoint point{0, at, 1000 + at * 7, static_cast<double>(random() % 1000)};
      if (random() % 50 == 0) point.value = std::nan("");
      if (shape == Shape::same_time) point.timestamp = 5;
      if (shape == Shape::several_a_step) point.step = at / 3;
      if (shape == Shape::shuffled) {
        point.step = static_cast<std::int64_t>(random() % 500) - 250;
        point.timestamp = static_cast<std::int64_t>(random() % 300);
      }
      if (shape == Shape::repeated && !all.empty() && random() % 4 == 0) point = all.back();
      point.position = w.log->head() + 1;
      all.push_back(point);
      e.keys.push_back("loss");
      e.values.push_back(point.value);
      e.timestamps.push_back(point.timestamp);
      e.steps.push_back(point.step);
    }
    w.append("run/a", e);
  }
  return all;
}

Points sorted(Points points, HistoryOrder order, Position as_of) {
  std::erase_if(points, [&](const auto& p) { return p.position > as_of; });
  const auto key = [order](const MetricPoint& p) {
    return order == HistoryOrder::time ? std::pair(p.timestamp, p.step)
                                       : std::pair(p.step, p.timestamp);
  };
  const bool every = order == HistoryOrder::step_every;
  std::stable_sort(points.begin(), points.end(), [&](const auto& a, const auto& b) {
    if (key(a) != key(b)) return key(a) < key(b);
    return !every && value_order(a.value, b.value) < 0;
  });
  if (!every)
    points.erase(std::unique(points.begin(), points.end(),
                             [&](const auto& a, const auto& b) {
                               return key(a) == key(b) && value_order(a.value, b.value) == 0;
                             }),
                 points.end());
  return points;
}

std::vector<std::uint64_t> extremes_of(const Points& points) {
  std::size_t low = points.size(), high = points.size();
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (std::isnan(points[i].value)) continue;
    if (low == points.size() || points[i].value < points[low].value) low = i;
    if (high == points.size() || points[i].value > points[high].value) high = i;
  }
  if (low == points.size()) return {};
  if (low == high) return {low};
  return {std::min(low, high), std::max(low, high)};
}

void check(ViewReader& view, const Points& logged, HistoryOrder order, Position as_of,
           std::mt19937_64& random) {
  const Points wanted = sorted(logged, order, as_of);
  MetricHistory history(view, {kTenant, "a", "loss"}, order, as_of);
  REQUIRE(history.size() == wanted.size());
  REQUIRE(equal(history.slice(0, wanted.size()), wanted));
  for (int i = 0; i < 5; ++i) {
    const auto from = random() % (wanted.size() + 2), to = from + random() % 700;
    const auto begin = std::min<std::size_t>(from, wanted.size());
    const auto end = std::min<std::size_t>(to, wanted.size());
    REQUIRE(
        equal(history.slice(from, to), Points(wanted.begin() + static_cast<std::ptrdiff_t>(begin),
                                              wanted.begin() + static_cast<std::ptrdiff_t>(end))));
  }
  const auto ranks = sample_ranks(wanted.size(), 1 + random() % 50);
  const auto sample = history.at(ranks);
  REQUIRE(sample.size() == ranks.size());
  for (std::size_t i = 0; i < ranks.size(); ++i) REQUIRE(equal({sample[i]}, {wanted[ranks[i]]}));
  REQUIRE(history.extremes() == extremes_of(wanted));
  if (order == HistoryOrder::time) return;
  for (int i = 0; i < 5; ++i) {
    const auto step = static_cast<std::int64_t>(random() % 3000) - 300;
    const auto rank = std::partition_point(wanted.begin(), wanted.end(),
                                           [&](const auto& p) { return p.step < step; });
    REQUIRE(history.rank_of_step(step) == static_cast<std::uint64_t>(rank - wanted.begin()));
  }
}

}  // namespace

TEST_CASE("a series by rank is the series sorted, whatever its order in the log") {
  std::mt19937_64 random(7);
  for (const auto shape : {Shape::ascending, Shape::same_time, Shape::several_a_step,
                           Shape::shuffled, Shape::repeated})
    for (const std::size_t count : {1u, 2u, 119u, 2500u}) {
      World w;
      w.append("run/a", RunStarted{.run_id = "a", .experiment_id = "1"});
      const auto logged = log_series(w, shape, count, random);
      auto view = w.reader();
      INFO("shape " << static_cast<int>(shape) << ", " << count << " points");
      for (const auto order : {HistoryOrder::time, HistoryOrder::step, HistoryOrder::step_every}) {
        check(view, logged, order, kLatest, random);
        for (int i = 0; i < 6; ++i)
          check(view, logged, order, 2 + random() % w.log->head(), random);
      }
      REQUIRE_FALSE(view.status());
    }
}

TEST_CASE("the latest value is the best of all points, as of any position") {
  std::mt19937_64 random(8);
  World w;
  w.append("run/a", RunStarted{.run_id = "a", .experiment_id = "1"});
  const auto logged = log_series(w, Shape::shuffled, 600, random);
  auto view = w.reader();
  for (Position as_of = 1; as_of <= w.log->head(); as_of += 1 + random() % 5) {
    std::optional<MetricPoint> best;
    for (const auto& point : logged)
      if (point.position <= as_of && (!best || MetricPoint::better(point, *best))) best = point;
    const auto found = latest_metric(view, kTenant, "a", "loss", as_of);
    REQUIRE(found.has_value() == best.has_value());
    if (best) REQUIRE(equal({*found}, {*best}));
  }
}

TEST_CASE("a sample takes the first of each of equal parts, and the last point") {
  REQUIRE(sample_ranks(0, 5).empty());
  REQUIRE(sample_ranks(3, 5) == std::vector<std::uint64_t>{0, 1, 2});
  REQUIRE(sample_ranks(10, 1) == std::vector<std::uint64_t>{9});
  REQUIRE(sample_ranks(10, 4) == std::vector<std::uint64_t>{0, 3, 6, 9});
  REQUIRE(sample_ranks(10, 5) == std::vector<std::uint64_t>{0, 2, 4, 6, 9});
}

TEST_CASE("no series is an empty one") {
  World w;
  auto view = w.reader();
  MetricHistory history(view, {kTenant, "a", "loss"}, HistoryOrder::step);
  REQUIRE(history.size() == 0);
  REQUIRE(history.slice(0, 10).empty());
  REQUIRE(history.extremes().empty());
  REQUIRE(history.rank_of_step(5) == 0);
}
