// webhooks: MLflow's, as durable subscriptions of kind "mlflow". The id of one is the end of its
// subscription's name.
#include <algorithm>
#include <span>

#include "actors/ask.hpp"

#include <simdjson.h>

#include "actors/mlflow_webhook.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "projections/subscriptions.hpp"
#include "storage/secret_file.hpp"

namespace mlforge::gateway::mlflow {
namespace webhooks_routes {
namespace {

using actors::SubscriptionBody;
using projections::SubscriptionRow;

constexpr std::string_view kPrefix = "mlflow-webhook-";
constexpr const char* kKind = "mlflow";

std::string name_of(std::string_view id) { return std::string(kPrefix).append(id); }
std::string stream_of(std::string_view id) { return "subscription/" + name_of(id); }

Error refused(std::string message, const char* field) {
  return {ErrorCode::invalid_argument, std::move(message), field};
}

Error no_webhook(std::string_view id) {
  return {ErrorCode::not_found, "Webhook with ID " + std::string(id) + " not found.", "webhook_id"};
}

std::filesystem::path secrets_folder(const App& app) {
  return std::filesystem::path(app.config.data_dir) / "secrets";
}

char upper_case(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
char lower_case(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

std::string upper_case(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = upper_case(c);
  return out;
}

void write_webhook(std::string& out, const SubscriptionRow& row) {
  Object(out)
      .text("webhook_id", std::string_view(row.name).substr(kPrefix.size()))
      .text("name", row.title)
      .text("url", row.settings.url)
      .array("events", actors::split_kinds(row.settings.subject),
             [](std::string& to, const std::string& kind) {
               const auto dot = kind.find('.');
               Object(to)
                   .text("entity", upper_case(std::string_view(kind).substr(0, dot)))
                   .text("action", upper_case(std::string_view(kind).substr(dot + 1)));
             })
      .some_text("description", row.description)
      .text("status", row.settings.active ? "ACTIVE" : "DISABLED")
      .integer("creation_timestamp", milliseconds(row.created_time))
      .integer("last_updated_timestamp", milliseconds(row.updated_time));
}

Expected<std::string> webhook_json(const QueryContext& q, const std::string& id) {
  const auto row = projections::get_subscription(q.reader, kTenant, name_of(id), q.as_of);
  if (!row && row.error().code != ErrorCode::not_found) return row.error();
  if (!row || row->settings.kind != kKind) return no_webhook(id);
  std::string out;
  Object(out).raw("webhook", [&](std::string& to) { write_webhook(to, *row); });
  return out;
}

// A member that is an enum: its name, in lower case here, or its number in `names`.
std::string enum_text(const simdjson::dom::element& event, const char* member,
                      std::span<const char* const> names) {
  simdjson::dom::element value;
  if (event.at_key(member).get(value) != simdjson::SUCCESS) return {};
  std::string_view text;
  std::int64_t number = 0;
  if (value.get(number) == simdjson::SUCCESS)
    return number > 0 && number <= static_cast<std::int64_t>(names.size())
               ? names[static_cast<std::size_t>(number - 1)]
               : std::to_string(number);
  if (value.get(text) != simdjson::SUCCESS) return {};
  std::string out(text);
  for (auto& c : out) c = lower_case(c);
  return out;
}

Expected<std::string> read_kind(const simdjson::dom::element& event) {
  static constexpr const char* kEntities[] = {
      "registered_model", "model_version",  "model_version_tag", "model_version_alias",
      "prompt",           "prompt_version", "prompt_tag",        "prompt_version_tag",
      "prompt_alias",     "budget_policy"};
  static constexpr const char* kActions[] = {"created", "updated", "deleted", "set", "exceeded"};
  const auto entity = enum_text(event, "entity", kEntities);
  const auto action = enum_text(event, "action", kActions);
  auto kind = entity + "." + action;
  if (actors::is_mlflow_event(kind)) return kind;
  const auto actions = actors::mlflow_actions(entity);
  if (actions.empty())
    return refused("Invalid entity '" + entity +
                       "' of a webhook event: it must be one of REGISTERED_MODEL, MODEL_VERSION, "
                       "MODEL_VERSION_TAG, MODEL_VERSION_ALIAS, PROMPT, PROMPT_VERSION, "
                       "PROMPT_TAG, PROMPT_VERSION_TAG, PROMPT_ALIAS, BUDGET_POLICY",
                   "events");
  std::string valid;
  for (const auto each : actions) ((valid += valid.empty() ? "'" : ", '") += each) += '\'';
  return refused("Invalid action '" + action + "' for entity '" + entity +
                     "'. Valid actions are: [" + valid + "]",
                 "events");
}

std::vector<std::string> read_kinds(Fields& fields) {
  std::vector<std::string> kinds;
  const auto events = fields.array("events");
  if (!events) {
    if (fields.has("events")) (void)fields.list("events");
    return kinds;
  }
  for (const simdjson::dom::element each : *events) {
    auto kind = read_kind(each);
    if (!kind)
      fields.set_error(kind.error());
    else if (std::find(kinds.begin(), kinds.end(), *kind) == kinds.end())
      kinds.push_back(*std::move(kind));
  }
  std::sort(kinds.begin(), kinds.end());
  return kinds;
}

std::optional<bool> read_active(Fields& fields) {
  if (!fields.has("status")) return std::nullopt;
  const auto text = fields.text("status");
  if (text == "ACTIVE" || text == "1") return true;
  if (text == "DISABLED" || text == "2") return false;
  fields.set_error(refused("Invalid value \"" + text +
                               "\" for parameter 'status' supplied: it must be ACTIVE or DISABLED",
                           "status"));
  return std::nullopt;
}

// What a creation gives and an update changes.
struct Change {
  actors::CommandMeta meta;
  std::string id;
  bool creation = false;
  std::string name, url;
  std::vector<std::string> kinds;
  std::optional<std::string> description, secret;
  std::optional<bool> active;
};

Status check_webhook_name(const std::string& name) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool fits = !name.empty() && name.size() <= 63 && plain(name.front()) &&
                    plain(name.back()) && std::all_of(name.begin(), name.end(), [&](char c) {
                      return plain(c) || c == '.' || c == '_' || c == '-';
                    });
  if (fits) return {};
  return refused("Webhook name '" + name +
                     "' is invalid. It must start and end with a letter or digit, be less than 63 "
                     "characters long, and contain only letters, digits, dots (.), underscores "
                     "(_), and hyphens (-).",
                 "name");
}

// As a browser would send it: no blanks around it, none and no other characters than ASCII's
// inside, without the fragment, the scheme in lower case.
std::string plain_url(std::string_view given) {
  constexpr std::string_view kBlanks = " \t\r\n", kHex = "0123456789ABCDEF";
  const auto from = given.find_first_not_of(kBlanks);
  if (from == given.npos) return std::string(given);
  given = given.substr(from, given.find_last_not_of(kBlanks) + 1 - from);
  given = given.substr(0, given.find('#'));
  std::string out;
  for (const char c : given) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && byte < 0x7F)
      out += c;
    else
      ((out += '%') += kHex[byte >> 4]) += kHex[byte & 15];
  }
  const auto scheme = std::min(out.find("://"), out.size());
  std::transform(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(scheme), out.begin(),
                 [](char c) { return lower_case(c); });
  return out;
}

Status check_webhook_url(const App& app, const std::string& url) {
  if (url.find_first_not_of(" \t\r\n") == url.npos)
    return refused("Webhook URL cannot be empty or just whitespace: '" + url + "'", "url");
  const auto scheme = url.substr(0, std::min(url.find("://"), url.size()));
  if (scheme == url || (scheme != "http" && scheme != "https"))
    return refused("Invalid webhook URL scheme: '" + (scheme == url ? "" : scheme) +
                       "'. Allowed schemes are: http, https.",
                   "url");
  if (url.find('@') != url.npos)
    return refused(
        "Invalid webhook URL: it must have no user and password, which would stand in the log; "
        "deliveries are signed with the secret",
        "url");
  const auto target = actors::parse_post_target(url);
  if (!target)
    return refused("Invalid webhook URL '" + url + "': " + target.error().message, "url");
  if (auto bad = app.url_guard->check(*target))
    return refused("Invalid webhook URL '" + url + "': " + bad->message, "url");
  return {};
}

Status check_change(const App& app, const Change& change) {
  if (change.creation || !change.name.empty())
    if (auto bad = check_webhook_name(change.name)) return bad;
  if (change.creation || !change.url.empty())
    if (auto bad = check_webhook_url(app, change.url)) return bad;
  if (change.secret && change.secret->size() > 1000)
    return refused("Invalid secret: it must have at most 1000 bytes", "secret");
  return {};
}

// The settings that the change leads to; a new secret is in its file then.
Expected<SubscriptionSettings> settings_after(const App& app, const Change& change,
                                              const SubscriptionSettings& before) {
  SubscriptionSettings settings = before;
  settings.kind = kKind;
  if (!change.url.empty()) settings.url = change.url;
  if (!change.kinds.empty()) {
    settings.subject = actors::join_kinds(change.kinds);
    settings.types = actors::log_types_of(change.kinds);
  }
  if (change.active) settings.active = *change.active;
  if (change.secret) {
    settings.secret.clear();
    if (!change.secret->empty()) {
      auto kept = storage::keep_secret(secrets_folder(app), *change.secret, before.secret);
      if (!kept) return kept.error();
      settings.secret = *std::move(kept);
    }
  }
  return settings;
}

SubscriptionBody to_command(const App& app, const Change& change, SubscriptionSettings settings) {
  if (!change.creation)
    return UpdateSubscription{name_of(change.id), std::move(settings), "MLflow's API",
                              change.name.empty() ? std::nullopt : std::optional(change.name),
                              change.description};
  return CreateSubscription{name_of(change.id), std::move(settings), app.log->head() + 1,
                            change.name, change.description.value_or("")};
}

void answer_webhook(App& app, Reply reply, const std::string& id) {
  app.server->post([&app, id, shared = std::make_shared<Reply>(std::move(reply))] {
    answer_query(app, std::move(*shared), "",
                 [id](const QueryContext& q) { return webhook_json(q, id); });
  });
}

// On a worker thread: it syncs the file of the secret and waits for the log.
void change_now(App& app, const Change& change, Reply reply) {
  const auto before = state_for_write<SubscriptionState>(app, stream_of(change.id));
  if (!before) return fail(reply, before.error());
  if (!change.creation && (!before->exists || before->settings.kind != kKind))
    return fail(reply, no_webhook(change.id));
  auto settings = settings_after(app, change, before->settings);
  if (!settings) return fail(reply, settings.error());
  const auto secret = settings->secret;
  const auto outcome = actors::ask<SubscriptionBody>(app.managers.subscriptions, change.meta,
                                                     to_command(app, change, *std::move(settings)));
  const auto now = state_for_write<SubscriptionState>(app, stream_of(change.id));
  if (now)
    for (const auto& each : {secret, before->settings.secret})
      if (each != now->settings.secret) storage::forget_secret(secrets_folder(app), each);
  if (!outcome) return fail(reply, outcome.error());
  answer_webhook(app, std::move(reply), change.id);
}

void change(App& app, Fields& fields, const Request& request, Reply reply, bool creation) {
  const auto need = creation ? Need::required : Need::optional;
  auto meta = command_meta(request);
  if (!meta) return fail(reply, meta.error());
  Change change{.meta = *std::move(meta),
                .id = creation ? to_string(app.context.ids->next(app.context.clock->now()))
                               : std::string(request.param("webhook_id")),
                .creation = creation,
                .name = fields.text("name", need),
                .url = plain_url(fields.text("url", need)),
                .kinds = read_kinds(fields)};
  if (creation && change.kinds.empty())
    fields.set_error(
        refused("Missing value for required parameter 'events'. See the API docs for "
                "more information about request parameters.",
                "events"));
  if (fields.has("description")) change.description = fields.text("description");
  if (fields.has("secret")) change.secret = fields.text("secret");
  change.active = read_active(fields);
  if (!ok(fields, reply)) return;
  if (auto bad = check_change(app, change)) return fail(reply, *bad);
  run_blocking(app, std::move(reply), [&app, change = std::move(change)](Reply to) {
    change_now(app, change, std::move(to));
  });
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  change(app, fields, request, std::move(reply), true);
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  change(app, fields, request, std::move(reply), false);
}

void get(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [id = std::string(request.param("webhook_id"))](const QueryContext& q) {
                 return webhook_json(q, id);
               });
}

Expected<std::string> webhooks_json(const QueryContext& q, std::size_t most, std::size_t offset) {
  std::vector<SubscriptionRow> rows;
  projections::PageRequest page{1000, "", q.as_of};
  do {
    auto some = projections::list_subscriptions(q.reader, kTenant, page);
    if (!some) return some.error();
    for (auto& row : some->items)
      if (row.settings.kind == kKind) rows.push_back(std::move(row));
    page.page_token = some->next_page_token;
  } while (!page.page_token.empty());
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
    return a.created_time != b.created_time ? a.created_time > b.created_time : a.name > b.name;
  });
  const auto from = std::min(offset, rows.size());
  const auto to = std::min(from + most, rows.size());
  std::string out;
  Object(out)
      .array("webhooks", std::span(rows).subspan(from, to - from), write_webhook)
      .some_text("next_page_token", to < rows.size() ? page_token(to) : "");
  return out;
}

