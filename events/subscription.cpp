#include "events/subscription.hpp"

#include <algorithm>

#include "events/checks.hpp"
#include "events/event_codec.hpp"

namespace mlforge {
namespace {

constexpr std::uint64_t kDayMs = 86'400'000;
constexpr std::string_view kOwnKind = "subscription";

bool fits(const std::string& pattern, std::string_view text) {
  if (!pattern.ends_with('*')) return text == pattern;
  return text.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
}

bool fits_any(const std::vector<std::string>& patterns, std::string_view text) {
  return patterns.empty() || std::any_of(patterns.begin(), patterns.end(),
                                         [&](const auto& each) { return fits(each, text); });
}

bool names_subscriptions(const std::vector<std::string>& patterns) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [](const auto& each) { return each.starts_with(kOwnKind); });
}

bool tells_of_a_subscription(const EventView& e) {
  if (e.type != SubscriptionEventParked::type) return false;
  const auto event = decode_event(e);
  if (!event) return true;
  const auto* parked = get_if<SubscriptionEventParked>(&*event);
  return !parked || parked->event_type.starts_with(kOwnKind);
}

Status check_patterns(std::string_view field, const std::vector<std::string>& patterns) {
  if (patterns.size() > 100) return invalid(field, "must have at most 100 patterns");
  for (const auto& each : patterns)
    if (each.empty() || each.size() > 250 || has_control(each) || each.find('*') < each.size() - 1)
      return invalid(field,
                     "must hold names of 1 to 250 bytes, or their starts with * at the end: run.*");
  return {};
}

Status check_number(std::string_view field, std::uint64_t value, std::uint64_t minimum,
                    std::uint64_t maximum) {
  if (value >= minimum && value <= maximum) return {};
  return invalid(field,
                 "must be from " + std::to_string(minimum) + " to " + std::to_string(maximum));
}

bool is_http(std::string_view url) {
  const auto host = url.starts_with("http://")    ? url.substr(7)
                    : url.starts_with("https://") ? url.substr(8)
                                                  : std::string_view();
  return !host.empty() && host.front() != '/' && host.front() != ':';
}

Status check_plain_url(std::string_view url) {
  if (url.size() > 2000) return invalid("url", "must have at most 2000 bytes");
  if (std::any_of(url.begin(), url.end(), [](char c) { return c <= 0x20 || c == 0x7F; }))
    return invalid("url", "must be of ASCII without blanks: write others as %20, %C3%A9");
  if (url.find('#') != url.npos) return invalid("url", "must have no fragment (#...)");
  if (url.find('@') != url.npos)
    return invalid("url",
                   "must have no user and password, which would stand in the log; deliveries "
                   "are signed with the secret");
  return {};
}

Status check_target(const SubscriptionSettings& s) {
  const bool posts = s.kind == "webhook" || s.kind == "lineage" || s.kind == "mlflow";
  if (!posts && s.kind != "pull" && s.kind != "nats")
    return invalid("kind", "must be pull, webhook, lineage, nats or mlflow");
  if (!posts && !s.url.empty())
    return invalid("url", "must be left out, for this kind of subscription posts nothing");
  const bool file = s.kind == "lineage" && s.url.starts_with("file:/");
  if (posts && !file && !is_http(s.url))
    return invalid("url", "must be an http:// or https:// URL");
  if (auto bad = file ? Status() : check_plain_url(s.url)) return bad;
  if (s.kind != "webhook" && s.kind != "mlflow" && !s.secret.empty())
    return invalid("secret", "must be left out, for only webhooks are signed");
  if (s.kind == "mlflow") {
    if (s.subject.empty() || s.subject.size() > 1000 || has_control(s.subject))
      return invalid("subject", "must name kinds of MLflow's events: model_version.created");
    return {};
  }
  const bool plain = std::none_of(s.subject.begin(), s.subject.end(), [](unsigned char c) {
    return c <= 0x20 || c >= 0x7F || c == '*' || c == '>';
  });
  if ((s.kind == "nats") == s.subject.empty() || !plain || s.subject.size() > 200 ||
      s.subject.starts_with('.') || s.subject.ends_with('.') ||
      s.subject.find("..") != std::string::npos)
    return invalid("subject", "must be a NATS subject without wildcards, and only of kind nats");
  if (s.subject == "mlforge" || s.subject.starts_with("mlforge."))
    return invalid("subject", "must not begin with mlforge., which is the broadcast's");
  return {};
}

}  // namespace

