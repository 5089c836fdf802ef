#include <algorithm>
#include <cmath>

#include "actors/whatif_replay.hpp"
#include "events/json.hpp"

namespace mlforge::actors {
namespace {

std::string failed_checks(const std::vector<Check>& checks) {
  std::string out;
  for (const auto& each : checks) {
    if (each.passed) continue;
    out += out.empty() ? "" : "; ";
    out += each.name + ": " + each.observed + ", expected " + each.expected;
  }
  return out;
}

bool all_passed(const std::vector<Check>& checks) {
  return std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.passed; });
}

const Check* find_check(const std::vector<Check>& checks, std::string_view name) {
  for (const auto& each : checks)
    if (each.name == name) return &each;
  return nullptr;
}

// The number of "at least 0.85"; nothing where the text says something else.
std::optional<double> bound_of(const Check* check) {
  constexpr std::string_view kWords = "at least ";
  if (!check || !check->expected.starts_with(kWords)) return std::nullopt;
  const auto value = from_json<double>(check->expected.substr(kWords.size()), Unknown::refuse);
  return value ? std::optional<double>(*value) : std::nullopt;
}

std::optional<Figures> figures_of_champion(const ModelState& state, std::uint64_t but) {
  const auto* champion = state.version(state.alias(kChampion));
  if (!champion || state.alias(kChampion) == but) return std::nullopt;
  return champion->metrics;
}

// The policy that a recorded gate was evaluated by, from what its checks expected.
GatePolicy policy_of(const ModelGateEvaluated& gate, const ModelState& state) {
  GatePolicy policy{.minimum = -HUGE_VAL};
  const auto* minimum = find_check(gate.checks, "metric_minimum");
  if (minimum) policy.metric = minimum->column;
  policy.minimum = bound_of(minimum).value_or(policy.minimum);
  const auto bound = bound_of(find_check(gate.checks, "no_regression"));
  const auto champion = figures_of_champion(state, gate.version);
  if (bound && champion)
    if (const auto at = champion->find(policy.metric); at != champion->end())
      policy.max_regression = std::round((at->second - *bound) * 1e12) / 1e12;
  return policy;
}

std::string decision_text(const ModelPromotionDecided& d) {
  return d.approved ? "promoted" : "refused";
}

std::string figures_text(const ModelPromotionDecided& d) {
  std::string out = d.metric + " " + number_text(d.challenger_value);
  if (d.champion)
    out += " against " + number_text(d.champion_value) + " of version " +
           std::to_string(d.champion) + ", required lead " + number_text(d.required_delta);
  return d.reason + " (" + out + ")";
}

}  // namespace

std::string number_text(double value) {
  std::string out;
  append_json_double(out, value);
  return out;
}

WhatIfRow what_if_row(const EventView& e, std::string kind, std::string subject) {
  return {.position = e.position,
          .time = format_time(e.time),
          .kind = std::move(kind),
          .subject = std::move(subject)};
}

std::string ModelReplay::version_text(std::uint64_t version) const {
  return name_ + " version " + std::to_string(version);
}

void ModelReplay::note_champions() {
  champions_.model = name_;
  const auto note = [](std::vector<std::uint64_t>& line, std::uint64_t champion) {
    if (line.empty() ? champion != 0 : line.back() != champion) line.push_back(champion);
  };
  note(champions_.decided, log_.alias(kChampion));
  note(champions_.would_be, other_.alias(kChampion));
}

void ModelReplay::created(const EventView& e, const ModelVersionCreated& event,
                          const std::set<std::string>& absent_runs, WhatIfRows& rows) {
  // It keeps its number: those after it are known by theirs.
  evolve(other_, event);
  if (event.pipeline_run_id.empty() || !absent_runs.contains(event.pipeline_run_id)) return;
  absent_.insert(event.version);
  auto row = what_if_row(e, "version", version_text(event.version));
  row.decided = "created";
  row.would_be = "not trained";
  row.why = "the retraining that made it would not have been";
  row.differs = true;
  rows.push_back(std::move(row));
}

