#include "fixture.hpp"

namespace mlforge::projections::test {
namespace {

SubscriptionEventParked parked(Position position, const std::string& error = "500") {
  return {.event_position = position, .event_type = "run.ended", .attempts = 3, .error = error};
}

}  // namespace

TEST_CASE("subscriptions and what they have parked, as of any position") {
  World w;
  const std::string stream = "subscription/chat";
  SubscriptionSettings settings{.kind = "webhook", .url = "https://example.org/"};
  w.append(stream, SubscriptionCreated{.name = "chat", .settings = settings, .start = 1});
  w.append(stream, parked(7));
  w.append(stream, parked(5));
  w.append(stream, parked(7, "again"));
  settings.active = false;
  w.append(stream, SubscriptionUpdated{.settings = settings, .reason = "410"});
  w.append(stream, SubscriptionParkedReleased{.event_positions = {7, 9}, .action = "replayed"});
  w.append(stream, SubscriptionDeleted{.parked = {5}});
  w.append(stream, SubscriptionCreated{.name = "chat", .start = 9});
  auto v = w.reader();
  CHECK(get_subscription(v, kTenant, "chat", 4)->parked == 2);
  const auto both = list_parked(v, kTenant, "chat", {.as_of = 4});
  REQUIRE(both->items.size() == 2);
  CHECK(both->items[0].event_position == 5);
  CHECK(both->items[1].error == "again");
  CHECK(list_parked(v, kTenant, "chat", {.limit = 1, .as_of = 4})->next_page_token != "");
  CHECK(get_subscription(v, kTenant, "chat", 4)->settings.active);
  CHECK_FALSE(get_subscription(v, kTenant, "chat", 5)->settings.active);
  CHECK(get_subscription(v, kTenant, "chat", 5)->reason == "410");
  CHECK(get_subscription(v, kTenant, "chat", 6)->parked == 1);
  CHECK(get_subscription(v, kTenant, "chat", 7).error().code == ErrorCode::not_found);
  CHECK(list_parked(v, kTenant, "chat", {.as_of = 7}).error().code == ErrorCode::not_found);
  CHECK(get_subscription(v, kTenant, "chat")->start == 9);
  CHECK(list_parked(v, kTenant, "chat", {})->items.empty());
  CHECK(list_subscriptions(v, kTenant, {})->items.size() == 1);
  CHECK(list_subscriptions(v, "other", {})->items.empty());
}

}  // namespace mlforge::projections::test
