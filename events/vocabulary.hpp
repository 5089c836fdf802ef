// Everything that can happen, in one place: one struct per event, named in the past tense.
//
// Each says its wire name, its schema version, and its fields once (fields.hpp). `Event` at the end
// is the only list of them: codec, names, dispatch, schema and documents derive from it. Fields are
// only ever appended; an absent one keeps its default.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "events/codec.hpp"
#include "events/envelope.hpp"
#include "events/fields.hpp"
#include "events/json_event.hpp"
#include "events/one_of.hpp"
#include "events/vocabulary_drift.hpp"
#include "events/vocabulary_evaluation.hpp"
#include "events/vocabulary_import.hpp"
#include "events/vocabulary_log.hpp"
#include "events/vocabulary_registry.hpp"
#include "events/vocabulary_subscription.hpp"
#include "events/vocabulary_traces.hpp"
#include "events/vocabulary_tracking.hpp"

namespace mlforge {

using Texts = std::map<std::string, std::string>;
using Figures = std::map<std::string, double>;

// ---------------------------------------------------------------- datasets, stream dataset/<name>

struct FileRef {
  std::string path;    // relative, with forward slashes
  std::string digest;  // SHA-256, hex
  std::uint64_t bytes = 0;
  bool operator==(const FileRef&) const = default;
  static constexpr auto fields() {
    return FieldList{required("path", &FileRef::path), required("digest", &FileRef::digest),
                     required("bytes", &FileRef::bytes)};
  }
};

struct DatasetCreated : JsonEvent<1> {
  static constexpr std::string_view type = "dataset.created";
  std::string name;
  std::string source;  // where the data comes from, in words; "synthetic" where it was generated
  static constexpr auto fields() {
    return FieldList{field("name", &DatasetCreated::name),
                     field("source", &DatasetCreated::source)};
  }
};

struct DatasetFileStaged : JsonEvent<1> {
  static constexpr std::string_view type = "dataset.file_staged";
  std::string path, digest;
  std::uint64_t bytes = 0;
  static constexpr auto fields() {
    return FieldList{field("path", &DatasetFileStaged::path),
                     field("digest", &DatasetFileStaged::digest),
                     field("bytes", &DatasetFileStaged::bytes)};
  }
};

struct DatasetFileUnstaged : JsonEvent<1> {
  static constexpr std::string_view type = "dataset.file_unstaged";
  std::string path;
  static constexpr auto fields() { return FieldList{field("path", &DatasetFileUnstaged::path)}; }
};

struct DatasetCommitted : JsonEvent<1> {
  static constexpr std::string_view type = "dataset.committed";
  std::uint64_t version = 0;  // 1, 2, ...
  std::string digest;         // SHA-256 over the sorted lines "<file digest>  <path>\n"
  std::string message;
  std::vector<FileRef> files;
  static constexpr auto fields() {
    return FieldList{
        field("version", &DatasetCommitted::version), field("digest", &DatasetCommitted::digest),
        field("message", &DatasetCommitted::message), field("files", &DatasetCommitted::files)};
  }
};

struct Check {
  std::string name;    // "required_column", "null_fraction", "range", "allowed_categories",
                       // "auc_minimum", ...
  std::string column;  // or what else it is about
  bool passed = false;
  std::string observed, expected;
  bool operator==(const Check&) const = default;
  static constexpr auto fields() {
    return FieldList{field("name", &Check::name), field("column", &Check::column),
                     field("passed", &Check::passed), field("observed", &Check::observed),
                     field("expected", &Check::expected)};
  }
};

struct DatasetValidated : JsonEvent<1> {
  static constexpr std::string_view type = "dataset.validated";
  std::uint64_t version = 0;
  std::uint64_t rows = 0, columns = 0;
  bool passed = false;
  std::vector<Check> checks;
  static constexpr auto fields() {
    return FieldList{
        field("version", &DatasetValidated::version), field("rows", &DatasetValidated::rows),
        field("columns", &DatasetValidated::columns), field("passed", &DatasetValidated::passed),
        field("checks", &DatasetValidated::checks)};
  }
};

// ---------------------------------------------------------------- experiments, stream
// experiments/all

struct ExperimentCreated : JsonEvent<1> {
  static constexpr std::string_view type = "experiment.created";
  std::string experiment_id, name;
  std::string artifact_location;  // a URI; empty: the server's own
  Texts tags;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentCreated::experiment_id),
                     field("name", &ExperimentCreated::name),
                     field("artifact_location", &ExperimentCreated::artifact_location),
                     personal("tags", &ExperimentCreated::tags)};
  }
};