void list(App& app, Fields& fields, const Request&, Reply reply) {
  const bool none = fields.integer("max_results") == 0;  // as if it were left out
  const auto most = none ? 100 : max_results(fields, 100, 1000);
  const auto token = fields.text("page_token");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  const auto offset = page_offset(token);
  if (!offset) return fail(reply, offset.error());
  answer_query(app, std::move(reply), as_of, [most, offset = *offset](const QueryContext& q) {
    return webhooks_json(q, most, offset);
  });
}

void remove(App& app, Fields&, const Request& request, Reply reply) {
  const std::string id(request.param("webhook_id"));
  const auto state = state_for_write<SubscriptionState>(app, stream_of(id));
  if (!state) return fail(reply, state.error());
  if (!state->exists || state->settings.kind != kKind) return fail(reply, no_webhook(id));
  command<SubscriptionBody>(app.managers.subscriptions, request, std::move(reply),
                            DeleteSubscription{name_of(id)},
                            [&app, secret = state->settings.secret](const actors::Outcome&) {
                              storage::forget_secret(secrets_folder(app), secret);
                              return std::string("{}");
                            });
}

// One POST of an example, without a second attempt.
Expected<actors::PostAnswer> post_example(const App& app, const SubscriptionSettings& settings,
                                          const std::string& kind) {
  std::string secret;
  if (!settings.secret.empty()) {
    auto kept = storage::read_secret(secrets_folder(app), settings.secret);
    if (!kept) return kept.error();
    secret = *std::move(kept);
  }
  const auto target = actors::parse_post_target(settings.url);
  if (!target) return target.error();
  auto& clock = *app.context.clock;
  const auto body = actors::mlflow_body(actors::mlflow_example(kind), clock.now());
  actors::HttpPoster poster(app.url_guard, app.config.webhook_ca_file);
  return poster.post(
      *target, actors::mlflow_headers(secret, app.context.ids->next(clock.now()), clock, body),
      body, actors::post_timeout(settings));
}

