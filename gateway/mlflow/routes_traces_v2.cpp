// traces/... of MLflow's API 2.0, as clients before 3.0 speak it: started and ended in two calls.
#include <algorithm>

#include "gateway/mlflow/traces.hpp"

namespace mlforge::gateway::mlflow {
namespace traces_v2 {
namespace {

using actors::Outcome;
using actors::TrackingBody;

Expected<std::string> info_json(const QueryContext& q, const std::string& id) {
  const auto row = find_trace_row(q, id);
  if (!row) return row.error();
  std::string out;
  Object(out).raw("trace_info", [&](std::string& to) { write_trace_info_v2(to, *row); });
  return out;
}

void record(App& app, const Request& request, Reply reply, RecordTrace body) {
  const auto id = body.trace_id;
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [id](const Outcome&, const QueryContext& q) { return info_json(q, id); });
}

void start(App& app, Fields& fields, const Request& request, Reply reply) {
  RecordTrace body;
  body.experiment_id = fields.text("experiment_id", Need::required);
  body.trace_state = "IN_PROGRESS";
  body.request_time_ms = fields.integer("timestamp_ms").value_or(now_ms(app));
  body.metadata = fields.map("request_metadata");
  body.tags = fields.map("tags");
  if (!ok(fields, reply)) return;
  body.trace_id = to_string(app.context.ids->next(app.context.clock->now()));
  std::erase(body.trace_id, '-');
  record(app, request, std::move(reply), std::move(body));
}

std::string read_status(Fields& fields) {
  static constexpr const char* kStates[] = {"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"};
  const auto text = fields.enumerator("status");
  if (text.empty() || text == "TRACE_STATUS_UNSPECIFIED") return kStates[0];
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '3') return kStates[text[0] - '0'];
  return text;
}

// What was reported at its start stays where nothing else is said.
void end(App& app, Fields& fields, const Request& request, Reply reply) {
  RecordTrace body;
  body.trace_id = request.param("trace_id");
  body.trace_state = read_status(fields);
  const auto ended = fields.integer("timestamp_ms").value_or(now_ms(app));
  body.metadata = fields.map("request_metadata");
  body.tags = fields.map("tags");
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [&app, body, ended](const QueryContext& q, Reply to) {
    const auto row = find_trace_row(q, body.trace_id);
    if (!row) return fail(to, row.error());
    auto whole = body;
    whole.experiment_id = row->info.experiment_id;
    whole.request_time_ms = row->info.request_time_ms;
    whole.execution_time_ms = std::max<std::int64_t>(ended - whole.request_time_ms, 0);
    const Request& asked = to.request();
    record(app, asked, std::move(to), std::move(whole));
  });
}

void get_info(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [id = std::string(request.param("trace_id"))](const QueryContext& q) {
                 return info_json(q, id);
               });
}

}  // namespace
}  // namespace traces_v2

void write_trace_info_v2(std::string& out, const TraceRow& row) {
  const auto& info = row.info;
  Object(out)
      .text("request_id", info.trace_id)
      .text("experiment_id", info.experiment_id)
      .integer("timestamp_ms", info.request_time_ms)
      .integer("execution_time_ms", std::max<std::int64_t>(info.execution_time_ms, 0))
      .text("status", info.state == "STATE_UNSPECIFIED" ? "TRACE_STATUS_UNSPECIFIED" : info.state)
      .pairs("request_metadata", info.metadata)
      .pairs("tags", info.tags);
}

void add_trace_v2_routes(App& app, http::Router& router) {
  using namespace traces_v2;
  add_route(app, router, Method::post, "traces", start);
  add_route(app, router, Method::patch, "traces/{trace_id}", end);
  add_route(app, router, Method::get, "traces/{trace_id}/info", get_info);
  add_route(app, router, Method::get, "traces", search_traces_v2);
}

}  // namespace mlforge::gateway::mlflow
