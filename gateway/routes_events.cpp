// The log itself: pages, single events, live streams, the audit trail.
#include <charconv>

#include "events/checks.hpp"
#include "events/event_codec.hpp"
#include "gateway/handlers.hpp"
#include "gateway/live_subscription.hpp"
#include "gateway/table_routes.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway {
namespace {

using http::Reply;
using http::Request;

constexpr std::size_t kPageBytes = 4 << 20;

std::optional<Position> parse_position(std::string_view text) {
  Position value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// ?reveal=true shows what the encrypted texts hold; else they stand as the log has them.
http::Response shown(const App& app, const Request& request, std::string body) {
  auto response = http::Response::json(std::move(body));
  return request.query("reveal") == "true" ? revealed(app, std::move(response)) : response;
}

void list_events(App& app, const Request& request, Reply reply) {
  const auto filter = parse_event_filter(request);
  if (!filter) return reply.send(filter.error());
  const auto from = query_number(request, "from", 1, 0, UINT64_MAX);
  if (!from) return reply.send(from.error());
  const auto limit = query_number(request, "limit", 100, 1, 1000);
  if (!limit) return reply.send(limit.error());
  const auto as_of = query_as_of(app, request);
  if (!as_of) return reply.send(as_of.error());
  const auto page = read_events(*app.log, *filter, *from, *as_of, *limit, kPageBytes);
  if (!page) return reply.send(page.error());
  std::string out = "{" + json_member("position", *as_of) + "," +
                    json_member("next_from", page->next_from) + ",\"items\":[" + page->items + "]}";
  reply.send(shown(app, request, std::move(out)));
}

// An event by position is one read; by id the millisecond that its UUIDv7 carries says where to
// look.
void get_event(App& app, const Request& request, Reply reply) {
  const auto text = request.param("id");
  const auto id = parse_uuid(text);
  auto position = parse_position(text);
  const auto as_of = query_as_of(app, request);
  if (!as_of) return reply.send(as_of.error());
  if (position == 0) return reply.send(not_found("event", text));
  if (!id && !position)
    return reply.send(
        invalid("id", "must be an event's id (a UUID) or its position (a whole number)"));
  std::string out;
  TimeUs milliseconds = 0, latest = INT64_MAX;
  const auto take = [&](const EventView& e) {
    if (id && e.id != *id) return e.time <= latest;
    if (e.position <= *as_of) append_event_json(out, e);
    return false;
  };
  if (id) {
    for (int i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | id->bytes[i];
    // The id is drawn right after the time is taken, so both tell nearly the same millisecond.
    position = app.log->position_at((milliseconds - 1000) * 1000) + 1;
    latest = (milliseconds + 1000) * 1000;
  }
  const auto read = app.log->read(*position, id ? UINT64_MAX : 1, take);
  if (!read) return reply.send(read.error());
  if (out.empty()) return reply.send(not_found("event", text));
  reply.send(shown(app, request, std::move(out)));
}

Expected<Position> live_start(App& app, const Request& request) {
  if (const auto last = request.header("Last-Event-ID"); !last.empty()) {
    const auto position = parse_position(last);
    if (!position || *position == UINT64_MAX)
      return invalid("Last-Event-ID", "must be a log position");
    return *position + 1;
  }
  return query_number(request, "from", app.log->head() + 1, 0, UINT64_MAX);
}

// The source of an event stream is there before its session: a wake that comes in between is kept.
class LateWake {
 public:
  void wake() {
    const std::lock_guard lock(mutex_);
    if (const auto alive = session_.lock()) return alive->wake();
    woken_ = true;
  }
  void set(const std::shared_ptr<http::SseSession>& session) {
    const std::lock_guard lock(mutex_);
    session_ = session;
    if (woken_) session->wake();
  }

 private:
  std::mutex mutex_;
  std::weak_ptr<http::SseSession> session_;
  bool woken_ = false;
};

void live_sse(App& app, const Request& request, Reply reply) {
  if (request.query("subscription")) return subscription_sse(app, request, std::move(reply));
  auto filter = parse_event_filter(request);
  if (!filter) return reply.send(filter.error());
  const auto from = live_start(app, request);
  if (!from) return reply.send(from.error());
  auto id = std::make_shared<std::uint64_t>(0);
  auto late = std::make_shared<LateWake>();
  auto session = reply.sse({.source = live_source(*app.past, *app.log, *std::move(filter), *from,
                                                  Form::event_stream, [late] { late->wake(); }),
                            .on_close = [&app, id] { app.live.remove(*id); }});
  late->set(session);
  *id = app.live.add([session] { session->wake(); });
}

Status live_websocket(App& app, const Request& request,
                      const std::shared_ptr<http::WsSession>& session) {
  if (request.query("subscription")) return subscription_websocket(app, request, session);
  auto filter = parse_event_filter(request);
  if (!filter) return filter.error();
  const auto from = live_start(app, request);
  if (!from) return from.error();
  const auto wake = [weak = std::weak_ptr(session)] {
    if (const auto alive = weak.lock()) alive->wake();
  };
  session->set_source(
      live_source(*app.past, *app.log, *std::move(filter), *from, Form::frames, wake));
  const auto id = app.live.add(wake);
  session->on_close([&app, id] { app.live.remove(id); });
  return {};
}

// How many events a stream holds: what a condition (X-Mlforge-Expect) is made of.
void get_stream(App& app, const Request& request, Reply reply) {
  const auto as_of = query_as_of(app, request);
  if (!as_of) return reply.send(as_of.error());
  const std::string stream =
      std::string(request.param("kind")) + "/" + std::string(request.param("name"));
  std::uint64_t version = 0;
  if (request.query("as_of")) {
    const auto last = app.log->read_stream(kTenant, stream, 1, UINT64_MAX, *as_of,
                                           [](const EventView&) { return true; });
    if (!last) return reply.send(last.error());
    version = *last;
  } else {
    const auto holds = app.log->stream_version(kTenant, stream);
    if (!holds) return reply.send(holds.error());
    version = *holds;
  }
  if (version == 0) return reply.send(not_found("stream", stream));
  std::string out = "{" + json_member("position", *as_of) + "," +
                    json_member("stream", std::string_view(stream)) + "," +
                    json_member("version", version) + "}";
  reply.send(http::Response::json(std::move(out)));
}

}  // namespace

void add_event_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const std::vector<http::QueryParam> filters{
      {"stream", "a stream, or the start of its name with * at the end: run/*"},
      {"type", "a type, or its start with * at the end: run.*"},
      {"since", "RFC 3339 time, or a date (its midnight in UTC); inclusive"},
      {"until", "RFC 3339 time, or a date (its midnight in UTC); inclusive"},
      {"from", "first position", "integer"},
      {"tenant", "whose events; the default tenant's where it is absent"}};
  auto live = filters;
  live.insert(live.end(), {{"subscription", "take from this durable subscription instead"},
                           {"consumer", "with subscription: the name of who takes"},
                           {"max", "with subscription: at most so many without an acknowledgement",
                            "integer"}});
  auto paged = filters;
  paged.push_back({"limit", "at most this many events, 1 to 1000", "integer"});
  paged.push_back({"as_of", "a position or an RFC 3339 time"});
  const http::QueryParam reveal{"reveal", "true: encrypted texts as what they hold, or [erased]",
                                "boolean"};
  paged.push_back(reveal);
  auto audit = list_parameters();
  audit.insert(audit.end(),
               {{"stream", "the whole name of a stream"},
                {"type", "a type, or its start"},
                {"actor", "who did it"},
                {"since", "RFC 3339 time, or a date (its midnight in UTC); inclusive"},
                {"until", "RFC 3339 time, or a date (its midnight in UTC); inclusive"}});
  router.get("/api/v1/events", on(list_events),
             {.summary = "A page of events in order",
              .tag = "events",
              .response = event_page_answer(),
              .query = paged});
  router.get("/api/v1/events/{id}", on(get_event),
             {.summary = "One event, by id or position",
              .tag = "events",
              .response = event_answer(),
              .query = {{"as_of", "a position or an RFC 3339 time"}, reveal}});
  router.get("/api/v1/streams/{kind}/{name}", on(get_stream),
             {.summary = "How many events a stream holds",
              .tag = "events",
              .response = object_answer_of(
                  {{"position", "integer"}, {"stream", "string"}, {"version", "integer"}}),
              .query = {{"as_of", "a position or an RFC 3339 time"}}});
  router.get(
      "/api/v1/live/events", on(live_sse),
      {.summary = "Events as they happen, as server-sent events",
       .tag = "events",
       .query = live,
       .response_type = "text/event-stream",
       .headers = {{"Last-Event-ID",
                    "the position of the last event that was seen; goes before from", "integer"}}});
  router.websocket(
      "/api/v1/live",
      [&app](const Request& q, const auto& session) { return live_websocket(app, q, session); },
      {.summary = "Events as they happen, over WebSocket", .tag = "events", .query = live});
  router.get("/api/v1/audit", audit_route(app),
             {.summary = "Who did what, when, to what, caused by what",
              .tag = "events",
              .response = page_answer(projections::list_audit),
              .query = audit});
}

}  // namespace mlforge::gateway
