// Endpoints, predictions, promotion by the short name, drift.
#include <simdjson.h>

#include "actors/ask.hpp"
#include "events/checks.hpp"
#include "gateway/flusher.hpp"
#include "gateway/gates.hpp"
#include "gateway/handlers.hpp"
#include "gateway/metrics.hpp"
#include "gateway/table_routes.hpp"
#include "gateway/waits.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway {
namespace {

using actors::DeploymentBody;
using actors::Outcome;
using http::Reply;
using http::Request;

// What the endpoint names must be there.
Status check_endpoint(const App& app, const CreateEndpoint& endpoint) {
  const auto model = state_for_write<ModelState>(app, "model/" + endpoint.model);
  if (!model) return model.error();
  if (!model->exists) return not_there("model", "registered model", endpoint.model);
  if (endpoint.retrain_pipeline.empty()) return {};
  const auto pipeline =
      state_for_write<PipelineState>(app, "pipeline/" + endpoint.retrain_pipeline);
  if (!pipeline) return pipeline.error();
  if (pipeline->version == 0)
    return not_there("retrain_pipeline", "pipeline", endpoint.retrain_pipeline);
  return {};
}

void create_endpoint(App& app, const Request& request, Reply reply) {
  auto body = read_body<CreateEndpoint>(request, reply);
  if (!body) return;
  if (auto bad = check_endpoint(app, *body)) return reply.send(*bad);
  const auto& config = app.config;
  if (!body->canary_bp)
    body->canary_bp = static_cast<std::uint64_t>(std::llround(config.canary_traffic_split * 10000));
  if (!body->psi_threshold) body->psi_threshold = config.psi_threshold;
  if (!body->ks_pvalue_threshold) body->ks_pvalue_threshold = config.ks_pvalue_threshold;
  if (!body->drift_window) body->drift_window = config.drift_window;
  submit_and_follow(app, app.managers.deployments, request, std::move(reply),
                    DeploymentBody{*std::move(body)}, 201);
}

void change_split(App& app, const Request& request, Reply reply) {
  auto body = read_body<ChangeSplit>(request, reply);
  if (!body) return;
  body->endpoint = request.param("name");
  submit_and_follow(app, app.managers.deployments, request, std::move(reply),
                    DeploymentBody{*std::move(body)}, 200);
}

struct PredictRequest {
  simdjson::dom::object features;
  std::string_view request_id, subject;
};

// A text of at most 200 bytes that is given once.
Status read_text(std::string_view name, const simdjson::dom::element& value,
                 std::string_view& out) {
  if (out.data()) return invalid(name, "is given twice");
  if (value.get(out)) return invalid(name, "must be a string");
  if (out.size() > 200) return invalid(name, "must have at most 200 bytes");
  return {};
}

// Reads the body in place: this is the hot path, so nothing is copied before the scorer does.
Expected<PredictRequest> parse_predict(std::string_view body) {
  auto root = codec::parse(body);
  if (!root) return root.error();
  simdjson::dom::object object;
  if (root->get(object))
    return Error{ErrorCode::invalid_argument, "the body must be an object", ""};
  PredictRequest out;
  bool has_features = false;
  for (const auto& [key, value] : object) {
    if (key == "features") {
      if (has_features) return invalid("features", "is given twice");
      if (value.get(out.features))
        return invalid("features", "must be an object of feature names and values");
      has_features = true;
    } else if (key == "request_id") {
      if (auto bad = read_text(key, value, out.request_id)) return *bad;
    } else if (key == "subject") {
      if (auto bad = read_text(key, value, out.subject)) return *bad;
      if (out.subject.empty() || has_control(out.subject))
        return invalid(key, "must have 1 to 200 bytes and no control characters");
    } else {
      return Error{ErrorCode::unknown_field,
                   "field '" + std::string(key) +
                       "' is not a field of this request: it has features, request_id and subject",
                   std::string(key)};
    }
  }
  if (!has_features) return invalid("features", "is missing");
  return out;
}

std::string prediction_json(const actors::Prediction& p, std::string_view request_id) {
  std::string out = "{\"prediction\":";
  append_json_int(out, p.label);
  out += ",\"probability\":";
  append_json_double(out, p.probability);
  out += ",\"model_version\":\"";
  out += std::to_string(p.version);
  out += p.challenger ? "\",\"routed_to\":\"challenger\",\"request_id\":"
                      : "\",\"routed_to\":\"champion\",\"request_id\":";
  append_json_string(out, request_id);
  out += '}';
  return out;
}

void predict_on(App& app, const Request& request, Reply reply, std::string_view name) {
  const auto endpoint = app.scorer.find(name);
  if (!endpoint)
    return reply.send(
        name.empty()
            ? Error{ErrorCode::not_found,
                    "there is no default endpoint: create the only one, or one named 'default'", ""}
            : not_found("endpoint", name));
  // An answer that leaves no trace would be worse than none.
  if (const auto stopped = app.log->writable()) return reply.send(*stopped);
  const auto parsed = parse_predict(request.body);
  if (!parsed) return reply.send(parsed.error());
  actors::PredictionRow row;
  const auto subject = subject_of(request);
  if (!subject) return reply.send(subject.error());
  row.request_id = parsed->request_id.empty() ? new_id(app) : std::string(parsed->request_id);
  row.subject = parsed->subject.empty() ? *subject : std::string(parsed->subject);
  row.time = app.context.clock->now();
  const auto prediction = actors::predict(*endpoint, parsed->features, row);
  if (!prediction) return reply.send(prediction.error());
  auto body = prediction_json(*prediction, row.request_id);
  if (auto full = app.predictions.add(endpoint->settings.name, std::move(row)))
    return reply.send(*full);
  app.metrics->predicted(endpoint->settings.name, prediction->version, prediction->challenger);
  app.flusher->kick();
  reply.send(http::Response::json(std::move(body)));
}

struct PromoteBody {
  RawJson version;  // a number, or a text of digits
  std::string endpoint;
  std::string metric = "auc", reason;
  std::optional<double> min_delta;
  static constexpr auto fields() {
    return FieldList{required("version", &PromoteBody::version),
                     field("endpoint", &PromoteBody::endpoint),
                     field("metric", &PromoteBody::metric), field("reason", &PromoteBody::reason),
                     field("min_delta", &PromoteBody::min_delta)};
  }
};

void promote_default(App& app, const Request& request, Reply reply) {
  auto body = read_body<PromoteBody>(request, reply);
  if (!body) return;
  const auto endpoint = app.scorer.find(body->endpoint);
  if (!endpoint)
    return reply.send(not_found("endpoint", body->endpoint.empty() ? "default" : body->endpoint));
  std::string digits = body->version.text;
  std::erase(digits, '"');
  const bool number = !digits.empty() && digits.size() < 19 &&
                      digits.find_first_not_of("0123456789") == digits.npos;
  if (!number || std::stoull(digits) == 0)
    return reply.send(invalid("version", "must be a version number, such as \"4\""));
  run_promotion(app, request, std::move(reply), endpoint->settings.model, std::stoull(digits),
                {body->metric, body->min_delta, body->reason});
}

void latest_drift(App& app, const Request& request, Reply reply, std::string name) {
  if (name.empty())
    if (const auto endpoint = app.scorer.find("")) name = endpoint->settings.name;
  if (name.empty()) return reply.send(not_found("endpoint", "default"));
  run_object_query(app, request, std::move(reply),
                   [name](const QueryContext& q) -> Expected<std::string> {
                     auto row = projections::latest_drift(q.reader, kTenant, name, q.as_of);
                     if (!row) return row.error();
                     return to_json(*row);
                   });
}

}  // namespace

