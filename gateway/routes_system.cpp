// Health, readiness, metrics, documents, the first page.
#include "actors/broadcast.hpp"
#include "events/event_codec.hpp"
#include "gateway/handlers.hpp"
#include "gateway/http/metrics.hpp"
#include "gateway/metrics.hpp"
#include "gateway/web_files.hpp"

namespace mlforge::gateway {
namespace {

using http::Reply;
using http::Request;

struct NatsRow {
  std::string state = "off", url, last_error;
  Position published = 0;
  std::uint64_t lag = 0;
  static constexpr auto fields() {
    return FieldList{field("state", &NatsRow::state), field("url", &NatsRow::url),
                     field("last_error", &NatsRow::last_error),
                     field("published", &NatsRow::published), field("lag", &NatsRow::lag)};
  }
};

struct ReadyRow {
  bool ready = false, writable = false;
  std::string reason;
  Position position = 0;
  std::vector<projections::ProjectionStatus> projections;
  NatsRow nats;
  static constexpr auto fields() {
    return FieldList{field("ready", &ReadyRow::ready),
                     field("writable", &ReadyRow::writable),
                     field("reason", &ReadyRow::reason),
                     field("position", &ReadyRow::position),
                     field("projections", &ReadyRow::projections),
                     field("nats", &ReadyRow::nats)};
  }
};

// Being ready never waits for the broker, nor for a projection that lags: those are only shown.
void ready(App& app, const Request&, Reply reply) {
  ReadyRow row;
  const auto stopped = app.log->writable();
  row.writable = !stopped;
  row.ready = row.writable && !app.stopping;
  row.reason = stopped ? stopped->message : app.stopping ? "the server is stopping" : "";
  row.position = app.log->head();
  row.projections = app.engine->statuses();
  if (app.broadcast) {
    const auto status = app.broadcast->status();
    row.nats = {status.connected ? "connected" : "disconnected", app.broadcast->url(),
                status.last_error, status.published, status.lag};
  }
  reply.send(http::Response::json(to_json(row), row.ready ? 200 : 503));
}

void info(App& app, const Request&, Reply reply) {
  const auto& c = app.config;
  reply.send(
      http::Response::json("{" + json_member("version", std::string_view(MLFORGE_VERSION)) + "," +
                           json_member("log_id", std::string_view(to_string(app.log->log_id()))) +
                           "," + json_member("position", app.log->head()) + "," +
                           json_member("projected", app.projected.position()) + ",\"defaults\":{" +
                           json_member("canary_traffic_split", c.canary_traffic_split) + "," +
                           json_member("psi_threshold", c.psi_threshold) + "," +
                           json_member("ks_pvalue_threshold", c.ks_pvalue_threshold) + "," +
                           json_member("promotion_min_delta", c.promotion_min_delta) + "," +
                           json_member("gate_min_auc", c.gate_min_auc) + "}}"));
}

// The vocabulary: what subscribers can ask for.
std::string event_types_json() {
  std::string items;
  for_each_event_type([&](std::string_view type, std::uint16_t schema, ContentType content,
                          const std::vector<std::string_view>& fields) {
    if (!items.empty()) items += ',';
    items += "{" + json_member("type", type) + "," + json_member("schema", schema) + "," +
             json_member("content",
                         content == ContentType::json ? std::string_view("json") : "columns") +
             ",\"fields\":[";
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (i > 0) items += ',';
      append_json_string(items, fields[i]);
    }
    items += "],\"personal\":[";
    bool first = true;
    for (const auto& each : fields) {
      if (!is_personal(type, each)) continue;
      if (!std::exchange(first, false)) items += ',';
      append_json_string(items, each);
    }
    items += "]}";
  });
  return "{\"items\":[" + items + "]}";
}

}  // namespace

