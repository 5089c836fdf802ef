// Drift: reports over windows of predictions, alerts, and the retraining that an alert triggers.
#pragma once
#include <deque>
#include <set>

#include "events/vocabulary.hpp"

namespace mlforge {

struct DriftState {
  Position last_position = 0;  // the last prediction event that a report covered
  std::optional<DriftReported> last;
  std::deque<DriftReported> triggered;  // the newest reports that called for an alert, at most 32
  std::set<std::string> alerted;        // reports that raised an alert
  std::set<std::string> retrained;      // reports whose alert triggered a retraining
  std::uint64_t retrained_version = 0;  // the champion that the last retraining was to replace
  std::string retraining;               // the pipeline run of that retraining
};

struct RecordDriftReport {
  std::string endpoint;
  DriftReported report;
};

// Raises the alert that the report calls for.
struct RaiseDriftAlert {
  std::string endpoint, report_id;
  double psi_threshold = 0.2;
};

struct TriggerRetraining {
  std::string endpoint, report_id, pipeline, pipeline_run_id;
  std::string given_up = {};  // a retraining that came to nothing: it failed, or lost its promotion
};

// Nothing where it is not among those kept.
const DriftReported* find_report(const DriftState& state, std::string_view report_id);

// One champion is retrained once, however many windows drift: the next retraining waits for the
// next champion, or until the last one is given up. A report that covers predictions which an
// earlier one covered already is no event; neither is a second alert or a second retraining for one
// report: the rules may run again after a crash.
Expected<Events> decide(const DriftState& state, const RecordDriftReport& command);
Expected<Events> decide(const DriftState& state, const RaiseDriftAlert& command);
Expected<Events> decide(const DriftState& state, const TriggerRetraining& command);

void evolve(DriftState& state, const DriftReported& event);
void evolve(DriftState& state, const DriftAlertRaised& event);
void evolve(DriftState& state, const RetrainingTriggered& event);

}  // namespace mlforge
