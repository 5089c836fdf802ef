#include "gateway/gates.hpp"

#include "actors/ask.hpp"
#include "actors/gate.hpp"
#include "events/checks.hpp"

namespace mlforge::gateway {
namespace {

using actors::Outcome;
using actors::RegistryBody;

// One command of several that a single request makes: each has its own id, derived from the
// request's.
actors::CommandMeta part(actors::CommandMeta meta, std::string_view name) {
  const auto bare = storage::bare_command_id(meta.command_id).size();
  if (bare > 0) meta.command_id.insert(bare, ":" + std::string(name));
  return meta;
}

Status check_share(std::string_view field, const std::optional<double>& value) {
  if (!value || (*value >= 0 && *value <= 1)) return {};
  return invalid(field, "must be a number from 0 to 1");
}

// A request that is refused for its form leaves no gate behind. One that was promoted already is
// answered as it was then.
Status check_form(App& app, const actors::CommandMeta& meta, const Promote& command) {
  if (const auto told = part(meta, "promote").command_id;
      !told.empty() && app.log->find_command(meta.tenant, told))
    return {};
  const auto state = state_for_write<ModelState>(app, "model/" + command.model);
  return state ? check_promotion(*state, command) : state.error();
}

// Runs on a worker: reads the artifacts, then records what it found.
Expected<Outcome> evaluate(App& app, const actors::CommandMeta& meta, const std::string& model,
                           std::uint64_t version, const GateRequest& gate) {
  const auto loaded = state_for_write<ModelState>(app, "model/" + model);
  if (!loaded) return loaded.error();
  const ModelState& state = *loaded;
  if (!state.exists) return not_found("registered model", model);
  const auto* candidate = state.version(version);
  if (!candidate) return not_found("version of model '" + model + "'", std::to_string(version));
  std::optional<Figures> champion;
  if (const auto* other = state.version(state.alias(kChampion)); other && other != candidate)
    champion = other->metrics;
  const double usual = gate.metric == GateRequest{}.metric ? app.config.gate_min_auc : 0;
  const actors::GatePolicy policy{gate.metric, gate.minimum.value_or(usual),
                                  gate.max_regression.value_or(app.config.gate_max_regression)};
  auto checks = actors::evaluate_gate(candidate->artifacts, candidate->metrics, champion, policy,
                                      *app.blobs, meta.tenant);
  return actors::ask<RegistryBody>(app.managers.registry, part(meta, "gate"),
                                   RecordGate{model, version, std::move(checks)});
}

std::string gate_json(const Outcome& outcome) {
  const auto* e = outcome.find<ModelGateEvaluated>();
  if (!e) return outcome_json(outcome);
  return outcome_json(outcome, json_member("version", e->version) + "," +
                                   json_member("passed", e->passed) + "," +
                                   json_member("checks", e->checks));
}

std::string decision_json(const ModelPromotionDecided& d) {
  return json_member("promoted", d.approved) + "," + json_member("version", d.version) + "," +
         json_member("champion", d.champion) + "," + json_member("metric", d.metric) + "," +
         json_member("challenger_value", d.challenger_value) + "," +
         json_member("champion_value", d.champion_value) + "," +
         json_member("required_delta", d.required_delta) + "," + json_member("reason", d.reason);
}

std::string figure(double value) {
  std::string out;
  append_json_double(out, value);
  return out;
}

// The error shape with the figures beside it.
http::Response refused(const Outcome& outcome, const ModelPromotionDecided& d,
                       std::string_view correlation_id) {
  const std::string message = "version " + std::to_string(d.version) + " has " + d.metric + " " +
                              figure(d.challenger_value) + ", the champion (version " +
                              std::to_string(d.champion) + ") " + figure(d.champion_value) +
                              "; the required lead is " + figure(d.required_delta) + ": " +
                              d.reason + ", so it is archived";
  std::string body = "{\"error\":{" + json_member("code", std::string_view("refused")) + "," +
                     json_member("message", std::string_view(message)) + ",\"details\":{" +
                     decision_json(d) + "," + json_member("position", outcome.position) + "}," +
                     json_member("correlation_id", correlation_id) + "}}";
  return http::Response::json(std::move(body), 409);
}

}  // namespace

void run_gate(App& app, const http::Request& request, http::Reply reply, std::string model,
              std::uint64_t version, GateRequest gate) {
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  if (auto bad = check_gate_metric(gate.metric)) return reply.send(*bad);
  if (auto bad = check_share("minimum", gate.minimum)) return reply.send(*bad);
  if (auto bad = check_share("max_regression", gate.max_regression)) return reply.send(*bad);
  run_blocking(app, std::move(reply),
               [&app, meta = *meta, model, version, gate](http::Reply answer) {
                 auto outcome = evaluate(app, meta, model, version, gate);
                 if (outcome)
                   answer.send(http::Response::json(gate_json(*outcome)));
                 else
                   answer.send(outcome.error());
               });
}

void run_promotion(App& app, const http::Request& request, http::Reply reply, std::string model,
                   std::uint64_t version, PromoteRequest promote) {
  auto meta = command_meta(request);
  if (!meta) return reply.send(meta.error());
  run_blocking(
      app, std::move(reply),
      [&app, meta = *meta, model, version, promote](http::Reply answer) mutable {
        Promote command{model, version, promote.metric,
                        promote.min_delta.value_or(app.config.promotion_min_delta), promote.reason};
        if (const auto bad = check_form(app, meta, command)) return answer.send(*bad);
        // By the AUC, whatever the promotion is weighed by: naming another metric opens no gate.
        const auto gate = evaluate(app, meta, model, version, {});
        if (!gate) return answer.send(gate.error());
        for (auto& condition : meta.conditions)
          if (condition.stream == "model/" + model) condition.version += gate->events.size();
        auto outcome = actors::ask<RegistryBody>(app.managers.registry, part(meta, "promote"),
                                                 std::move(command));
        if (!outcome) return answer.send(outcome.error());
        const auto* decision = outcome->find<ModelPromotionDecided>();
        if (!decision)
          return answer.send(Error{ErrorCode::internal, "the promotion left no decision", ""});
        auto response = decision->approved
                            ? http::Response::json(outcome_json(*outcome, decision_json(*decision)))
                            : refused(*outcome, *decision, answer.request().correlation_id);
        auto shared = std::make_shared<http::Reply>(std::move(answer));
        app.ruled.when(outcome->position, [shared, response] { shared->send(response); });
      });
}

std::string gate_answer() {
  return outcome_answer(
      {{"version", "integer", false},
       {"passed", "boolean", false},
       {"checks", json_schema<decltype(ModelGateEvaluated::checks), schema::Numbers::any>(),
        false}});
}

std::string promotion_answer() {
  const auto value = json_schema<double, schema::Numbers::any>();
  return outcome_answer({{"promoted", "boolean"},
                         {"version", "integer"},
                         {"champion", "integer"},
                         {"metric", "string"},
                         {"challenger_value", value},
                         {"champion_value", value},
                         {"required_delta", value},
                         {"reason", "string"}});
}

}  // namespace mlforge::gateway
