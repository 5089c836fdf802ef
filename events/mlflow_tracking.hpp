// Experiments and runs by MLflow's rules: what its tracking API asks for, decided on the same
// states as the native commands. Refusals carry MLflow's own sentences.
#pragma once
#include <optional>
#include <utility>

#include "events/tracking.hpp"

namespace mlforge {

// The experiment that is there from the start. It stands in the log from its first use on.
inline constexpr const char* kDefaultExperiment = "0";

// Where artifacts lie that no client has given another place: below "<root>/<experiment>".
std::string default_artifact_location(std::string_view experiment_id);

struct NewExperiment {
  std::string name, artifact_location;  // location empty: below the root
  Texts tags;
  std::string artifact_root;  // filled by the manager; empty: default_artifact_location
  static constexpr auto fields() { return FieldList{personal("tags", &NewExperiment::tags)}; }
};
struct RenameExperiment {
  std::string experiment_id, name;
};
struct DeleteExperiment {
  std::string experiment_id;
};
struct RestoreExperiment {
  std::string experiment_id;
};
struct TagExperiment {
  std::string experiment_id;
  Texts tags;
  static constexpr auto fields() { return FieldList{personal("tags", &TagExperiment::tags)}; }
};
struct UntagExperiment {
  std::string experiment_id, key;
};
// Puts the default experiment into the log; nothing where it is there.
struct EnsureDefaultExperiment {
  std::string artifact_root;  // as NewExperiment's
  static constexpr const char* experiment_id = kDefaultExperiment;
};

Expected<Events> decide(const ExperimentsState& state, const NewExperiment& command);
Expected<Events> decide(const ExperimentsState& state, const RenameExperiment& command);
Expected<Events> decide(const ExperimentsState& state, const DeleteExperiment& command);
Expected<Events> decide(const ExperimentsState& state, const RestoreExperiment& command);
Expected<Events> decide(const ExperimentsState& state, const TagExperiment& command);
Expected<Events> decide(const ExperimentsState& state, const UntagExperiment& command);
Expected<Events> decide(const ExperimentsState& state, const EnsureDefaultExperiment& command);

// What a command on a run knows of the run's experiment: the manager fills it.
struct ExperimentFacts {
  bool deleted = false;
  std::uint64_t generation = 0;  // Experiment::restored
};

// Hidden with its experiment, until it is restored alone, or deleted since that was last restored.
bool is_deleted(const RunState& state, const ExperimentFacts& experiment);

struct NewRun {
  std::string run_id;  // drawn by the manager where empty
  std::string experiment_id, user_id, name;
  Texts tags;
  TimeUs start_time = 0;
  std::string artifact_uri;  // filled by the manager
  static constexpr auto fields() {
    return FieldList{personal("user_id", &NewRun::user_id), personal("name", &NewRun::name),
                     personal("tags", &NewRun::tags)};
  }
};

// Metrics, params and tags in one piece: all of it or nothing.
struct LogBatch {
  struct Metric {
    std::string key;
    double value = 0;
    std::int64_t timestamp = 0, step = 0;  // milliseconds
    std::string model_id, dataset_name, dataset_digest;
  };
  std::string run_id;
  std::vector<Metric> metrics;
  std::vector<std::pair<std::string, std::string>> params, tags;
  bool single = false;  // of log-metric, log-parameter, set-tag: other words in the refusals
  ExperimentFacts experiment;
  static constexpr auto fields() {
    return FieldList{personal("params", &LogBatch::params), personal("tags", &LogBatch::tags)};
  }
};

struct UntagRun {
  std::string run_id, key;
  ExperimentFacts experiment;
};
// What is absent stays.
struct UpdateRun {
  std::string run_id;
  std::optional<std::string> status;  // running, scheduled, finished, failed, killed
  std::optional<TimeUs> end_time;
  std::string name;  // empty: stays
  ExperimentFacts experiment;
  static constexpr auto fields() { return FieldList{personal("name", &UpdateRun::name)}; }
};
struct DeleteRun {
  std::string run_id;
  ExperimentFacts experiment;
};
struct RestoreRun {
  std::string run_id;
  ExperimentFacts experiment;
};
struct LogInputs {
  std::string run_id;
  std::vector<DatasetUse> datasets;
  std::vector<ModelLink> models;  // inputs and outputs
  ExperimentFacts experiment;
};
// Of clients before 3.0: one more entry in the tag that lists the run's models.
struct RecordModel {
  std::string run_id;
  std::string model;  // a JSON object
  ExperimentFacts experiment;
};
struct RemoveRunArtifact {
  std::string run_id, path;  // of a file, or of a folder with all that is in it; empty: everything
};

Expected<Events> decide(const RunState& state, const NewRun& command);
Expected<Events> decide(const RunState& state, const LogBatch& command);
Expected<Events> decide(const RunState& state, const UntagRun& command);
Expected<Events> decide(const RunState& state, const UpdateRun& command);
Expected<Events> decide(const RunState& state, const DeleteRun& command);
Expected<Events> decide(const RunState& state, const RestoreRun& command);
Expected<Events> decide(const RunState& state, const LogInputs& command);
Expected<Events> decide(const RunState& state, const RecordModel& command);
Expected<Events> decide(const RunState& state, const RemoveRunArtifact& command);

}  // namespace mlforge
