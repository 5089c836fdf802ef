// metrics/...
#include <algorithm>

#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/metric_points.hpp"

namespace mlforge::gateway::mlflow {
namespace metrics_routes {
namespace {

using projections::HistoryOrder;
using projections::MetricHistory;

constexpr std::size_t kMostRuns = 100, kMostPoints = 25000;
constexpr std::int64_t kMostPerRun = 2500;
constexpr std::string_view kNoPoints = R"({"metrics":[]})";

void get_history(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = read_run_id(fields);
  const auto key = fields.text("metric_key", Need::required);
  const auto most = max_results(fields, SIZE_MAX, INT32_MAX);
  const auto token = fields.text("page_token");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  const auto offset = page_offset(token);
  if (!offset) return fail(reply, offset.error());
  answer_query(app, std::move(reply), as_of,
               [=, offset = *offset](const QueryContext& q) -> Expected<std::string> {
                 MetricHistory points(q.reader, {kTenant, id, key}, HistoryOrder::time, q.as_of);
                 const auto from = std::min<std::uint64_t>(offset, points.size());
                 const auto to = most > points.size() - from ? points.size() : from + most;
                 std::string out;
                 {
                   Object whole(out);
                   if (from < to)
                     whole.raw("metrics", [&](std::string& list) {
                       list += '[';
                       PointWriter(key, "").append(list, points.slice(from, to));
                       list += ']';
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

// {"metrics":[...]} of what `next(run_id, room)` answers for each run, at most `most` of all.
template <class Next>
std::string points_json(const std::vector<std::string>& runs, const std::string& key,
                        std::uint64_t most, Next next) {
  std::string out = "{\"metrics\":[";
  for (const auto& id : runs) {
    const auto points = next(id, most);
    if (points.empty()) continue;
    if (!out.ends_with('[')) out += ',';
    PointWriter(key, id).append(out, points);
    most -= std::min<std::uint64_t>(most, points.size());
  }
  return out += "]}";
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
    return points_json(runs, key, most, [&](const std::string& id, std::uint64_t room) {
      MetricHistory points(q.reader, {kTenant, id, key}, HistoryOrder::time, q.as_of);
      return points.slice(0, room);
    });
  });
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
    auto out = points_json(runs, key, UINT64_MAX, [&](const std::string& id, std::uint64_t) {
      return sample_by_step(q.reader, {kTenant, id, key}, start, end,
                            static_cast<std::uint64_t>(most));
    });
    return out == kNoPoints ? "{}" : out;
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
