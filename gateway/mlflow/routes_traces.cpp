// traces/...: reported, read, searched, tagged, linked, deleted. Their spans are artifacts.
#include <algorithm>

#include "events/checks.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/traces.hpp"

namespace mlforge::gateway::mlflow {
namespace traces_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

constexpr std::size_t kMostLinks = 100;

std::string trace_json(const TraceRow& row) {
  std::string out;
  Object(out).raw("trace", [&](std::string& trace) {
    Object(trace).raw("trace_info", [&](std::string& info) { write_trace_info(info, row); });
  });
  return out;
}

Expected<std::string> trace_answer(const QueryContext& q, const std::string& trace_id) {
  const auto row = find_trace_row(q, trace_id);
  if (!row) return row.error();
  return trace_json(*row);
}

// What is marked as personal is encrypted whole or not taken: these two would stay in the clear.
Status check_personal(const RecordTrace& body, const Request& request) {
  if (request.header("X-Mlforge-Subject").empty()) return {};
  if (!body.assessments.empty())
    return invalid("assessments",
                   "must not be sent with X-Mlforge-Subject: what they hold is not encrypted");
  if (!body.client_request_id.empty())
    return invalid("client_request_id",
                   "must not be sent with X-Mlforge-Subject: it is not encrypted");
  return {};
}

void start(App& app, Fields& fields, const Request& request, Reply reply) {
  if (!fields.has("trace"))
    fields.set_error({ErrorCode::invalid_argument,
                      "Missing value for required parameter 'trace'. See the API docs for more "
                      "information about request parameters.",
                      "trace"});
  auto body = read_trace(app, fields.nested("trace").nested("trace_info"), now_ms(app));
  if (!ok(fields, reply)) return;
  if (auto bad = check_personal(body, request)) return fail(reply, *bad);
  const auto id = body.trace_id;
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [id](const Outcome&, const QueryContext& q) { return trace_answer(q, id); });
}

void get(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [id = std::string(request.param("trace_id"))](const QueryContext& q) {
                 return trace_answer(q, id);
               });
}

void get_infos(App& app, Fields& fields, const Request&, Reply reply) {
  const auto ids = fields.texts("trace_ids", Need::required);
  const bool scoped = fields.has("experiment_ids");
  const auto experiments = fields.texts("experiment_ids");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  answer_query(app, std::move(reply), as_of,
               [ids, scoped, experiments](const QueryContext& q) -> Expected<std::string> {
                 std::vector<TraceRow> rows;
                 for (const auto& id : ids)
                   if (auto row = projections::find_trace(q.reader, kTenant, id, q.as_of);
                       row && (!scoped || std::find(experiments.begin(), experiments.end(),
                                                    row->info.experiment_id) != experiments.end()))
                     rows.push_back(*std::move(row));
                 std::string out;
                 Object(out).array("trace_infos", rows, write_trace_info);
                 return out;
               });
}

void send(App& app, Fields& fields, const Request& request, Reply reply, TrackingBody body) {
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

void set_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  const auto key = fields.text("key", Need::required);
  TagTrace body{std::string(request.param("trace_id")), {{key, fields.text("value")}}};
  send(app, fields, request, std::move(reply), std::move(body));
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  UntagTrace body{std::string(request.param("trace_id")), fields.text("key", Need::required)};
  send(app, fields, request, std::move(reply), std::move(body));
}

void link_prompts(App& app, Fields& fields, const Request& request, Reply reply) {
  LinkPrompts body{fields.text("trace_id", Need::required), {}};
  for (auto& each : fields.list("prompt_versions")) {
    auto name = each.text("name", Need::required);
    body.prompts.push_back({std::move(name), each.text("version", Need::required)});
  }
  send(app, fields, request, std::move(reply), std::move(body));
}

// What is gone already is no error.
void delete_all(App& app, Reply reply, std::vector<TrackingBody> bodies, bool counts) {
  auto meta = command_meta(reply.request());
  if (!meta) return fail(reply, meta.error());
  commands(app, *meta, std::move(bodies),
           [counts, reply = std::make_shared<Reply>(std::move(reply))](const Outcomes& outcomes) {
             std::int64_t done = 0;
             for (const auto& each : outcomes) {
               if (!each && each.error().code != ErrorCode::not_found)
                 return fail(*reply, each.error());
               done += each && !each->events.empty();
             }
             std::string out;
             {
               Object whole(out);
               if (counts) whole.integer("traces_deleted", done);
             }
             reply->send(http::Response::json(std::move(out)));
           });
}

struct Deletion {
  std::string experiment_id;
  std::optional<std::int64_t> until_ms;
  std::optional<std::int64_t> most;
  std::vector<std::string> ids;
};

