// Points of metrics as MLflow's messages, for answers that hold tens of thousands of them.
#pragma once
#include <simdjson.h>
#include <span>
#include <string>
#include <string_view>

#include "events/mlflow_tracking.hpp"
#include "projections/metric_history.hpp"

namespace mlforge::gateway::mlflow {

// Writes {"key":..,"value":..,"timestamp":..,"step":..}, each after a comma but for the first of
// the list; with "run_id" where that is not empty. What all points of a series share is written
// once.
class PointWriter {
 public:
  PointWriter(std::string_view key, std::string_view run_id);
  void append(std::string& out, std::span<const projections::MetricPoint> points);

 private:
  std::string head_, tail_;
  bool first_ = true;
};

// Reads the metrics of a batch in one pass over their members. False, and nothing read, where one
// of them is not exactly as clients send it: then the slower way says what is wrong with it, or
// takes it all the same.
bool read_plain(simdjson::dom::array metrics, std::vector<LogBatch::Metric>& out);

// Of one series by step at most `most` points in [start, end] (everything where there are none),
// evenly, the first and the last among them.
std::vector<projections::MetricPoint> sample_by_step(projections::ViewReader& view,
                                                     const projections::SeriesId& id,
                                                     std::optional<std::int64_t> start,
                                                     std::optional<std::int64_t> end,
                                                     std::uint64_t most);

}  // namespace mlforge::gateway::mlflow