// ---------------------------------------------------------------- runs, stream run/<id>

struct RunStarted : JsonEvent<1> {
  static constexpr std::string_view type = "run.started";
  std::string run_id, experiment_id, name;
  std::string pipeline_run_id, step;  // empty where no pipeline started it
  TimeUs start_time = 0;
  std::string user_id;       // as the client names itself
  std::string artifact_uri;  // empty: the server's own
  static constexpr auto fields() {
    return FieldList{field("run_id", &RunStarted::run_id),
                     field("experiment_id", &RunStarted::experiment_id),
                     personal("name", &RunStarted::name),
                     field("pipeline_run_id", &RunStarted::pipeline_run_id),
                     field("step", &RunStarted::step),
                     field("start_time", &RunStarted::start_time),
                     personal("user_id", &RunStarted::user_id),
                     field("artifact_uri", &RunStarted::artifact_uri)};
  }
};

struct RunParamsLogged : JsonEvent<1> {
  static constexpr std::string_view type = "run.params_logged";
  Texts params;
  static constexpr auto fields() { return FieldList{personal("params", &RunParamsLogged::params)}; }
};

struct RunTagsSet : JsonEvent<1> {
  static constexpr std::string_view type = "run.tags_set";
  Texts tags;
  static constexpr auto fields() { return FieldList{personal("tags", &RunTagsSet::tags)}; }
};

// Row i is (keys[i], values[i], timestamps[i] in milliseconds, steps[i]).
struct RunMetricsLogged {
  static constexpr std::string_view type = "run.metrics_logged";
  static constexpr std::uint16_t schema = 1;
  static constexpr ContentType content = ContentType::columns;
  std::vector<std::string> keys;
  std::vector<double> values;
  std::vector<std::int64_t> timestamps, steps;
  static constexpr auto fields() {
    return FieldList{field("keys", &RunMetricsLogged::keys),
                     field("values", &RunMetricsLogged::values),
                     field("timestamps", &RunMetricsLogged::timestamps),
                     field("steps", &RunMetricsLogged::steps)};
  }
};

struct RunArtifactLogged : JsonEvent<1> {
  static constexpr std::string_view type = "run.artifact_logged";
  std::string path, digest;
  std::uint64_t bytes = 0;
  static constexpr auto fields() {
    return FieldList{field("path", &RunArtifactLogged::path),
                     field("digest", &RunArtifactLogged::digest),
                     field("bytes", &RunArtifactLogged::bytes)};
  }
};

struct RunInputLogged : JsonEvent<1> {
  static constexpr std::string_view type = "run.input_logged";
  std::string dataset;
  std::uint64_t version = 0;
  std::string digest;
  static constexpr auto fields() {
    return FieldList{field("dataset", &RunInputLogged::dataset),
                     field("version", &RunInputLogged::version),
                     field("digest", &RunInputLogged::digest)};
  }
};

struct RunEnded : JsonEvent<1> {
  static constexpr std::string_view type = "run.ended";
  std::string status;  // finished, failed, killed
  TimeUs end_time = 0;
  static constexpr auto fields() {
    return FieldList{field("status", &RunEnded::status), field("end_time", &RunEnded::end_time)};
  }
};

// ---------------------------------------------------------------- registered models, stream
// model/<name>

struct ModelRegistered : JsonEvent<1> {
  static constexpr std::string_view type = "model.registered";
  std::string name, description;
  Texts tags;
  static constexpr auto fields() {
    return FieldList{field("name", &ModelRegistered::name),
                     personal("description", &ModelRegistered::description),
                     personal("tags", &ModelRegistered::tags)};
  }
};

