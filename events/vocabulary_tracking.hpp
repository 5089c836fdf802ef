// The part of the vocabulary that tracking as MLflow has it needs beside that of the native API;
// vocabulary.hpp lists it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- stream experiments/all

struct ExperimentRenamed : JsonEvent<1> {
  static constexpr std::string_view type = "experiment.renamed";
  std::string experiment_id;
  std::string name;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentRenamed::experiment_id),
                     field("name", &ExperimentRenamed::name)};
  }
};
// Hidden together with its runs until it is restored; nothing is lost.
struct ExperimentDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "experiment.deleted";
  std::string experiment_id;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentDeleted::experiment_id)};
  }
};
// Also the runs that were deleted before, each on its own, are active again.
struct ExperimentRestored : JsonEvent<1> {
  static constexpr std::string_view type = "experiment.restored";
  std::string experiment_id;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentRestored::experiment_id)};
  }
};
struct ExperimentTagsSet : JsonEvent<1> {
  static constexpr std::string_view type = "experiment.tags_set";
  std::string experiment_id;
  std::map<std::string, std::string> tags;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentTagsSet::experiment_id),
                     personal("tags", &ExperimentTagsSet::tags)};
  }
};
struct ExperimentTagRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "experiment.tag_removed";
  std::string experiment_id;
  std::string key;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentTagRemoved::experiment_id),
                     field("key", &ExperimentTagRemoved::key)};
  }
};
// ---------------------------------------------------------------- stream run/<id>

struct RunRenamed : JsonEvent<1> {
  static constexpr std::string_view type = "run.renamed";
  std::string name;
  static constexpr auto fields() { return FieldList{personal("name", &RunRenamed::name)}; }
};
// A run that goes on, or waits; its end is RunEnded.
struct RunStatusChanged : JsonEvent<1> {
  static constexpr std::string_view type = "run.status_changed";
  std::string status;  // running, scheduled
  static constexpr auto fields() { return FieldList{field("status", &RunStatusChanged::status)}; }
};
struct RunTagRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "run.tag_removed";
  std::string key;
  static constexpr auto fields() { return FieldList{field("key", &RunTagRemoved::key)}; }
};
// Hidden until it, or its experiment, is restored.
struct RunDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "run.deleted";
  std::uint64_t generation = 0;  // how often the experiment had been restored
  static constexpr auto fields() { return FieldList{field("generation", &RunDeleted::generation)}; }
};
struct RunRestored : JsonEvent<1> {
  static constexpr std::string_view type = "run.restored";
  std::uint64_t generation = 0;  // how often the experiment had been restored
  bool alone = false;            // its experiment is deleted, and stays so
  static constexpr auto fields() {
    return FieldList{field("generation", &RunRestored::generation),
                     field("alone", &RunRestored::alone)};
  }
};
struct RunArtifactRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "run.artifact_removed";
  std::string path;
  static constexpr auto fields() { return FieldList{field("path", &RunArtifactRemoved::path)}; }
};
// As RunMetricsLogged, where some belong to a logged model, measured on a dataset too.
struct RunModelMetricsLogged {
  static constexpr std::string_view type = "run.model_metrics_logged";
  static constexpr std::uint16_t schema = 1;
  static constexpr ContentType content = ContentType::columns;
  std::vector<std::string> keys;
  std::vector<double> values;
  std::vector<std::int64_t> timestamps;
  std::vector<std::int64_t> steps;
  std::vector<std::string> model_ids;  // empty: of the run alone
  std::vector<std::string> dataset_names;
  std::vector<std::string> dataset_digests;
  static constexpr auto fields() {
    return FieldList{field("keys", &RunModelMetricsLogged::keys),
                     field("values", &RunModelMetricsLogged::values),
                     field("timestamps", &RunModelMetricsLogged::timestamps),
                     field("steps", &RunModelMetricsLogged::steps),
                     field("model_ids", &RunModelMetricsLogged::model_ids),
                     field("dataset_names", &RunModelMetricsLogged::dataset_names),
                     field("dataset_digests", &RunModelMetricsLogged::dataset_digests)};
  }
};
// A dataset that a run has read, described by the client.
struct DatasetUse {
  std::string name;
  std::string digest;
  std::string source_type;
  std::string source;
  std::string schema;
  std::string profile;
  std::map<std::string, std::string> tags;  // such as mlflow.data.context
  bool operator==(const DatasetUse&) const = default;
  static constexpr auto fields() {
    return FieldList{field("name", &DatasetUse::name),
                     field("digest", &DatasetUse::digest),
                     field("source_type", &DatasetUse::source_type),
                     field("source", &DatasetUse::source),
                     field("schema", &DatasetUse::schema),
                     field("profile", &DatasetUse::profile),
                     field("tags", &DatasetUse::tags)};
  }
};
struct RunDatasetsLogged : JsonEvent<1> {
  static constexpr std::string_view type = "run.datasets_logged";
  std::vector<DatasetUse> datasets;
  static constexpr auto fields() {
    return FieldList{field("datasets", &RunDatasetsLogged::datasets)};
  }
};
// A logged model that a run has read or made.
struct ModelLink {
  std::string model_id;
  std::string role;  // input, output
  std::int64_t step = 0;
  bool operator==(const ModelLink&) const = default;
  static constexpr auto fields() {
    return FieldList{field("model_id", &ModelLink::model_id), field("role", &ModelLink::role),
                     field("step", &ModelLink::step)};
  }
};
struct RunModelsLinked : JsonEvent<1> {
  static constexpr std::string_view type = "run.models_linked";
  std::vector<ModelLink> models;
  static constexpr auto fields() { return FieldList{field("models", &RunModelsLinked::models)}; }
};
// ---------------------------------------------------------------- logged models, stream
// logged_model/<id>

