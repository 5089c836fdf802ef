// deploy: endpoints, their canary share, predictions.
#include <cmath>
#include <iostream>

#include "events/deployment.hpp"
#include "gateway/cli/groups.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace deploy_group {
namespace {

using projections::EndpointRow;

const std::string kEndpoints = "/api/v1/endpoints";

struct Options {
  std::string name, reason, as_of, features, request_id;
  std::optional<double> canary;
  double share = 0;
  CreateEndpoint create;
  ListOptions list;
};

std::uint64_t basis_points(double share) {
  return static_cast<std::uint64_t>(std::llround(share * 10'000));
}

int create(const Session& s, const Options& o) {
  CreateEndpoint command = o.create;
  if (o.canary) command.canary_bp = basis_points(*o.canary);
  const auto answer = s.api().post(kEndpoints, to_json(command));
  if (!answer) return s.fail(answer.error());
  if (s.json)
    s.line(*answer);
  else
    s.line("endpoint '" + command.name + "' serves model '" + command.model + "'");
  return kOk;
}

int list(const Session& s, const Options& o) {
  return show_page(
      s, s.api().get_as<projections::Page<EndpointRow>>(kEndpoints + o.list.query().text()),
      Table({{"NAME"},
             {"MODEL"},
             {"CHALLENGER'S SHARE", true},
             {"ACTIVE"},
             {"PREDICTIONS", true},
             {"RETRAINED BY"}}),
      "there are no endpoints", [](Table& table, const EndpointRow& row) {
        table.row({row.name, row.model, share_text(row.canary_bp), pairs_text(row.active),
                   std::to_string(row.predictions), row.retrain_pipeline});
      });
}

int show(const Session& s, const Options& o) {
  Query query;
  query.add("as_of", o.as_of);
  return s.show(s.api().get_as<EndpointRow>(kEndpoints + "/" + escape(o.name) + query.text()),
                [&](const EndpointRow& row) {
                  s.facts({{"endpoint", row.name},
                           {"model", row.model},
                           {"active versions", pairs_text(row.active)},
                           {"challenger's share", share_text(row.canary_bp)},
                           {"split by", row.unit},
                           {"experiment", row.experiment_id},
                           {"retrained by", row.retrain_pipeline},
                           {"drift window", std::to_string(row.drift_window) + " predictions"},
                           {"PSI threshold", number_text(row.psi_threshold)},
                           {"p-value threshold", number_text(row.ks_pvalue_threshold)},
                           {"predictions", std::to_string(row.predictions)},
                           {"by route", pairs_text(row.predictions_by_route)},
                           {"by version", pairs_text(row.predictions_by_version)},
                           {"created", time_text(row.created_time) + " by " + row.actor}});
                });
}

int split(const Session& s, const Options& o) {
  const ChangeSplit command{.canary_bp = basis_points(o.share), .reason = o.reason};
  const auto answer = s.api().post(kEndpoints + "/" + escape(o.name) + "/split", to_json(command));
  if (!answer) return s.fail(answer.error());
  if (s.json)
    s.line(*answer);
  else
    s.line("the challenger gets " + share_text(command.canary_bp) + " of '" + o.name + "'");
  return kOk;
}

struct Prediction {
  std::int64_t prediction = 0;
  double probability = 0;
  std::string model_version, routed_to, request_id;
  static constexpr auto fields() {
    return FieldList{field("prediction", &Prediction::prediction),
                     field("probability", &Prediction::probability),
                     field("model_version", &Prediction::model_version),
                     field("routed_to", &Prediction::routed_to),
                     field("request_id", &Prediction::request_id)};
  }
};

// What tells a whole request from bare features.
struct Shape {
  std::optional<RawJson> features, request_id;
  static constexpr auto fields() {
    return FieldList{field("features", &Shape::features), field("request_id", &Shape::request_id)};
  }
};

Expected<std::string> request_body(const std::string& text, const std::string& request_id) {
  const auto shape = from_json<Shape>(text, Unknown::skip);
  if (!shape)
    return Error{ErrorCode::malformed, "the features are no JSON object: " + shape.error().message,
                 "features"};
  const bool whole = shape->features && shape->features->text.starts_with('{');
  if (whole && shape->request_id && !request_id.empty())
    return Error{ErrorCode::invalid_argument,
                 "the request has a request_id already: leave --request-id or the one in it out",
                 "request_id"};
  std::string id;
  if (!request_id.empty()) {
    id = ",\"request_id\":";
    append_json_string(id, request_id);
  }
  if (!whole) return "{\"features\":" + text + id + "}";
  return text.substr(0, text.rfind('}')) + id + "}";
}

Expected<Answer<Prediction>> predict_one(Api& api, const Options& o, const std::string& text) {
  const auto body = request_body(text, o.request_id);
  if (!body) return body.error();
  const auto target = o.name.empty() ? "/predict" : kEndpoints + "/" + escape(o.name) + "/predict";
  return api.post_as<Prediction>(target, *body);
}

// From stdin: one request a line, one answer a line, in order.
int predict_lines(const Session& s, const Options& o) {
  Api api = s.api();
  std::string line;
  while (std::getline(s.io.in, line)) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto answer = predict_one(api, o, line);
    if (!answer) return s.fail(answer.error());
    s.line(answer->json);
  }
  return kOk;
}

int predict(const Session& s, const Options& o) {
  if (o.features == "-" && !o.request_id.empty())
    return s.fail({ErrorCode::invalid_argument,
                   "--request-id is of one request: with - each line may have its own request_id",
                   "request_id"});
  if (o.features == "-") return predict_lines(s, o);
  Api api = s.api();
  return s.show(predict_one(api, o, o.features), [&](const Prediction& p) {
    s.facts({{"prediction", std::to_string(p.prediction)},
             {"probability", number_text(p.probability)},
             {"model version", p.model_version},
             {"routed to", p.routed_to},
             {"request id", p.request_id}});
  });
}

void add_create(CLI::App& group, Session& s, const std::shared_ptr<Options>& o) {
  auto* c = s.remote(group, "create", "Create an endpoint for a model",
                     "  mlforge deploy create income --model adult --canary 0.1 --retrain adult",
                     [&s, o] { return create(s, *o); });
  auto& command = o->create;
  c->add_option("endpoint", command.name, "Name of the endpoint")->required();
  c->add_option("--model", command.model, "Whose champion and challenger it serves")->required();
  c->add_option("--canary", o->canary, "Share of the challenger (default: as the server is set)")
      ->type_name("0..1")
      ->check(CLI::Range(0.0, 1.0));
  c->add_option("--retrain", command.retrain_pipeline, "Pipeline that an alert of drift starts");
  c->add_option("--experiment-id", command.experiment_id, "Goes into the split's hash");
  c->add_option("--unit", command.unit, "By what the split is made: request_id or a feature")
      ->capture_default_str();
  c->add_option("--drift-window", command.drift_window, "Predictions weighed at a time")
      ->type_name("N");
  c->add_option("--psi-threshold", command.psi_threshold, "PSI above which a feature drifted");
  c->add_option("--ks-pvalue-threshold", command.ks_pvalue_threshold,
                "p-value below which a test counts");
}

}  // namespace
}  // namespace deploy_group

