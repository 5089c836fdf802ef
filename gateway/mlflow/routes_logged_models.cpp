// logged-models/...
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"

namespace mlforge::gateway::mlflow {
namespace logged_models_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

Expected<std::string> model_json(const QueryContext& q, const std::string& id, bool also_deleted) {
  const auto row = projections::find_logged_model(q.reader, kTenant, id, q.as_of);
  if (!row || (row->deleted && !also_deleted))
    return Error{ErrorCode::not_found, "Logged model with ID '" + id + "' not found.", "model_id"};
  std::string out;
  Object(out).raw("model", [&](std::string& to) { write_logged_model(to, q, *row); });
  return out;
}

void send_for_model(App& app, Fields& fields, const Request& request, Reply reply,
                    TrackingBody body, const std::string& id) {
  if (!ok(fields, reply)) return;
  command_then_query<TrackingBody>(
      app, app.managers.tracking, request, std::move(reply), std::move(body),
      [id](const Outcome&, const QueryContext& q) { return model_json(q, id, true); });
}

void send(App& app, Fields& fields, const Request& request, Reply reply, TrackingBody body) {
  if (!ok(fields, reply)) return;
  plain_command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body));
}

Texts read_params(Fields& fields) {
  Texts params;
  for (auto& [key, value] : fields.pairs("params"))
    if (!params.emplace(key, std::move(value)).second)
      fields.set_error({ErrorCode::invalid_argument,
                        "Duplicate parameter keys have been submitted: ['" + key +
                            "']. Please ensure the request contains only one param value per param "
                            "key.",
                        "params"});
  return params;
}

void create(App& app, Fields& fields, const Request& request, Reply reply) {
  auto random = to_string(app.context.ids->next(app.context.clock->now()));
  std::erase(random, '-');
  NewLoggedModel body{.logged_model_id = "m-" + random,
                      .experiment_id = read_experiment_id(fields, Need::required),
                      .name = fields.text("name"),
                      .source_run_id = fields.text("source_run_id"),
                      .model_type = fields.text("model_type"),
                      .params = read_params(fields),
                      .tags = fields.map("tags"),
                      .artifact_uri = {}};
  if (body.name.empty()) body.name = random_name();
  const auto id = body.logged_model_id;
  send_for_model(app, fields, request, std::move(reply), std::move(body), id);
}

std::string model_id(const Request& request) { return std::string(request.param("model_id")); }

void get(App& app, Fields&, const Request& request, Reply reply) {
  const auto deleted = request.query("allow_deleted");
  answer_query(app, std::move(reply), std::string(request.query("as_of").value_or("")),
               [id = model_id(request), also = deleted && *deleted == "true"](
                   const QueryContext& q) { return model_json(q, id, also); });
}

std::string read_status(Fields& fields) {
  if (!fields.has("status")) (void)fields.text("status", Need::required);
  const auto text = fields.enumerator("status");
  if (text == "LOGGED_MODEL_PENDING" || text == "1") return "pending";
  if (text == "LOGGED_MODEL_READY" || text == "2") return "ready";
  if (text == "LOGGED_MODEL_UPLOAD_FAILED" || text == "3") return "upload_failed";
  fields.set_error({ErrorCode::invalid_argument,
                    "Invalid value \"" + text +
                        "\" for parameter 'status' supplied: it must be one of "
                        "LOGGED_MODEL_PENDING, LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED",
                    "status"});
  return {};
}

void finalize(App& app, Fields& fields, const Request& request, Reply reply) {
  SetLoggedModelStatus body{model_id(request), read_status(fields)};
  const auto id = body.logged_model_id;
  send_for_model(app, fields, request, std::move(reply), std::move(body), id);
}

void remove(App& app, Fields& fields, const Request& request, Reply reply) {
  send(app, fields, request, std::move(reply), DeleteLoggedModel{model_id(request)});
}

void set_tags(App& app, Fields& fields, const Request& request, Reply reply) {
  TagLoggedModel body{model_id(request), fields.map("tags")};
  send(app, fields, request, std::move(reply), std::move(body));
}

void delete_tag(App& app, Fields& fields, const Request& request, Reply reply) {
  send(app, fields, request, std::move(reply),
       UntagLoggedModel{model_id(request), std::string(request.param("tag_key"))});
}

void log_params(App& app, Fields& fields, const Request& request, Reply reply) {
  LogLoggedModelParams body{model_id(request), read_params(fields)};
  send(app, fields, request, std::move(reply), std::move(body));
}

}  // namespace
}  // namespace logged_models_routes

void add_logged_model_routes(App& app, http::Router& router) {
  using namespace logged_models_routes;
  const std::string one = "logged-models/{model_id}";
  add_route(app, router, Method::post, "logged-models", create);
  add_route(app, router, Method::get, one, get);
  add_route(app, router, Method::patch, one, finalize);
  add_route(app, router, Method::delete_, one, remove);
  add_route(app, router, Method::patch, one + "/tags", set_tags);
  add_route(app, router, Method::delete_, one + "/tags/{tag_key*}", delete_tag);
  add_route(app, router, Method::post, one + "/params", log_params);
}

}  // namespace mlforge::gateway::mlflow
