// Experiments and runs.
#pragma once
#include <map>
#include <optional>
#include <set>

#include "events/vocabulary.hpp"

namespace mlforge {

struct Experiment {
  std::string name, artifact_location;
  Texts tags;
  bool deleted = false;
  std::uint64_t restored = 0;       // how often
  bool logged = true;               // false: the default experiment, which no event has named yet
  TimeUs created = 0, updated = 0;  // of ExperimentImported
};

// Experiment "0", Default, is there from the start.
struct ExperimentsState {
  std::map<std::string, std::string> id_by_name{{"Default", "0"}};
  std::map<std::string, Experiment> by_id{{"0", {.name = "Default", .logged = false}}};
  std::uint64_t next_id = 1;
};

struct CreateExperiment {
  std::string name;
  static constexpr auto fields() { return FieldList{required("name", &CreateExperiment::name)}; }
};

Expected<Events> decide(const ExperimentsState& state, const CreateExperiment& command);
void evolve(ExperimentsState& state, const ExperimentCreated& event);
void evolve(ExperimentsState& state, const ExperimentRenamed& event);
void evolve(ExperimentsState& state, const ExperimentDeleted& event);
void evolve(ExperimentsState& state, const ExperimentRestored& event);
void evolve(ExperimentsState& state, const ExperimentTagsSet& event);
void evolve(ExperimentsState& state, const ExperimentTagRemoved& event);

struct RunState {
  bool exists = false;
  std::string experiment_id;
  std::string status;  // running, scheduled, finished, failed, killed
  TimeUs end_time = 0;
  Texts params, tags;
  std::map<std::string, FileRef> artifacts;
  std::vector<RunInputLogged> inputs;
  std::set<std::pair<std::string, std::string>> datasets;  // name and digest
  std::vector<ModelLink> models;
  std::optional<std::uint64_t> alone;    // RunRestored::generation, where that was alone
  std::optional<std::uint64_t> deleted;  // RunDeleted::generation
};

struct StartRun {
  std::string run_id;  // drawn by the manager where empty
  std::string experiment_id, name;
  std::string pipeline_run_id, step;
  Texts params, tags;
  TimeUs time = 0;
  static constexpr auto fields() {
    return FieldList{required("experiment_id", &StartRun::experiment_id),
                     personal("name", &StartRun::name), personal("params", &StartRun::params),
                     personal("tags", &StartRun::tags)};
  }
};

struct LogParams {
  std::string run_id;
  Texts params;
  static constexpr auto fields() {
    return FieldList{required_personal("params", &LogParams::params)};
  }
};

struct SetRunTags {
  std::string run_id;
  Texts tags;
  static constexpr auto fields() { return FieldList{required_personal("tags", &SetRunTags::tags)}; }
};

struct Metric {
  std::string key;
  double value = 0;
  std::int64_t step = 0;
  std::int64_t timestamp = 0;  // milliseconds; 0: the time of the request
  static constexpr auto fields() {
    return FieldList{required("key", &Metric::key), required("value", &Metric::value),
                     field("step", &Metric::step), field("timestamp", &Metric::timestamp)};
  }
};

struct LogMetrics {
  std::string run_id;
  std::vector<Metric> metrics;
  TimeUs time = 0;
  static constexpr auto fields() { return FieldList{required("metrics", &LogMetrics::metrics)}; }
};

struct LogArtifact {
  std::string run_id;
  FileRef file;
};

struct LogRunInput {
  std::string run_id;
  RunInputLogged input;
};

struct EndRun {
  std::string run_id, status;
  TimeUs time = 0;
  static constexpr auto fields() { return FieldList{required("status", &EndRun::status)}; }
};

// The manager checks that the experiment exists: that is another stream.
Expected<Events> decide(const RunState& state, const StartRun& command);
Expected<Events> decide(const RunState& state, const LogParams& command);
Expected<Events> decide(const RunState& state, const SetRunTags& command);
Expected<Events> decide(const RunState& state, const LogMetrics& command);
Expected<Events> decide(const RunState& state, const LogArtifact& command);
Expected<Events> decide(const RunState& state, const LogRunInput& command);
Expected<Events> decide(const RunState& state, const EndRun& command);

void evolve(RunState& state, const RunStarted& event);
void evolve(RunState& state, const RunParamsLogged& event);
void evolve(RunState& state, const RunTagsSet& event);
void evolve(RunState& state, const RunMetricsLogged& event);
void evolve(RunState& state, const RunArtifactLogged& event);
void evolve(RunState& state, const RunInputLogged& event);
void evolve(RunState& state, const RunEnded& event);
void evolve(RunState& state, const RunRenamed& event);
void evolve(RunState& state, const RunStatusChanged& event);
void evolve(RunState& state, const RunTagRemoved& event);
void evolve(RunState& state, const RunDeleted& event);
void evolve(RunState& state, const RunRestored& event);
void evolve(RunState& state, const RunArtifactRemoved& event);
void evolve(RunState& state, const RunModelMetricsLogged& event);
void evolve(RunState& state, const RunDatasetsLogged& event);
void evolve(RunState& state, const RunModelsLinked& event);

}  // namespace mlforge