void ModelReplay::gate(const EventView& e, const ModelGateEvaluated& event, WhatIfRows& rows) {
  auto row = what_if_row(e, "gate", version_text(event.version));
  row.decided = event.passed ? "passed" : "failed";
  if (absent_.contains(event.version)) {
    row.would_be = "no decision";
    row.why = "the version would not have been trained";
  } else if (const auto* version = other_.version(event.version)) {
    auto policy = policy_of(event, log_);
    policy.minimum = policy_.gate_minimum.value_or(policy.minimum);
    policy.max_regression = policy_.gate_max_regression.value_or(policy.max_regression);
    auto checks = event.checks;
    for (const auto& fresh :
         evaluate_figures(version->metrics, figures_of_champion(other_, event.version), policy))
      for (auto& each : checks)
        if (each.name == fresh.name && std::isfinite(policy.minimum)) each = fresh;
    const bool passed = checks.empty() ? event.passed : all_passed(checks);
    evolve(other_, ModelGateEvaluated{.version = event.version, .passed = passed});
    row.would_be = passed ? "passed" : "failed";
    row.why = passed ? (event.passed ? "" : "before: " + failed_checks(event.checks))
                     : failed_checks(checks);
  }
  row.differs = row.decided != row.would_be;
  rows.push_back(std::move(row));
}

void ModelReplay::promotion(const EventView& e, const ModelPromotionDecided& event,
                            WhatIfRows& rows) {
  Promote command{.model = name_,
                  .version = event.version,
                  .metric = event.metric,
                  .min_delta = event.required_delta};
  if (const auto again = decide(log_, command)) consequences_ = again->size() - 1;
  auto row = what_if_row(e, "promotion", version_text(event.version));
  row.decided = decision_text(event);
  command.min_delta = policy_.min_improvement.value_or(event.required_delta);
  const auto events = absent_.contains(event.version)
                          ? Expected<Events>(Error{ErrorCode::conflict,
                                                   "the version would not have been trained", ""})
                          : decide(other_, command);
  if (!events) {
    row.would_be = "no decision";
    row.why = events.error().message;
    row.differs = true;
  } else {
    for (const auto& each : *events) fold(other_, each);
    const auto& would = get<ModelPromotionDecided>(events->front());
    row.would_be = decision_text(would);
    row.why = figures_text(would);
    row.differs = would.approved != event.approved;
    // The same word, but against another champion.
    if (!row.differs && would.champion != event.champion) {
      row.why += "; in the log it was weighed against " +
                 (event.champion ? "version " + std::to_string(event.champion)
                                 : std::string("no champion"));
      row.differs = would.approved;
    }
  }
  rows.push_back(std::move(row));
}

std::optional<TransitionStage> ModelReplay::as_transition(const Event& event) const {
  const auto* changed = get_if<ModelStageChanged>(&event);
  if (!changed) return std::nullopt;
  return TransitionStage{
      .model = name_, .version = changed->version, .stage = changed->to, .reason = changed->reason};
}

// Answers false where the log's own state does not lead to such events by this command.
template <class Command>
bool ModelReplay::command(const EventView& e, const Command& command, std::string kind,
                          std::string done, WhatIfRows& rows) {
  const auto again = decide(log_, command);
  if (!again || again->empty()) return false;
  consequences_ = again->size() - 1;
  auto row = what_if_row(e, std::move(kind), name_);
  row.decided = std::move(done);
  const auto events = decide(other_, command);
  if (events) {
    for (const auto& each : *events) fold(other_, each);
    return true;
  }
  row.would_be = "not possible";
  row.why = events.error().message;
  row.differs = true;
  rows.push_back(std::move(row));
  return true;
}

void ModelReplay::add(const EventView& e, const Event& event, bool applies,
                      const std::set<std::string>& absent_runs, WhatIfRows& rows) {
  bool taken = false;
  if (consequences_ > 0) {
    --consequences_;
    taken = true;
  } else if (applies) {
    taken = true;
    if (const auto* c = get_if<ModelVersionCreated>(&event)) {
      created(e, *c, absent_runs, rows);
    } else if (const auto* g = get_if<ModelGateEvaluated>(&event)) {
      gate(e, *g, rows);
    } else if (const auto* p = get_if<ModelPromotionDecided>(&event)) {
      promotion(e, *p, rows);
    } else if (const auto to = as_transition(event)) {
      taken = absent_.contains(to->version) ||
              command(e, *to, "stage",
                      "version " + std::to_string(to->version) + " to " + to->stage, rows);
    } else if (const auto* set = get_if<ModelAliasSet>(&event)) {
      taken = absent_.contains(set->version) ||
              command(e,
                      SetAlias{.model = name_,
                               .alias = set->alias,
                               .version = set->version,
                               .reason = set->reason,
                               .expected = std::nullopt},
                      "alias", set->alias + " to version " + std::to_string(set->version), rows);
    } else if (const auto* gone = get_if<ModelAliasRemoved>(&event)) {
      taken = command(e, RemoveAlias{name_, gone->alias, gone->reason}, "alias",
                      gone->alias + " removed", rows);
    } else {
      taken = false;
    }
  }
  if (!taken) fold(other_, event);
  fold(log_, event);
  if (consequences_ == 0) note_champions();
}

}  // namespace mlforge::actors
