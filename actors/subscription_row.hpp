// One subscription inside Subscriptions, and the form in which it is kept.
#pragma once
#include <set>

#include "actors/subscriptions.hpp"

namespace mlforge::actors {

struct SubscriptionKept {
  std::string name;
  SubscriptionSettings settings;
  Position created = 0;  // of the event that made it
  Position scanned = 0;
  std::vector<OpenDelivery> open;
  std::vector<Position> parked;
  std::uint64_t delivered = 0, acknowledged = 0, failed = 0;
  std::string last_error;
  static constexpr auto fields() {
    return FieldList{field("name", &SubscriptionKept::name),
                     field("settings", &SubscriptionKept::settings),
                     field("created", &SubscriptionKept::created),
                     field("scanned", &SubscriptionKept::scanned),
                     field("open", &SubscriptionKept::open),
                     field("parked", &SubscriptionKept::parked),
                     field("delivered", &SubscriptionKept::delivered),
                     field("acknowledged", &SubscriptionKept::acknowledged),
                     field("failed", &SubscriptionKept::failed),
                     field("last_error", &SubscriptionKept::last_error)};
  }
};

struct Subscriptions::Waiting {
  std::size_t max;
  std::string consumer;
  TimeUs until;
  Position head;  // of the log when it began to wait
  std::function<void(Deliveries)> done;
};

struct Subscriptions::One {
  One(const SubscriptionKept& row, std::uint64_t seed)
      : name(row.name),
        created(row.created),
        settings(std::make_shared<SubscriptionSettings>(row.settings)),
        window(policy(row.settings), row.scanned, seed + row.created),
        parked(row.parked.begin(), row.parked.end()),
        delivered(row.delivered),
        acknowledged(row.acknowledged),
        failed(row.failed),
        last_error(row.last_error) {
    for (const auto& each : row.open) window.reopen(each.position, each.attempts);
  }

  static std::unique_ptr<One> restored(const SubscriptionKept& row, std::uint64_t seed) {
    return std::make_unique<One>(row, seed);
  }

  static DeliveryPolicy policy(const SubscriptionSettings& s) {
    return {.max_attempts = s.max_attempts,
            .ack_deadline = static_cast<TimeUs>(s.ack_deadline_ms) * 1000,
            .backoff = static_cast<TimeUs>(s.backoff_ms) * 1000,
            .max_backoff = static_cast<TimeUs>(s.max_backoff_ms) * 1000,
            .max_in_flight = s.max_in_flight};
  }

  // By the event at `position`. Others go on where they were when they are active again; to one of
  // MLflow's webhooks nothing happened while it was disabled.
  void set(const SubscriptionSettings& now, Position position) {
    const bool was_active = settings->active;
    settings = std::make_shared<SubscriptionSettings>(now);
    window.set_policy(policy(now));
    if (now.kind != "mlflow" || was_active == now.active) return;
    if (now.active)
      window.scanned_to(std::max(window.scanned(), position));
    else
      disabled_at = position;
  }
  // Up to here the log is looked at.
  Position looks_until() const { return settings->active ? UINT64_MAX : disabled_at; }

  SubscriptionKept kept() const {
    return {name,          *settings,
            created,       window.scanned(),
            window.open(), {parked.begin(), parked.end()},
            delivered,     acknowledged,
            failed,        last_error};
  }

  // Whoever waits is answered with nothing.
  void answer_all(Ready& ready) {
    for (auto& each : waiting)
      ready.push_back([done = std::move(each.done)] { done(std::vector<Delivery>{}); });
    waiting.clear();
  }

  std::string name;
  Position created;
  std::shared_ptr<const SubscriptionSettings> settings;
  DeliveryWindow window;
  std::set<Position> parked;
  std::uint64_t delivered, acknowledged, failed;
  std::string last_error;
  std::list<Waiting> waiting;
  std::map<std::uint64_t, std::function<void()>> watchers;
  Position disabled_at = 0;   // of MLflow's webhooks; what was before it is delivered some day
  bool changed = false;       // what was acknowledged, and the like
  bool scanned_more = false;  // only how far the log was looked at
};

}  // namespace mlforge::actors
