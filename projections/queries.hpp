// What the views answer. Every function reads one snapshot, so several may be asked of one reader
// for a consistent picture.
//
// Errors: not_found names what is missing as of the position; invalid_argument names the argument;
// internal, corrupt or unavailable where the store cannot be read. Rows that did not exist at
// `as_of` are not found.
#pragma once
#include "projections/audit.hpp"
#include "projections/datasets.hpp"
#include "projections/deployments.hpp"
#include "projections/drift.hpp"
#include "projections/environments.hpp"
#include "projections/metrics.hpp"
#include "projections/models.hpp"
#include "projections/pipelines.hpp"
#include "projections/runs.hpp"
#include "projections/subscriptions.hpp"
#include "storage/log.hpp"

namespace mlforge::projections {

struct PageRequest {
  std::size_t limit = 100;  // 1 to 1000; more is cut to 1000, 0 is 100
  std::string page_token;   // of the page before; empty: the first page
  Position as_of = kLatest;
};

template <class Row>
struct Page {
  std::vector<Row> items;
  std::string next_page_token;  // empty: this was the last page
  static constexpr auto fields() {
    return FieldList{field("items", &Page::items),
                     field("next_page_token", &Page::next_page_token)};
  }
};

// ------------------------------------------------------- tracking (projections runs and metrics)

Expected<ExperimentRow> get_experiment(ViewReader& view, std::string_view tenant,
                                       std::string_view experiment_id, Position as_of = kLatest);
Expected<ExperimentRow> find_experiment(ViewReader& view, std::string_view tenant,
                                        std::string_view name, Position as_of = kLatest);
// Newest first.
Expected<Page<ExperimentRow>> list_experiments(ViewReader& view, std::string_view tenant,
                                               const PageRequest& page);

Expected<RunRow> get_run(ViewReader& view, std::string_view tenant, std::string_view run_id,
                         Position as_of = kLatest);
Expected<RunHead> get_run_head(ViewReader& view, std::string_view tenant, std::string_view run_id);
// Newest first; of one experiment where `experiment_id` is not empty.
Expected<Page<RunRow>> list_runs(ViewReader& view, std::string_view tenant,
                                 std::string_view experiment_id, const PageRequest& page);

struct MetricRow {
  std::string key;
  double value = 0;
  std::int64_t step = 0, timestamp = 0;  // milliseconds
  static constexpr auto fields() {
    return FieldList{field("key", &MetricRow::key), field("value", &MetricRow::value),
                     field("step", &MetricRow::step), field("timestamp", &MetricRow::timestamp)};
  }
};

struct MetricSeries {
  std::string run_id, key;
  std::uint64_t total = 0;  // points as of the position; more than are given when down-sampled
  std::vector<std::int64_t> steps, timestamps;
  std::vector<double> values;
  static constexpr auto fields() {
    return FieldList{
        field("run_id", &MetricSeries::run_id),         field("key", &MetricSeries::key),
        field("total", &MetricSeries::total),           field("steps", &MetricSeries::steps),
        field("timestamps", &MetricSeries::timestamps), field("values", &MetricSeries::values)};
  }
};

// By step, then timestamp, then position. At most max(max_points, 4) points (0: all), taken evenly,
// the first, the last, the smallest and the largest value among them.
Expected<MetricSeries> get_metric_series(ViewReader& view, std::string_view tenant,
                                         std::string_view run_id, std::string_view key,
                                         Position as_of = kLatest, std::size_t max_points = 0);
// The latest value of each metric (MetricPoint::better), by key.
Expected<std::vector<MetricRow>> latest_metrics(ViewReader& view, std::string_view tenant,
                                                std::string_view run_id, Position as_of = kLatest);

// The same of a run that is known to be there; what fails is in the view's status().
std::vector<MetricRow> metrics_of(ViewReader& view, std::string_view tenant,
                                  std::string_view run_id, Position as_of = kLatest);
// Of one metric; nothing where the run had not logged it.
std::optional<MetricPoint> latest_metric(ViewReader& view, std::string_view tenant,
                                         std::string_view run_id, std::string_view key,
                                         Position as_of = kLatest);

struct BestRun {
  RunRow run;
  MetricRow metric;
  static constexpr auto fields() {
    return FieldList{field("run", &BestRun::run), field("metric", &BestRun::metric)};
  }
};

// The run of the experiment whose latest value of the metric is best; NaN never is, and of equals
// the oldest run is. `mode`: max or min.
Expected<BestRun> best_run(ViewReader& view, std::string_view tenant,
                           std::string_view experiment_id, std::string_view metric,
                           std::string_view mode, Position as_of = kLatest);

// ------------------------------------------------------- datasets, in alphabetical order

Expected<DatasetRow> get_dataset(ViewReader& view, std::string_view tenant, std::string_view name,
                                 Position as_of = kLatest);
Expected<Page<DatasetRow>> list_datasets(ViewReader& view, std::string_view tenant,
                                         const PageRequest& page);
// Version 0: the newest that is valid.
Expected<DatasetVersionRow> get_dataset_version(ViewReader& view, std::string_view tenant,
                                                std::string_view name, std::uint64_t version,
                                                Position as_of = kLatest);

// ------------------------------------------------------- models

Expected<ModelRow> get_model(ViewReader& view, std::string_view tenant, std::string_view name,
                             Position as_of = kLatest);
// In alphabetical order.
Expected<Page<ModelRow>> list_models(ViewReader& view, std::string_view tenant,
                                     const PageRequest& page);
Expected<ModelVersionRow> get_model_version(ViewReader& view, std::string_view tenant,
                                            std::string_view model, std::uint64_t version,
                                            Position as_of = kLatest);
Expected<ModelVersionRow> get_model_version_by_alias(ViewReader& view, std::string_view tenant,
                                                     std::string_view model, std::string_view alias,
                                                     Position as_of = kLatest);
// Newest first.
Expected<Page<ModelVersionRow>> list_model_versions(ViewReader& view, std::string_view tenant,
                                                    std::string_view model,
                                                    const PageRequest& page);

// ------------------------------------------------------- pipelines

Expected<PipelineRow> get_pipeline(ViewReader& view, std::string_view tenant, std::string_view name,
                                   Position as_of = kLatest);
// In alphabetical order.
Expected<Page<PipelineRow>> list_pipelines(ViewReader& view, std::string_view tenant,
                                           const PageRequest& page);
Expected<PipelineRunRow> get_pipeline_run(ViewReader& view, std::string_view tenant,
                                          std::string_view pipeline_run_id,
                                          Position as_of = kLatest);
// Newest first; of one pipeline where `pipeline` is not empty.
Expected<Page<PipelineRunRow>> list_pipeline_runs(ViewReader& view, std::string_view tenant,
                                                  std::string_view pipeline,
                                                  const PageRequest& page);
// All that have started and not ended, by id.
Expected<std::vector<PipelineRunRow>> running_pipeline_runs(ViewReader& view,
                                                            std::string_view tenant,
                                                            Position as_of = kLatest);
Expected<CachedStepRow> find_cached_step(ViewReader& view, std::string_view tenant,
                                         std::string_view cache_key, Position as_of = kLatest);

// ------------------------------------------------------- environments

Expected<EnvironmentRow> get_environment(ViewReader& view, std::string_view tenant,
                                         std::string_view name, Position as_of = kLatest);
Expected<EnvironmentRow> find_environment(ViewReader& view, std::string_view tenant,
                                          std::string_view digest, Position as_of = kLatest);
// In alphabetical order.
Expected<Page<EnvironmentRow>> list_environments(ViewReader& view, std::string_view tenant,
                                                 const PageRequest& page);

// ------------------------------------------------------- endpoints and drift

Expected<EndpointRow> get_endpoint(ViewReader& view, std::string_view tenant, std::string_view name,
                                   Position as_of = kLatest);
// In alphabetical order.
Expected<Page<EndpointRow>> list_endpoints(ViewReader& view, std::string_view tenant,
                                           const PageRequest& page);
// not_found where the endpoint has no report yet.
Expected<DriftRow> latest_drift(ViewReader& view, std::string_view tenant,
                                std::string_view endpoint, Position as_of = kLatest);
Expected<DriftRow> get_drift(ViewReader& view, std::string_view tenant, std::string_view endpoint,
                             std::string_view report_id, Position as_of = kLatest);
// Newest first.
Expected<Page<DriftRow>> list_drift(ViewReader& view, std::string_view tenant,
                                    std::string_view endpoint, const PageRequest& page);

// ------------------------------------------------------- audit

struct AuditFilter {
  std::string stream;                                    // "model/adult"; empty: all
  std::string type_prefix;                               // "model."; empty: all
  std::string actor;                                     // empty: all
  TimeUs from_time = INT64_MIN, until_time = INT64_MAX;  // both included
};

// Newest first, as the log tells them; of a damaged record that it is, whatever is asked for. One
// call looks at no more than 5,000 events: a page may be short, or empty, and still have a next
// one.
Expected<Page<AuditRow>> list_audit(ViewReader& view, const storage::Log& log,
                                    std::string_view tenant, const AuditFilter& filter,
                                    const PageRequest& page);

// ------------------------------------------------------- subscriptions

Expected<SubscriptionRow> get_subscription(ViewReader& view, std::string_view tenant,
                                           std::string_view name, Position as_of = kLatest);
// In alphabetical order.
Expected<Page<SubscriptionRow>> list_subscriptions(ViewReader& view, std::string_view tenant,
                                                   const PageRequest& page);
// The events that a subscription has parked, oldest first. not_found: no such subscription.
Expected<Page<ParkedRow>> list_parked(ViewReader& view, std::string_view tenant,
                                      std::string_view name, const PageRequest& page);

}  // namespace mlforge::projections
