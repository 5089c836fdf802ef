// traces/metrics: what the overview of MLflow's web pages is drawn from.
#include <limits>

#include "gateway/mlflow/trace_files.hpp"
#include "gateway/mlflow/trace_metrics.hpp"

namespace mlforge::gateway::mlflow {
namespace trace_metric_routes {
namespace {

constexpr std::size_t kMostPoints = 1000;

struct Question : MetricQuestion {
  std::vector<std::string> experiments;
  std::int64_t from_ms = std::numeric_limits<std::int64_t>::min(),
               to_ms = std::numeric_limits<std::int64_t>::max();
  std::vector<Filter> of_traces, of_spans;
  std::string assessment_name, assessment_kind;
  std::size_t most = kMostPoints;
  std::string as_of;

  bool is_cost() const { return metric.ends_with("_cost"); }  // by the time of its span
  bool in_time(std::int64_t ms) const { return ms >= from_ms && ms <= to_ms; }
};

Error refused(const std::string& what) { return {ErrorCode::invalid_argument, what, "filters"}; }

// "trace.status = 'OK'", "trace.tag.x = ..", "trace.metadata.x = ..", "span.name = ..",
// "assessment.name = ..".
Status read_filter(Question& out, const std::string& text) {
  const auto dot = text.find('.');
  const auto kind = text.substr(0, dot);
  const auto rest = dot == text.npos ? "" : text.substr(dot + 1);
  if (kind == "trace" || (kind == "span" && out.view == "SPANS")) {
    constexpr std::string_view kRun = "metadata.`mlflow.sourceRun`";
    const auto own = rest.starts_with(kRun) ? "run_id" + rest.substr(kRun.size()) : rest;
    auto filter = Filter::parse(kind == "trace" ? own : text, trace_dialect());
    if (!filter) return filter.error();
    (kind == "trace" ? out.of_traces : out.of_spans).push_back(*std::move(filter));
    return {};
  }
  if (kind != "assessment" || out.view != "ASSESSMENTS")
    return refused("Filtering by '" + kind + "' is not supported for the view type " + out.view +
                   "; write 'trace.<key>', or of spans 'span.<key>', or of assessments "
                   "'assessment.<key>'");
  static const Dialect kDialect{.attributes = {{.name = "name"}, {.name = "type"}}};
  const auto filter = Filter::parse(rest, kDialect);
  if (!filter) return filter.error();
  const auto* node = filter->root();
  if (!node || node->kind != Filter::Node::clause || node->op != "=")
    return refused("A filter of assessments compares 'assessment.name' or 'assessment.type' by =");
  (node->key.name == "name" ? out.assessment_name : out.assessment_kind) =
      std::get<std::string>(node->value);
  return {};
}

Question read_question(Fields& fields) {
  Question out;
  out.experiments = fields.texts("experiment_ids", Need::required);
  out.view = fields.text("view_type", Need::required);
  for (const auto& [digit, name] : {std::pair("1", "TRACES"), {"2", "SPANS"}, {"3", "ASSESSMENTS"}})
    if (out.view == digit) out.view = name;
  out.metric = fields.text("metric_name", Need::required);
  for (auto& each : fields.list("aggregations"))
    out.aggregations.push_back(
        {each.text("aggregation_type", Need::required),
         each.has("percentile_value") ? each.number("percentile_value") : 0});
  out.dimensions = fields.texts("dimensions");
  out.bucket_seconds = fields.integer("time_interval_seconds").value_or(0);
  out.from_ms = fields.integer("start_time_ms").value_or(out.from_ms);
  out.to_ms = fields.integer("end_time_ms").value_or(out.to_ms);
  out.most = max_results(fields, kMostPoints, kMostPoints);
  out.as_of = fields.text("as_of");
  if (out.aggregations.empty())
    fields.set_error({ErrorCode::invalid_argument,
                      "Missing value for required parameter 'aggregations'. See the API docs for "
                      "more information about request parameters.",
                      "aggregations"});
  if (out.bucket_seconds < 0 || out.bucket_seconds > 1000000000 ||
      (out.bucket_seconds > 0 && (!fields.has("start_time_ms") || !fields.has("end_time_ms"))))
    fields.set_error({ErrorCode::invalid_argument,
                      "time_interval_seconds must be positive, and start_time_ms and end_time_ms "
                      "are required if it is set",
                      "time_interval_seconds"});
  for (const auto& each : out.aggregations)
    if (each.type == "PERCENTILE" && !(each.percentile >= 0 && each.percentile <= 100))
      fields.set_error({ErrorCode::invalid_argument, "percentile_value must be between 0 and 100",
                        "percentile_value"});
  if (auto bad = check_question(out)) fields.set_error(*bad);
  for (const auto& each : fields.texts("filters"))
    if (auto bad = read_filter(out, each)) fields.set_error(*bad);
  return out;
}

void add_spans(const App& app, const QueryContext& q, const Question& question,
               const TraceRow& trace, std::vector<MetricRow>& rows) {
  const auto files = span_files(q, trace);
  const auto text = files ? read_spans(app, *files) : files.error();
  if (!text) return;
  for (const auto& span : read_span_facts(*text)) {
    bool wanted = true;
    for (const auto& each : question.of_spans)
      wanted = wanted && each.matches(TraceSubject(trace, &span));
    auto row = span_metric_row(question, span);
    if (wanted && (!question.is_cost() || question.in_time(row.time_ms)))
      rows.push_back(std::move(row));
  }
}

std::string answer(const App& app, const QueryContext& q, const Question& question) {
  std::vector<MetricRow> rows;
  for (const auto& experiment : question.experiments)
    projections::each_trace(q.reader, kTenant, experiment, q.as_of, [&](const TraceRow& trace) {
      const auto time = trace.info.request_time_ms;
      // The latest come first, so that nothing follows one that is too early.
      if (!question.is_cost() && time < question.from_ms) return false;
      if (!question.is_cost() && !question.in_time(time)) return true;
      for (const auto& each : question.of_traces)
        if (!each.matches(TraceSubject(trace))) return true;
      if (question.view == "TRACES") {
        rows.push_back(trace_metric_row(question, trace));
      } else if (question.view == "ASSESSMENTS") {
        for (auto& row : assessment_metric_rows(question, trace, question.assessment_name,
                                                question.assessment_kind))
          rows.push_back(std::move(row));
      } else {
        add_spans(app, q, question, trace, rows);
      }
      return true;
    });
  std::string out;
  Object(out).raw("data_points", [&](std::string& list) {
    list += data_points_json(question, rows, question.most);
  });
  return out;
}

void query_metrics(App& app, Fields& fields, const Request&, Reply reply) {
  auto question = std::make_shared<Question>(read_question(fields));
  if (!ok(fields, reply)) return;
  answer_long_query(app, std::move(reply), question->as_of,
                    [&app, question](const QueryContext& q) -> Expected<std::string> {
                      return answer(app, q, *question);
                    });
}

}  // namespace
}  // namespace trace_metric_routes

void add_trace_metric_routes(App& app, http::Router& router) {
  add_route_v3(app, router, Method::post, "traces/metrics", trace_metric_routes::query_metrics);
}

}  // namespace mlforge::gateway::mlflow