void test(App& app, Fields& fields, const Request& request, Reply reply) {
  const std::string id(request.param("webhook_id"));
  std::string kind;
  if (fields.has("event")) {
    simdjson::dom::element event;
    const auto body = codec::parse(request.body);
    if (body && body->at_key("event").get(event) == simdjson::SUCCESS) {
      auto read = read_kind(event);
      if (!read) return fail(reply, read.error());
      kind = *std::move(read);
    }
  }
  if (!ok(fields, reply)) return;
  run_blocking(app, std::move(reply), [&app, id, kind](Reply to) {
    const auto state = state_for_write<SubscriptionState>(app, stream_of(id));
    if (!state) return fail(to, state.error());
    if (!state->exists || state->settings.kind != kKind) return fail(to, no_webhook(id));
    const auto& settings = state->settings;
    const auto sent =
        post_example(app, settings, kind.empty() ? actors::split_kinds(settings.subject)[0] : kind);
    std::string out;
    Object(out).raw("result", [&](std::string& inner) {
      Object result(inner);
      // A redirect is not followed, neither here nor by a delivery.
      result.boolean("success", sent && sent->status >= 200 && sent->status < 300);
      if (sent)
        result.integer("response_status", sent->status).text("response_body", sent->body);
      else
        result.text("error_message", "Failed to test webhook: " + sent.error().message);
    });
    to.send(http::Response::json(std::move(out)));
  });
}

}  // namespace
}  // namespace webhooks_routes

void add_webhook_routes(App& app, http::Router& router) {
  using namespace webhooks_routes;
  const std::string one = "webhooks/{webhook_id}";
  add_route(app, router, Method::post, "webhooks", create);
  add_route(app, router, Method::get, "webhooks", list);
  add_route(app, router, Method::get, one, get);
  add_route(app, router, Method::patch, one, update);
  add_route(app, router, Method::delete_, one, remove);
  add_route(app, router, Method::post, one + "/test", test);
}

}  // namespace mlforge::gateway::mlflow
