// The part of the vocabulary that is about subscriptions; vocabulary.hpp lists it.
#pragma once
#include <string>
#include <vector>

#include "events/envelope.hpp"
#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- subscriptions, stream
// subscription/<name>

// What a subscription delivers, where to, and how patiently.
struct SubscriptionSettings {
  std::string kind = "pull";               // pull, webhook, lineage, nats, mlflow
  std::string url;                         // of a webhook, a lineage endpoint; empty otherwise
  std::string subject;                     // of nats; of mlflow: its kinds of events, with commas
  std::string secret;                      // fingerprint of what signs; never the secret itself
  std::string tenant = "default";          // whose events; * for all
  std::vector<std::string> streams;        // names, or their starts with * at the end; empty: all
  std::vector<std::string> types;          // the same
  std::uint64_t max_attempts = 10;         // then the event is parked; 0: never
  std::uint64_t ack_deadline_ms = 30'000;  // then it is delivered again
  std::uint64_t backoff_ms = 1'000;        // before the second attempt; doubles each time
  std::uint64_t max_backoff_ms = 300'000;
  std::uint64_t max_in_flight =
      64;  // events that wait for an acknowledgement or their next attempt
  bool active = true;
  bool operator==(const SubscriptionSettings&) const = default;
  static constexpr auto fields() {
    return FieldList{field("kind", &SubscriptionSettings::kind),
                     field("url", &SubscriptionSettings::url),
                     field("subject", &SubscriptionSettings::subject),
                     field("secret_fingerprint", &SubscriptionSettings::secret),
                     field("tenant", &SubscriptionSettings::tenant),
                     field("streams", &SubscriptionSettings::streams),
                     field("types", &SubscriptionSettings::types),
                     field("max_attempts", &SubscriptionSettings::max_attempts),
                     field("ack_deadline_ms", &SubscriptionSettings::ack_deadline_ms),
                     field("backoff_ms", &SubscriptionSettings::backoff_ms),
                     field("max_backoff_ms", &SubscriptionSettings::max_backoff_ms),
                     field("max_in_flight", &SubscriptionSettings::max_in_flight),
                     field("active", &SubscriptionSettings::active)};
  }
};

struct SubscriptionCreated : JsonEvent<1> {
  static constexpr std::string_view type = "subscription.created";
  std::string name;
  SubscriptionSettings settings;
  Position start = 0;              // the first event that may be delivered
  std::string title, description;  // as people call it; of MLflow's webhooks
  static constexpr auto fields() {
    return FieldList{field("name", &SubscriptionCreated::name),
                     field("settings", &SubscriptionCreated::settings),
                     field("start", &SubscriptionCreated::start),
                     field("title", &SubscriptionCreated::title),
                     field("description", &SubscriptionCreated::description)};
  }
};

// The settings as they are from here on; events that were found before stay what they are.
struct SubscriptionUpdated : JsonEvent<1> {
  static constexpr std::string_view type = "subscription.updated";
  SubscriptionSettings settings;
  std::string reason;
  std::string title, description;  // as they are from here on, too
  static constexpr auto fields() {
    return FieldList{field("settings", &SubscriptionUpdated::settings),
                     field("reason", &SubscriptionUpdated::reason),
                     field("title", &SubscriptionUpdated::title),
                     field("description", &SubscriptionUpdated::description)};
  }
};

struct SubscriptionDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "subscription.deleted";
  std::vector<Position> parked;  // what was still parked, and went with it
  static constexpr auto fields() {
    return FieldList{field("parked", &SubscriptionDeleted::parked)};
  }
};

// An event that could not be delivered is set aside, so that the others go on.
struct SubscriptionEventParked : JsonEvent<1> {
  static constexpr std::string_view type = "subscription.event_parked";
  Position event_position = 0;
  std::string event_id, event_type, event_stream;
  std::uint64_t attempts = 0;
  std::string error;  // of the last attempt
  static constexpr auto fields() {
    return FieldList{field("event_position", &SubscriptionEventParked::event_position),
                     field("event_id", &SubscriptionEventParked::event_id),
                     field("event_type", &SubscriptionEventParked::event_type),
                     field("event_stream", &SubscriptionEventParked::event_stream),
                     field("attempts", &SubscriptionEventParked::attempts),
                     field("error", &SubscriptionEventParked::error)};
  }
};

struct SubscriptionParkedReleased : JsonEvent<1> {
  static constexpr std::string_view type = "subscription.parked_released";
  std::vector<Position> event_positions;
  std::string action;  // replayed: they are delivered again; dropped: they are not
  static constexpr auto fields() {
    return FieldList{field("event_positions", &SubscriptionParkedReleased::event_positions),
                     field("action", &SubscriptionParkedReleased::action)};
  }
};

}  // namespace mlforge
