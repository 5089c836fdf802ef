// What another MLflow server holds, brought over: commands that carry ids, times and lifecycle
// stages as they were there. Each brings its thing to the state that it describes: what is missing
// is added, what has changed at the source since is changed here, the same again changes nothing.
// What the source does not name (a tag, an alias, a version) stays.
//
// `conflict`: the id or the name is taken by something else, of which nothing is changed.
#pragma once
#include <map>

#include "events/logged_model.hpp"
#include "events/mlflow_registry.hpp"
#include "events/mlflow_tracking.hpp"

namespace mlforge {

struct ImportExperiment {
  std::string experiment_id;  // empty: the next that is free
  std::string name;
  std::string artifact_location;  // empty: the server's own
  bool deleted = false;
  TimeUs creation_time = 0, last_update_time = 0;  // 0: not known
  Texts tags;
  bool operator==(const ImportExperiment&) const = default;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ImportExperiment::experiment_id),
                     required("name", &ImportExperiment::name),
                     field("artifact_location", &ImportExperiment::artifact_location),
                     field("deleted", &ImportExperiment::deleted),
                     field("creation_time", &ImportExperiment::creation_time),
                     field("last_update_time", &ImportExperiment::last_update_time),
                     field("tags", &ImportExperiment::tags)};
  }
};

// Points of one metric; of a logged model, measured on a dataset, where these are named.
struct ImportSeries {
  std::string key;
  std::string model_id, dataset_name, dataset_digest;
  std::vector<std::int64_t> timestamps, steps;  // milliseconds
  std::vector<double> values;
  static constexpr auto fields() {
    return FieldList{required("key", &ImportSeries::key),
                     field("model_id", &ImportSeries::model_id),
                     field("dataset_name", &ImportSeries::dataset_name),
                     field("dataset_digest", &ImportSeries::dataset_digest),
                     required("timestamps", &ImportSeries::timestamps),
                     required("steps", &ImportSeries::steps),
                     required("values", &ImportSeries::values)};
  }
};

// Points are added, whatever the run holds already: a client that does not know that names the
// version of the stream which it has seen (CommandMeta::conditions).
struct ImportRun {
  std::string run_id, experiment_id, name, user_id;
  std::string status;                   // running, scheduled, finished, failed, killed
  TimeUs start_time = 0, end_time = 0;  // 0: none
  std::string artifact_uri;
  bool deleted = false;
  Texts params, tags;
  std::vector<DatasetUse> datasets;
  std::vector<ModelLink> models;
  std::vector<ImportSeries> metrics;
  ExperimentFacts experiment;  // filled by the manager
  static constexpr auto fields() {
    return FieldList{required("run_id", &ImportRun::run_id),
                     required("experiment_id", &ImportRun::experiment_id),
                     personal("name", &ImportRun::name),
                     field("user_id", &ImportRun::user_id),
                     required("status", &ImportRun::status),
                     field("start_time", &ImportRun::start_time),
                     field("end_time", &ImportRun::end_time),
                     field("artifact_uri", &ImportRun::artifact_uri),
                     field("deleted", &ImportRun::deleted),
                     personal("params", &ImportRun::params),
                     personal("tags", &ImportRun::tags),
                     field("datasets", &ImportRun::datasets),
                     field("models", &ImportRun::models),
                     field("metrics", &ImportRun::metrics)};
  }
};

struct ImportLoggedModel {
  std::string logged_model_id;  // "model_id" on the wire
  std::string experiment_id, name, source_run_id, model_type, artifact_uri;
  std::string status;  // pending, ready, upload_failed
  bool deleted = false;
  TimeUs creation_time = 0, last_update_time = 0;  // 0: not known
  Texts params, tags;
  bool operator==(const ImportLoggedModel&) const = default;
  static constexpr auto fields() {
    return FieldList{required("model_id", &ImportLoggedModel::logged_model_id),
                     required("experiment_id", &ImportLoggedModel::experiment_id),
                     field("name", &ImportLoggedModel::name),
                     field("source_run_id", &ImportLoggedModel::source_run_id),
                     field("model_type", &ImportLoggedModel::model_type),
                     field("artifact_uri", &ImportLoggedModel::artifact_uri),
                     required("status", &ImportLoggedModel::status),
                     field("deleted", &ImportLoggedModel::deleted),
                     field("creation_time", &ImportLoggedModel::creation_time),
                     field("last_update_time", &ImportLoggedModel::last_update_time),
                     field("params", &ImportLoggedModel::params),
                     field("tags", &ImportLoggedModel::tags)};
  }
};

struct ImportVersion {
  std::uint64_t version = 0;
  std::string source, run_id, run_link, description, model_id;
  std::string storage_location;  // empty: where `source` says
  std::string stage = "None";
  bool deleted = false;  // only its number is kept
  TimeUs creation_time = 0, last_update_time = 0;
  Texts tags;
  bool operator==(const ImportVersion&) const = default;
  static constexpr auto fields() {
    return FieldList{required("version", &ImportVersion::version),
                     field("source", &ImportVersion::source),
                     field("run_id", &ImportVersion::run_id),
                     field("run_link", &ImportVersion::run_link),
                     field("description", &ImportVersion::description),
                     field("model_id", &ImportVersion::model_id),
                     field("storage_location", &ImportVersion::storage_location),
                     field("stage", &ImportVersion::stage),
                     field("deleted", &ImportVersion::deleted),
                     field("creation_time", &ImportVersion::creation_time),
                     field("last_update_time", &ImportVersion::last_update_time),
                     field("tags", &ImportVersion::tags)};
  }
};

// With some of its versions, by number; a long model comes in several commands.
struct ImportModel {
  std::string model, description;
  TimeUs creation_time = 0, last_update_time = 0;
  Texts tags;
  std::vector<ImportVersion> versions;
  std::map<std::string, std::uint64_t> aliases;
  bool operator==(const ImportModel&) const = default;
  static constexpr auto fields() {
    return FieldList{required("name", &ImportModel::model),
                     field("description", &ImportModel::description),
                     field("creation_time", &ImportModel::creation_time),
                     field("last_update_time", &ImportModel::last_update_time),
                     field("tags", &ImportModel::tags),
                     field("versions", &ImportModel::versions),
                     field("aliases", &ImportModel::aliases)};
  }
};

Expected<Events> decide(const ExperimentsState& state, const ImportExperiment& command);
Expected<Events> decide(const RunState& state, const ImportRun& command);
Expected<Events> decide(const LoggedModelState& state, const ImportLoggedModel& command);
Expected<Events> decide(const ModelState& state, const ImportModel& command);

void evolve(ExperimentsState& state, const ExperimentImported& event);
void evolve(LoggedModelState& state, const LoggedModelImported& event);
void evolve(ModelState& state, const ModelImported& event);

}  // namespace mlforge