struct LoggedModelCreated : JsonEvent<1> {
  static constexpr std::string_view type = "logged_model.created";
  std::string model_id;
  std::string experiment_id;
  std::string name;
  std::string source_run_id;
  std::string model_type;
  std::string artifact_uri;
  std::map<std::string, std::string> params;
  std::map<std::string, std::string> tags;
  static constexpr auto fields() {
    return FieldList{field("model_id", &LoggedModelCreated::model_id),
                     field("experiment_id", &LoggedModelCreated::experiment_id),
                     field("name", &LoggedModelCreated::name),
                     field("source_run_id", &LoggedModelCreated::source_run_id),
                     field("model_type", &LoggedModelCreated::model_type),
                     field("artifact_uri", &LoggedModelCreated::artifact_uri),
                     personal("params", &LoggedModelCreated::params),
                     personal("tags", &LoggedModelCreated::tags)};
  }
};
struct LoggedModelStatusChanged : JsonEvent<1> {
  static constexpr std::string_view type = "logged_model.status_changed";
  std::string status;  // pending, ready, upload_failed
  static constexpr auto fields() {
    return FieldList{field("status", &LoggedModelStatusChanged::status)};
  }
};
struct LoggedModelParamsLogged : JsonEvent<1> {
  static constexpr std::string_view type = "logged_model.params_logged";
  std::map<std::string, std::string> params;
  static constexpr auto fields() {
    return FieldList{personal("params", &LoggedModelParamsLogged::params)};
  }
};
struct LoggedModelTagsSet : JsonEvent<1> {
  static constexpr std::string_view type = "logged_model.tags_set";
  std::map<std::string, std::string> tags;
  static constexpr auto fields() { return FieldList{personal("tags", &LoggedModelTagsSet::tags)}; }
};
struct LoggedModelTagRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "logged_model.tag_removed";
  std::string key;
  static constexpr auto fields() { return FieldList{field("key", &LoggedModelTagRemoved::key)}; }
};
struct LoggedModelDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "logged_model.deleted";
  std::string model_id;
  static constexpr auto fields() {
    return FieldList{field("model_id", &LoggedModelDeleted::model_id)};
  }
};
// ---------------------------------------------------------------- artifacts that belong to no run,
// stream artifacts/<root>

struct ArtifactStored : JsonEvent<1> {
  static constexpr std::string_view type = "artifact.stored";
  std::string path;    // from the artifact root on
  std::string digest;  // SHA-256, hex
  std::uint64_t bytes = 0;
  static constexpr auto fields() {
    return FieldList{field("path", &ArtifactStored::path), field("digest", &ArtifactStored::digest),
                     field("bytes", &ArtifactStored::bytes)};
  }
};
struct ArtifactRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "artifact.removed";
  std::string path;
  static constexpr auto fields() { return FieldList{field("path", &ArtifactRemoved::path)}; }
};
}  // namespace mlforge