struct ModelVersionCreated : JsonEvent<1> {
  static constexpr std::string_view type = "model.version_created";
  std::uint64_t version = 0;  // 1, 2, ...; starts in stage None
  std::string run_id, pipeline_run_id;
  std::string dataset;
  std::uint64_t dataset_version = 0;
  std::vector<FileRef> artifacts;  // the bundle: model.ubj, preprocessor.txt, reference.bin, ...
  Figures metrics;                 // on the test part, "auc", "average_precision", ...
  Texts params;
  std::string source, run_link;  // where the files are, as the client names it
  std::string description;
  Texts tags;
  std::string model_id;  // of the logged model that it is
  // Where the files were when it was made, if `source` names another version or a logged model:
  // either may be renamed or gone later. Empty: where `source` says.
  std::string storage_location;
  static constexpr auto fields() {
    return FieldList{field("version", &ModelVersionCreated::version),
                     field("run_id", &ModelVersionCreated::run_id),
                     field("pipeline_run_id", &ModelVersionCreated::pipeline_run_id),
                     field("dataset", &ModelVersionCreated::dataset),
                     field("dataset_version", &ModelVersionCreated::dataset_version),
                     field("artifacts", &ModelVersionCreated::artifacts),
                     field("metrics", &ModelVersionCreated::metrics),
                     field("params", &ModelVersionCreated::params),
                     field("source", &ModelVersionCreated::source),
                     field("run_link", &ModelVersionCreated::run_link),
                     personal("description", &ModelVersionCreated::description),
                     personal("tags", &ModelVersionCreated::tags),
                     field("model_id", &ModelVersionCreated::model_id),
                     field("storage_location", &ModelVersionCreated::storage_location)};
  }
};

struct ModelGateEvaluated : JsonEvent<1> {
  static constexpr std::string_view type = "model.gate_evaluated";
  std::uint64_t version = 0;
  bool passed = false;
  std::vector<Check> checks;  // integrity, shape, metric_minimum, no_regression
  static constexpr auto fields() {
    return FieldList{field("version", &ModelGateEvaluated::version),
                     field("passed", &ModelGateEvaluated::passed),
                     field("checks", &ModelGateEvaluated::checks)};
  }
};

struct ModelStageChanged : JsonEvent<1> {
  static constexpr std::string_view type = "model.stage_changed";
  std::uint64_t version = 0;
  std::string from, to;  // None, Staging, Production, Archived
  std::string reason;
  static constexpr auto fields() {
    return FieldList{field("version", &ModelStageChanged::version),
                     field("from", &ModelStageChanged::from), field("to", &ModelStageChanged::to),
                     field("reason", &ModelStageChanged::reason)};
  }
};

struct ModelAliasSet : JsonEvent<1> {
  static constexpr std::string_view type = "model.alias_set";
  std::string alias;
  std::uint64_t version = 0, previous = 0;  // 0: the alias was free
  std::string reason;
  static constexpr auto fields() {
    return FieldList{
        field("alias", &ModelAliasSet::alias), field("version", &ModelAliasSet::version),
        field("previous", &ModelAliasSet::previous), field("reason", &ModelAliasSet::reason)};
  }
};

struct ModelAliasRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "model.alias_removed";
  std::string alias;
  std::uint64_t previous = 0;
  std::string reason;
  static constexpr auto fields() {
    return FieldList{field("alias", &ModelAliasRemoved::alias),
                     field("previous", &ModelAliasRemoved::previous),
                     field("reason", &ModelAliasRemoved::reason)};
  }
};

// The decision on a challenger, with its figures, whichever way it went.
struct ModelPromotionDecided : JsonEvent<1> {
  static constexpr std::string_view type = "model.promotion_decided";
  std::uint64_t version = 0, champion = 0;  // champion 0: there was none
  std::string metric;
  double challenger_value = 0, champion_value = 0, required_delta = 0;
  bool approved = false;
  std::string reason;
  static constexpr auto fields() {
    return FieldList{field("version", &ModelPromotionDecided::version),
                     field("champion", &ModelPromotionDecided::champion),
                     field("metric", &ModelPromotionDecided::metric),
                     field("challenger_value", &ModelPromotionDecided::challenger_value),
                     field("champion_value", &ModelPromotionDecided::champion_value),
                     field("required_delta", &ModelPromotionDecided::required_delta),
                     field("approved", &ModelPromotionDecided::approved),
                     field("reason", &ModelPromotionDecided::reason)};
  }
};

