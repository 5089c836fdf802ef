// Drift reports per endpoint, with the alert and the retraining that followed.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct AlertRow {
  double psi_threshold = 0;
  std::vector<std::string> features;  // worst first
  double worst_psi = 0;
  Position position = 0;
  std::string event_id, time;
  static constexpr auto fields() {
    return FieldList{
        field("psi_threshold", &AlertRow::psi_threshold), field("features", &AlertRow::features),
        field("worst_psi", &AlertRow::worst_psi),         field("position", &AlertRow::position),
        field("event_id", &AlertRow::event_id),           field("time", &AlertRow::time)};
  }
};

struct RetrainingRow {
  std::string pipeline, pipeline_run_id;
  std::uint64_t model_version = 0;
  Position position = 0;
  std::string event_id, time;
  static constexpr auto fields() {
    return FieldList{field("pipeline", &RetrainingRow::pipeline),
                     field("pipeline_run_id", &RetrainingRow::pipeline_run_id),
                     field("model_version", &RetrainingRow::model_version),
                     field("position", &RetrainingRow::position),
                     field("event_id", &RetrainingRow::event_id),
                     field("time", &RetrainingRow::time)};
  }
};

struct DriftRow {
  std::string endpoint;
  std::string report_id;
  std::uint64_t model_version = 0;
  Position first_position = 0, last_position = 0;
  std::uint64_t predictions = 0;
  std::string severity;
  bool triggered = false;
  std::vector<FeatureDrift> features;
  Position position = 0;
  std::string event_id, time;
  std::optional<AlertRow> alert;
  std::optional<RetrainingRow> retraining;
  static constexpr auto fields() {
    return FieldList{field("endpoint", &DriftRow::endpoint),
                     field("report_id", &DriftRow::report_id),
                     field("model_version", &DriftRow::model_version),
                     field("first_position", &DriftRow::first_position),
                     field("last_position", &DriftRow::last_position),
                     field("predictions", &DriftRow::predictions),
                     field("severity", &DriftRow::severity),
                     field("triggered", &DriftRow::triggered),
                     field("features", &DriftRow::features),
                     field("report_position", &DriftRow::position),
                     field("event_id", &DriftRow::event_id),
                     field("time", &DriftRow::time),
                     field("alert", &DriftRow::alert),
                     field("retraining", &DriftRow::retraining)};
  }
};

// Versioned: "report" by endpoint and id. Plain, newest first: "reports" of an endpoint.
class DriftProjection : public Dispatch<DriftProjection> {
 public:
  static constexpr std::string_view kName = "drift";
  static constexpr std::uint32_t kVersion = 2;
  void on(ViewWriter& view, const EventView& envelope, const DriftReported& event);
  void on(ViewWriter& view, const EventView& envelope, const DriftAlertRaised& event);
  void on(ViewWriter& view, const EventView& envelope, const RetrainingTriggered& event);
};

}  // namespace mlforge::projections
