#include "gateway/subscription_metrics.hpp"

namespace mlforge::gateway {
namespace {

using prometheus::BuildCounter, prometheus::BuildGauge;

prometheus::Family<prometheus::Gauge>& gauge_family(prometheus::Registry& registry,
                                                    const char* name, const char* help) {
  return BuildGauge().Name(name).Help(help).Register(registry);
}
prometheus::Family<prometheus::Counter>& counter_family(prometheus::Registry& registry,
                                                        const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

void bring_to(prometheus::Counter& counter, double value) {
  if (value > counter.Value()) counter.Increment(value - counter.Value());
}

SubscriptionMetrics::SubscriptionMetrics(prometheus::Registry& r)
    : lag_(gauge_family(
          r, "mlforge_subscription_lag",
          "Events of the log that a subscription has not looked at, and those in flight")),
      in_flight_(gauge_family(r, "mlforge_subscription_in_flight",
                              "Events that wait for an acknowledgement or their next attempt")),
      parked_(gauge_family(r, "mlforge_subscription_parked", "Events that could not be delivered")),
      delivered_(counter_family(r, "mlforge_subscription_deliveries_total",
                                "Events handed to consumers, every attempt counted")),
      acknowledged_(
          counter_family(r, "mlforge_subscription_acknowledged_total", "Events acknowledged")),
      failed_(counter_family(r, "mlforge_subscription_failures_total",
                             "Attempts refused, failed or not acknowledged in time")) {}

SubscriptionMetrics::One SubscriptionMetrics::add(const std::string& name) {
  const std::map<std::string, std::string> labels{{"subscription", name}};
  return {&lag_.Add(labels),
          &in_flight_.Add(labels),
          &parked_.Add(labels),
          &delivered_.Add(labels),
          &acknowledged_.Add(labels),
          &failed_.Add(labels),
          true};
}

void SubscriptionMetrics::remove(const One& one) {
  lag_.Remove(one.lag);
  in_flight_.Remove(one.in_flight);
  parked_.Remove(one.parked);
  delivered_.Remove(one.delivered);
  acknowledged_.Remove(one.acknowledged);
  failed_.Remove(one.failed);
}

void SubscriptionMetrics::refresh(const std::vector<actors::SubscriptionStatus>& statuses) {
  for (auto& [name, one] : all_) one.seen = false;
  for (const auto& s : statuses) {
    const auto [at, is_new] = all_.try_emplace(s.name);
    if (is_new) at->second = add(s.name);
    auto& one = at->second;
    one.seen = true;
    one.lag->Set(double(s.lag));
    one.in_flight->Set(double(s.in_flight));
    one.parked->Set(double(s.parked));
    bring_to(*one.delivered, double(s.delivered));
    bring_to(*one.acknowledged, double(s.acknowledged));
    bring_to(*one.failed, double(s.failed));
  }
  std::erase_if(all_, [this](const auto& each) {
    if (!each.second.seen) remove(each.second);
    return !each.second.seen;
  });
}

}  // namespace mlforge::gateway
