// Experiments and runs.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct ExperimentRow {
  std::string experiment_id, name;
  std::string created_time;  // RFC 3339, as all times of rows
  std::string actor;
  static constexpr auto fields() {
    return std::tuple{
        field("experiment_id", &ExperimentRow::experiment_id), field("name", &ExperimentRow::name),
        field("created_time", &ExperimentRow::created_time), field("actor", &ExperimentRow::actor)};
  }
};

struct RunRow {
  std::string run_id, experiment_id, name;
  std::string status;  // running, finished, failed, killed
  std::string start_time, end_time;
  std::string pipeline_run_id, step;  // empty where no pipeline started it
  Texts params, tags;
  std::vector<FileRef> artifacts;  // by path
  std::vector<RunInputLogged> inputs;
  std::string actor;
  static constexpr auto fields() {
    return std::tuple{field("run_id", &RunRow::run_id),
                      field("experiment_id", &RunRow::experiment_id),
                      field("name", &RunRow::name),
                      field("status", &RunRow::status),
                      field("start_time", &RunRow::start_time),
                      field("end_time", &RunRow::end_time),
                      field("pipeline_run_id", &RunRow::pipeline_run_id),
                      field("step", &RunRow::step),
                      field("params", &RunRow::params),
                      field("tags", &RunRow::tags),
                      field("artifacts", &RunRow::artifacts),
                      field("inputs", &RunRow::inputs),
                      field("actor", &RunRow::actor)};
  }
};

// Versioned: "experiment" by id, "experiment_name" name -> id, "run" by id. Plain, newest first:
// "experiments", "runs", "runs_of" an experiment.
class RunsProjection : public Dispatch<RunsProjection> {
 public:
  static constexpr std::string_view kName = "runs";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const ExperimentCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const RunStarted& event);
  void on(ViewWriter& view, const EventView& envelope, const RunParamsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const RunArtifactLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunInputLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunEnded& event);
};

}  // namespace mlforge::projections
