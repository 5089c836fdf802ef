// Subscriptions: made, changed and deleted; events fetched and acknowledged; parked ones released.
#include "actors/ask.hpp"
#include "actors/url_guard.hpp"
#include "events/checks.hpp"
#include "gateway/handlers.hpp"
#include "gateway/subscription_bodies.hpp"
#include "gateway/subscription_events.hpp"
#include "gateway/table_routes.hpp"
#include "projections/queries.hpp"
#include "storage/secret_file.hpp"

namespace mlforge::gateway {
namespace {

using actors::Outcome;
using actors::SubscriptionBody;
using http::Reply;
using http::Request;

constexpr std::size_t kFetchBytes = 4 << 20;

std::filesystem::path secrets_folder(const App& app) {
  return std::filesystem::path(app.config.data_dir) / "secrets";
}

template <class T>
void take(const std::optional<T>& given, T& out) {
  if (given) out = *given;
}

void apply(const SubscriptionChanges& c, SubscriptionSettings& s) {
  take(c.kind, s.kind);
  if (!c.kind && c.url && s.kind == "pull") s.kind = "webhook";
  take(c.url, s.url);
  take(c.subject, s.subject);
  take(c.tenant, s.tenant);
  take(c.streams, s.streams);
  take(c.types, s.types);
  take(c.max_attempts, s.max_attempts);
  take(c.ack_deadline_ms, s.ack_deadline_ms);
  take(c.backoff_ms, s.backoff_ms);
  take(c.max_backoff_ms, s.max_backoff_ms);
  if (c.backoff_ms && !c.max_backoff_ms)
    s.max_backoff_ms = std::max(s.max_backoff_ms, s.backoff_ms);
  take(c.max_in_flight, s.max_in_flight);
  take(c.active, s.active);
}

// The server's own subscriptions are configured, not requested.
Status check_own(const App& app, std::string_view name, const SubscriptionSettings& s) {
  if (name.starts_with("lineage-"))
    return invalid("name", "must not begin with 'lineage-', which the server's own names do");
  if (s.kind == "mlflow" && !name.starts_with("mlflow-webhook-"))
    return invalid("kind", "must not be mlflow: such webhooks are made with MLflow's API");
  if (s.url.starts_with("file:"))
    return invalid("url", "must be an http:// or https:// URL: files are configured");
  if (s.url.empty()) return {};
  const auto target = actors::parse_post_target(s.url);
  if (!target) return target.error();
  return app.url_guard->check(*target);
}

// The secret becomes a file before the event that names its fingerprint is written.
Status keep_secret(const App& app, const SubscriptionChanges& c, SubscriptionSettings& s) {
  if (!c.secret) return {};
  const auto before = std::exchange(s.secret, "");
  if (c.secret->empty()) return {};
  if (c.secret->size() > 1000) return invalid("secret", "must have at most 1000 bytes");
  auto fingerprint = storage::keep_secret(secrets_folder(app), *c.secret, before);
  if (!fingerprint) return fingerprint.error();
  s.secret = *fingerprint;
  return {};
}

struct Change {
  actors::CommandMeta meta;
  std::string name;
  SubscriptionChanges changes;
  bool creation = false;
};

Expected<SubscriptionBody> to_command(const App& app, const Change& change,
                                      const SubscriptionState& state) {
  SubscriptionSettings settings = state.settings;
  if (change.creation) {
    settings = {};
    settings.secret = state.settings.secret;  // the same secret again is the same settings
    if (!change.changes.secret) settings.secret.clear();
  }
  apply(change.changes, settings);
  if (auto bad = check_own(app, change.name, settings)) return *bad;
  if (auto bad = keep_secret(app, change.changes, settings)) return *bad;
  if (auto bad = check_settings(settings)) {
    if (settings.secret != state.settings.secret)
      storage::forget_secret(secrets_folder(app), settings.secret);
    return *bad;
  }
  if (!change.creation)
    return SubscriptionBody(
        UpdateSubscription{change.name, settings, change.changes.reason.value_or("")});
  const auto start = change.changes.from.value_or(app.log->head() + 1);
  return SubscriptionBody(CreateSubscription{.name = change.name,
                                             .settings = settings,
                                             .start = std::max<Position>(start, 1),
                                             .start_given = change.changes.from.has_value()});
}

const std::string& secret_of(const SubscriptionBody& body) {
  if (const auto* create = get_if<CreateSubscription>(&body)) return create->settings.secret;
  return get<UpdateSubscription>(body).settings.secret;
}

// On a worker thread: it syncs the file of the secret and waits for the log.
void change_now(App& app, const Change& change, Reply reply) {
  const auto state = state_for_write<SubscriptionState>(app, "subscription/" + change.name);
  if (!state) return reply.send(state.error());
  if (!change.creation && !state->exists) return reply.send(not_found("subscription", change.name));
  const auto command = to_command(app, change, *state);
  if (!command) return reply.send(command.error());
  const auto& secret = secret_of(*command);
  const auto outcome =
      actors::ask<SubscriptionBody>(app.managers.subscriptions, change.meta, *command);
  // The files of secrets that no event names any more, or never did.
  const auto now = state_for_write<SubscriptionState>(app, "subscription/" + change.name);
  if (now)
    for (const auto& each : {secret, state->settings.secret})
      if (each != now->settings.secret) storage::forget_secret(secrets_folder(app), each);
  if (!outcome) return reply.send(outcome.error());
  reply.send(http::Response::json(
      outcome_json(*outcome, json_member("name", std::string_view(change.name))),
      change.creation ? 201 : 200));
}

void change_route(App& app, const Request& request, Reply reply, bool creation) {
  auto body = read_body<SubscriptionChanges>(request, reply);
  if (!body) return;
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  Change change{*std::move(meta), std::string(request.param("name")), *std::move(body), creation};
  if (creation)
    change.name = change.changes.name.value_or("");
  else if (change.changes.name || change.changes.from)
    return reply.send(
        invalid(change.changes.name ? "name" : "from", "must be left out: it cannot be changed"));
  if (auto bad = check_name("name", change.name)) return reply.send(*bad);
  run_blocking(app, std::move(reply), [&app, change = std::move(change)](Reply answer) {
    change_now(app, change, std::move(answer));
  });
}

void delete_route(App& app, const Request& request, Reply reply) {
  const std::string name(request.param("name"));
  if (name.starts_with("lineage-"))
    return reply.send(invalid("name", "must not be one of the server's own: change its setting"));
  const auto state = state_for_write<SubscriptionState>(app, "subscription/" + name);
  if (!state) return reply.send(state.error());
  submit<SubscriptionBody>(app.managers.subscriptions, request, std::move(reply),
                           DeleteSubscription{name}, 200,
                           [&app, secret = state->settings.secret](const Outcome& o) {
                             storage::forget_secret(secrets_folder(app), secret);
                             return outcome_json(o);
                           });
}

// As they stand now, not as the log says: no as_of.
void show_status(App& app, const Request& request, Reply reply) {
  const auto status = app.subscriptions->status(std::string(request.param("name")));
  if (!status) return reply.send(status.error());
  reply.send(http::Response::json(with_position(app.log->head(), to_json(*status))));
}

void show_statuses(App& app, const Request&, Reply reply) {
  const SubscriptionStatuses all{app.subscriptions->statuses()};
  reply.send(http::Response::json(with_position(app.log->head(), to_json(all))));
}

void fetch(App& app, const Request& request, Reply reply) {
  const auto body = read_body<FetchBody>(request, reply);
  if (!body) return;
  if (body->max < 1 || body->max > 1000)
    return reply.send(invalid("max", "must be from 1 to 1000"));
  if (body->wait_ms > 60'000) return reply.send(invalid("wait_ms", "must be at most 60000"));
  if (body->consumer.size() > 200 || has_control(body->consumer))
    return reply.send(invalid("consumer", "must have at most 200 bytes, none of them controls"));
  const std::string name(request.param("name"));
  auto answer = std::make_shared<Reply>(std::move(reply));
  app.subscriptions->fetch(
      name, body->max, std::chrono::milliseconds(body->wait_ms), body->consumer,
      [&app, name, answer](actors::Deliveries taken) {
        if (!taken) return answer->send(taken.error());
        const auto items = deliveries_json(*app.log, *app.subscriptions, name, *taken, kFetchBytes);
        answer->send(http::Response::json("{" + json_member("position", app.log->head()) +
                                          ",\"items\":" + items + "}"));
      });
}

Status check_positions(const App& app, const std::vector<Position>& positions) {
  if (positions.size() > 10'000) return invalid("positions", "must have at most 10000 elements");
  const auto head = app.log->head();
  for (const auto each : positions)
    if (each == 0 || each > head)
      return invalid("positions", "must be positions of events that were delivered, not " +
                                      std::to_string(each));
  return {};
}

void answer_count(App& app, Reply reply, std::string_view name,
                  const Expected<std::size_t>& count) {
  if (!count) return reply.send(count.error());
  reply.send(http::Response::json("{" + json_member("position", app.log->head()) + "," +
                                  json_member(name, *count) + "}"));
}

void ack(App& app, const Request& request, Reply reply) {
  const auto body = read_body<AckBody>(request, reply);
  if (!body) return;
  if (body->positions.empty() == !body->upto)
    return reply.send(invalid("positions", "must be given, or else upto, and not both"));
  if (auto bad = check_positions(app, body->positions)) return reply.send(*bad);
  auto& all = *app.subscriptions;
  const std::string name(request.param("name"));
  answer_count(app, std::move(reply), "acknowledged",
               body->upto ? all.acknowledge_upto(name, *body->upto, body->consumer)
                          : all.acknowledge(name, body->positions));
}

void nack(App& app, const Request& request, Reply reply) {
  const auto body = read_body<NackBody>(request, reply);
  if (!body) return;
  if (auto bad = check_positions(app, body->positions)) return reply.send(*bad);
  if (body->error.size() > 1000)
    return reply.send(invalid("error", "must have at most 1000 bytes"));
  if (body->delay_ms.value_or(0) > 86'400'000)
    return reply.send(invalid("delay_ms", "must be at most 86400000"));
  const auto error = body->error.empty() ? "refused by the consumer" : body->error;
  answer_count(app, std::move(reply), "refused",
               app.subscriptions->nack(std::string(request.param("name")),
                                       {body->positions, error, body->delay_ms, body->park}));
}

void release(App& app, const Request& request, Reply reply, const std::string& action) {
  const auto body = read_body<ReleaseBody>(request, reply);
  if (!body) return;
  submit<SubscriptionBody>(
      app.managers.subscriptions, request, std::move(reply),
      ReleaseParked{std::string(request.param("name")), body->positions, action}, 200,
      [](const Outcome& o) {
        const auto* e = o.find<SubscriptionParkedReleased>();
        return outcome_json(
            o, json_member("released", e ? e->event_positions : std::vector<Position>{}));
      });
}

std::string delivered_event() {
  return R"({"allOf":[)" + event_answer() + "," +
         object_answer_of({{"attempt", "integer"}, {"ack_by", "string"}}) + "]}";
}

void add_delivery_routes(App& app, http::Router& router, const std::string& one) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  router.post(one + "/fetch", on(fetch),
              {.summary = "Take events that are ready, or wait for one",
               .tag = "subscriptions",
               .body = json_schema<FetchBody>(),
               .response = object_answer_of(
                   {{"position", "integer"}, {"items", array_of(delivered_event())}}),
               .hot = true,
               .reads_write_headers = false});
  router.post(one + "/ack", on(ack),
              {.summary = "Events are dealt with",
               .tag = "subscriptions",
               .body = json_schema<AckBody>(),
               .response = object_answer_of({{"position", "integer"}, {"acknowledged", "integer"}}),
               .hot = true,
               .reads_write_headers = false});
  router.post(one + "/nack", on(nack),
              {.summary = "Events are to be delivered again later, or parked",
               .tag = "subscriptions",
               .body = json_schema<NackBody>(),
               .response = object_answer_of({{"position", "integer"}, {"refused", "integer"}}),
               .hot = true,
               .reads_write_headers = false});
  router.get(one + "/parked", list_of_route(app, "name", projections::list_parked),
             {.summary = "Events that could not be delivered",
              .tag = "subscriptions",
              .response = page_answer(projections::list_parked),
              .query = list_parameters()});
  router.post(one + "/parked/replay",
              [&app](const Request& q, Reply r) { release(app, q, std::move(r), "replayed"); },
              {.summary = "Deliver parked events again, all of them or those named",
               .tag = "subscriptions",
               .body = json_schema<ReleaseBody>(),
               .response = outcome_answer({{"released", array_of("integer")}})});
  router.post(one + "/parked/drop",
              [&app](const Request& q, Reply r) { release(app, q, std::move(r), "dropped"); },
              {.summary = "Give parked events up, all of them or those named",
               .tag = "subscriptions",
               .body = json_schema<ReleaseBody>(),
               .response = outcome_answer({{"released", array_of("integer")}})});
}

}  // namespace

void add_subscription_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const std::string all = "/api/v1/subscriptions", one = all + "/{name}";
  router.post(all, [&app](const Request& q, Reply r) { change_route(app, q, std::move(r), true); },
              {.summary = "Make a durable subscription to events of the log",
               .tag = "subscriptions",
               .body = json_schema<SubscriptionChanges>(),
               .response = outcome_answer({{"name", "string"}}),
               .status = 201});
  router.patch(one,
               [&app](const Request& q, Reply r) { change_route(app, q, std::move(r), false); },
               {.summary = "Change its settings",
                .tag = "subscriptions",
                .body = json_schema<SubscriptionChanges>(),
                .response = outcome_answer({{"name", "string"}})});
  router.delete_(one, on(delete_route),
                 {.summary = "Delete it", .tag = "subscriptions", .response = outcome_answer()});
  router.get(all, list_route(app, projections::list_subscriptions),
             {.summary = "List subscriptions",
              .tag = "subscriptions",
              .response = page_answer(projections::list_subscriptions),
              .query = list_parameters()});
  router.get(one, object_route(app, "name", projections::get_subscription),
             {.summary = "One subscription and its settings",
              .tag = "subscriptions",
              .response = object_answer(projections::get_subscription),
              .query = as_of_parameter()});
  router.get(one + "/status", on(show_status),
             {.summary = "How a subscription stands now",
              .tag = "subscriptions",
              .response = answer_schema<actors::SubscriptionStatus>()});
  router.get("/api/v1/live/subscriptions", on(show_statuses),
             {.summary = "How all subscriptions stand now",
              .tag = "subscriptions",
              .response = answer_schema<SubscriptionStatuses>()});
  add_delivery_routes(app, router, one);
}

}  // namespace mlforge::gateway
