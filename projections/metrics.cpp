#include "projections/metrics.hpp"

#include <algorithm>
#include <cmath>

namespace mlforge::projections {

bool MetricPoint::better(const MetricPoint& candidate, const MetricPoint& best) {
  if (candidate.step != best.step) return candidate.step > best.step;
  if (candidate.timestamp != best.timestamp) return candidate.timestamp > best.timestamp;
  if (std::isnan(candidate.value)) return false;
  return std::isnan(best.value) || candidate.value > best.value;
}

namespace {

template <class E>
void append_points(ViewWriter& view, const EventView& envelope, const E& event) {
  const std::size_t count = std::min(
      {event.keys.size(), event.values.size(), event.timestamps.size(), event.steps.size()});
  std::string* tail = nullptr;
  std::string key = kMetricSeries.tails_of(envelope.tenant, entity(envelope.stream));
  const std::size_t prefix = key.size();
  for (std::size_t i = 0; i < count; ++i) {
    const Series<MetricPoint>::Id id{envelope.tenant, entity(envelope.stream), event.keys[i]};
    if (!tail || event.keys[i] != event.keys[i - 1]) {
      key.resize(prefix);
      append_part(key, event.keys[i]);
      tail = &kMetricSeries.open(view, key, event.keys[i]);
    }
    kMetricSeries.append(view, id, *tail,
                         {envelope.position, event.steps[i], event.timestamps[i], event.values[i]});
  }
}

}  // namespace

void MetricsProjection::on(ViewWriter& view, const EventView& envelope,
                           const RunMetricsLogged& event) {
  append_points(view, envelope, event);
}

void MetricsProjection::on(ViewWriter& view, const EventView& envelope,
                           const RunModelMetricsLogged& event) {
  append_points(view, envelope, event);
}

}  // namespace mlforge::projections
