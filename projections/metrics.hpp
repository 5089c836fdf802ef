// The series that runs log, and the newest value of each.
#pragma once
#include <string>
#include <vector>

#include "projections/metric_blocks.hpp"
#include "projections/projection.hpp"

namespace mlforge::projections {

class MetricsProjection : public Dispatch<MetricsProjection> {
 public:
  static constexpr std::string_view kName = "metrics";
  static constexpr std::uint32_t kVersion = 4;
  void on(ViewWriter& view, const EventView& envelope, const RunMetricsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunModelMetricsLogged& event);

 private:
  template <class E>
  void append_points(ViewWriter& view, const EventView& envelope, const E& event);

  void expect_run(const SeriesId& series);

  // All kept for their memory.
  std::vector<std::string> keys_;   // of some rows
  std::vector<std::string*> rows_;  // the same ones
  std::string tenant_, tails_;      // what the keys of a run's tails begin with
  std::size_t of_tenant_ = 0;       // so much of it is the tenant's
};

}  // namespace mlforge::projections
