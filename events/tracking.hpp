// Experiments and runs.
#pragma once
#include <map>

#include "events/vocabulary.hpp"

namespace mlforge {

struct ExperimentsState {
  std::map<std::string, std::string> id_by_name;
  std::map<std::string, std::string> name_by_id;
  std::uint64_t next_id = 1;
};

struct CreateExperiment {
  std::string name;
  static constexpr auto fields() { return std::tuple{required("name", &CreateExperiment::name)}; }
};

Expected<Events> decide(const ExperimentsState& state, const CreateExperiment& command);
void evolve(ExperimentsState& state, const ExperimentCreated& event);

struct RunState {
  bool exists = false;
  std::string experiment_id;
  std::string status;  // running, finished, failed, killed
  Texts params, tags;
  std::map<std::string, FileRef> artifacts;
  std::vector<RunInputLogged> inputs;
};

struct StartRun {
  std::string run_id;  // drawn by the manager where empty
  std::string experiment_id, name;
  std::string pipeline_run_id, step;
  Texts params, tags;
  TimeUs time = 0;
  static constexpr auto fields() {
    return std::tuple{required("experiment_id", &StartRun::experiment_id),
                      personal("name", &StartRun::name), personal("params", &StartRun::params),
                      personal("tags", &StartRun::tags)};
  }
};

struct LogParams {
  std::string run_id;
  Texts params;
  static constexpr auto fields() {
    return std::tuple{required_personal("params", &LogParams::params)};
  }
};

struct SetRunTags {
  std::string run_id;
  Texts tags;
  static constexpr auto fields() {
    return std::tuple{required_personal("tags", &SetRunTags::tags)};
  }
};

struct Metric {
  std::string key;
  double value = 0;
  std::int64_t step = 0;
  std::int64_t timestamp = 0;  // milliseconds; 0: the time of the request
  static constexpr auto fields() {
    return std::tuple{required("key", &Metric::key), required("value", &Metric::value),
                      field("step", &Metric::step), field("timestamp", &Metric::timestamp)};
  }
};

struct LogMetrics {
  std::string run_id;
  std::vector<Metric> metrics;
  TimeUs time = 0;
  static constexpr auto fields() { return std::tuple{required("metrics", &LogMetrics::metrics)}; }
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
  static constexpr auto fields() { return std::tuple{required("status", &EndRun::status)}; }
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

}  // namespace mlforge
