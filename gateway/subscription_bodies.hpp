// What the routes of subscriptions take and answer.
#pragma once
#include "actors/subscriptions.hpp"

namespace mlforge::gateway {

// What is absent keeps its default at a creation, and its value at a change.
struct SubscriptionChanges {
  std::optional<std::string> kind, url, subject, secret, tenant, reason;
  std::optional<std::vector<std::string>> streams, types;
  std::optional<std::uint64_t> max_attempts, ack_deadline_ms, backoff_ms, max_backoff_ms,
      max_in_flight;
  std::optional<bool> active;
  std::optional<Position> from;  // the first event; default: those after the creation
  std::optional<std::string> name;
  static constexpr auto fields() {
    using S = SubscriptionChanges;
    return FieldList{field("name", &S::name),
                     field("kind", &S::kind),
                     field("url", &S::url),
                     field("subject", &S::subject),
                     field("secret", &S::secret),
                     field("tenant", &S::tenant),
                     field("streams", &S::streams),
                     field("types", &S::types),
                     field("from", &S::from),
                     field("max_attempts", &S::max_attempts),
                     field("ack_deadline_ms", &S::ack_deadline_ms),
                     field("backoff_ms", &S::backoff_ms),
                     field("max_backoff_ms", &S::max_backoff_ms),
                     field("max_in_flight", &S::max_in_flight),
                     field("active", &S::active),
                     field("reason", &S::reason)};
  }
};

struct FetchBody {
  std::uint64_t max = 10;     // events
  std::uint64_t wait_ms = 0;  // for the first of them
  std::string consumer;       // who takes them, where several do
  static constexpr auto fields() {
    return FieldList{field("max", &FetchBody::max), field("wait_ms", &FetchBody::wait_ms),
                     field("consumer", &FetchBody::consumer)};
  }
};

struct AckBody {
  std::vector<Position> positions;
  std::optional<Position> upto;  // all that is out up to here
  std::string consumer;          // with upto: only what this one has
  static constexpr auto fields() {
    return FieldList{field("positions", &AckBody::positions), field("upto", &AckBody::upto),
                     field("consumer", &AckBody::consumer)};
  }
};

struct NackBody {
  std::vector<Position> positions;
  std::string error;
  std::optional<std::uint64_t> delay_ms;
  bool park = false;
  static constexpr auto fields() {
    return FieldList{required("positions", &NackBody::positions), field("error", &NackBody::error),
                     field("delay_ms", &NackBody::delay_ms), field("park", &NackBody::park)};
  }
};

struct ReleaseBody {
  std::vector<Position> positions;  // of the parked events; empty: all
  static constexpr auto fields() { return FieldList{field("positions", &ReleaseBody::positions)}; }
};

// How all subscriptions stand.
struct SubscriptionStatuses {
  std::vector<actors::SubscriptionStatus> items;
  static constexpr auto fields() { return FieldList{field("items", &SubscriptionStatuses::items)}; }
};

}  // namespace mlforge::gateway