http::ApiInfo api_info() {
  return {
      .title = "mlforge",
      .version = MLFORGE_VERSION,
      .description = "The whole life of machine-learning models.",
      .headers = {{"X-Correlation-Id", "kept when it is a UUID, and answered"}},
      .write_headers =
          {{"Idempotency-Key", "a repeated write with the same key has one outcome"},
           {"X-Mlforge-Expect",
            "what must still hold, as STREAM=VERSION, ...: else the write is refused with 409"},
           {"X-Mlforge-Actor", "who asks; stands in the events"},
           {"X-Mlforge-Subject",
            "whom it is about: the personal fields are encrypted under that subject's key"}},
  };
}

http::QueryParam write_header(std::string_view name) {
  for (auto& each : api_info().write_headers)
    if (each.name == name) return each;
  return {std::string(name), {}};
}

namespace {

std::string info_answer() {
  return object_answer_of({{"version", "string"},
                           {"log_id", "string"},
                           {"position", "integer"},
                           {"projected", "integer"},
                           {"defaults", object_answer_of({{"canary_traffic_split", "number"},
                                                          {"psi_threshold", "number"},
                                                          {"ks_pvalue_threshold", "number"},
                                                          {"promotion_min_delta", "number"},
                                                          {"gate_min_auc", "number"}})}});
}

std::string event_types_answer() {
  return object_answer_of(
      {{"items", array_of(object_answer_of({{"type", "string"},
                                            {"schema", "integer"},
                                            {"content", "string"},
                                            {"fields", array_of("string")},
                                            {"personal", array_of("string")}}))}});
}

}  // namespace

void add_system_routes(App& app, http::Router& router) {
  router.get("/healthz",
             [](const Request&, Reply r) { r.send(http::Response::json("{\"status\":\"ok\"}")); },
             {.summary = "The process lives",
              .tag = "system",
              .response = object_answer_of({{"status", "string"}}),
              .hot = true});
  router.get("/readyz", [&app](const Request& q, Reply r) { ready(app, q, std::move(r)); },
             {.summary = "Requests are served and the log accepts writes",
              .tag = "system",
              .response = json_schema<ReadyRow, schema::Numbers::any>(),
              .hot = true,
              .other_statuses = {503}});
  router.get("/metrics",
             [&app](const Request&, Reply r) {
               app.metrics->refresh(app);
               r.send({200,
                       "text/plain; version=0.0.4; charset=utf-8",
                       http::render_metrics(*app.metrics->registry()),
                       {}});
             },
             {.summary = "Figures for Prometheus",
              .tag = "system",
              .hot = true,
              .response_type = "text/plain"});
  router.get("/api/v1/info", [&app](const Request& q, Reply r) { info(app, q, std::move(r)); },
             {.summary = "Version, log and defaults", .tag = "system", .response = info_answer()});
  router.get("/api/v1/event_types",
             [](const Request&, Reply r) { r.send(http::Response::json(event_types_json())); },
             {.summary = "The types of events and their fields",
              .tag = "events",
              .response = event_types_answer()});
  router.get("/api/v1/openapi.json",
             [&app](const Request&, Reply r) { r.send(http::Response::json(app.openapi)); },
             {.summary = "This document",
              .tag = "system",
              .response = object_answer_of({{"openapi", "string"},
                                            {"info", "object"},
                                            {"paths", "object"},
                                            {"components", "object"}})});
}

void add_page_routes(App& app, http::Router& router) {
  for (const auto& file : web_files())
    router.get(
        file.path == "/" && !app.config.mlflow_ui.empty() ? "/mlforge" : std::string(file.path),
        [file](const Request&, Reply r) {
          r.send({200,
                  std::string(file.content_type),
                  std::string(file.bytes),
                  {{"Cache-Control", "no-cache"},
                   {"Content-Security-Policy",
                    "default-src 'self'; style-src 'self' 'unsafe-inline'"}}});
        },
        {.summary = "The first page", .tag = "system", .hidden = true});
}

}  // namespace mlforge::gateway
