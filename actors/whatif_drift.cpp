#include <fmt/format.h>

#include "actors/whatif_replay.hpp"

namespace mlforge::actors {
namespace {

std::string follow_text(const std::string& severity, bool alert, bool retraining) {
  return severity + (alert ? ", alert raised" : "") + (retraining ? ", retraining started" : "");
}

std::string worst_text(const DriftReported& report) {
  const FeatureDrift* worst = nullptr;
  for (const auto& each : report.features)
    if (!worst || each.psi > worst->psi) worst = &each;
  return worst ? fmt::format("worst PSI {:.6g} (", worst->psi) + worst->feature + ")"
               : "no feature";
}

std::uint64_t below(const DriftReported& report, double threshold) {
  std::uint64_t n = 0;
  for (const auto& each : report.features) n += each.p_value < threshold;
  return n;
}

}  // namespace

void DriftReplay::report(const EventView& e, const DriftReported& event, bool applies) {
  const auto recorded = config_.value_or(EndpointCreated{});
  Seen seen{.row = what_if_row(e, "drift", "endpoint " + endpoint_ + ", report " + event.report_id),
            .report = event,
            .psi_recorded = recorded.psi_threshold,
            .psi = applies ? policy_.psi_threshold.value_or(recorded.psi_threshold)
                           : recorded.psi_threshold};
  DriftReported would = event;
  // Without another threshold the recorded judgement stands, to the letter.
  if (seen.psi != recorded.psi_threshold) judge_drift(would, {.psi = seen.psi});
  seen.severity = would.severity;
  const auto events = decide(other_, RecordDriftReport{endpoint_, would});
  if (events)
    for (const auto& each : *events) fold(other_, each);
  if (!applies) return;
  significant_ += below(event, recorded.ks_pvalue_threshold);
  would_be_significant_ +=
      below(event, policy_.ks_pvalue_threshold.value_or(recorded.ks_pvalue_threshold));
  if (would.triggered) would_follow(would, seen);
  seen_.push_back(std::move(seen));
}

// What the rules do after a report: the alert, and the retraining where a pipeline is named.
void DriftReplay::would_follow(const DriftReported& report, Seen& seen) {
  const auto alert = decide(other_, RaiseDriftAlert{endpoint_, report.report_id, seen.psi});
  if (!alert || alert->empty()) return;
  for (const auto& each : *alert) fold(other_, each);
  seen.would_alert = true;
  if (!config_ || config_->retrain_pipeline.empty()) return;
  const auto retraining =
      decide(other_, TriggerRetraining{endpoint_, report.report_id, config_->retrain_pipeline, ""});
  if (!retraining || retraining->empty()) return;
  for (const auto& each : *retraining) fold(other_, each);
  seen.would_retrain = true;
}

void DriftReplay::add(const EventView& e, const Event& event, bool applies,
                      std::set<std::string>& absent_runs) {
  if (const auto* reported = get_if<DriftReported>(&event)) return report(e, *reported, applies);
  const auto* alert = get_if<DriftAlertRaised>(&event);
  const auto* retraining = get_if<RetrainingTriggered>(&event);
  const std::string id = alert ? alert->report_id : retraining ? retraining->report_id : "";
  for (auto& each : seen_) {
    if (each.report.report_id != id) continue;
    (alert ? each.alerted : each.retrained) = true;
    if (retraining && !each.would_retrain) absent_runs.insert(retraining->pipeline_run_id);
    return;
  }
  fold(other_, event);  // follows a report from before the policy holds
}

void DriftReplay::finish(WhatIfRows& rows, std::vector<std::string>& unknown) const {
  std::uint64_t added = 0;
  for (const auto& each : seen_) {
    auto row = each.row;
    row.decided = follow_text(each.report.severity, each.alerted, each.retrained);
    row.would_be = follow_text(each.severity, each.would_alert, each.would_retrain);
    row.differs = row.decided != row.would_be;
    row.why = worst_text(each.report) + ", threshold " + number_text(each.psi);
    if (each.psi != each.psi_recorded) row.why += " instead of " + number_text(each.psi_recorded);
    added += each.would_retrain && !each.retrained;
    rows.push_back(std::move(row));
  }
  if (added)
    unknown.push_back("endpoint " + endpoint_ + ": " + std::to_string(added) +
                      " more retraining(s) would have run; what they would have trained was never "
                      "trained, so no decision on it can be shown");
  if (policy_.ks_pvalue_threshold)
    unknown.push_back("endpoint " + endpoint_ + ": " + std::to_string(would_be_significant_) +
                      " features would be below the p-value threshold instead of " +
                      std::to_string(significant_) +
                      "; p-values are reported beside the PSI and decide nothing alone");
}

}  // namespace mlforge::actors
