// The series that runs log, and the newest value of each.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "projections/entity_key.hpp"
#include "projections/metric_blocks.hpp"
#include "projections/projection.hpp"

namespace mlforge::projections {

struct LoggedPoints;

class MetricsProjection : public Dispatch<MetricsProjection> {
 public:
  static constexpr std::string_view kName = "metrics";
  static constexpr std::uint32_t kVersion = 5;
  void on(ViewWriter& view, const EventView& envelope, const RunMetricsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunModelMetricsLogged& event);

 private:
  template <class E>
  void log_points(ViewWriter& view, const EventView& envelope, const E& event);
  void find_tails(ViewWriter& view, const SeriesId& run, std::span<const std::string_view> names);
  void spill(ViewWriter& view, const SeriesId& run, std::string& open);
  void append_to_series(ViewWriter& view, const SeriesId& run, const LoggedPoints& points);

  // All kept for their memory.
  std::vector<std::string> keys_;        // of some rows
  std::vector<std::string*> rows_;       // the same ones
  std::vector<std::string_view> names_;  // of an event's series
  std::vector<std::string*> tails_;      // of the series at hand
  EntityKey open_key_{kName, "open"};
};

}  // namespace mlforge::projections
