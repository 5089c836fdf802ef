// Archiving and retention of the running server's log.
#include "gateway/archivist.hpp"
#include "gateway/handlers.hpp"

namespace mlforge::gateway {
namespace {

using http::Reply;
using http::Request;

struct ArchiveBody {
  std::string before;      // a position or a time; empty: all events
  std::uint64_t keep = 0;  // so many of the newest events stay as they are
  static constexpr auto fields() {
    return FieldList{field("before", &ArchiveBody::before), field("keep", &ArchiveBody::keep)};
  }
};

struct RetentionBody {
  std::string kind, keep;
  static constexpr auto fields() {
    return FieldList{required("kind", &RetentionBody::kind),
                     required("keep", &RetentionBody::keep)};
  }
};

struct RetentionAnswer {
  std::string kind, keep, before;
  Position up_to = 0;
  std::uint64_t events = 0;
  static constexpr auto fields() {
    return FieldList{field("kind", &RetentionAnswer::kind), field("keep", &RetentionAnswer::keep),
                     field("before", &RetentionAnswer::before),
                     field("up_to", &RetentionAnswer::up_to),
                     field("events", &RetentionAnswer::events)};
  }
};

void start_archiving(App& app, const Request& request, Reply reply) {
  const auto body = read_body<ArchiveBody>(request, reply);
  if (!body) return;
  const auto last = archive_limit(*app.log, body->before, body->keep);
  if (!last) return reply.send(last.error());
  run_blocking(app, std::move(reply), [&app, last = *last](Reply r) {
    app.archivist->archive(last);
    r.send(http::Response::json(to_json(app.archivist->status()), 202));
  });
}

void apply_retention(App& app, const Request& request, Reply reply) {
  const auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  const auto body = read_body<RetentionBody>(request, reply);
  if (!body) return;
  run_blocking(app, std::move(reply), [&app, body = *body, actor = meta->actor](Reply r) {
    const auto plan = app.archivist->retain(body.kind, body.keep, actor);
    if (!plan) return r.send(plan.error());
    r.send(http::Response::json(
        to_json(RetentionAnswer{plan->kind, plan->keep, format_time(plan->before), plan->up_to,
                                plan->events}),
        202));
  });
}

}  // namespace

void add_archive_routes(App& app, http::Router& router) {
  router.get("/api/v1/admin/archive",
             [&app](const Request&, Reply r) {
               run_blocking(app, std::move(r), [&app](Reply reply) {
                 reply.send(http::Response::json(to_json(app.archivist->status())));
               });
             },
             {.summary = "How much of the log is in segments",
              .tag = "system",
              .response = json_schema<ArchiveStatus, schema::Numbers::any>()});
  router.post("/api/v1/admin/archive",
              [&app](const Request& q, Reply r) { start_archiving(app, q, std::move(r)); },
              {.summary = "Moves bodies of old events into compressed segments, in the background",
               .tag = "system",
               .body = json_schema<ArchiveBody>(),
               .response = json_schema<ArchiveStatus, schema::Numbers::any>(),
               .status = 202,
               .reads_write_headers = false});
  router.post("/api/v1/admin/retention",
              [&app](const Request& q, Reply r) { apply_retention(app, q, std::move(r)); },
              {.summary = "Drops the payloads of old events of a kind for ever, in the background",
               .tag = "system",
               .body = json_schema<RetentionBody>(),
               .response = json_schema<RetentionAnswer, schema::Numbers::any>(),
               .status = 202,
               .headers = {write_header("X-Mlforge-Actor")},
               .reads_write_headers = false});
}

}  // namespace mlforge::gateway
