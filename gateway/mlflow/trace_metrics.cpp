#include "gateway/mlflow/trace_metrics.hpp"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "gateway/mlflow/message.hpp"

namespace mlforge::gateway::mlflow {
namespace trace_metrics {
namespace {

constexpr const char *kFigures = "SUM AVG MIN MAX PERCENTILE", *kTimes = "AVG MIN MAX PERCENTILE";
constexpr const char* kSession = "mlflow.trace.session";
constexpr const char* kTokens = "mlflow.trace.tokenUsage";

struct Known {
  std::string_view view, metric, aggregations, dimensions;  // between blanks
};
constexpr Known kKnown[] = {
    {"TRACES", "trace_count", "COUNT", "trace_name trace_status"},
    {"TRACES", "session_count", "COUNT", ""},
    {"TRACES", "latency", kTimes, "trace_name"},
    {"TRACES", "input_tokens", kFigures, "trace_name"},
    {"TRACES", "output_tokens", kFigures, "trace_name"},
    {"TRACES", "total_tokens", kFigures, "trace_name"},
    {"TRACES", "cache_read_input_tokens", kFigures, "trace_name"},
    {"TRACES", "cache_creation_input_tokens", kFigures, "trace_name"},
    {"SPANS", "span_count", "COUNT",
     "span_name span_type span_status span_model_name span_model_provider"},
    {"SPANS", "latency", kTimes, "span_name span_status"},
    {"SPANS", "input_cost", kFigures, "span_model_name span_model_provider"},
    {"SPANS", "output_cost", kFigures, "span_model_name span_model_provider"},
    {"SPANS", "total_cost", kFigures, "span_model_name span_model_provider"},
    {"ASSESSMENTS", "assessment_count", "COUNT", "assessment_name assessment_value"},
    {"ASSESSMENTS", "assessment_value", kTimes, "assessment_name"}};

bool is_among(std::string_view words, const std::string& word) {
  return (" " + std::string(words) + " ").find(" " + word + " ") != std::string::npos;
}

Error refused(const std::string& what) { return {ErrorCode::invalid_argument, what, ""}; }

// A number of a JSON object that is kept as text.
std::optional<double> member(const std::string& json, const std::string& key) {
  simdjson::dom::parser parser;
  double value = 0;
  const simdjson::padded_string text(json);
  if (parser.parse(text).at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::optional<double> member_of(const std::map<std::string, std::string, std::less<>>& texts,
                                std::string_view name, const std::string& key) {
  const auto at = texts.find(name);
  return at == texts.end() ? std::nullopt : member(at->second, key);
}

// What an assessment says, as JSON.
std::string said(const TraceAssessment& assessment) {
  simdjson::dom::parser parser;
  simdjson::dom::element value;
  std::string_view text;
  const simdjson::padded_string content(assessment.content);
  const auto whole = parser.parse(content);
  if (whole.at_key("serialized_value").at_key("value").get(text) == simdjson::SUCCESS)
    return std::string(text);
  return whole.at_key("value").get(value) == simdjson::SUCCESS ? simdjson::minify(value) : "";
}

std::optional<double> number_said(const std::string& json) {
  if (json == "true" || json == "\"yes\"") return 1;
  if (json == "false" || json == "\"no\"") return 0;
  simdjson::dom::parser parser;
  double value = 0;
  const simdjson::padded_string text(json);
  if (parser.parse(text).get(value) == simdjson::SUCCESS) return value;
  return std::nullopt;
}

// Between the two values next to it, as NumPy's default has it. Not of none.
double percentile(std::vector<double> values, double percent) {
  std::sort(values.begin(), values.end());
  const double at = percent / 100 * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  if (low + 1 >= values.size()) return values.back();
  return values[low] + (at - static_cast<double>(low)) * (values[low + 1] - values[low]);
}

struct Group {
  std::vector<double> values;
  std::set<std::string> distinct;
};

std::optional<double> aggregated(const Aggregation& how, const Group& group) {
  const auto& values = group.values;
  if (how.type == "COUNT")
    return static_cast<double>(group.distinct.empty() ? values.size() : group.distinct.size());
  if (values.empty()) return std::nullopt;
  if (how.type == "PERCENTILE") return percentile(values, how.percentile);
  if (how.type == "MIN") return *std::min_element(values.begin(), values.end());
  if (how.type == "MAX") return *std::max_element(values.begin(), values.end());
  double sum = 0;
  for (const double each : values) sum += each;
  return how.type == "SUM" ? sum : sum / static_cast<double>(values.size());
}

std::string bucket_text(std::int64_t ms) {
  const auto text = format_time(ms * 1000);  // with six digits and Z
  return text.substr(0, text.find('.')) + "+00:00";
}

}  // namespace
}  // namespace trace_metrics

std::string Aggregation::label() const {
  if (type != "PERCENTILE") return type;
  return percentile == std::floor(percentile) ? fmt::format("P{:.1f}", percentile)
                                              : fmt::format("P{}", percentile);
}

Status check_question(const MetricQuestion& q) {
  using namespace trace_metrics;
  std::string metrics;
  for (const auto& known : kKnown) {
    if (known.view != q.view) continue;
    ((metrics += metrics.empty() ? "'" : ", '") += known.metric) += '\'';
    if (known.metric != q.metric) continue;
    for (const auto& each : q.aggregations)
      if (!is_among(known.aggregations, each.type))
        return refused("Found invalid aggregation_type(s): ['" + each.type +
                       "']. Supported aggregation types: " + std::string(known.aggregations));
    for (const auto& each : q.dimensions)
      if (!is_among(known.dimensions, each))
        return refused("Found invalid dimension(s): ['" + each +
                       "']. Supported dimensions: " + std::string(known.dimensions));
    return {};
  }
  if (metrics.empty())
    return refused("view_type must be one of ['TRACES', 'SPANS', 'ASSESSMENTS'], got '" + q.view +
                   "'");
  return refused("metric_name must be one of [" + metrics + "], got '" + q.metric + "'");
}

MetricRow trace_metric_row(const MetricQuestion& question, const TraceRow& trace) {
  using namespace trace_metrics;
  const auto& info = trace.info;
  MetricRow out{.time_ms = info.request_time_ms};
  out.dimensions["trace_status"] = info.state;
  if (const auto name = info.tags.find(kTraceName); name != info.tags.end())
    out.dimensions["trace_name"] = name->second;
  if (question.metric == "trace_count") {
    out.value = 1;
  } else if (question.metric == "latency") {
    if (info.execution_time_ms >= 0) out.value = static_cast<double>(info.execution_time_ms);
  } else if (question.metric == "session_count") {
    const auto session = info.metadata.find(kSession);
    if (session != info.metadata.end()) out.value = 1, out.distinct = "s" + session->second;
  } else if (const auto tokens = info.metadata.find(kTokens); tokens != info.metadata.end()) {
    out.value = member(tokens->second, question.metric);
  }
  return out;
}

std::vector<MetricRow> assessment_metric_rows(const MetricQuestion& question, const TraceRow& trace,
                                              const std::string& name, const std::string& kind) {
  using namespace trace_metrics;
  std::vector<MetricRow> out;
  for (const auto& each : trace.info.assessments) {
    if (!each.valid || (!name.empty() && each.name != name) || (!kind.empty() && each.kind != kind))
      continue;
    auto& row = out.emplace_back(MetricRow{.time_ms = trace.info.request_time_ms});
    const auto json = said(each);
    row.dimensions = {{"assessment_name", each.name}, {"assessment_value", json}};
    row.value = question.metric == "assessment_count" ? 1 : number_said(json);
  }
  return out;
}

MetricRow span_metric_row(const MetricQuestion& question, const SpanFacts& span) {
  using namespace trace_metrics;
  MetricRow out{.time_ms = static_cast<std::int64_t>(span.start_ns / 1000000)};
  out.dimensions = {
      {"span_name", span.name}, {"span_type", span.type}, {"span_status", span.status}};
  for (const auto& [dimension, name] : {std::pair("span_model_name", "mlflow.llm.model"),
                                        {"span_model_provider", "mlflow.llm.provider"}})
    if (const auto at = span.attributes.find(name); at != span.attributes.end())
      out.dimensions[dimension] = at->second;
  if (question.metric == "span_count")
    out.value = 1;
  else if (question.metric != "latency")
    out.value = member_of(span.attributes, "mlflow.llm.cost", question.metric);
  else if (span.end_ns >= span.start_ns)
    out.value = static_cast<double>((span.end_ns - span.start_ns) / 1000000);
  return out;
}

std::string data_points_json(const MetricQuestion& q, const std::vector<MetricRow>& rows,
                             std::size_t most) {
  using namespace trace_metrics;
  using Where = std::pair<std::int64_t, std::vector<std::string>>;
  std::map<Where, Group> groups;
  if (q.dimensions.empty() && q.bucket_seconds == 0) groups[{}];  // also of no rows
  for (const auto& row : rows) {
    Where where;
    if (q.bucket_seconds > 0) {
      const auto size = q.bucket_seconds * 1000;
      where.first = row.time_ms - ((row.time_ms % size) + size) % size;
    }
    for (const auto& each : q.dimensions)
      if (const auto at = row.dimensions.find(each); at != row.dimensions.end())
        where.second.push_back(at->second);
    if (!row.value || where.second.size() < q.dimensions.size()) continue;
    auto& group = groups[where];
    group.values.push_back(*row.value);
    if (!row.distinct.empty()) group.distinct.insert(row.distinct);
  }
  std::string out = "[";
  for (const auto& [where, group] : groups) {
    std::vector<std::pair<std::string, double>> values;
    for (const auto& each : q.aggregations)
      if (const auto value = aggregated(each, group)) values.emplace_back(each.label(), *value);
    if (values.empty() || most-- == 0) continue;
    if (out.back() != '[') out += ',';
    Object point(out);
    point.text("metric_name", q.metric).raw("dimensions", [&](std::string& to) {
      Object dimensions(to);
      if (q.bucket_seconds > 0) dimensions.text("time_bucket", bucket_text(where.first));
      for (std::size_t i = 0; i < q.dimensions.size(); ++i)
        dimensions.text(q.dimensions[i], where.second[i]);
    });
    point.raw("values", [&](std::string& to) {
      Object figures(to);
      for (const auto& [label, value] : values) figures.number(label, value);
    });
  }
  return out + "]";
}

}  // namespace mlforge::gateway::mlflow
