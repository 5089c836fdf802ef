// The series that runs log, and the newest value of each.
#pragma once
#include "projections/metric_blocks.hpp"
#include "projections/projection.hpp"

namespace mlforge::projections {

class MetricsProjection : public Dispatch<MetricsProjection> {
 public:
  static constexpr std::string_view kName = "metrics";
  static constexpr std::uint32_t kVersion = 3;
  void on(ViewWriter& view, const EventView& envelope, const RunMetricsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunModelMetricsLogged& event);
};

}  // namespace mlforge::projections
