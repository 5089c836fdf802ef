// Subscriptions as they are set, and the events that they could not deliver.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct SubscriptionRow {
  std::string name;
  SubscriptionSettings settings;
  Position start = 0;
  std::uint64_t parked = 0;
  std::string reason;  // of the last change
  std::string created_time, updated_time, actor;
  std::string title, description;
  static constexpr auto fields() {
    return FieldList{field("name", &SubscriptionRow::name),
                     field("title", &SubscriptionRow::title),
                     field("description", &SubscriptionRow::description),
                     field("settings", &SubscriptionRow::settings),
                     field("start", &SubscriptionRow::start),
                     field("parked", &SubscriptionRow::parked),
                     field("reason", &SubscriptionRow::reason),
                     field("created_time", &SubscriptionRow::created_time),
                     field("updated_time", &SubscriptionRow::updated_time),
                     field("actor", &SubscriptionRow::actor)};
  }
};

struct ParkedRow {
  Position event_position = 0;
  std::string event_id, event_type, event_stream;
  std::uint64_t attempts = 0;
  std::string error, parked_time;
  static constexpr auto fields() {
    return FieldList{field("event_position", &ParkedRow::event_position),
                     field("event_id", &ParkedRow::event_id),
                     field("event_type", &ParkedRow::event_type),
                     field("event_stream", &ParkedRow::event_stream),
                     field("attempts", &ParkedRow::attempts),
                     field("error", &ParkedRow::error),
                     field("parked_time", &ParkedRow::parked_time)};
  }
};

// Versioned: "subscription" by name; "parked" by name and position of the event.
class SubscriptionsProjection : public Dispatch<SubscriptionsProjection> {
 public:
  static constexpr std::string_view kName = "subscriptions";
  static constexpr std::uint32_t kVersion = 2;
  void on(ViewWriter& view, const EventView& envelope, const SubscriptionCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const SubscriptionUpdated& event);
  void on(ViewWriter& view, const EventView& envelope, const SubscriptionDeleted& event);
  void on(ViewWriter& view, const EventView& envelope, const SubscriptionEventParked& event);
  void on(ViewWriter& view, const EventView& envelope, const SubscriptionParkedReleased& event);
};

}  // namespace mlforge::projections
