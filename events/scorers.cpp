#include "events/scorers.hpp"

#include "events/compaction.hpp"
#include "events/mlflow_checks.hpp"

namespace mlforge {

Error no_scorer(std::string_view experiment_id, std::string_view name,
                std::optional<std::uint64_t> version) {
  std::string text = "Scorer with name '" + std::string(name) + "'";
  if (version) text += " and version " + std::to_string(*version);
  text += " not found for experiment " + std::string(experiment_id) + ".";
  return {ErrorCode::not_found, std::move(text), "name"};
}

Expected<Events> decide(const ScorersState& state, const RegisterScorer& c) {
  if (c.scorer_name.find_first_not_of(" \t\r\n\v\f") == std::string::npos)
    return mlflow::refuse("Scorer name cannot be empty or contain only whitespace.", "name");
  if (auto bad = mlflow::check_length("name", kMaxScorerName, c.scorer_name)) return *bad;
  const auto at = state.by_name.find(c.scorer_name);
  const bool known = at != state.by_name.end();
  const auto last = known && !at->second.versions.empty() ? *at->second.versions.rbegin() : 0;
  return Events{ScorerRegistered{.name = c.scorer_name,
                                 .scorer_id = known ? at->second.scorer_id : c.scorer_id,
                                 .version = last + 1,
                                 .serialized = c.serialized,
                                 .time_ms = c.time / 1000}};
}

Expected<Events> decide(const ScorersState& state, const DeleteScorer& c) {
  const auto at = state.by_name.find(c.scorer_name);
  if (at == state.by_name.end()) return no_scorer(c.experiment_id, c.scorer_name);
  const auto& versions = at->second.versions;
  if (c.version ? !versions.contains(*c.version) : versions.empty())
    return no_scorer(c.experiment_id, c.scorer_name, c.version);
  return Events{ScorerDeleted{.name = c.scorer_name, .version = c.version.value_or(0)}};
}

Expected<Events> decide(const ScorersState& state, const ConfigureOnlineScoring& c) {
  if (!(c.sample_rate >= 0 && c.sample_rate <= 1))
    return mlflow::refuse("sample_rate must be between 0.0 and 1.0, got " + to_json(c.sample_rate),
                          "sample_rate");
  const auto at = state.by_name.find(c.scorer_name);
  if (at == state.by_name.end()) return no_scorer(c.experiment_id, c.scorer_name);
  // Models of a gateway are what MLflow scores with on its own, and there is no gateway here.
  if (c.sample_rate > 0 && !at->second.versions.empty())
    return mlflow::refuse("Scorer '" + c.scorer_name +
                              "' does not use a gateway model. Automatic evaluation is only "
                              "supported for scorers that use gateway models.",
                          "sample_rate");
  ScorerOnlineConfigured e{.name = c.scorer_name,
                           .scorer_id = at->second.scorer_id,
                           .config_id = c.config_id,
                           .sample_rate = c.sample_rate,
                           .filter = c.filter};
  if (const auto& old = at->second.online;
      old && old->sample_rate == e.sample_rate && old->filter == e.filter)
    return Events{};
  return Events{std::move(e)};
}

void evolve(ScorersState& state, const ScorerRegistered& e) {
  auto& scorer = state.by_name[e.name];
  scorer.scorer_id = e.scorer_id;
  scorer.versions.insert(e.version);
}
void evolve(ScorersState& state, const ScorerDeleted& e) {
  const auto at = state.by_name.find(e.name);
  if (at == state.by_name.end()) return;
  if (e.version == 0)
    state.by_name.erase(at);
  else
    at->second.versions.erase(e.version);
}
void evolve(ScorersState& state, const ScorerOnlineConfigured& e) {
  const auto at = state.by_name.find(e.name);
  if (at != state.by_name.end()) at->second.online = e;
}

Compacted compact(const ScorersState& s) {
  Compacted out;
  for (const auto& [name, scorer] : s.by_name) {
    for (const auto version : scorer.versions)
      out.events.push_back(
          ScorerRegistered{.name = name, .scorer_id = scorer.scorer_id, .version = version});
    if (scorer.versions.empty()) {
      out.events.push_back(
          ScorerRegistered{.name = name, .scorer_id = scorer.scorer_id, .version = 1});
      out.events.push_back(ScorerDeleted{.name = name, .version = 1});
    }
    if (scorer.online) out.events.push_back(*scorer.online);
  }
  return out;
}

}  // namespace mlforge
