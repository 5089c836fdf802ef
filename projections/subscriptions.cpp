#include "projections/subscriptions.hpp"

#include "projections/query_paging.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kView = SubscriptionsProjection::kName;

std::string row_key(const EventView& e) {
  return view_key(kView, e.tenant, "subscription", entity(e.stream));
}

std::string parked_key(const EventView& e, Position position) {
  return view_key(kView, e.tenant, "parked", entity(e.stream), ascending(position));
}

}  // namespace

void SubscriptionsProjection::on(ViewWriter& view, const EventView& e,
                                 const SubscriptionCreated& event) {
  store_row(view, row_key(e),
            SubscriptionRow{.name = event.name,
                            .settings = event.settings,
                            .start = event.start,
                            .created_time = format_time(e.time),
                            .updated_time = format_time(e.time),
                            .actor = std::string(e.actor),
                            .title = event.title,
                            .description = event.description},
            e.position);
}

void SubscriptionsProjection::on(ViewWriter& view, const EventView& e,
                                 const SubscriptionUpdated& event) {
  update_row<SubscriptionRow>(view, row_key(e), e.position, [&](SubscriptionRow& row) {
    row.settings = event.settings;
    row.reason = event.reason;
    row.title = event.title;
    row.description = event.description;
    row.updated_time = format_time(e.time);
  });
}

void SubscriptionsProjection::on(ViewWriter& view, const EventView& e,
                                 const SubscriptionDeleted& event) {
  view.erase(row_key(e), e.position);
  for (const auto position : event.parked) view.erase(parked_key(e, position), e.position);
}

void SubscriptionsProjection::on(ViewWriter& view, const EventView& e,
                                 const SubscriptionEventParked& event) {
  const auto key = parked_key(e, event.event_position);
  const bool known = view.get(key).has_value();
  store_row(view, key,
            ParkedRow{.event_position = event.event_position,
                      .event_id = event.event_id,
                      .event_type = event.event_type,
                      .event_stream = event.event_stream,
                      .attempts = event.attempts,
                      .error = event.error,
                      .parked_time = format_time(e.time)},
            e.position);
  if (!known)
    update_row<SubscriptionRow>(view, row_key(e), e.position,
                                [](SubscriptionRow& row) { ++row.parked; });
}

void SubscriptionsProjection::on(ViewWriter& view, const EventView& e,
                                 const SubscriptionParkedReleased& event) {
  std::uint64_t released = 0;
  for (const auto position : event.event_positions) {
    const auto key = parked_key(e, position);
    if (!view.get(key)) continue;
    view.erase(key, e.position);
    ++released;
  }
  update_row<SubscriptionRow>(view, row_key(e), e.position, [&](SubscriptionRow& row) {
    row.parked -= std::min(row.parked, released);
  });
}

Expected<SubscriptionRow> get_subscription(ViewReader& view, std::string_view tenant,
                                           std::string_view name, Position as_of) {
  return get_row<SubscriptionRow>(view, view_key(kView, tenant, "subscription", name), as_of,
                                  "subscription", name);
}

Expected<Page<SubscriptionRow>> list_subscriptions(ViewReader& view, std::string_view tenant,
                                                   const PageRequest& page) {
  return page_of_rows<SubscriptionRow>(view, view_prefix(kView, tenant, "subscription"), page,
                                       read_row<SubscriptionRow>);
}

Expected<Page<ParkedRow>> list_parked(ViewReader& view, std::string_view tenant,
                                      std::string_view name, const PageRequest& page) {
  const auto row = get_subscription(view, tenant, name, page.as_of);
  if (!row) return row.error();
  return page_of_rows<ParkedRow>(view, view_prefix(kView, tenant, "parked", name), page,
                                 read_row<ParkedRow>);
}

}  // namespace mlforge::projections
