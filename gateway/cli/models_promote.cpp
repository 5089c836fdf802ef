// Promotion: the decision and its figures, whichever way it goes.
#include "events/vocabulary.hpp"
#include "gateway/cli/models.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace {

using projections::ModelRow;
using projections::ModelVersionRow;

struct PromoteRequest {
  std::string metric, reason;
  std::optional<double> min_delta;
  static constexpr auto fields() {
    return FieldList{field("metric", &PromoteRequest::metric),
                     field("reason", &PromoteRequest::reason),
                     field("min_delta", &PromoteRequest::min_delta)};
  }
};

// {"error":{"details":{...}}} of a refusal; `details` is kept as JSON.
struct Refusal {
  struct Inner {
    RawJson details;
    static constexpr auto fields() { return FieldList{field("details", &Inner::details)}; }
  };
  Inner error;
  static constexpr auto fields() { return FieldList{field("error", &Refusal::error)}; }
};

}  // namespace

Expected<std::string> only_model(Api& api) {
  const auto page = api.get_as<projections::Page<ModelRow>>("/api/v1/models");
  if (!page) return page.error();
  const auto& items = page->value.items;
  if (items.size() == 1) return items.front().name;
  std::vector<std::string> names;
  for (const auto& each : items) names.push_back(each.name);
  if (names.empty())
    return Error{ErrorCode::not_found, "there is no registered model yet", "model"};
  return Error{ErrorCode::invalid_argument, "name the model, one of " + join_text(names), "model"};
}

namespace {

int print_decision(const Session& s, const std::string& model, const std::string& json,
                   bool promoted) {
  if (s.json) {
    s.line(json);
    return kOk;
  }
  const auto d = from_json<ModelPromotionDecided>(json, Unknown::skip);
  if (!d) return s.fail(d.error());
  const bool had = d->champion != 0;
  s.facts({{"model", model},
           {"decision", promoted ? "promoted" : "refused"},
           {"version", std::to_string(d->version) + " with " + d->metric + " " +
                           number_text(d->challenger_value)},
           {"champion", had ? std::to_string(d->champion) + " with " + d->metric + " " +
                                  number_text(d->champion_value)
                            : "none before"},
           {"difference", had ? number_text(d->challenger_value - d->champion_value) +
                                    ", required " + number_text(d->required_delta)
                              : ""},
           {"reason", d->reason}});
  return kOk;
}

}  // namespace

int promote_model(const Session& s, const PromoteOptions& options) {
  Api api = s.api();
  const auto model = options.model.empty() ? only_model(api) : Expected<std::string>(options.model);
  if (!model) return s.fail(model.error());
  const auto versions = "/api/v1/models/" + escape(*model) + "/versions/";
  const auto wanted = options.version.empty() ? "challenger" : options.version;
  const auto version = api.get_as<ModelVersionRow>(versions + escape(wanted));
  if (!version) return s.fail(version.error());
  const auto response = api.request(
      http::Method::post, versions + std::to_string(version->value.version) + "/promote",
      to_json(PromoteRequest{options.metric, options.reason, options.min_delta}), http::kJson);
  if (!response) return s.fail(response.error());
  if (response->ok()) return print_decision(s, *model, response->body, true);
  if (response->status == 409)
    if (const auto refusal = from_json<Refusal>(response->body, Unknown::skip);
        refusal && refusal->error.details.text != "null")
      if (const int bad = print_decision(s, *model, refusal->error.details.text, false)) return bad;
  return s.fail(error_of(*response));
}

void add_promote_options(CLI::App& command, PromoteOptions& options) {
  command.add_option("--metric", options.metric, "By which they are weighed")
      ->capture_default_str();
  command.add_option("--min-delta", options.min_delta,
                     "By how much it must be better (default: as the server is set)");
  command.add_option("--reason", options.reason, "Why; it stands in the event");
}

}  // namespace mlforge::gateway::cli
