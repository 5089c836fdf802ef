#include "events/drift.hpp"

#include <algorithm>

#include "events/checks.hpp"

namespace mlforge {

const DriftReported* find_report(const DriftState& state, std::string_view report_id) {
  for (const auto& each : state.triggered)
    if (each.report_id == report_id) return &each;
  return nullptr;
}

Expected<Events> decide(const DriftState& state, const RecordDriftReport& c) {
  if (c.report.first_position <= state.last_position && state.last) return Events{};
  return Events{c.report};
}

Expected<Events> decide(const DriftState& state, const RaiseDriftAlert& c) {
  if (state.alerted.contains(c.report_id)) return Events{};
  const auto* report = find_report(state, c.report_id);
  if (!report) return not_found("drift report that calls for an alert", c.report_id);
  DriftAlertRaised e{.report_id = c.report_id, .psi_threshold = c.psi_threshold};
  auto features = report->features;
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
  const auto* report = find_report(state, c.report_id);
  if (!report) return not_found("drift report that calls for an alert", c.report_id);
  const bool given_up = !c.given_up.empty() && c.given_up == state.retraining;
  if (state.retrained_version == report->model_version && !given_up) return Events{};
  return Events{RetrainingTriggered{.report_id = c.report_id,
                                    .pipeline = c.pipeline,
                                    .pipeline_run_id = c.pipeline_run_id,
                                    .model_version = report->model_version}};
}

void evolve(DriftState& state, const DriftReported& e) {
  state.last_position = e.last_position;
  state.last = e;
  if (!e.triggered) return;
  state.triggered.push_back(e);
  if (state.triggered.size() > 32) state.triggered.pop_front();
}
void evolve(DriftState& state, const DriftAlertRaised& e) { state.alerted.insert(e.report_id); }
void evolve(DriftState& state, const RetrainingTriggered& e) {
  state.retrained.insert(e.report_id);
  state.retrained_version = e.model_version;
  state.retraining = e.pipeline_run_id;
}

}  // namespace mlforge