Status check_settings(const SubscriptionSettings& s) {
  if (auto bad = check_target(s)) return bad;
  if (s.tenant.empty() || s.tenant.size() > 200 || has_control(s.tenant))
    return invalid("tenant", "must name a tenant, or be * for all");
  if (auto bad = check_patterns("streams", s.streams)) return bad;
  if (auto bad = check_patterns("types", s.types)) return bad;
  if (auto bad = check_number("max_attempts", s.max_attempts, 0, 1'000'000)) return bad;
  if (auto bad = check_number("ack_deadline_ms", s.ack_deadline_ms, 100, kDayMs)) return bad;
  if (auto bad = check_number("backoff_ms", s.backoff_ms, 1, kDayMs)) return bad;
  if (auto bad = check_number("max_backoff_ms", s.max_backoff_ms, s.backoff_ms, kDayMs)) return bad;
  return check_number("max_in_flight", s.max_in_flight, 1, 10'000);
}

bool wants(std::string_view name, const SubscriptionSettings& s, const EventView& e) {
  if (s.tenant != "*" && e.tenant != s.tenant) return false;
  if (!fits_any(s.streams, e.stream) || !fits_any(s.types, e.type)) return false;
  if (!e.type.starts_with("subscription.")) return true;
  if (!names_subscriptions(s.types) && !names_subscriptions(s.streams)) return false;
  return e.stream.substr(e.stream.find('/') + 1) != name && !tells_of_a_subscription(e);
}

Expected<Events> decide(const SubscriptionState& state, const CreateSubscription& c) {
  if (auto bad = check_name("name", c.name)) return *bad;
  if (auto bad = check_settings(c.settings)) return *bad;
  if (!state.exists)
    return Events{SubscriptionCreated{.name = c.name,
                                      .settings = c.settings,
                                      .start = c.start,
                                      .title = c.title,
                                      .description = c.description}};
  if (state.settings == c.settings && (!c.start_given || state.start == c.start)) return Events{};
  if (state.settings == c.settings)
    return Error{ErrorCode::already_exists,
                 "there is a subscription '" + c.name + "' that begins at position " +
                     std::to_string(state.start) +
                     ", and where it stands cannot be moved: delete it first, or use another name",
                 "from"};
  return Error{ErrorCode::already_exists,
               "there is a subscription '" + c.name + "' with other settings: change or delete it",
               "name"};
}

Expected<Events> decide(const SubscriptionState& state, const UpdateSubscription& c) {
  if (!state.exists) return not_found("subscription", c.name);
  if (auto bad = check_settings(c.settings)) return *bad;
  if (c.settings.kind != state.settings.kind)
    return invalid("kind", "must stay " + state.settings.kind + ": make another subscription");
  const auto title = c.title.value_or(state.title);
  const auto description = c.description.value_or(state.description);
  if (c.settings == state.settings && title == state.title && description == state.description)
    return Events{};
  return Events{SubscriptionUpdated{
      .settings = c.settings, .reason = c.reason, .title = title, .description = description}};
}

Expected<Events> decide(const SubscriptionState& state, const DeleteSubscription& c) {
  if (!state.exists) return not_found("subscription", c.name);
  SubscriptionDeleted e;
  for (const auto& [position, parked] : state.parked) e.parked.push_back(position);
  return Events{e};
}

Expected<Events> decide(const SubscriptionState& state, const ParkEvent& c) {
  if (!state.exists) return not_found("subscription", c.name);
  if (state.parked.contains(c.event.event_position)) return Events{};
  if (state.parked.size() >= kMaxParked)
    return conflict("subscription '" + c.name + "' has " + std::to_string(kMaxParked) +
                    " parked events: replay or drop them");
  return Events{c.event};
}

Expected<Events> decide(const SubscriptionState& state, const ReleaseParked& c) {
  if (!state.exists) return not_found("subscription", c.name);
  SubscriptionParkedReleased e{.action = c.action};
  if (c.positions.empty())
    for (const auto& [position, parked] : state.parked) e.event_positions.push_back(position);
  for (const auto position : c.positions) {
    if (!state.parked.contains(position))
      return not_found("parked event at position", std::to_string(position));
    e.event_positions.push_back(position);
  }
  auto& all = e.event_positions;
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  if (all.empty()) return Events{};
  return Events{e};
}

void evolve(SubscriptionState& state, const SubscriptionCreated& e) {
  state = {.exists = true,
           .name = e.name,
           .settings = e.settings,
           .start = e.start,
           .title = e.title,
           .description = e.description};
}
void evolve(SubscriptionState& state, const SubscriptionUpdated& e) {
  state.settings = e.settings;
  state.title = e.title;
  state.description = e.description;
}
void evolve(SubscriptionState& state, const SubscriptionDeleted&) { state = {}; }
void evolve(SubscriptionState& state, const SubscriptionEventParked& e) {
  state.parked[e.event_position] = e;
}
void evolve(SubscriptionState& state, const SubscriptionParkedReleased& e) {
  for (const auto position : e.event_positions) state.parked.erase(position);
}

}  // namespace mlforge
