// subscriptions: who is told of what, and what could not be delivered.
#include <fmt/format.h>

#include <map>

#include "gateway/cli/groups.hpp"
#include "gateway/subscription_bodies.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace subscriptions_group {
namespace {

const std::string kAll = "/api/v1/subscriptions";

struct Options {
  std::string name, as_of;
  SubscriptionChanges changes;
  std::vector<std::string> streams, types;
  FetchBody fetch;
  std::vector<Position> positions;
  std::optional<Position> upto;
  NackBody nack;
  bool acknowledge = false, on = false, off = false;
  ListOptions list;
};

std::string target(const Options& o, const std::string& more = {}) {
  return kAll + "/" + escape(o.name) + more;
}

int say(const Session& s, const Expected<std::string>& answer, const std::string& text) {
  if (!answer) return s.fail(answer.error());
  s.line(s.json ? *answer : text);
  return kOk;
}

void take_patterns(Options& o) {
  if (!o.streams.empty()) o.changes.streams = o.streams;
  if (!o.types.empty()) o.changes.types = o.types;
}

int create(const Session& s, Options& o) {
  take_patterns(o);
  o.changes.name = o.name;
  if (o.off) o.changes.active = false;
  return say(s, s.api().post(kAll, to_json(o.changes)), "subscription '" + o.name + "' is made");
}

int update(const Session& s, Options& o) {
  take_patterns(o);
  if (o.on || o.off) o.changes.active = o.on;
  return say(s, s.api().send(http::Method::patch, target(o), to_json(o.changes)),
             "subscription '" + o.name + "' is changed");
}

int remove(const Session& s, const Options& o) {
  return say(s, s.api().send(http::Method::delete_, target(o), ""),
             "subscription '" + o.name + "' is deleted");
}

using actors::SubscriptionStatus;
using projections::SubscriptionRow;

std::string status_word(const SubscriptionRow& row, const SubscriptionStatus* status) {
  if (!row.settings.active) return "off";
  return status && !status->last_error.empty() ? "failing" : "on";
}

// How they stand now, by name; nothing where the rows are asked for as of another time.
std::map<std::string, SubscriptionStatus> statuses(const Session& s, const Options& o) {
  std::map<std::string, SubscriptionStatus> out;
  if (!o.list.as_of.empty() || s.json) return out;
  const auto all = s.api().get_as<SubscriptionStatuses>("/api/v1/live/subscriptions");
  if (all)
    for (const auto& each : all->value.items) out[each.name] = each;
  return out;
}

int list(const Session& s, const Options& o) {
  const auto now = statuses(s, o);
  return show_page(
      s, s.api().get_as<projections::Page<SubscriptionRow>>(kAll + o.list.query().text()),
      Table({{"NAME"},
             {"KIND"},
             {"STATE"},
             {"TYPES"},
             {"STREAMS"},
             {"LAG", true},
             {"IN FLIGHT", true},
             {"PARKED", true},
             {"URL"}}),
      "there are no subscriptions", [&now](Table& table, const SubscriptionRow& row) {
        const auto at = now.find(row.name);
        const auto* status = at == now.end() ? nullptr : &at->second;
        const auto number = [&](auto member) {
          return status ? std::to_string(status->*member) : std::string("-");
        };
        table.row({row.name, row.settings.kind, status_word(row, status),
                   join_text(row.settings.types), join_text(row.settings.streams),
                   number(&SubscriptionStatus::lag), number(&SubscriptionStatus::in_flight),
                   std::to_string(row.parked), row.settings.url});
      });
}

std::string milliseconds(std::uint64_t count) { return std::to_string(count) + " ms"; }

int show(const Session& s, const Options& o) {
  Query query;
  query.add("as_of", o.as_of);
  auto api = s.api();
  return s.show(
      api.get_as<SubscriptionRow>(target(o) + query.text()), [&](const SubscriptionRow& row) {
        const auto& settings = row.settings;
        std::vector<std::pair<std::string, std::string>> facts{
            {"subscription", row.name},
            {"kind", settings.kind},
            {"state", status_word(row, nullptr)},
            {"url", settings.url},
            {"signed with", settings.secret},
            {"subject", settings.subject},
            {"tenant", settings.tenant},
            {"streams", join_text(settings.streams)},
            {"types", join_text(settings.types)},
            {"begins at", std::to_string(row.start)},
            {"attempts",
             settings.max_attempts ? std::to_string(settings.max_attempts) : "no limit"},
            {"acknowledged within", milliseconds(settings.ack_deadline_ms)},
            {"backoff",
             milliseconds(settings.backoff_ms) + " to " + milliseconds(settings.max_backoff_ms)},
            {"at most in flight", std::to_string(settings.max_in_flight)},
            {"parked", std::to_string(row.parked)},
            {"last change", row.reason},
            {"created", time_text(row.created_time) + " by " + row.actor}};
        const auto now = o.as_of.empty() ? api.get_as<SubscriptionStatus>(target(o, "/status"))
                                         : Error{ErrorCode::not_found, "", ""};
        if (now)
          facts.insert(facts.end(), {{"lag", std::to_string(now->value.lag)},
                                     {"in flight", std::to_string(now->value.in_flight)},
                                     {"delivered", std::to_string(now->value.delivered)},
                                     {"acknowledged", std::to_string(now->value.acknowledged)},
                                     {"failed attempts", std::to_string(now->value.failed)},
                                     {"last error", now->value.last_error}});
        s.facts(facts);
      });
}

struct Fetched {
  Position position = 0;
  std::uint64_t attempt = 0;
  std::string time, type, stream;
  static constexpr auto fields() {
    return FieldList{field("position", &Fetched::position), field("attempt", &Fetched::attempt),
                     field("time", &Fetched::time), field("type", &Fetched::type),
                     field("stream", &Fetched::stream)};
  }
};

struct Items {
  std::vector<RawJson> items;
  static constexpr auto fields() { return FieldList{field("items", &Items::items)}; }
};

// One event a line; acknowledged when all of them are written.
int fetch(const Session& s, const Options& o) {
  auto api = s.api();
  const auto answer = api.post_as<Items>(target(o, "/fetch"), to_json(o.fetch));
  if (!answer) return s.fail(answer.error());
  AckBody ack;
  for (const auto& item : answer->value.items) {
    const auto row = from_json<Fetched>(item.text, Unknown::skip);
    if (!row) return s.fail(row.error());
    ack.positions.push_back(row->position);
    s.line(s.json ? item.text
                  : fmt::format("{:>8}  {}  {:<28}  {:<36}  attempt {}", row->position,
                                time_text(row->time), row->type, row->stream, row->attempt));
  }
  s.io.out.flush();
  if (!o.acknowledge || ack.positions.empty() || !s.io.out) return kOk;
  const auto done = api.post(target(o, "/ack"), to_json(ack));
  return done ? kOk : s.fail(done.error());
}

int ack(const Session& s, const Options& o) {
  AckBody body{.positions = o.positions, .upto = o.upto};
  return say(s, s.api().post(target(o, "/ack"), to_json(body)), "acknowledged");
}

int nack(const Session& s, Options& o) {
  o.nack.positions = o.positions;
  return say(s, s.api().post(target(o, "/nack"), to_json(o.nack)), "refused");
}

int parked(const Session& s, const Options& o) {
  using projections::ParkedRow;
  return show_page(
      s, s.api().get_as<projections::Page<ParkedRow>>(target(o, "/parked") + o.list.query().text()),
      Table({{"POSITION", true}, {"TYPE"}, {"STREAM"}, {"ATTEMPTS", true}, {"PARKED"}, {"ERROR"}}),
      "nothing is parked", [](Table& table, const ParkedRow& row) {
        table.row({std::to_string(row.event_position), row.event_type, row.event_stream,
                   std::to_string(row.attempts), time_text(row.parked_time), row.error});
      });
}

int release(const Session& s, const Options& o, const std::string& how, const std::string& said) {
  return say(s, s.api().post(target(o, "/parked/" + how), to_json(ReleaseBody{o.positions})), said);
}

template <class T>
CLI::Option* optional_number(CLI::App* c, const std::string& name, std::optional<T>& to,
                             const std::string& help) {
  return c->add_option(name, to, help)->type_name("N");
}

void add_settings(CLI::App* c, Options& o) {
  auto& to = o.changes;
  c->add_option("--url", to.url, "Where to post: makes a webhook");
  c->add_option("--secret", to.secret, "What webhooks are signed with; '' to sign no more");
  c->add_option("--subject", to.subject, "NATS subject, of kind nats");
  c->add_option("--tenant", to.tenant, "Whose events; * for all (default: default)");
  c->add_option("--stream", o.streams, "A stream, or its start with *: 'run/*'; several");
  c->add_option("--type", o.types, "A type, or its start with *: 'model.*'; several");
  optional_number(c, "--max-attempts", to.max_attempts, "Then an event is parked; 0: never");
  optional_number(c, "--ack-deadline-ms", to.ack_deadline_ms, "Then it is delivered again");
  optional_number(c, "--backoff-ms", to.backoff_ms, "Before the second attempt; doubles");
  optional_number(c, "--max-backoff-ms", to.max_backoff_ms, "Up to this");
  optional_number(c, "--max-in-flight", to.max_in_flight, "Events under way at a time");
}

using Shared = std::shared_ptr<Options>;

CLI::App* add_one(CLI::App& group, Session& s, const Shared& o, const std::string& name,
                  const std::string& help, const std::string& example, std::function<int()> run) {
  auto* c = s.remote(group, name, help, "  mlforge subscriptions " + example, std::move(run));
  c->add_option("subscription", o->name, "Its name")->required();
  return c;
}

void add_changes(CLI::App& group, Session& s, const Shared& o) {
  auto* c = add_one(group, s, o, "create", "Make a durable subscription",
                    "create deployer --type 'model.*'\n"
                    "  mlforge subscriptions create chat --url https://example.org/hook --secret s",
                    [&s, o] { return create(s, *o); });
  c->add_option("--kind", o->changes.kind, "pull, webhook, lineage or nats");
  add_settings(c, *o);
  optional_number(c, "--from", o->changes.from, "First position (default: new events)");
  c->add_flag("--off", o->off, "Not active yet");
  c = add_one(group, s, o, "update", "Change its settings", "update chat --max-attempts 20",
              [&s, o] { return update(s, *o); });
  add_settings(c, *o);
  auto* on = c->add_flag("--on", o->on, "Deliver (again)");
  c->add_flag("--off", o->off, "Deliver no more")->excludes(on);
  c->add_option("--reason", o->changes.reason, "Why; it stands in the event");
  add_one(group, s, o, "delete", "Delete it, with what it has parked", "delete chat",
          [&s, o] { return remove(s, *o); });
}

void add_reading(CLI::App& group, Session& s, const Shared& o) {
  auto* c = s.remote(group, "list", "All subscriptions", "  mlforge subscriptions list",
                     [&s, o] { return list(s, *o); });
  o->list.add_to(*c);
  c = add_one(group, s, o, "show", "One, and how it stands", "show chat",
              [&s, o] { return show(s, *o); });
  add_as_of(*c, o->as_of);
  c = add_one(group, s, o, "parked", "Events that could not be delivered", "parked chat",
              [&s, o] { return parked(s, *o); });
  o->list.add_to(*c);
}

}  // namespace
}  // namespace subscriptions_group

