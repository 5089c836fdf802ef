#include "gateway/http/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

#include "gateway/http/router.hpp"

namespace mlforge::http {
namespace {

constexpr std::array<const char*, static_cast<std::size_t>(Rejection::count_)> kReasons{
    "connections", "pending_bytes",     "host",           "origin",
    "malformed",   "headers_too_large", "body_too_large", "timeout"};

const prometheus::Histogram::BucketBoundaries kSeconds{
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10};

}  // namespace

std::string render_metrics(const prometheus::Registry& registry) {
  return prometheus::TextSerializer().Serialize(registry.Collect());
}

HttpMetrics::HttpMetrics(std::shared_ptr<prometheus::Registry> registry,
                         const std::vector<Route>& routes)
    : registry_(std::move(registry)) {
  if (!registry_) return;
  durations_ = &prometheus::BuildHistogram()
                    .Name("mlforge_http_request_duration_seconds")
                    .Help("Time from a request's head to its answer, by route pattern and method.")
                    .Register(*registry_);
  totals_ = &prometheus::BuildCounter()
                 .Name("mlforge_http_requests_total")
                 .Help("Requests answered, by route pattern, method and class of status.")
                 .Register(*registry_);
  open_ = &prometheus::BuildGauge()
               .Name("mlforge_http_open_connections")
               .Help("Connections open now.")
               .Register(*registry_)
               .Add({});
  auto& streams = prometheus::BuildGauge()
                      .Name("mlforge_http_streams")
                      .Help("Event streams and WebSockets open now.")
                      .Register(*registry_);
  sse_ = &streams.Add({{"kind", "sse"}});
  websocket_ = &streams.Add({{"kind", "websocket"}});
  auto& rejected = prometheus::BuildCounter()
                       .Name("mlforge_http_rejected_total")
                       .Help("Connections and requests turned away before a handler saw them.")
                       .Register(*registry_);
  for (std::size_t i = 0; i < kReasons.size(); ++i)
    rejected_[i] = &rejected.Add({{"reason", kReasons[i]}});
  handles_.resize(routes.size() + 1);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    handles_[i].route = routes[i].pattern;
    handles_[i].method = to_string(routes[i].method);
  }
}

void HttpMetrics::request(std::size_t route, int status, double seconds) {
  if (!registry_) return;
  auto& handles = handles_[std::min(route, handles_.size() - 1)];
  if (!handles.duration)
    handles.duration =
        &durations_->Add({{"route", handles.route}, {"method", handles.method}}, kSeconds);
  const auto cls = static_cast<std::size_t>(std::clamp(status / 100, 0, 5));
  if (!handles.by_class[cls])
    handles.by_class[cls] = &totals_->Add({{"route", handles.route},
                                           {"method", handles.method},
                                           {"code", std::to_string(cls) + "xx"}});
  handles.duration->Observe(seconds);
  handles.by_class[cls]->Increment();
}

void HttpMetrics::reject(Rejection why) {
  if (registry_) rejected_[static_cast<std::size_t>(why)]->Increment();
}

void HttpMetrics::connections(std::size_t open) {
  if (registry_) open_->Set(static_cast<double>(open));
}

void HttpMetrics::streams(std::string_view kind, int change) {
  if (registry_) (kind == "sse" ? sse_ : websocket_)->Increment(change);
}

}  // namespace mlforge::http
