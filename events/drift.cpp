#include "events/drift.hpp"

#include <algorithm>

#include "events/checks.hpp"

namespace mlforge {

Expected<Events> decide(const DriftState& state, const RecordDriftReport& c) {
  if (c.report.first_position <= state.last_position && state.last) return Events{};
  return Events{c.report};
}

Expected<Events> decide(const DriftState& state, const RaiseDriftAlert& c) {
  if (state.alerted.contains(c.report_id)) return Events{};
  if (!state.last || state.last->report_id != c.report_id)
    return not_found("drift report", c.report_id);
  DriftAlertRaised e{.report_id = c.report_id, .psi_threshold = c.psi_threshold};
  auto features = state.last->features;
  std::stable_sort(features.begin(), features.end(),
                   [](const auto& a, const auto& b) { return a.psi > b.psi; });
  for (const auto& each : features)
    if (each.psi > c.psi_threshold) e.features.push_back(each.feature);
  if (e.features.empty()) return Events{};
  e.worst_psi = features.front().psi;
  return Events{e};
}

Expected<Events> decide(const DriftState& state, const TriggerRetraining& c) {
  if (!state.alerted.contains(c.report_id)) return not_found("drift alert for report", c.report_id);
  if (state.retrained.contains(c.report_id)) return Events{};
  if (c.model_version != 0 && state.retrained_version == c.model_version) return Events{};
  return Events{RetrainingTriggered{.report_id = c.report_id,
                                    .pipeline = c.pipeline,
                                    .pipeline_run_id = c.pipeline_run_id,
                                    .model_version = c.model_version}};
}

void evolve(DriftState& state, const DriftReported& e) {
  state.last_position = e.last_position;
  state.last = e;
}
void evolve(DriftState& state, const DriftAlertRaised& e) { state.alerted.insert(e.report_id); }
void evolve(DriftState& state, const RetrainingTriggered& e) {
  state.retrained.insert(e.report_id);
  state.retrained_version = e.model_version;
}

}  // namespace mlforge
