// What is known of things that another MLflow server held before: the events that make them say
// when they came here, these say when they were made and changed there. vocabulary.hpp lists it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- stream experiments/all

struct ExperimentImported : JsonEvent<1> {
  static constexpr std::string_view type = "experiment.imported";
  std::string experiment_id;
  TimeUs creation_time = 0, last_update_time = 0;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentImported::experiment_id),
                     field("creation_time", &ExperimentImported::creation_time),
                     field("last_update_time", &ExperimentImported::last_update_time)};
  }
};
// ---------------------------------------------------------------- stream logged_model/<id>

struct LoggedModelImported : JsonEvent<1> {
  static constexpr std::string_view type = "logged_model.imported";
  TimeUs creation_time = 0, last_update_time = 0;
  static constexpr auto fields() {
    return FieldList{field("creation_time", &LoggedModelImported::creation_time),
                     field("last_update_time", &LoggedModelImported::last_update_time)};
  }
};
// ---------------------------------------------------------------- stream model/<name>

struct VersionTimes {
  std::uint64_t version = 0;
  TimeUs creation_time = 0, last_update_time = 0;
  bool operator==(const VersionTimes&) const = default;
  static constexpr auto fields() {
    return FieldList{field("version", &VersionTimes::version),
                     field("creation_time", &VersionTimes::creation_time),
                     field("last_update_time", &VersionTimes::last_update_time)};
  }
};
// A model, and those of its versions that the same command made or changed.
struct ModelImported : JsonEvent<1> {
  static constexpr std::string_view type = "model.imported";
  TimeUs creation_time = 0, last_update_time = 0;
  std::vector<VersionTimes> versions;
  static constexpr auto fields() {
    return FieldList{field("creation_time", &ModelImported::creation_time),
                     field("last_update_time", &ModelImported::last_update_time),
                     field("versions", &ModelImported::versions)};
  }
};
}  // namespace mlforge
