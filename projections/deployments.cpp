#include "projections/deployments.hpp"

#include <algorithm>

namespace mlforge::projections {
namespace {

template <class Change>
void update_endpoint(ViewWriter& view, const EventView& e, Change&& change) {
  update_row<EndpointRow>(
      view, view_key(DeploymentsProjection::kName, e.tenant, "endpoint", entity(e.stream)),
      e.position, change);
}

}  // namespace

void DeploymentsProjection::on(ViewWriter& view, const EventView& e, const EndpointCreated& event) {
  store_row(view, view_key(kName, e.tenant, "endpoint", entity(e.stream)),
            EndpointRow{.name = event.name,
                        .model = event.model,
                        .experiment_id = event.experiment_id,
                        .canary_bp = event.canary_bp,
                        .unit = event.unit,
                        .retrain_pipeline = event.retrain_pipeline,
                        .drift_window = event.drift_window,
                        .psi_threshold = event.psi_threshold,
                        .ks_pvalue_threshold = event.ks_pvalue_threshold,
                        .created_time = format_time(e.time),
                        .actor = std::string(e.actor)},
            e.position);
}

void DeploymentsProjection::on(ViewWriter& view, const EventView& e,
                               const EndpointSplitChanged& event) {
  update_endpoint(view, e, [&](EndpointRow& row) { row.canary_bp = event.to_bp; });
}

void DeploymentsProjection::on(ViewWriter& view, const EventView& e,
                               const EndpointVersionActivated& event) {
  update_endpoint(view, e, [&](EndpointRow& row) {
    if (event.version == 0)
      row.active.erase(event.route);
    else
      row.active[event.route] = event.version;
  });
}

// To the series of this name of the endpoint whose tails have keys that begin with `tails_`.
void DeploymentsProjection::count(ViewWriter& view, const EventView& e, std::string_view name,
                                  std::uint64_t more) {
  if (more == 0) return;
  append_part(key_.assign(tails_), name);
  std::string& tail = kCountSeries.open(view, key_, name);
  const std::uint64_t before = kCountSeries.best(tail).value_or(CountPoint{}).total;
  kCountSeries.append(view, {e.tenant, entity(e.stream), name}, tail, {e.position, before + more});
}

// Into by_version_. A model has a handful of versions; an event from elsewhere may name thousands.
void DeploymentsProjection::count_versions(std::span<const std::int64_t> versions) {
  constexpr std::size_t kFew = 16;
  by_version_.clear();
  for (const auto version : versions) {
    const auto at = std::find_if(by_version_.begin(), by_version_.end(),
                                 [version](const auto& each) { return each.first == version; });
    if (at != by_version_.end())
      ++at->second;
    else
      by_version_.emplace_back(version, 1);
    if (by_version_.size() > kFew) break;
  }
  if (by_version_.size() <= kFew) return;
  std::map<std::int64_t, std::uint64_t> all;
  for (const auto version : versions) ++all[version];
  by_version_.assign(all.begin(), all.end());
}

void DeploymentsProjection::on(ViewWriter& view, const EventView& e,
                               const PredictionsLogged& event) {
  const std::size_t n = std::min(event.versions.size(), event.challenger.size());
  count_versions({event.versions.data(), n});
  const auto challenger = n - static_cast<std::size_t>(std::count(
                                  event.challenger.begin(),
                                  event.challenger.begin() + static_cast<std::ptrdiff_t>(n), 0));
  tails_ = kCountSeries.tails_of(e.tenant, entity(e.stream));
  for (const auto& [version, answers] : by_version_)
    count(view, e, "version:" + std::to_string(version), answers);
  count(view, e, "route:challenger", challenger);
  count(view, e, "route:champion", n - challenger);
}

}  // namespace mlforge::projections
