// The log as a whole: lines of it, what changed in it, and what another policy would have made of
// it.
#include <cmath>

#include "actors/whatif.hpp"
#include "events/checks.hpp"
#include "gateway/handlers.hpp"
#include "gateway/moment.hpp"
#include "gateway/states.hpp"
#include "gateway/transfer.hpp"
#include "projections/diff.hpp"

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
    // Two times with nothing in between are no mistake.
    if (out.from > out.to + 1) return invalid("from", "must not be after 'to'");
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

struct Window {
  Position from = 0, to = 0;
};

Expected<Window> read_window(const App& app, const Request& request) {
  Window out{.from = 0, .to = app.log->head()};
  for (const auto& [name, position] : {std::pair("from", &out.from), std::pair("to", &out.to)}) {
    const auto text = request.query(name);
    if (!text) continue;
    const auto moment = parse_moment(*app.log, *text, name);
    if (!moment) return moment.error();
    *position = *moment;
  }
  if (out.from > out.to) return invalid("from", "must not be after 'to'");
  return out;
}

void show_diff(App& app, const Request& request, Reply reply) {
  const auto window = read_window(app, request);
  if (!window) return reply.send(window.error());
  run_blocking(app, std::move(reply), [&app, window = *window](Reply answer) {
    const auto diff = projections::diff_between(*app.log, kTenant, window.from, window.to);
    if (!diff) return answer.send(diff.error());
    answer.send(revealed(app, http::Response::json(with_position(window.to, to_json(*diff)))));
  });
}

Status read_number(const Request& request, std::string_view name, std::optional<double>& out) {
  const auto text = request.query(name);
  if (!text) return {};
  const auto value = from_json<double>(*text, Unknown::refuse);
  if (!value || !std::isfinite(*value)) return invalid(name, "must be a number");
  out = *value;
  return {};
}

Expected<actors::WhatIfPolicy> read_policy(const Request& request) {
  actors::WhatIfPolicy out;
  for (const auto& [name, value] : {std::pair("min_improvement", &out.min_improvement),
                                    std::pair("gate_minimum", &out.gate_minimum),
                                    std::pair("gate_max_regression", &out.gate_max_regression),
                                    std::pair("psi_threshold", &out.psi_threshold),
                                    std::pair("ks_pvalue_threshold", &out.ks_pvalue_threshold)})
    if (auto bad = read_number(request, name, *value)) return *bad;
  return out;
}

void show_what_if(App& app, const Request& request, Reply reply) {
  const auto window = read_window(app, request);
  if (!window) return reply.send(window.error());
  const auto policy = read_policy(request);
  if (!policy) return reply.send(policy.error());
  run_blocking(app, std::move(reply), [&app, window = *window, policy = *policy](Reply answer) {
    const auto report = actors::what_if(*app.log, kTenant, window.from, window.to, policy);
    if (!report) return answer.send(report.error());
    answer.send(http::Response::json(with_position(window.to, to_json(*report))));
  });
}

}  // namespace

void add_travel_routes(App& app, http::Router& router) {
  add_state_route(app, router);
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
                        {"tenant", "whose events; all of them where it is absent"},
                        {"header", "1: begin with a line that holds the log's id"}},
              .response_type = "application/x-ndjson"});
  const std::vector<http::QueryParam> window{
      {"from", "the moment before: a position or an RFC 3339 time; 0 where it is absent"},
      {"to", "the moment after; now where it is absent"}};
  router.get("/api/v1/diff", on(show_diff),
             {.summary = "What changed between two moments, in words and as data",
              .tag = "events",
              .response = answer_schema<projections::Diff>(),
              .query = window});
  auto policy = window;
  policy.insert(policy.end(),
                {{"min_improvement", "required lead of a challenger over the champion", "number"},
                 {"gate_minimum", "least value of a gate's metric", "number"},
                 {"gate_max_regression", "how much worse than the champion it may be", "number"},
                 {"psi_threshold", "PSI above which a feature's drift alerts", "number"},
                 {"ks_pvalue_threshold", "p-value below which a test is significant", "number"}});
  router.get("/api/v1/whatif", on(show_what_if),
             {.summary = "The decisions once more under another policy",
              .tag = "events",
              .response = answer_schema<actors::WhatIfReport>(),
              .query = policy});
}

}  // namespace mlforge::gateway
