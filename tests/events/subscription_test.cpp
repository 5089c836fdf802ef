#include "events/subscription.hpp"

#include "tests/events/given.hpp"

namespace mlforge::test {
namespace {

const SubscriptionSettings kPull{.types = {"model.*"}};
const SubscriptionCreated kMade{.name = "deployer", .settings = kPull, .start = 5};

SubscriptionEventParked parked(Position position) {
  return {.event_position = position,
          .event_id = "id",
          .event_type = "model.alias_set",
          .event_stream = "model/adult",
          .attempts = 3,
          .error = "500"};
}

EventView event(std::string_view type, std::string_view stream) {
  EventView e;
  e.tenant = "default";
  e.type = type;
  e.stream = stream;
  return e;
}

}  // namespace

TEST_CASE("subscription: made, changed, deleted and made again") {
  auto changed = kPull;
  changed.active = false;
  given<SubscriptionState>()
      .when(CreateSubscription{"deployer", kPull, 5})
      .then({kMade})
      .when(CreateSubscription{"deployer", kPull, 9})
      .nothing()
      .when(UpdateSubscription{"deployer", changed, "holidays"})
      .then({SubscriptionUpdated{.settings = changed, .reason = "holidays"}})
      .when(UpdateSubscription{"deployer", changed, "again"})
      .nothing()
      .when(DeleteSubscription{"deployer"})
      .then({SubscriptionDeleted{}})
      .when(CreateSubscription{"deployer", kPull, 5})
      .then({kMade});
  // The same start is the same command; another one cannot be had by asking again.
  const auto from = [](Position start) {
    return CreateSubscription{
        .name = "deployer", .settings = kPull, .start = start, .start_given = true};
  };
  given<SubscriptionState>({kMade}).when(from(kMade.start)).nothing();
  given<SubscriptionState>({kMade})
      .when(from(kMade.start + 1))
      .refused(ErrorCode::already_exists, "from", "cannot be moved");
  auto other = kPull;
  other.max_attempts = 2;
  given<SubscriptionState>({kMade})
      .when(CreateSubscription{"deployer", other, 5})
      .refused(ErrorCode::already_exists, "name", "other settings");
  const auto none = given<SubscriptionState>();
  none.when(UpdateSubscription{"x", kPull, ""}).refused(ErrorCode::not_found);
  none.when(DeleteSubscription{"x"}).refused(ErrorCode::not_found);
  none.when(ParkEvent{"x", parked(1)}).refused(ErrorCode::not_found);
  none.when(ReleaseParked{"x", {}, "replayed"}).refused(ErrorCode::not_found);
}

TEST_CASE("subscription: events are parked once, and released") {
  auto s = given<SubscriptionState>({kMade})
               .when(ParkEvent{"deployer", parked(7)})
               .then({parked(7)})
               .when(ParkEvent{"deployer", parked(7)})
               .nothing()
               .when(ParkEvent{"deployer", parked(6)})
               .then({parked(6)});
  s.when(DeleteSubscription{"deployer"}).then({SubscriptionDeleted{.parked = {6, 7}}});
  s.when(ReleaseParked{"deployer", {8}, "replayed"}).refused(ErrorCode::not_found);
  s.when(ReleaseParked{"deployer", {7, 7}, "replayed"})
      .then({SubscriptionParkedReleased{.event_positions = {7}, .action = "replayed"}})
      .when(ReleaseParked{"deployer", {}, "dropped"})
      .then({SubscriptionParkedReleased{.event_positions = {6}, .action = "dropped"}})
      .when(ReleaseParked{"deployer", {}, "dropped"})
      .nothing()
      .when(ParkEvent{"deployer", parked(7)})
      .then({parked(7)});
}

TEST_CASE("subscription: what is parked is bounded") {
  Events events{kMade};
  for (Position p = 1; p <= kMaxParked; ++p) events.push_back(parked(p));
  given<SubscriptionState>(events)
      .when(ParkEvent{"deployer", parked(kMaxParked + 1)})
      .refused(ErrorCode::conflict, "", "replay or drop");
}

TEST_CASE("subscription: settings that cannot be") {
  const auto wrong = [](const std::string& field, auto change) {
    SubscriptionSettings s{.kind = "webhook", .url = "https://example.org/hook"};
    REQUIRE_FALSE(check_settings(s));
    change(s);
    const auto bad = check_settings(s);
    REQUIRE(bad);
    CHECK(bad->field == field);
  };
  using S = SubscriptionSettings;
  wrong("kind", [](S& s) { s.kind = "mail"; });
  for (const auto* url : {"", "ftp://a", "http://", "https:///x", "http://:80", "http://a b",
                          "http://u@h/", "http://h/#f", "http://h/\n"})
    wrong("url", [&](S& s) { s.url = url; });
  wrong("url", [](S& s) { s.kind = "pull"; });
  wrong("secret", [](S& s) {
    s.kind = "lineage";
    s.secret = "0123456789abcdef";
  });
  wrong("subject", [](S& s) { s.subject = "a.b"; });
  for (const auto* subject : {"", "a..b", ".a", "a b", "a.*", "a.>", "mlforge.default.x"})
    wrong("subject", [&](S& s) {
      s.kind = "nats";
      s.url = "";
      s.subject = subject;
    });
  wrong("tenant", [](S& s) { s.tenant = ""; });
  wrong("streams", [](S& s) { s.streams = {"run/*x"}; });
  wrong("types", [](S& s) { s.types = {""}; });
  wrong("types", [](S& s) { s.types.assign(101, "a"); });
  wrong("max_attempts", [](S& s) { s.max_attempts = 1'000'001; });
  wrong("ack_deadline_ms", [](S& s) { s.ack_deadline_ms = 99; });
  wrong("backoff_ms", [](S& s) { s.backoff_ms = 0; });
  wrong("max_backoff_ms", [](S& s) { s.max_backoff_ms = s.backoff_ms - 1; });
  wrong("max_in_flight", [](S& s) { s.max_in_flight = 0; });
  given<SubscriptionState>({kMade})
      .when(UpdateSubscription{"deployer", {.kind = "nats", .subject = "a"}, ""})
      .refused(ErrorCode::invalid_argument, "kind", "must stay pull");
  given<SubscriptionState>()
      .when(CreateSubscription{"a/b", kPull, 1})
      .refused(ErrorCode::invalid_argument, "name");
}

TEST_CASE("subscription: the filter is by tenant, stream and type") {
  const auto e = event("run.started", "run/42");
  CHECK(wants("s", {}, e));
  CHECK(wants("s", {.streams = {"run/42"}, .types = {"run.started"}}, e));
  CHECK(wants("s", {.streams = {"model/*", "run/*"}, .types = {"run.*"}}, e));
  CHECK(wants("s", {.streams = {"*"}}, e));
  CHECK_FALSE(wants("s", {.streams = {"run/4"}}, e));
  CHECK_FALSE(wants("s", {.types = {"run.start"}}, e));
  CHECK_FALSE(wants("s", {.streams = {"model/*"}, .types = {"run.*"}}, e));
  CHECK_FALSE(wants("s", {.tenant = "other"}, e));
  CHECK(wants("s", {.tenant = "*"}, e));
}

TEST_CASE("subscription: a receiver that fails does not feed itself") {
  auto tells = encode_event(parked(7));
  auto e = event("subscription.event_parked", "subscription/a");
  e.payload = tells.payload;
  CHECK_FALSE(wants("b", {}, e));
  CHECK_FALSE(wants("b", {.types = {"*"}}, e));
  CHECK(wants("b", {.types = {"subscription.*"}}, e));
  CHECK(wants("b", {.streams = {"subscription/a"}}, e));
  CHECK_FALSE(wants("a", {.types = {"subscription.*"}}, e));
  auto about = parked(7);
  about.event_type = "subscription.event_parked";
  tells = encode_event(about);
  e.payload = tells.payload;
  CHECK_FALSE(wants("b", {.types = {"subscription.*"}}, e));
}

}  // namespace mlforge::test