void add_endpoint_routes(App& app, http::Router& router) {
  const auto on = [&app](auto handler) {
    return [&app, handler](const Request& q, Reply r) { handler(app, q, std::move(r)); };
  };
  const std::string endpoints = "/api/v1/endpoints", endpoint = endpoints + "/{name}";
  router.post(endpoints, on(create_endpoint),
              {.summary = "Create an endpoint",
               .tag = "serving",
               .body = json_schema<CreateEndpoint>(),
               .response = outcome_answer(),
               .status = 201});
  router.get(endpoints, list_route(app, projections::list_endpoints),
             {.summary = "List endpoints",
              .tag = "serving",
              .response = page_answer(projections::list_endpoints),
              .query = list_parameters()});
  router.get(endpoint, object_route(app, "name", projections::get_endpoint),
             {.summary = "One endpoint with its counts",
              .tag = "serving",
              .response = object_answer(projections::get_endpoint),
              .query = as_of_parameter()});
  router.post(endpoint + "/split", on(change_split),
              {.summary = "Change the canary's share",
               .tag = "serving",
               .body = json_schema<ChangeSplit>(),
               .response = outcome_answer()});
  const auto drift_of = [](projections::ViewReader& view, std::string_view tenant,
                           const std::string& name, const projections::PageRequest& page)
      -> Expected<projections::Page<projections::DriftRow>> {
    if (auto row = projections::get_endpoint(view, tenant, name, page.as_of); !row)
      return row.error();
    return projections::list_drift(view, tenant, name, page);
  };
  router.get(endpoint + "/drift", list_of_route(app, "name", drift_of),
             {.summary = "Drift reports, newest first",
              .tag = "drift",
              .response = page_answer(projections::list_drift),
              .query = list_parameters()});
  router.get(endpoint + "/drift/latest",
             [&app](const Request& q, Reply r) {
               latest_drift(app, q, std::move(r), std::string(q.param("name")));
             },
             {.summary = "The latest drift report",
              .tag = "drift",
              .response = answer_schema<projections::DriftRow>(),
              .query = as_of_parameter()});
}

void add_serving_routes(App& app, http::Router& router) {
  const http::RouteInfo predict{
      .summary = "Predict",
      .tag = "serving",
      .body =
          R"({"type":"object","required":["features"],"additionalProperties":false,"properties":{"features":{"type":"object","additionalProperties":{"type":["number","string","null"]}},"request_id":{"type":"string"},"subject":{"type":"string"}}})",
      .response = object_answer_of({{"prediction", "integer"},
                                    {"probability", "number"},
                                    {"model_version", "string"},
                                    {"routed_to", R"({"enum":["champion","challenger"]})"},
                                    {"request_id", "string"}}),
      .hot = true,
      .headers = {write_header("X-Mlforge-Subject")},
      .reads_write_headers = false};
  router.post(
      "/predict", [&app](const Request& q, Reply r) { predict_on(app, q, std::move(r), ""); },
      predict);
  router.post(
      "/api/v1/endpoints/{name}/predict",
      [&app](const Request& q, Reply r) { predict_on(app, q, std::move(r), q.param("name")); },
      predict);
  router.post("/promote",
              [&app](const Request& q, Reply r) { promote_default(app, q, std::move(r)); },
              {.summary = "Promote a version of the default endpoint's model",
               .tag = "serving",
               .body = json_schema<PromoteBody>(),
               .response = promotion_answer()});
  router.get("/drift/latest",
             [&app](const Request& q, Reply r) { latest_drift(app, q, std::move(r), ""); },
             {.summary = "The latest drift report of the default endpoint",
              .tag = "drift",
              .response = answer_schema<projections::DriftRow>(),
              .query = as_of_parameter()});
}

}  // namespace mlforge::gateway