Status check_deletion(const Deletion& d) {
  const auto refuse = [](std::string message) {
    return Error{ErrorCode::invalid_argument, std::move(message), ""};
  };
  if (!d.until_ms && d.ids.empty())
    return refuse("Either `max_timestamp_millis` or `trace_ids` must be specified.");
  if (d.until_ms && !d.ids.empty())
    return refuse("Only one of `max_timestamp_millis` and `trace_ids` can be specified.");
  if (!d.ids.empty() && d.most)
    return refuse("`max_traces` can't be specified if `trace_ids` is specified.");
  if (d.most && *d.most <= 0)
    return refuse("`max_traces` must be a positive integer, received " + std::to_string(*d.most) +
                  ".");
  return {};
}

// Which traces go: the oldest ones where not all may.
std::vector<std::string> chosen(const QueryContext& q, const Deletion& d) {
  std::vector<std::string> out;
  if (!d.ids.empty()) {
    for (const auto& id : d.ids) {
      const auto row = projections::find_trace(q.reader, kTenant, id, q.as_of);
      if (row && row->info.experiment_id == d.experiment_id) out.push_back(id);
    }
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  std::vector<std::pair<std::int64_t, std::string>> found;
  projections::each_trace(q.reader, kTenant, d.experiment_id, q.as_of, [&](const TraceRow& row) {
    if (row.info.request_time_ms <= *d.until_ms)
      found.emplace_back(row.info.request_time_ms, row.info.trace_id);
    return true;
  });
  std::sort(found.begin(), found.end());
  if (d.most && found.size() > static_cast<std::uint64_t>(*d.most))
    found.resize(static_cast<std::size_t>(*d.most));
  for (auto& [time, id] : found) out.push_back(std::move(id));
  return out;
}

void remove(App& app, Fields& fields, const Request&, Reply reply) {
  Deletion deletion{.experiment_id = fields.text("experiment_id", Need::required),
                    .until_ms = fields.integer("max_timestamp_millis"),
                    .most = fields.integer("max_traces"),
                    .ids = fields.texts("request_ids")};
  if (deletion.ids.empty()) deletion.ids = fields.texts("trace_ids");
  if (!ok(fields, reply)) return;
  if (auto bad = check_deletion(deletion)) return fail(reply, *bad);
  read_then(app, std::move(reply), [&app, deletion](const QueryContext& q, Reply to) {
    std::vector<TrackingBody> bodies;
    for (auto& id : chosen(q, deletion)) bodies.emplace_back(DeleteTrace{std::move(id)});
    if (q.reader.status()) return fail(to, *q.reader.status());
    delete_all(app, std::move(to), std::move(bodies), true);
  });
}

void link_to_run(App& app, Fields& fields, const Request&, Reply reply) {
  const auto ids = fields.texts("trace_ids", Need::required);
  const auto run_id = fields.text("run_id", Need::required);
  if (!ok(fields, reply)) return;
  if (ids.size() > kMostLinks)
    return fail(reply, {ErrorCode::invalid_argument,
                        "Cannot link more than 100 traces to a run in a single request. Provided " +
                            std::to_string(ids.size()) + " traces.",
                        "trace_ids"});
  read_then(app, std::move(reply), [&app, ids, run_id](const QueryContext& q, Reply to) {
    if (const auto run = find_run(q, run_id); !run) return fail(to, run.error());
    std::vector<TrackingBody> bodies;
    for (const auto& id : ids) bodies.emplace_back(LinkTraceToRun{id, run_id});
    delete_all(app, std::move(to), std::move(bodies), false);
  });
}

}  // namespace
}  // namespace traces_routes

void add_trace_routes(App& app, http::Router& router) {
  using namespace traces_routes;
  const std::string one = "traces/{trace_id}";
  add_route_v3(app, router, Method::post, "traces", start);
  add_route_v3(app, router, Method::post, "traces/search", search_traces);
  add_route_v3(app, router, Method::post, "traces/batchGetInfos", get_infos);
  add_route_v3(app, router, Method::get, one, get);
  for (const auto add : {+[](App&a, http::Router&r, Method m, const std::string&p, Handler h) {
                           add_route(a, r, m, p, h);
                         },
                         +add_route_v3}) {
    add(app, router, Method::patch, one + "/tags", set_tag);
    add(app, router, Method::delete_, one + "/tags", delete_tag);
    add(app, router, Method::post, "traces/delete-traces", remove);
    add(app, router, Method::post, "traces/link-to-run", link_to_run);
    add(app, router, Method::post, "traces/link-prompts", link_prompts);
  }
}

}  // namespace mlforge::gateway::mlflow
