// traces/<id>/assessments: feedback, expectations and issues.
#include <algorithm>

#include "gateway/mlflow/traces.hpp"

namespace mlforge::gateway::mlflow {
namespace assessments_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

Expected<std::string> assessment_json(const QueryContext& q, const std::string& trace_id,
                                      const std::string& id) {
  const auto row = find_trace_row(q, trace_id);
  if (!row) return row.error();
  for (const auto& each : row->info.assessments)
    if (each.assessment_id == id) {
      std::string out;
      Object(out).raw("assessment", [&](std::string& to) { write_assessment(to, each, trace_id); });
      return out;
    }
  return Error{ErrorCode::not_found,
               "Assessment with ID '" + id + "' not found for trace '" + trace_id + "'",
               "assessment_id"};
}

void send(App& app, Fields& fields, const Request& request, Reply reply, TrackingBody body,
          const std::string& trace_id, const std::string& id) {
  if (!ok(fields, reply)) return;
  command_then_query<TrackingBody>(app, app.managers.tracking, request, std::move(reply),
                                   std::move(body),
                                   [trace_id, id](const Outcome&, const QueryContext& q) {
                                     return assessment_json(q, trace_id, id);
                                   });
}

Fields assessment_of(Fields& fields) {
  if (!fields.has("assessment"))
    fields.set_error({ErrorCode::invalid_argument,
                      "Missing value for required parameter 'assessment'. See the API docs for "
                      "more information about request parameters.",
                      "assessment"});
  return fields.nested("assessment");
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  const std::string trace_id(request.param("trace_id"));
  auto given = assessment_of(fields);
  AssessTrace body{trace_id, read_assessment(app, given, now_ms(app))};
  const auto id = body.assessment.assessment_id;
  send(app, fields, request, std::move(reply), std::move(body), trace_id, id);
}

void get(App& app, Fields&, const Request& request, Reply reply) {
  answer_query(app, std::move(reply), std::string(request.query("as_of").value_or("")),
               [trace_id = std::string(request.param("trace_id")),
                id = std::string(request.param("assessment_id"))](const QueryContext& q) {
                 return assessment_json(q, trace_id, id);
               });
}

// A field mask, "assessmentName,feedback.value", holds the name.
bool in_mask(const std::string& mask, std::string_view name) {
  std::string path;
  for (std::size_t i = 0; i <= mask.size(); ++i) {
    const char c = i < mask.size() ? mask[i] : ',';
    if (c != ',') {
      if (c != '_') path += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
      continue;
    }
    if (path.substr(0, path.find('.')) == name) return true;
    path.clear();
  }
  return false;
}

void update(App& app, Fields& fields, const Request& request, Reply reply) {
  const std::string trace_id(request.param("trace_id")), id(request.param("assessment_id"));
  auto given = assessment_of(fields);
  const auto mask = fields.text("update_mask", Need::required);
  ChangeAssessment body{.trace_id = trace_id, .assessment_id = id, .time_ms = now_ms(app)};
  if (in_mask(mask, "assessmentname")) body.title = given.text("assessment_name");
  for (const char* kind : {"expectation", "feedback"}) {
    const auto content = in_mask(mask, kind) ? given.object(kind) : std::nullopt;
    if (!content) continue;
    if (body.kind)
      fields.set_error({ErrorCode::invalid_argument,
                        "Cannot specify both `expectation` and `feedback` parameters.",
                        "update_mask"});
    body.kind = kind;
    body.content = assessment_content(kind, *content);
  }
  if (in_mask(mask, "rationale")) body.rationale = given.text("rationale");
  if (in_mask(mask, "metadata")) body.metadata = given.dictionary("metadata");
  if (in_mask(mask, "valid")) body.valid = given.boolean("valid");
  send(app, fields, request, std::move(reply), std::move(body), trace_id, id);
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply),
                              RemoveAssessment{std::string(request.param("trace_id")),
                                               std::string(request.param("assessment_id"))});
}

}  // namespace
}  // namespace assessments_routes

void add_assessment_routes(App& app, http::Router& router) {
  using namespace assessments_routes;
  const std::string all = "traces/{trace_id}/assessments", one = all + "/{assessment_id}";
  add_route_v3(app, router, Method::post, all, create);
  add_route_v3(app, router, Method::get, one, get);
  add_route_v3(app, router, Method::patch, one, update);
  add_route_v3(app, router, Method::delete_, one, remove);
}

}  // namespace mlforge::gateway::mlflow
