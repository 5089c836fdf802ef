#include "events/registry.hpp"

#include <algorithm>
#include <cmath>

#include "events/checks.hpp"

namespace mlforge {
namespace {

Status check_version(const ModelState& state, const std::string& model, std::uint64_t version) {
  if (!state.exists) return not_found("registered model", model);
  if (!state.version(version))
    return not_found("version of model '" + model + "'", std::to_string(version));
  return {};
}

void change_stage(Events& events, const ModelState& state, std::uint64_t version, std::string to,
                  const std::string& reason) {
  events.push_back(ModelStageChanged{.version = version,
                                     .from = state.version(version)->stage,
                                     .to = std::move(to),
                                     .reason = reason});
}

void set_alias(Events& events, const ModelState& state, std::string_view alias,
               std::uint64_t version, const std::string& reason) {
  const auto previous = state.alias(alias);
  if (previous == version) return;
  events.push_back(ModelAliasSet{
      .alias = std::string(alias), .version = version, .previous = previous, .reason = reason});
}

void remove_alias_of(Events& events, const ModelState& state, std::string_view alias,
                     std::uint64_t version, const std::string& reason) {
  if (state.alias(alias) != version) return;
  events.push_back(
      ModelAliasRemoved{.alias = std::string(alias), .previous = version, .reason = reason});
}

Status check_transition(const std::string& from, const std::string& to) {
  if (to != "None" && to != "Staging" && to != "Production" && to != "Archived")
    return invalid("stage", "must be one of None, Staging, Production, Archived");
  if (to == "Production")
    return Error{
        ErrorCode::refused,
        "a version reaches Production by a promotion, which weighs it against the champion",
        "stage"};
  if (to == "None")
    return Error{ErrorCode::conflict, "a version never goes back to stage None", "stage"};
  if (from == "Production" && to == "Staging")
    return Error{ErrorCode::conflict,
                 "a version in Production goes to Archived, not back to Staging", "stage"};
  return {};
}

std::string name_of(const Promote& c) {
  return "version " + std::to_string(c.version) + " of model '" + c.model + "'";
}

// Whether the challenger may replace the champion, as a decision with its figures.
ModelPromotionDecided weigh(const ModelState& state, const Promote& c) {
  const auto champion = state.alias(kChampion);
  ModelPromotionDecided d{.version = c.version,
                          .champion = champion,
                          .metric = c.metric,
                          .required_delta = c.min_delta};
  d.challenger_value = state.version(c.version)->metrics.at(c.metric);
  if (!state.version(c.version)->gate.value_or(false)) {
    d.reason = "its gate has failed checks";
    if (const auto* other = state.version(champion)) {
      const auto value = other->metrics.find(c.metric);
      d.champion_value = value == other->metrics.end() ? 0 : value->second;
    }
    return d;
  }
  if (champion == 0) {
    d.approved = true;
    d.reason = "there is no champion yet";
    return d;
  }
  const auto& theirs = state.version(champion)->metrics;
  const auto value = theirs.find(c.metric);
  d.champion_value = value == theirs.end() ? 0 : value->second;
  d.approved = d.challenger_value - d.champion_value >= c.min_delta;
  d.reason =
      d.approved ? "better by at least the required delta" : "not better by the required delta";
  return d;
}

}  // namespace

const ModelVersionState* ModelState::version(std::uint64_t number) const {
  if (number < 1 || number > versions.size() || versions[number - 1].deleted) return nullptr;
  return &versions[number - 1];
}

std::uint64_t ModelState::alias(std::string_view name) const {
  const auto at = aliases.find(std::string(name));
  return at == aliases.end() ? 0 : at->second;
}

std::uint64_t find_same_version(const ModelState& state, const CreateModelVersion& c) {
  const auto same = [&](const ModelVersionState& v) {
    if (v.deleted || v.run_id != c.run_id || v.pipeline_run_id != c.pipeline_run_id ||
        v.artifacts != c.artifacts)
      return false;
    return !c.pipeline_run_id.empty() ||
           (v.dataset == c.dataset && v.dataset_version == c.dataset_version &&
            v.metrics == c.metrics && v.params == c.params);
  };
  const auto at = std::find_if(state.versions.begin(), state.versions.end(), same);
  return at == state.versions.end() ? 0 : std::uint64_t(at - state.versions.begin()) + 1;
}

Expected<Events> decide(const ModelState& state, const RegisterModel& c) {
  if (auto bad = check_name("name", c.name, kMostModelNameBytes)) return *bad;
  if (state.exists)
    return Error{ErrorCode::already_exists, "registered model '" + c.name + "' already exists",
                 "name"};
  return Events{ModelRegistered{.name = c.name, .description = c.description}};
}

Expected<Events> decide(const ModelState& state, const CreateModelVersion& c) {
  if (auto bad = check_name("model", c.model, kMostModelNameBytes)) return *bad;
  if (c.artifacts.empty()) return invalid("artifacts", "must name at least one file");
  for (const auto& file : c.artifacts) {
    if (auto bad = check_path("artifacts.path", file.path)) return *bad;
    if (auto bad = check_digest("artifacts.digest", file.digest)) return *bad;
  }
  for (const auto& [key, value] : c.metrics)
    if (!std::isfinite(value)) return invalid("metrics." + key, "must be a finite number");
  if (find_same_version(state, c) != 0) return Events{};
  Events events;
  if (!state.exists) events.push_back(ModelRegistered{.name = c.model});
  events.push_back(ModelVersionCreated{.version = state.versions.size() + 1,
                                       .run_id = c.run_id,
                                       .pipeline_run_id = c.pipeline_run_id,
                                       .dataset = c.dataset,
                                       .dataset_version = c.dataset_version,
                                       .artifacts = c.artifacts,
                                       .metrics = c.metrics,
                                       .params = c.params});
  return events;
}

Expected<Events> decide(const ModelState& state, const SetAlias& c) {
  if (auto bad = check_version(state, c.model, c.version)) return *bad;
  if (auto bad = check_name("alias", c.alias)) return *bad;
  if (c.alias.find_first_not_of("0123456789") == c.alias.npos)
    return invalid("alias", "must not be digits only, which are read as a version's number");
  if (c.alias == kChampion)
    return Error{ErrorCode::refused, "the alias champion moves by a promotion", "alias"};
  if (const auto& stage = state.version(c.version)->stage;
      c.alias == kChallenger && stage != "Staging")
    return Error{ErrorCode::refused,
                 "the alias challenger is served, so its version must be in Staging, and version " +
                     std::to_string(c.version) + " is in stage " + stage,
                 "alias"};
  if (c.expected && *c.expected != state.alias(c.alias))
    return Error{ErrorCode::conflict,
                 "alias '" + c.alias + "' points to version " +
                     std::to_string(state.alias(c.alias)) + ", not to the expected " +
                     std::to_string(*c.expected),
                 "expected"};
  Events events;
  set_alias(events, state, c.alias, c.version, c.reason);
  return events;
}

Expected<Events> decide(const ModelState& state, const RemoveAlias& c) {
  if (!state.exists) return not_found("registered model", c.model);
  if (state.alias(c.alias) == 0) return not_found("alias of model '" + c.model + "'", c.alias);
  if (c.alias == kChampion)
    return Error{ErrorCode::refused, "the alias champion moves by a promotion", "alias"};
  Events events;
  remove_alias_of(events, state, c.alias, state.alias(c.alias), c.reason);
  return events;
}

Expected<Events> decide(const ModelState& state, const TransitionStage& c) {
  if (auto bad = check_version(state, c.model, c.version)) return *bad;
  const auto& from = state.version(c.version)->stage;
  if (from == c.stage) return Events{};
  if (auto bad = check_transition(from, c.stage)) return *bad;
  Events events;
  change_stage(events, state, c.version, c.stage, c.reason);
  if (c.stage == "Staging") set_alias(events, state, kChallenger, c.version, "entered Staging");
  if (c.stage == "Archived") {
    remove_alias_of(events, state, kChallenger, c.version, "archived");
    remove_alias_of(events, state, kChampion, c.version, "archived");
  }
  return events;
}

Expected<Events> decide(const ModelState& state, const RecordGate& c) {
  if (auto bad = check_version(state, c.model, c.version)) return *bad;
  const bool passed =
      std::all_of(c.checks.begin(), c.checks.end(), [](const Check& each) { return each.passed; });
  return Events{ModelGateEvaluated{.version = c.version, .passed = passed, .checks = c.checks}};
}

bool more_is_better(std::string_view metric) {
  constexpr std::string_view kLess[] = {"loss",       "error", "err",   "mae", "mse",
                                        "rmse",       "mape",  "brier", "std", "logloss",
                                        "perplexity", "fp",    "fn"};
  constexpr std::string_view kMore[] = {
      "auc", "aucpr", "ap",   "precision",   "recall",      "f1",  "accuracy", "acc",  "r2",
      "mcc", "kappa", "gini", "sensitivity", "specificity", "map", "ndcg",     "lift", "score"};
  bool more = false;
  while (!metric.empty()) {
    const auto end = std::min(metric.find_first_of("_-./ "), metric.size());
    std::string word(metric.substr(0, end));
    for (char& c : word)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (std::find(std::begin(kLess), std::end(kLess), word) != std::end(kLess)) return false;
    more = more || std::find(std::begin(kMore), std::end(kMore), word) != std::end(kMore);
    metric.remove_prefix(std::min(end + 1, metric.size()));
  }
  return more;
}

Status check_gate_metric(std::string_view metric) {
  if (more_is_better(metric)) return {};
  return invalid("metric",
                 "must be one of which more is better, such as auc, average_precision or "
                 "f1, got '" +
                     std::string(metric) + "'");
}

Status check_promotion(const ModelState& state, const Promote& c) {
  if (auto bad = check_version(state, c.model, c.version)) return bad;
  if (!(c.min_delta >= 0 && c.min_delta <= 1))
    return invalid("min_delta", "must be a number from 0 to 1");
  const auto& version = *state.version(c.version);
  const auto name = name_of(c);
  if (version.stage == "Production") return conflict(name + " is already in Production");
  if (version.stage != "Staging")
    return conflict(name + " is in stage " + version.stage + ": move it to Staging first");
  if (!version.metrics.contains(c.metric))
    return Error{ErrorCode::conflict, name + " has no metric '" + c.metric + "' to be weighed by",
                 "metric"};
  if (auto bad = check_gate_metric(c.metric)) return bad;
  const auto* champion = state.version(state.alias(kChampion));
  if (champion && !champion->metrics.contains(c.metric))
    return Error{ErrorCode::conflict,
                 "the champion, version " + std::to_string(state.alias(kChampion)) +
                     ", has no metric '" + c.metric +
                     "' to be weighed against: name another one, or archive the champion first",
                 "metric"};
  return {};
}

Expected<Events> decide(const ModelState& state, const Promote& c) {
  if (auto bad = check_promotion(state, c)) return *bad;
  if (!state.version(c.version)->gate)
    return conflict(name_of(c) + " has not been through a gate: evaluate its gate first");
  const auto decision = weigh(state, c);
  Events events{decision};
  const std::string& reason = c.reason.empty() ? decision.reason : c.reason;
  if (!decision.approved) {
    change_stage(events, state, c.version, "Archived", decision.reason);
    remove_alias_of(events, state, kChallenger, c.version, decision.reason);
    return events;
  }
  change_stage(events, state, c.version, "Production", reason);
  if (decision.champion)
    change_stage(events, state, decision.champion, "Archived",
                 "replaced by version " + std::to_string(c.version));
  remove_alias_of(events, state, kChallenger, c.version, "promoted");
  set_alias(events, state, kChampion, c.version, reason);
  return events;
}

void evolve(ModelState& state, const ModelRegistered& e) {
  state.exists = true;
  state.description = e.description;
  state.tags = e.tags;
}
void evolve(ModelState& state, const ModelVersionCreated& e) {
  // Of an imported model some numbers may be gone.
  while (state.versions.size() + 1 < e.version) state.versions.push_back({.deleted = true});
  state.versions.push_back({.run_id = e.run_id,
                            .pipeline_run_id = e.pipeline_run_id,
                            .dataset = e.dataset,
                            .dataset_version = e.dataset_version,
                            .artifacts = e.artifacts,
                            .metrics = e.metrics,
                            .params = e.params,
                            .gate = std::nullopt,
                            .description = e.description,
                            .tags = e.tags,
                            .source = e.source});
}
void evolve(ModelState& state, const ModelGateEvaluated& e) {
  if (state.version(e.version)) state.versions[e.version - 1].gate = e.passed;
}
void evolve(ModelState& state, const ModelStageChanged& e) {
  if (state.version(e.version)) state.versions[e.version - 1].stage = e.to;
}
void evolve(ModelState& state, const ModelAliasSet& e) { state.aliases[e.alias] = e.version; }
void evolve(ModelState& state, const ModelAliasRemoved& e) { state.aliases.erase(e.alias); }
void evolve(ModelState&, const ModelPromotionDecided&) {
}  // what it changes, the stage and alias events say

}  // namespace mlforge
