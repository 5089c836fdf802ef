// The figures for Prometheus. Handles are kept, so that counting costs nanoseconds.
#pragma once
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "events/vocabulary.hpp"
#include "gateway/subscription_metrics.hpp"

namespace mlforge::gateway {

struct App;

class Metrics {
 public:
  Metrics();
  std::shared_ptr<prometheus::Registry> registry() const { return registry_; }

  void predicted(const std::string& endpoint, std::uint64_t version, bool challenger);
  void drift_reported(const std::string& endpoint, const std::vector<FeatureDrift>& features);
  // Brings the gauges up to date, before a scrape.
  void refresh(App& app);

 private:
  std::shared_ptr<prometheus::Registry> registry_ = std::make_shared<prometheus::Registry>();
  prometheus::Family<prometheus::Counter>& predictions_;
  prometheus::Family<prometheus::Gauge>& drift_;
  prometheus::Family<prometheus::Gauge>& canary_;
  prometheus::Family<prometheus::Gauge>& models_;
  prometheus::Gauge &head_, &projected_, &writable_, &published_, &watchers_, &read_only_;
  prometheus::Counter &events_, &commits_, &conflicts_, &lost_;
  SubscriptionMetrics subscriptions_;
  std::mutex mutex_;
  std::map<std::tuple<std::string, std::uint64_t, bool>, prometheus::Counter*> by_route_;
};

}  // namespace mlforge::gateway