// ---------------------------------------------------------------- pipelines, stream
// pipeline/<name>

struct PipelineDefined : JsonEvent<1> {
  static constexpr std::string_view type = "pipeline.defined";
  std::string name;
  std::uint64_t version = 0;
  std::string spec;    // the YAML text
  std::string digest;  // its SHA-256
  std::vector<std::string> steps;
  static constexpr auto fields() {
    return FieldList{
        field("name", &PipelineDefined::name), field("version", &PipelineDefined::version),
        field("spec", &PipelineDefined::spec), field("digest", &PipelineDefined::digest),
        field("steps", &PipelineDefined::steps)};
  }
};

// ---------------------------------------------------------------- pipeline runs, stream
// pipeline_run/<id>

struct PipelineRunStarted : JsonEvent<1> {
  static constexpr std::string_view type = "pipeline_run.started";
  std::string pipeline_run_id, pipeline;
  std::uint64_t pipeline_version = 0;
  std::string spec;         // the YAML text as it runs
  Texts overrides;          // "train.params.max_depth" -> "3"
  std::string trigger;      // "user" or "drift:<endpoint>"
  std::string environment;  // digest of the captured environment
  TimeUs start_time = 0;
  static constexpr auto fields() {
    return FieldList{field("pipeline_run_id", &PipelineRunStarted::pipeline_run_id),
                     field("pipeline", &PipelineRunStarted::pipeline),
                     field("pipeline_version", &PipelineRunStarted::pipeline_version),
                     field("spec", &PipelineRunStarted::spec),
                     field("overrides", &PipelineRunStarted::overrides),
                     field("trigger", &PipelineRunStarted::trigger),
                     field("environment", &PipelineRunStarted::environment),
                     field("start_time", &PipelineRunStarted::start_time)};
  }
};

struct PipelineStepStarted : JsonEvent<1> {
  static constexpr std::string_view type = "pipeline_run.step_started";
  std::string step, kind;
  std::string cache_key;  // SHA-256 over the hashes of input, configuration and function
  static constexpr auto fields() {
    return FieldList{field("step", &PipelineStepStarted::step),
                     field("kind", &PipelineStepStarted::kind),
                     field("cache_key", &PipelineStepStarted::cache_key)};
  }
};

struct PipelineStepCompleted : JsonEvent<1> {
  static constexpr std::string_view type = "pipeline_run.step_completed";
  std::string step, kind, cache_key;
  bool cached = false;
  std::string cached_from;  // the pipeline run that computed it
  Texts outputs;            // name -> digest of the blob, or a short text
  Figures figures;          // what a person wants to see: rows, auc, ...
  double seconds = 0;
  static constexpr auto fields() {
    return FieldList{field("step", &PipelineStepCompleted::step),
                     field("kind", &PipelineStepCompleted::kind),
                     field("cache_key", &PipelineStepCompleted::cache_key),
                     field("cached", &PipelineStepCompleted::cached),
                     field("cached_from", &PipelineStepCompleted::cached_from),
                     field("outputs", &PipelineStepCompleted::outputs),
                     field("figures", &PipelineStepCompleted::figures),
                     field("seconds", &PipelineStepCompleted::seconds)};
  }
};

struct PipelineStepFailed : JsonEvent<1> {
  static constexpr std::string_view type = "pipeline_run.step_failed";
  std::string step, kind, error;
  static constexpr auto fields() {
    return FieldList{field("step", &PipelineStepFailed::step),
                     field("kind", &PipelineStepFailed::kind),
                     field("error", &PipelineStepFailed::error)};
  }
};

struct PipelineRunEnded : JsonEvent<1> {
  static constexpr std::string_view type = "pipeline_run.ended";
  std::string status;  // succeeded, failed
  std::uint64_t steps_run = 0, steps_cached = 0;
  TimeUs end_time = 0;
  static constexpr auto fields() {
    return FieldList{field("status", &PipelineRunEnded::status),
                     field("steps_run", &PipelineRunEnded::steps_run),
                     field("steps_cached", &PipelineRunEnded::steps_cached),
                     field("end_time", &PipelineRunEnded::end_time)};
  }
};

