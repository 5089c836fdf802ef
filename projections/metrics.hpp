// The series that runs log, and the newest value of each.
#pragma once
#include "projections/projection.hpp"
#include "projections/series.hpp"

namespace mlforge::projections {

struct MetricPoint {
  Position position = 0;
  std::int64_t step = 0;
  std::int64_t timestamp = 0;  // milliseconds
  double value = 0;

  // MLflow's rule for the latest value: the larger step, then the larger timestamp, then the larger
  // value. NaN is below every number; between equals the earlier one stays.
  static bool better(const MetricPoint& candidate, const MetricPoint& best);
};

// The best point of a series is its latest value.
inline constexpr Series<MetricPoint> kMetricSeries{"metrics"};

class MetricsProjection : public Dispatch<MetricsProjection> {
 public:
  static constexpr std::string_view kName = "metrics";
  static constexpr std::uint32_t kVersion = 2;
  void on(ViewWriter& view, const EventView& envelope, const RunMetricsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunModelMetricsLogged& event);
};

}  // namespace mlforge::projections