void add_deploy_commands(CLI::App& root, Session& s) {
  using namespace deploy_group;
  auto* group = s.group(root, "deploy", "Endpoints: champion, challenger, predictions");
  const auto o = std::make_shared<Options>();
  add_create(*group, s, o);
  auto* c = s.remote(*group, "list", "All endpoints", "  mlforge deploy list",
                     [&s, o] { return list(s, *o); });
  o->list.add_to(*c);
  c = s.remote(*group, "show", "One endpoint with its counts", "  mlforge deploy show income",
               [&s, o] { return show(s, *o); });
  c->add_option("endpoint", o->name, "Name of the endpoint")->required();
  add_as_of(*c, o->as_of);
  c = s.remote(*group, "split", "Change the challenger's share",
               "  mlforge deploy split income 0.25 --reason 'it did well at 10 %'",
               [&s, o] { return split(s, *o); });
  c->add_option("endpoint", o->name, "Name of the endpoint")->required();
  c->add_option("share", o->share, "From 0 to 1")->required()->check(CLI::Range(0.0, 1.0));
  c->add_option("--reason", o->reason, "Why; it stands in the event");
  c = s.remote(*group, "predict", "Ask an endpoint",
               "  mlforge deploy predict '{\"age\": 39, \"education\": \"Bachelors\"}'\n"
               "  mlforge deploy predict --endpoint income - < requests.jsonl",
               [&s, o] { return predict(s, *o); });
  c->add_option("features", o->features, "JSON of the features; -: one request a line from stdin")
      ->required();
  c->add_option("--endpoint", o->name, "Name of the endpoint (default: the only one)");
  c->add_option("--request-id", o->request_id, "By which the split is made");
}

}  // namespace mlforge::gateway::cli