// ---------------------------------------------------------------- environments, stream
// environment/<name>

struct EnvironmentCaptured : JsonEvent<1> {
  static constexpr std::string_view type = "environment.captured";
  std::string name, kind;  // kind: local
  std::string digest;      // SHA-256 over the facts
  Texts facts;             // "os", "cpu", "cores", "cuda", "git_commit", "xgboost", ...
  static constexpr auto fields() {
    return FieldList{
        field("name", &EnvironmentCaptured::name), field("kind", &EnvironmentCaptured::kind),
        field("digest", &EnvironmentCaptured::digest), field("facts", &EnvironmentCaptured::facts)};
  }
};

// ---------------------------------------------------------------- deployments, stream
// deployment/<name>

struct EndpointCreated : JsonEvent<1> {
  static constexpr std::string_view type = "deployment.created";
  std::string name, model;
  std::string experiment_id;          // salt of the canary hash
  std::uint64_t canary_bp = 1000;     // share of the challenger in basis points
  std::string unit = "request_id";    // what is hashed: the request id, or a feature's name
  std::string retrain_pipeline;       // empty: drift alerts only
  std::uint64_t drift_window = 1000;  // predictions in a drift report
  double psi_threshold = 0.2, ks_pvalue_threshold = 0.05;
  static constexpr auto fields() {
    return FieldList{field("name", &EndpointCreated::name),
                     field("model", &EndpointCreated::model),
                     field("experiment_id", &EndpointCreated::experiment_id),
                     field("canary_bp", &EndpointCreated::canary_bp),
                     field("unit", &EndpointCreated::unit),
                     field("retrain_pipeline", &EndpointCreated::retrain_pipeline),
                     field("drift_window", &EndpointCreated::drift_window),
                     field("psi_threshold", &EndpointCreated::psi_threshold),
                     field("ks_pvalue_threshold", &EndpointCreated::ks_pvalue_threshold)};
  }
};

struct EndpointSplitChanged : JsonEvent<1> {
  static constexpr std::string_view type = "deployment.split_changed";
  std::uint64_t from_bp = 0, to_bp = 0;
  std::string reason;
  static constexpr auto fields() {
    return FieldList{field("from_bp", &EndpointSplitChanged::from_bp),
                     field("to_bp", &EndpointSplitChanged::to_bp),
                     field("reason", &EndpointSplitChanged::reason)};
  }
};

// The scorer swapped what it serves on a route, after an alias moved.
struct EndpointVersionActivated : JsonEvent<1> {
  static constexpr std::string_view type = "deployment.version_activated";
  std::string route;                        // champion, challenger
  std::uint64_t version = 0, previous = 0;  // 0: none
  static constexpr auto fields() {
    return FieldList{field("route", &EndpointVersionActivated::route),
                     field("version", &EndpointVersionActivated::version),
                     field("previous", &EndpointVersionActivated::previous)};
  }
};

// ---------------------------------------------------------------- predictions, stream
// predictions/<endpoint>

// A batch of n answers. The features are stored column by column: values of feature f are [f * n,
// (f + 1) * n). Of a row about a subject (its text in `sealed` is not empty) the personal fields
// are in that text, encrypted, and empty or NaN here; an older program would take that for missing
// values, so this is version 2. Version 1 had no `sealed`.
struct PredictionsLogged {
  static constexpr std::string_view type = "prediction.logged";
  static constexpr std::uint16_t schema = 2;
  static constexpr ContentType content = ContentType::columns;
  std::vector<std::string> request_ids;
  std::vector<double> probabilities;
  std::vector<std::int64_t> versions;
  std::vector<std::int64_t> challenger;  // 1 where the challenger answered
  std::vector<std::int64_t> times;       // UTC microseconds
  std::vector<std::string> numeric_names;
  std::vector<double> numeric_values;  // NaN: missing
  std::vector<std::string> categorical_names;
  std::vector<std::string> categorical_values;  // empty: missing
  std::vector<std::string> sealed;              // events/sealed_text.hpp; empty: nothing is
  static constexpr auto fields() {
    return FieldList{personal("request_ids", &PredictionsLogged::request_ids),
                     personal("probabilities", &PredictionsLogged::probabilities),
                     field("versions", &PredictionsLogged::versions),
                     field("challenger", &PredictionsLogged::challenger),
                     field("times", &PredictionsLogged::times),
                     field("numeric_names", &PredictionsLogged::numeric_names),
                     personal("numeric_values", &PredictionsLogged::numeric_values),
                     field("categorical_names", &PredictionsLogged::categorical_names),
                     personal("categorical_values", &PredictionsLogged::categorical_values),
                     field("sealed", &PredictionsLogged::sealed)};
  }
};

