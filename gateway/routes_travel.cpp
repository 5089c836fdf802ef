// The log as a whole: lines of it.
#include "events/checks.hpp"
#include "gateway/handlers.hpp"
#include "gateway/moment.hpp"
#include "gateway/transfer.hpp"

namespace mlforge::gateway {
namespace {

using http::Reply;
using http::Request;

Expected<ExportRequest> export_request(const App& app, const Request& request) {
  ExportRequest out{.from = 1, .to = app.log->head()};
  out.filter =
      event_filter(request.query("stream").value_or(""), request.query("type").value_or(""));
  out.filter.tenant = request.query("tenant").value_or("");
  if (const auto from = request.query("from")) {
    const auto position = parse_start(*app.log, *from, "from");
    if (!position) return position.error();
    out.from = *position;
  }
  if (const auto to = request.query("to")) {
    const auto position = parse_moment(*app.log, *to, "to");
    if (!position) return position.error();
    out.to = *position;
  }
  const auto header = request.query("header").value_or("0");
  if (header != "0" && header != "1") return invalid("header", "must be 0 or 1");
  out.header = header == "1";
  return out;
}

// The head is settled when the request comes, so that an export ends.
void export_events(App& app, const Request& request, Reply reply) {
  const auto wanted = export_request(app, request);
  if (!wanted) return reply.send(wanted.error());
  run_blocking(app, std::move(reply), [&app, wanted = *wanted](Reply answer) {
    auto lines = Exporter::open(*app.log, wanted);
    if (!lines) return answer.send(lines.error());
    auto shared = std::make_shared<Exporter>(*std::move(lines));
    answer.stream({.content_type = "application/x-ndjson",
                   .next = [shared](std::string& out) { return shared->next(out); }});
  });
}

}  // namespace

void add_travel_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  router.get("/api/v1/events/export", on(export_events),
             {.summary = "The log as lines of JSON that 'mlforge import' reads",
              .tag = "events",
              .query = {{"from", "first position, or an RFC 3339 time"},
                        {"to", "last position, or an RFC 3339 time"},
                        {"stream", "a stream, or the start of its name with * at the end: run/*"},
                        {"type", "a type, or its start with * at the end: run.*"},
                        {"header", "1: begin with a line that holds the log's id"}}});
}

}  // namespace mlforge::gateway
