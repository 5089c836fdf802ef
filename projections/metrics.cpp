#include "projections/metrics.hpp"

#include <algorithm>

namespace mlforge::projections {

namespace {

template <class E>
void append_points(ViewWriter& view, const EventView& envelope, const E& event) {
  const std::size_t count = std::min(
      {event.keys.size(), event.values.size(), event.timestamps.size(), event.steps.size()});
  std::string* tail = nullptr;
  std::string key = tails_of(envelope.tenant, entity(envelope.stream));
  const std::size_t prefix = key.size();
  for (std::size_t i = 0; i < count; ++i) {
    const SeriesId id{envelope.tenant, entity(envelope.stream), event.keys[i]};
    if (!tail || event.keys[i] != event.keys[i - 1]) {
      key.resize(prefix);
      append_part(key, event.keys[i]);
      tail = &open_tail(view, key, event.keys[i]);
    }
    append_point(view, id, *tail,
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
