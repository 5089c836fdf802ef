// metrics/...
#include <algorithm>
#include <cmath>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"

namespace mlforge::gateway::mlflow {
namespace metrics_routes {
namespace {

using projections::MetricPoint;

constexpr std::size_t kMostRuns = 100, kMostPoints = 25000;
constexpr std::int64_t kMostPerRun = 2500;

// Equal but for their position: MLflow keeps the same point once.
bool same(const MetricPoint& a, const MetricPoint& b) {
  return a.timestamp == b.timestamp && a.step == b.step &&
         (a.value == b.value || (std::isnan(a.value) && std::isnan(b.value)));
}

int value_order(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return int(std::isnan(b)) - int(std::isnan(a));
  return a < b ? -1 : a > b;
}

enum class By { time, step };

std::vector<MetricPoint> history(const QueryContext& q, const std::string& run_id,
                                 const std::string& key, By by) {
  std::vector<MetricPoint> points;
  projections::kMetricSeries.read(q.reader, {kTenant, run_id, key}, q.as_of,
                                  [&](const MetricPoint& point) { points.push_back(point); });
  std::sort(points.begin(), points.end(), [by](const MetricPoint& a, const MetricPoint& b) {
    const auto first =
        by == By::time ? std::pair(a.timestamp, a.step) : std::pair(a.step, a.timestamp);
    const auto second =
        by == By::time ? std::pair(b.timestamp, b.step) : std::pair(b.step, b.timestamp);
    return first != second ? first < second : value_order(a.value, b.value) < 0;
  });
  points.erase(std::unique(points.begin(), points.end(), same), points.end());
  return points;
}

projections::MetricRow row_of(const std::string& key, const MetricPoint& point) {
  return {key, point.value, point.step, point.timestamp};
}

void get_history(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = fields.text(fields.has("run_id") ? "run_id" : "run_uuid", Need::required);
  const auto key = fields.text("metric_key", Need::required);
  const auto most = max_results(fields, SIZE_MAX, INT32_MAX);
  const auto token = fields.text("page_token");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  const auto offset = page_offset(token);
  if (!offset) return fail(reply, offset.error());
  answer_query(app, std::move(reply), as_of,
               [=, offset = *offset](const QueryContext& q) -> Expected<std::string> {
                 if (const auto run = find_run(q, id); !run) return run.error();
                 const auto points = history(q, id, key, By::time);
                 const auto from = std::min(offset, points.size());
                 const auto to = most > points.size() - from ? points.size() : from + most;
                 std::string out;
                 {
                   Object whole(out);
                   whole.array(
                       "metrics",
                       std::vector<MetricPoint>(points.begin() + static_cast<std::ptrdiff_t>(from),
                                                points.begin() + static_cast<std::ptrdiff_t>(to)),
                       [&](std::string& each, const MetricPoint& point) {
                         write_metric(each, row_of(key, point), "");
                       });
                   if (to < points.size()) whole.text("next_page_token", page_token(to));
                 }
                 return out;
               });
}

// `refusal` begins the sentence about too many.
Status check_count(const std::vector<std::string>& runs, const char* refusal) {
  if (runs.size() <= kMostRuns) return {};
  return Error{
      ErrorCode::invalid_argument,
      std::string(refusal) + " 100 run_ids. Received " + std::to_string(runs.size()) + " run_ids.",
      "run_ids"};
}

struct RunPoint {
  std::string run_id;
  MetricPoint point;
};

std::string points_json(const std::string& key, const std::vector<RunPoint>& points) {
  std::string out;
  Object(out).array("metrics", points, [&](std::string& each, const RunPoint& p) {
    write_metric(each, row_of(key, p.point), p.run_id);
  });
  return out;
}

void get_history_bulk(App& app, Fields& fields, const Request&, Reply reply) {
  auto runs = fields.texts("run_id");
  const auto refuse = [&](const char* why, const char* field) {
    fields.set_error({ErrorCode::invalid_argument, why, field});
  };
  if (runs.empty())
    refuse("GetMetricHistoryBulk request must specify at least one run_id.", "run_id");
  if (auto bad = check_count(runs, "GetMetricHistoryBulk request cannot specify more than"))
    fields.set_error(*bad);
  const auto key = fields.text("metric_key");
  if (key.empty()) refuse("GetMetricHistoryBulk request must specify a metric_key.", "metric_key");
  const auto most = std::min(max_results(fields, kMostPoints, INT32_MAX), kMostPoints);
  if (!ok(fields, reply)) return;
  std::sort(runs.begin(), runs.end());
  answer_query(app, std::move(reply), "", [=](const QueryContext& q) -> Expected<std::string> {
    std::vector<RunPoint> out;
    for (const auto& id : runs) {
      for (const auto& point : history(q, id, key, By::time))
        if (out.size() < most) out.push_back({id, point});
    }
    return points_json(key, out);
  });
}

// At most `most` of them, evenly spaced, with the first and the last.
void thin_out(std::vector<MetricPoint>& points, std::size_t most) {
  if (points.size() <= most) return;
  if (most == 1) {
    points.erase(points.begin(), points.end() - 1);
    return;
  }
  for (std::size_t i = 0; i < most; ++i) points[i] = points[i * (points.size() - 1) / (most - 1)];
  points.resize(most);
}

void get_history_bulk_interval(App& app, Fields& fields, const Request&, Reply reply) {
  const auto runs = fields.texts("run_ids", Need::required);
  const auto key = fields.text("metric_key", Need::required);
  const auto start = fields.integer("start_step"), end = fields.integer("end_step");
  if (auto bad = check_count(runs, "GetMetricHistoryBulkInterval request must specify at most"))
    fields.set_error(*bad);
  const auto most = fields.integer("max_results").value_or(kMostPerRun);
  if (most < 1 || most > kMostPerRun)
    fields.set_error({ErrorCode::invalid_argument,
                      "max_results must be between 1 and 2500. See the API docs for more "
                      "information about request parameters.",
                      "max_results"});
  if (start.has_value() != end.has_value())
    fields.set_error({ErrorCode::invalid_argument,
                      "If either start step or end step are specified, both must be specified.",
                      "start_step"});
  if (start && end && *start > *end)
    fields.set_error({ErrorCode::invalid_argument,
                      "end_step must be greater than start_step. Found start_step=" +
                          std::to_string(*start) + " and end_step=" + std::to_string(*end) + ".",
                      "end_step"});
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), "", [=](const QueryContext& q) -> Expected<std::string> {
    std::vector<RunPoint> out;
    for (const auto& id : runs)
      if (const auto run = find_run(q, id); !run) return run.error();
    for (const auto& id : runs) {
      auto points = history(q, id, key, By::step);
      if (start)
        std::erase_if(points, [&](const MetricPoint& point) {
          return point.step < *start || point.step > *end;
        });
      thin_out(points, static_cast<std::size_t>(most));
      for (const auto& point : points) out.push_back({id, point});
    }
    return points_json(key, out);
  });
}

}  // namespace
}  // namespace metrics_routes

void add_metric_routes(App& app, http::Router& router) {
  using namespace metrics_routes;
  add_route(app, router, Method::get, "metrics/get-history", get_history);
  add_route(app, router, Method::get, "metrics/get-history-bulk", get_history_bulk);
  add_route(app, router, Method::get, "metrics/get-history-bulk-interval",
            get_history_bulk_interval);
}

}  // namespace mlforge::gateway::mlflow