void add_subscription_commands(CLI::App& root, Session& s) {
  using namespace subscriptions_group;
  auto* group = s.group(root, "subscriptions", "Durable consumers, webhooks, parked events");
  const auto o = std::make_shared<Options>();
  add_changes(*group, s, o);
  add_reading(*group, s, o);
  auto* c = add_one(*group, s, o, "fetch", "Take events that are ready",
                    "fetch deployer --max 100 --wait-ms 10000 --ack --json",
                    [&s, o] { return fetch(s, *o); });
  c->add_option("--max", o->fetch.max, "At most so many, 1 to 1000")->type_name("N");
  c->add_option("--wait-ms", o->fetch.wait_ms, "For the first of them")->type_name("N");
  c->add_option("--consumer", o->fetch.consumer, "Who takes them");
  c->add_flag("--ack", o->acknowledge, "Acknowledge them once they are written to stdout");
  c = add_one(*group, s, o, "ack", "Events are dealt with", "ack deployer 17 18",
              [&s, o] { return ack(s, *o); });
  c->add_option("positions", o->positions, "Of the events");
  c->add_option("--upto", o->upto, "All that were taken up to here")->type_name("N");
  c = add_one(*group, s, o, "nack", "Events are to come again", "nack deployer 17 --park",
              [&s, o] { return nack(s, *o); });
  c->add_option("positions", o->positions, "Of the events")->required();
  c->add_option("--error", o->nack.error, "Why");
  c->add_option("--delay-ms", o->nack.delay_ms, "After so long, instead of the backoff");
  c->add_flag("--park", o->nack.park, "Park them at once");
  c = add_one(*group, s, o, "replay", "Deliver parked events again", "replay chat",
              [&s, o] { return release(s, *o, "replay", "they are delivered again"); });
  c->add_option("positions", o->positions, "Which; all of them where none is named");
  c = add_one(*group, s, o, "drop", "Give parked events up", "drop chat 17",
              [&s, o] { return release(s, *o, "drop", "they are given up"); });
  c->add_option("positions", o->positions, "Which; all of them where none is named");
}

}  // namespace mlforge::gateway::cli
