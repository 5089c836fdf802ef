#include <algorithm>
#include <cmath>
#include <set>

#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kRuns = RunsProjection::kName;

using MetricId = Series<MetricPoint>::Id;

MetricRow to_row(std::string_view key, const MetricPoint& point) {
  return {std::string(key), point.value, point.step, point.timestamp};
}

// The latest value as of a position: from the tail row where all points are that old, otherwise
// from the points.
std::optional<MetricPoint> latest_point(ViewReader& view, const MetricId& id, std::string_view row,
                                        Position as_of) {
  const auto tail = Series<MetricPoint>::parse_tail(row);
  if (Series<MetricPoint>::point_at(tail.points, tail.points.size() - sizeof(MetricPoint))
          .position <= as_of)
    return tail.best;
  std::optional<MetricPoint> best;
  kMetricSeries.read(view, id, as_of, [&](const MetricPoint& point) {
    if (!best || MetricPoint::better(point, *best)) best = point;
  });
  return best;
}

// The indexes to keep of `points`: evenly spaced, with first, last, smallest and largest.
std::set<std::size_t> sample(const std::vector<MetricPoint>& points, std::size_t max_points) {
  std::set<std::size_t> keep;
  const std::size_t n = points.size(), even = std::max<std::size_t>(max_points, 4) - 2;
  for (std::size_t i = 0; i < even; ++i) keep.insert(i * (n - 1) / (even - 1));
  std::size_t low = n, high = n;
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(points[i].value)) continue;
    if (low == n || points[i].value < points[low].value) low = i;
    if (high == n || points[i].value > points[high].value) high = i;
  }
  if (low != n) keep.insert({low, high});
  return keep;
}

void push(MetricSeries& series, const MetricPoint& point) {
  series.steps.push_back(point.step);
  series.timestamps.push_back(point.timestamp);
  series.values.push_back(point.value);
}

}  // namespace

Expected<ExperimentRow> get_experiment(ViewReader& view, std::string_view tenant,
                                       std::string_view experiment_id, Position as_of) {
  return get_row<ExperimentRow>(view, view_key(kRuns, tenant, "experiment", experiment_id), as_of,
                                "experiment", experiment_id);
}

Expected<ExperimentRow> find_experiment(ViewReader& view, std::string_view tenant,
                                        std::string_view name, Position as_of) {
  const auto id = view.get(view_key(kRuns, tenant, "experiment_name", name), as_of);
  if (!id) return missing(view, "experiment", name);
  return get_experiment(view, tenant, *id, as_of);
}

Expected<Page<ExperimentRow>> list_experiments(ViewReader& view, std::string_view tenant,
                                               const PageRequest& page) {
  return page_newest_first<ExperimentRow>(
      view, view_prefix(kRuns, tenant, "experiments"), page,
      [&](std::string_view id) { return get_experiment(view, tenant, id, page.as_of); });
}

Expected<RunRow> get_run(ViewReader& view, std::string_view tenant, std::string_view run_id,
                         Position as_of) {
  return get_row<RunRow>(view, view_key(kRuns, tenant, "run", run_id), as_of, "run", run_id);
}

Expected<Page<RunRow>> list_runs(ViewReader& view, std::string_view tenant,
                                 std::string_view experiment_id, const PageRequest& page) {
  if (!experiment_id.empty())
    if (auto known = get_experiment(view, tenant, experiment_id, page.as_of); !known)
      return known.error();
  const std::string prefix = experiment_id.empty()
                                 ? view_prefix(kRuns, tenant, "runs")
                                 : view_prefix(kRuns, tenant, "runs_of", experiment_id);
  return page_newest_first<RunRow>(view, prefix, page, [&](std::string_view id) {
    return get_run(view, tenant, id, page.as_of);
  });
}

Expected<MetricSeries> get_metric_series(ViewReader& view, std::string_view tenant,
                                         std::string_view run_id, std::string_view key,
                                         Position as_of, std::size_t max_points) {
  std::vector<MetricPoint> points;
  kMetricSeries.read(view, {tenant, run_id, key}, as_of,
                     [&](const MetricPoint& point) { points.push_back(point); });
  if (view.status()) return *view.status();
  if (points.empty()) return not_found("metric of run '" + std::string(run_id) + "'", key);
  std::stable_sort(points.begin(), points.end(), [](const MetricPoint& a, const MetricPoint& b) {
    return std::pair(a.step, a.timestamp) < std::pair(b.step, b.timestamp);
  });
  MetricSeries series{
      .run_id = std::string(run_id), .key = std::string(key), .total = points.size()};
  if (max_points == 0 || points.size() <= std::max<std::size_t>(max_points, 4))
    for (const auto& point : points) push(series, point);
  else
    for (const std::size_t i : sample(points, max_points)) push(series, points[i]);
  return series;
}

Expected<std::vector<MetricRow>> latest_metrics(ViewReader& view, std::string_view tenant,
                                                std::string_view run_id, Position as_of) {
  if (auto run = get_run(view, tenant, run_id, as_of); !run) return run.error();
  std::vector<MetricRow> rows;
  view.scan_plain(kMetricSeries.tails_of(tenant, run_id), {}, kNoLimit,
                  [&](std::string_view, std::string_view row) {
                    const auto name = Series<MetricPoint>::parse_tail(row).name;
                    if (const auto best = latest_point(view, {tenant, run_id, name}, row, as_of))
                      rows.push_back(to_row(name, *best));
                    return true;
                  });
  if (view.status()) return *view.status();
  std::sort(rows.begin(), rows.end(),
            [](const MetricRow& a, const MetricRow& b) { return a.key < b.key; });
  return rows;
}

Expected<BestRun> best_run(ViewReader& view, std::string_view tenant,
                           std::string_view experiment_id, std::string_view metric,
                           std::string_view mode, Position as_of) {
  if (mode != "max" && mode != "min") return invalid("mode", "must be max or min");
  if (auto known = get_experiment(view, tenant, experiment_id, as_of); !known) return known.error();
  const std::string prefix = view_prefix(kRuns, tenant, "runs_of", experiment_id);
  const auto start = newest_first_start(prefix, {.as_of = as_of});
  std::string best_id;
  std::optional<MetricPoint> best;
  view.scan_plain(prefix, *start, kNoLimit, [&](std::string_view, std::string_view run_id) {
    const MetricId id{tenant, run_id, metric};
    const auto row = view.get_plain(kMetricSeries.tail_key(id));
    const auto point = row ? latest_point(view, id, *row, as_of) : std::nullopt;
    if (!point || std::isnan(point->value)) return true;
    // Runs come newest first, so that an equal one is older and replaces.
    if (!best || (mode == "max" ? point->value >= best->value : point->value <= best->value)) {
      best = point;
      best_id.assign(run_id);
    }
    return true;
  });
  if (!best)
    return missing(view, "run in experiment '" + std::string(experiment_id) + "' with metric",
                   metric);
  auto run = get_run(view, tenant, best_id, as_of);
  if (!run) return run.error();
  return BestRun{std::move(*run), to_row(metric, *best)};
}

}  // namespace mlforge::projections
