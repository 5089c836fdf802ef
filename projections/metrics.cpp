#include "projections/metrics.hpp"

#include <algorithm>

namespace mlforge::projections {

namespace {

constexpr std::size_t kAtOnce =
    16;  // few enough that what was fetched is still there when its turn comes

}  // namespace

// Makes tails_ what the keys of the run's tails begin with; most events are of one tenant.
void MetricsProjection::expect_run(const SeriesId& series) {
  if (tenant_ != series.tenant || of_tenant_ == 0) {
    tenant_ = series.tenant;
    tails_ = tails_of(tenant_);
    of_tenant_ = tails_.size();
  }
  tails_.resize(of_tenant_);
  append_part(tails_, series.run_id);
  tails_ += '\0';
}

template <class E>
void MetricsProjection::append_points(ViewWriter& view, const EventView& envelope, const E& event) {
  const std::size_t count = std::min(
      {event.keys.size(), event.values.size(), event.timestamps.size(), event.steps.size()});
  const SeriesId series{envelope.tenant, entity(envelope.stream), {}};
  expect_run(series);
  keys_.resize(kAtOnce);
  std::string* tail = nullptr;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t ahead = i % kAtOnce;
    if (ahead == 0) {
      const std::size_t n = std::min(kAtOnce, count - i);
      for (std::size_t k = 0; k < n; ++k) append_part(keys_[k].assign(tails_), event.keys[i + k]);
      view.plain({keys_.data(), n}, rows_);
    }
    if (!tail || event.keys[i] != event.keys[i - 1]) {
      tail = rows_[ahead];
      if (tail->empty()) begin_tail(*tail, event.keys[i]);
    }
    append_point(view, {series.tenant, series.run_id, event.keys[i]}, *tail,
                 {envelope.position, event.steps[i], event.timestamps[i], event.values[i]});
  }
}

void MetricsProjection::on(ViewWriter& view, const EventView& envelope,
                           const RunMetricsLogged& event) {
  append_points(view, envelope, event);
}

void MetricsProjection::on(ViewWriter& view, const EventView& envelope,
                           const RunModelMetricsLogged& event) {
  append_points(view, envelope, event);
}

}  // namespace mlforge::projections
