// Figures of traces, spans and assessments for charts: rows, grouped and aggregated.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "events/error.hpp"
#include "gateway/mlflow/trace_subject.hpp"

namespace mlforge::gateway::mlflow {

struct Aggregation {
  std::string type;           // COUNT, SUM, AVG, MIN, MAX, PERCENTILE
  double percentile = 0;      // 0 to 100
  std::string label() const;  // "AVG", "P50.0"
};

struct MetricQuestion {
  std::string view, metric;  // TRACES, SPANS, ASSESSMENTS
  std::vector<Aggregation> aggregations;
  std::vector<std::string> dimensions;
  std::int64_t bucket_seconds = 0;  // 0: one for all times
};

// MLflow's table of what each metric can be asked. invalid_argument says what it can.
Status check_question(const MetricQuestion& question);

struct MetricRow {
  std::int64_t time_ms = 0;  // of its bucket
  std::map<std::string, std::string>
      dimensions;               // a row that lacks one that is asked for is left out
  std::optional<double> value;  // left out of all aggregates where absent
  std::string distinct;         // of those with the same text, one counts
};

MetricRow trace_metric_row(const MetricQuestion& question, const TraceRow& trace);
// One for each valid assessment of that name and kind; empty: of all.
std::vector<MetricRow> assessment_metric_rows(const MetricQuestion& question, const TraceRow& trace,
                                              const std::string& name, const std::string& kind);
MetricRow span_metric_row(const MetricQuestion& question, const SpanFacts& span);

// [{"metric_name","dimensions","values"}, ...] by time and dimensions, at most `most`.
std::string data_points_json(const MetricQuestion& question, const std::vector<MetricRow>& rows,
                             std::size_t most);

}  // namespace mlforge::gateway::mlflow