// ---------------------------------------------------------------- the only list

// An event that this program does not know, its bytes untouched.
struct UnknownEvent {
  std::string type;
  std::uint16_t schema = 0;
  ContentType content_type = ContentType::json;
  std::string payload;
};

struct EventTypes
    : TypeList<
          DatasetCreated, DatasetFileStaged, DatasetFileUnstaged, DatasetCommitted,
          DatasetValidated,   //
          ExperimentCreated,  //
          RunStarted, RunParamsLogged, RunTagsSet, RunMetricsLogged, RunArtifactLogged,
          RunInputLogged,  //
          RunEnded,        //
          ModelRegistered, ModelVersionCreated, ModelGateEvaluated, ModelStageChanged,
          ModelAliasSet,                                                                       //
          ModelAliasRemoved, ModelPromotionDecided,                                            //
          PipelineDefined,                                                                     //
          PipelineRunStarted, PipelineStepStarted, PipelineStepCompleted, PipelineStepFailed,  //
          PipelineRunEnded,                                                                    //
          EnvironmentCaptured,                                                                 //
          EndpointCreated, EndpointSplitChanged, EndpointVersionActivated,                     //
          PredictionsLogged,                                                                   //
          DriftReported, DriftAlertRaised, RetrainingTriggered,                                //
          LogKeyAdded,                                                                         //
          ExperimentRenamed, ExperimentDeleted, ExperimentRestored, ExperimentTagsSet,
          ExperimentTagRemoved,  //
          RunRenamed, RunStatusChanged, RunTagRemoved, RunDeleted, RunRestored, RunArtifactRemoved,
          RunModelMetricsLogged, RunDatasetsLogged, RunModelsLinked,  //
          LoggedModelCreated, LoggedModelStatusChanged, LoggedModelParamsLogged, LoggedModelTagsSet,
          LoggedModelTagRemoved, LoggedModelDeleted,  //
          ArtifactStored, ArtifactRemoved,            //
          ModelDescribed, ModelTagsSet, ModelTagRemoved, ModelDeleted, ModelRenamed, ModelTakenOver,
          ModelVersionDescribed, ModelVersionTagsSet, ModelVersionTagRemoved,
          ModelVersionDeleted,                                     //
          ExperimentImported, LoggedModelImported, ModelImported,  //
          SubjectShredded,                                         //
          RetentionApplied,                                        //
          SubscriptionCreated, SubscriptionUpdated, SubscriptionDeleted, SubscriptionEventParked,
          SubscriptionParkedReleased,  //
          TraceRecorded, TraceTagsSet, TraceTagRemoved, TraceRunLinked, TraceAssessed,
          TraceAssessmentRemoved, TraceDeleted, TraceUsageCounted,  //
          EvaluationDatasetCreated, EvaluationDatasetTagsSet, EvaluationDatasetTagRemoved,
          EvaluationRecordsMerged, EvaluationRecordsRemoved, EvaluationDatasetLinked,
          EvaluationDatasetUnlinked, EvaluationDatasetDeleted,         //
          ScorerRegistered, ScorerDeleted, ScorerOnlineConfigured,     //
          IssueCreated, IssueUpdated,                                  //
          LabelSchemaCreated, LabelSchemaUpdated, LabelSchemaDeleted,  //
          UnknownEvent> {};
template <>
const Alternative* alternatives<EventTypes>();

// One of them; a default one is the first.
struct Event : OneOf<EventTypes> {
  using OneOf::OneOf;
};

using Events = std::vector<Event>;

}  // namespace mlforge
