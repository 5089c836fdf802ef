// Subscriptions: who gets which events of the log, and what could not be delivered.
#pragma once
#include <map>
#include <optional>

#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr std::size_t kMaxParked = 10'000;  // of one subscription

struct SubscriptionState {
  bool exists = false;
  std::string name;
  SubscriptionSettings settings;
  Position start = 0;
  std::string title, description;
  std::map<Position, SubscriptionEventParked> parked;
};

struct CreateSubscription {
  std::string name;
  SubscriptionSettings settings;
  Position start = 0;
  std::string title = {}, description = {};
  bool start_given = false;  // by who asked: then one that is there must have begun there too
};

struct UpdateSubscription {
  std::string name;
  SubscriptionSettings settings;
  std::string reason;
  std::optional<std::string> title = {}, description = {};  // absent: as they are
};

struct DeleteSubscription {
  std::string name;
};

struct ParkEvent {
  std::string name;
  SubscriptionEventParked event;
};

struct ReleaseParked {
  std::string name;
  std::vector<Position> positions;  // empty: all
  std::string action;               // replayed, dropped
};

// Set where the settings cannot be: the Error names the field.
Status check_settings(const SubscriptionSettings& settings);

// Whether the subscription `name` delivers the event. What happens to subscriptions is delivered
// only where a pattern names subscriptions, never to the subscription that it is about, and not at
// all where it tells that such an event was parked: a receiver that fails must not feed itself.
bool wants(std::string_view name, const SubscriptionSettings& settings, const EventView& event);

// already_exists for the same name with other settings; the same again changes nothing. Parking
// what is parked changes nothing, and neither does releasing what is not. `conflict` where
// kMaxParked events are parked already.
Expected<Events> decide(const SubscriptionState& state, const CreateSubscription& command);
Expected<Events> decide(const SubscriptionState& state, const UpdateSubscription& command);
Expected<Events> decide(const SubscriptionState& state, const DeleteSubscription& command);
Expected<Events> decide(const SubscriptionState& state, const ParkEvent& command);
Expected<Events> decide(const SubscriptionState& state, const ReleaseParked& command);

void evolve(SubscriptionState& state, const SubscriptionCreated& event);
void evolve(SubscriptionState& state, const SubscriptionUpdated& event);
void evolve(SubscriptionState& state, const SubscriptionDeleted& event);
void evolve(SubscriptionState& state, const SubscriptionEventParked& event);
void evolve(SubscriptionState& state, const SubscriptionParkedReleased& event);

}  // namespace mlforge
