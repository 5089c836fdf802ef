// The part of the vocabulary that is about drift; vocabulary.hpp lists it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- drift, stream drift/<endpoint>

struct FeatureDrift {
  std::string feature, kind;  // numeric, categorical, prediction
  double psi = 0;
  std::string test;  // ks, chi2
  double statistic = 0, p_value = 1;
  std::string severity;  // stable, investigate, alert
  bool operator==(const FeatureDrift&) const = default;
  static constexpr auto fields() {
    return FieldList{field("feature", &FeatureDrift::feature),
                     field("kind", &FeatureDrift::kind),
                     field("psi", &FeatureDrift::psi),
                     field("test", &FeatureDrift::test),
                     field("statistic", &FeatureDrift::statistic),
                     field("p_value", &FeatureDrift::p_value),
                     field("severity", &FeatureDrift::severity)};
  }
};

struct DriftReported : JsonEvent<1> {
  static constexpr std::string_view type = "drift.reported";
  std::string report_id;
  std::uint64_t model_version = 0;                 // whose training data is the reference
  Position first_position = 0, last_position = 0;  // the prediction events in the window
  std::uint64_t predictions = 0;
  std::string severity;  // the worst of the features
  bool triggered = false;
  std::vector<FeatureDrift> features;
  static constexpr auto fields() {
    return FieldList{field("report_id", &DriftReported::report_id),
                     field("model_version", &DriftReported::model_version),
                     field("first_position", &DriftReported::first_position),
                     field("last_position", &DriftReported::last_position),
                     field("predictions", &DriftReported::predictions),
                     field("severity", &DriftReported::severity),
                     field("triggered", &DriftReported::triggered),
                     field("features", &DriftReported::features)};
  }
};

struct DriftAlertRaised : JsonEvent<1> {
  static constexpr std::string_view type = "drift.alert_raised";
  std::string report_id;
  double psi_threshold = 0;
  std::vector<std::string> features;  // those over the threshold, worst first
  double worst_psi = 0;
  static constexpr auto fields() {
    return FieldList{field("report_id", &DriftAlertRaised::report_id),
                     field("psi_threshold", &DriftAlertRaised::psi_threshold),
                     field("features", &DriftAlertRaised::features),
                     field("worst_psi", &DriftAlertRaised::worst_psi)};
  }
};

struct RetrainingTriggered : JsonEvent<1> {
  static constexpr std::string_view type = "drift.retraining_triggered";
  std::string report_id, pipeline, pipeline_run_id;
  std::uint64_t model_version = 0;  // the champion whose data drifted
  static constexpr auto fields() {
    return FieldList{field("report_id", &RetrainingTriggered::report_id),
                     field("pipeline", &RetrainingTriggered::pipeline),
                     field("pipeline_run_id", &RetrainingTriggered::pipeline_run_id),
                     field("model_version", &RetrainingTriggered::model_version)};
  }
};

}  // namespace mlforge
