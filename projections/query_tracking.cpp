#include <algorithm>
#include <cmath>
#include <set>

#include "projections/metric_history.hpp"
#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kRuns = RunsProjection::kName;

MetricRow to_row(std::string_view key, const MetricPoint& point) {
  return {std::string(key), point.value, point.step, point.timestamp};
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

namespace {

Status add_texts(ViewReader& view, const std::string& prefix, Position as_of, Texts& out) {
  Status failed;
  view.scan(prefix, {}, as_of, SIZE_MAX, [&](std::string_view, std::string_view text) {
    auto row = read_row<TextRow>(text);
    if (row)
      out.insert_or_assign(std::move(row->key), std::move(row->value));
    else
      failed = row.error();
    return !failed;
  });
  return failed ? failed : view.status();
}

}  // namespace

Expected<RunRow> get_run(ViewReader& view, std::string_view tenant, std::string_view run_id,
                         Position as_of) {
  auto run = get_row<StoredRun>(view, view_key(kRuns, tenant, "run", run_id), as_of, "run", run_id);
  if (!run) return run.error();
  if (run->apart) {
    auto bad = add_texts(view, view_prefix(kRuns, tenant, "param", run_id), as_of, run->params);
    if (!bad) bad = add_texts(view, view_prefix(kRuns, tenant, "tag", run_id), as_of, run->tags);
    if (bad) return *bad;
  }
  return RunRow(*std::move(run));
}

Expected<RunHead> get_run_head(ViewReader& view, std::string_view tenant, std::string_view run_id) {
  return get_row<RunHead>(view, view_key(kRuns, tenant, "run", run_id), kLatest, "run", run_id);
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
  MetricHistory history(view, {tenant, run_id, key}, HistoryOrder::step_every, as_of);
  const auto total = history.size();
  if (view.status()) return *view.status();
  if (total == 0) return not_found("metric of run '" + std::string(run_id) + "'", key);
  MetricSeries series{.run_id = std::string(run_id), .key = std::string(key), .total = total};
  const std::size_t most = std::max<std::size_t>(max_points, 4);
  if (max_points == 0 || total <= most) {
    for (const auto& point : history.slice(0, total)) push(series, point);
  } else {
    std::set<std::uint64_t> keep;
    for (std::size_t i = 0; i < most - 2; ++i) keep.insert(i * (total - 1) / (most - 3));
    for (const auto rank : history.extremes()) keep.insert(rank);
    const std::vector<std::uint64_t> ranks(keep.begin(), keep.end());
    for (const auto& point : history.at(ranks)) push(series, point);
  }
  if (view.status()) return *view.status();
  return series;
}

std::vector<MetricRow> metrics_of(ViewReader& view, std::string_view tenant,
                                  std::string_view run_id, Position as_of) {
  std::vector<MetricRow> rows;
  for (const auto& [name, point] : latest_points(view, tenant, run_id, as_of))
    rows.push_back(to_row(name, point));
  std::sort(rows.begin(), rows.end(),
            [](const MetricRow& a, const MetricRow& b) { return a.key < b.key; });
  return rows;
}

Expected<std::vector<MetricRow>> latest_metrics(ViewReader& view, std::string_view tenant,
                                                std::string_view run_id, Position as_of) {
  if (auto run = get_run(view, tenant, run_id, as_of); !run) return run.error();
  auto rows = metrics_of(view, tenant, run_id, as_of);
  if (view.status()) return *view.status();
  return rows;
}

std::optional<MetricPoint> latest_metric(ViewReader& view, std::string_view tenant,
                                         std::string_view run_id, std::string_view key,
                                         Position as_of) {
  return latest_point(view, {tenant, run_id, key}, as_of);
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
    const auto point = latest_metric(view, tenant, run_id, metric, as_of);
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
