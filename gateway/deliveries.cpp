#include "gateway/deliveries.hpp"

#include <unistd.h>

#include "actors/ask.hpp"
#include "actors/mlflow_webhook.hpp"
#include "actors/nats_sender.hpp"
#include "actors/open_lineage_sender.hpp"
#include "actors/webhook.hpp"
#include "gateway/copies.hpp"
#include "gateway/handlers.hpp"
#include "gateway/http/logging.hpp"
#include "storage/secret_file.hpp"

namespace mlforge::gateway {
namespace {

constexpr std::string_view kOwner = "subscriptions";
constexpr const char* kLineageFile = "lineage-file";
constexpr const char* kLineageUrl = "lineage-url";

using MadeSender = Expected<std::unique_ptr<actors::Sender>>;

MadeSender make_webhook(App& app, const std::string& name, Position created,
                        const SubscriptionSettings& settings) {
  std::string secret;
  if (!settings.secret.empty()) {
    const auto folder = std::filesystem::path(app.config.data_dir) / "secrets";
    auto kept = storage::read_secret(folder, settings.secret);
    if (!kept) return kept.error();
    secret = *std::move(kept);
  }
  actors::WebhookOptions options{.name = name,
                                 .created = created,
                                 .settings = settings,
                                 .secret = std::move(secret),
                                 .log_id = app.log->log_id(),
                                 .clock = app.context.clock,
                                 .guard = app.url_guard,
                                 .ca_file = app.config.webhook_ca_file};
  if (settings.kind == "mlflow") return actors::make_mlflow_webhook(std::move(options), *app.log);
  return actors::make_webhook(std::move(options));
}

// Where this server can be asked for the schemas of its facets.
std::string schema_base(const App& app) {
  if (!app.config.lineage_schema_url.empty()) return app.config.lineage_schema_url;
  if (const auto host = app.config.host(); host != "0.0.0.0" && host != "::")
    return app.server->url();
  char name[256] = "localhost";
  (void)::gethostname(name, sizeof name - 1);
  return "http://" + std::string(name) + ":" + std::to_string(app.server->port());
}

MadeSender make_lineage(App& app, const std::string& name, const SubscriptionSettings& settings) {
  auto guard = app.url_guard;
  if (name == kLineageUrl) {
    // What the operator configures is allowed.
    auto all = actors::UrlGuard::make({"*"});
    if (!all) return all.error();
    guard = std::make_shared<const actors::UrlGuard>(*std::move(all));
  }
  return actors::make_lineage_sender({.log = app.log.get(),
                                      .blobs = app.blobs.get(),
                                      .name_space = app.config.lineage_namespace,
                                      .version = MLFORGE_VERSION,
                                      .schema_base = schema_base(app),
                                      .settings = settings,
                                      .guard = guard,
                                      .ca_file = app.config.webhook_ca_file});
}

MadeSender make_sender(App& app, const std::string& name, Position created,
                       const SubscriptionSettings& settings) {
  if (settings.kind == "webhook" || settings.kind == "mlflow")
    return make_webhook(app, name, created, settings);
  if (settings.kind == "lineage") return make_lineage(app, name, settings);
  if (settings.kind != "nats") return std::unique_ptr<actors::Sender>();
  return actors::make_nats_sender(
      {.url = [&app] { return app.broadcast ? app.broadcast->url() : std::string(); },
       .subject = settings.subject,
       .created = created,
       .log_id = app.log->log_id()});
}

void send_command(App& app, actors::SubscriptionBody body, actors::Completion done) {
  using Request = actors::Request<actors::SubscriptionBody>;
  actors::CommandMeta meta{.tenant = kTenant, .actor = std::string(kOwner)};
  app.managers.subscriptions.send(
      std::make_shared<Request>(Request{std::move(meta), std::move(body), std::move(done)}));
}

Status configure(App& app, const std::string& name, const std::string& url) {
  const auto state = state_for_write<SubscriptionState>(app, "subscription/" + name);
  if (!state) return state.error();
  if (url.empty() && !state->exists) return {};
  SubscriptionSettings settings = state->settings;
  settings.kind = "lineage";
  if (!state->exists) {
    settings.types = actors::lineage_types();
    settings.max_in_flight = 1;  // a run's start before its end
    settings.max_attempts = 20;
  }
  settings.active = !url.empty();
  if (settings.active) settings.url = url;
  actors::SubscriptionBody body = UpdateSubscription{name, settings, "configured"};
  if (!state->exists) body = CreateSubscription{name, settings, 1};
  const auto outcome = actors::ask<actors::SubscriptionBody>(
      app.managers.subscriptions, {.tenant = kTenant, .actor = std::string(kOwner)},
      std::move(body));
  if (outcome) return {};
  if (outcome.error().code != ErrorCode::read_only) return outcome.error();
  logging::warn("subscription {} stays as it was: {}", name, outcome.error().message);
  return {};
}

}  // namespace

Status start_subscriptions(App& app) {
  auto guard = actors::UrlGuard::make(app.config.webhook_allowed_hosts);
  if (!guard) return guard.error();
  app.url_guard = std::make_shared<const actors::UrlGuard>(*std::move(guard));
  auto cursors =
      storage::CursorStore::open(std::filesystem::path(app.config.data_dir) / "subscriptions",
                                 app.log->log_id(), app.crashed_before);
  if (!cursors) return cursors.error();
  app.cursors = *std::move(cursors);
  if (!app.cursors->mended().empty()) logging::error("{}", app.cursors->mended());
  const auto origin = read_origin(app.config.data_dir);
  auto opened = actors::Subscriptions::open(
      {.log = app.log.get(),
       .store = app.cursors.get(),
       .clock = app.context.clock,
       .seed = static_cast<std::uint64_t>(app.context.clock->now()),
       .forked_at = origin && origin->kind == "fork" ? origin->position : 0,
       .command =
           [&app](actors::SubscriptionBody body, actors::Completion done) {
             send_command(app, std::move(body), std::move(done));
           },
       .on_change =
           [&app](const std::string& name, Position created, const SubscriptionSettings* settings) {
             app.push->change(name, created, settings);
           }});
  if (!opened) return opened.error();
  app.subscriptions = *std::move(opened);
  app.push = std::make_unique<actors::PushDeliveries>(
      *app.log, *app.subscriptions,
      [&app](const std::string& name, Position created, const SubscriptionSettings& settings) {
        return make_sender(app, name, created, settings);
      });
  app.subscriptions->start();
  app.subscriptions_ready = true;
  return {};
}

Status configure_lineage(App& app) {
  std::string file = app.config.lineage_file;
  if (!file.empty()) file = "file:" + std::filesystem::absolute(file).lexically_normal().string();
  if (auto bad = configure(app, kLineageFile, file)) return bad;
  return configure(app, kLineageUrl, app.config.lineage_url);
}

void stop_subscriptions(App& app) {
  app.subscriptions_ready = false;
  if (app.push) app.push->stop();
  if (app.subscriptions) app.subscriptions->stop();
}

}  // namespace mlforge::gateway
