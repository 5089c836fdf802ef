// How every subscription stands, for Prometheus.
#pragma once
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

#include "actors/subscriptions.hpp"

namespace mlforge::gateway {

// A total that something else counts.
void bring_to(prometheus::Counter& counter, double value);

// One thread at a time.
class SubscriptionMetrics {
 public:
  explicit SubscriptionMetrics(prometheus::Registry& registry);
  // Those that are gone are left out from then on.
  void refresh(const std::vector<actors::SubscriptionStatus>& statuses);

 private:
  struct One {
    prometheus::Gauge *lag, *in_flight, *parked;
    prometheus::Counter *delivered, *acknowledged, *failed;
    bool seen;
  };
  One add(const std::string& name);
  void remove(const One& one);

  prometheus::Family<prometheus::Gauge>&lag_, &in_flight_, &parked_;
  prometheus::Family<prometheus::Counter>&delivered_, &acknowledged_, &failed_;
  std::map<std::string, One> all_;
};

}  // namespace mlforge::gateway
