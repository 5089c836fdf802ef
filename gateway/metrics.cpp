#include "gateway/metrics.hpp"

#include "actors/broadcast.hpp"
#include "gateway/app.hpp"

namespace mlforge::gateway {
namespace {

using prometheus::BuildCounter, prometheus::BuildGauge;

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

Metrics::Metrics()
    : predictions_(BuildCounter()
                       .Name("mlforge_predictions_total")
                       .Help("Predictions by version and route")
                       .Register(*registry_)),
      drift_(BuildGauge()
                 .Name("mlforge_drift_score")
                 .Help("PSI per feature in the last report")
                 .Register(*registry_)),
      canary_(BuildGauge()
                  .Name("mlforge_canary_traffic_split")
                  .Help("Share of the challenger")
                  .Register(*registry_)),
      models_(BuildGauge()
                  .Name("mlforge_models_loaded")
                  .Help("Model versions being served")
                  .Register(*registry_)),
      head_(gauge(*registry_, "mlforge_log_head", "Position of the last durable event")),
      projected_(gauge(*registry_, "mlforge_projected_position",
                       "Position that the read models have reached")),
      writable_(gauge(*registry_, "mlforge_log_writable", "1 while the log accepts writes")),
      published_(gauge(*registry_, "mlforge_nats_published_position",
                       "Position that NATS has acknowledged")),
      watchers_(gauge(*registry_, "mlforge_live_watchers", "Open WebSocket and SSE streams")),
      read_only_(gauge(*registry_, "mlforge_log_read_only", "1 when the log has stopped writing")),
      events_(counter(*registry_, "mlforge_events_total", "Events appended since the start")),
      commits_(counter(*registry_, "mlforge_commits_total", "Group commits since the start")),
      conflicts_(counter(*registry_, "mlforge_append_conflicts_total",
                         "Appends refused for a stale version")),
      lost_(counter(*registry_, "mlforge_predictions_lost_total",
                    "Answered predictions that could not be written to the log")),
      subscriptions_(*registry_) {}

void Metrics::predicted(const std::string& endpoint, std::uint64_t version, bool challenger) {
  const std::lock_guard lock(mutex_);
  auto& handle = by_route_[{endpoint, version, challenger}];
  if (!handle)
    handle = &predictions_.Add({{"endpoint", endpoint},
                                {"version", std::to_string(version)},
                                {"route", challenger ? "challenger" : "champion"}});
  handle->Increment();
}

void Metrics::drift_reported(const std::string& endpoint,
                             const std::vector<FeatureDrift>& features) {
  for (const auto& each : features)
    drift_.Add({{"endpoint", endpoint}, {"feature", each.feature}}).Set(each.psi);
}

void Metrics::refresh(App& app) {
  const bool writable = !app.log->writable();
  head_.Set(double(app.log->head()));
  projected_.Set(double(app.projected.position()));
  writable_.Set(writable);
  read_only_.Set(!writable);
  watchers_.Set(double(app.live.size()));
  if (app.subscriptions) subscriptions_.refresh(app.subscriptions->statuses());
  if (app.broadcast) published_.Set(double(app.broadcast->status().published));
  bring_to(events_, double(app.writer_stats.events));
  bring_to(commits_, double(app.writer_stats.commits));
  bring_to(conflicts_, double(app.writer_stats.conflicts));
  if (app.flusher) bring_to(lost_, double(app.flusher->lost()));
  for (const auto& endpoint : app.scorer.endpoints()) {
    const auto& settings = endpoint->settings;
    canary_.Add({{"endpoint", settings.name}}).Set(settings.canary_bp / 10000.0);
    models_.Add({{"endpoint", settings.name}})
        .Set((endpoint->champion ? 1 : 0) + (endpoint->challenger ? 1 : 0));
  }
}

}  // namespace mlforge::gateway
