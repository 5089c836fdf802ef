#include "projections/metrics.hpp"

#include <algorithm>

#include "projections/open_points.hpp"

namespace mlforge::projections {

namespace {

constexpr std::size_t kAtOnce =
    16;  // few enough that what was fetched is still there when its turn comes

}  // namespace

// The tails of these series, which begin with none where they were not there.
void MetricsProjection::find_tails(ViewWriter& view, const SeriesId& run,
                                   std::span<const std::string_view> names) {
  const std::string prefix = tails_of(run.tenant, run.run_id);
  tails_.clear();
  keys_.resize(kAtOnce);
  for (std::size_t i = 0; i < names.size(); i += kAtOnce) {
    const std::size_t n = std::min(kAtOnce, names.size() - i);
    for (std::size_t k = 0; k < n; ++k) append_part(keys_[k].assign(prefix), names[i + k]);
    view.plain({keys_.data(), n}, rows_);
    for (std::size_t k = 0; k < n; ++k)
      if (rows_[k]->empty()) begin_tail(*rows_[k], names[i + k]);
    tails_.insert(tails_.end(), rows_.begin(), rows_.end());
  }
}

// Moves what is in the run's open row to its series.
void MetricsProjection::spill(ViewWriter& view, const SeriesId& run, std::string& open) {
  const auto names = open_names(open);
  find_tails(view, run, names);
  each_open_point(open, [&](std::uint64_t of, const MetricPoint& point) {
    if (of < names.size())
      append_point(view, {run.tenant, run.run_id, names[of]}, *tails_[of], point);
  });
  empty_open(open);
}

void MetricsProjection::append_to_series(ViewWriter& view, const SeriesId& run,
                                         const LoggedPoints& points) {
  names_.clear();
  for (std::size_t i = 0; i < points.keys.size(); ++i)
    if (i == 0 || points.keys[i] != points.keys[i - 1]) names_.emplace_back(points.keys[i]);
  find_tails(view, run, names_);
  std::size_t of = 0;
  for (std::size_t i = 0; i < points.keys.size(); ++i) {
    if (i > 0 && points.keys[i] != points.keys[i - 1]) ++of;
    append_point(view, {run.tenant, run.run_id, names_[of]}, *tails_[of],
                 {points.position, points.steps[i], points.timestamps[i], points.values[i]});
  }
}

template <class E>
void MetricsProjection::log_points(ViewWriter& view, const EventView& envelope, const E& event) {
  const std::size_t count = std::min(
      {event.keys.size(), event.values.size(), event.timestamps.size(), event.steps.size()});
  if (count == 0) return;
  const LoggedPoints points{envelope.position,
                            {event.keys.data(), count},
                            {event.values.data(), count},
                            {event.timestamps.data(), count},
                            {event.steps.data(), count}};
  const SeriesId run{envelope.tenant, entity(envelope.stream), {}};
  std::string& open = view.plain(open_key_.of(run.tenant, run.run_id));
  if (!fits_open(points)) {
    spill(view, run, open);
    return append_to_series(view, run, points);
  }
  add_points(open, points);
  if (open.size() > kOpenBytes) spill(view, run, open);
}

void MetricsProjection::on(ViewWriter& view, const EventView& envelope,
                           const RunMetricsLogged& event) {
  log_points(view, envelope, event);
}

void MetricsProjection::on(ViewWriter& view, const EventView& envelope,
                           const RunModelMetricsLogged& event) {
  log_points(view, envelope, event);
}

}  // namespace mlforge::projections
