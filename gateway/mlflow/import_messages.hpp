// What `mlforge import mlflow` and the server say to each other: POST /api/v1/import/mlflow and
// /api/v1/import/mlflow/read. Things are described as the commands have them
// (events/mlflow_import.hpp), in both directions, so that what was read and what is stored compare
// field by field.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "events/mlflow_import.hpp"

namespace mlforge::gateway::mlflow {

// One of them. `version`: the events that the stream of a run must have, else it is a conflict.
struct ImportItem {
  std::optional<ImportExperiment> experiment;
  std::optional<ImportLoggedModel> logged_model;
  std::optional<ImportRun> run;
  std::optional<ImportModel> model;
  std::optional<std::uint64_t> version;
  static constexpr auto fields() {
    return FieldList{field("experiment", &ImportItem::experiment),
                     field("logged_model", &ImportItem::logged_model),
                     field("run", &ImportItem::run), field("model", &ImportItem::model),
                     field("version", &ImportItem::version)};
  }
};
struct ImportBatch {
  std::vector<ImportItem> items;
  static constexpr auto fields() { return FieldList{required("items", &ImportBatch::items)}; }
};
struct ImportResult {
  std::string error, code;    // empty: it went well
  std::uint64_t events = 0;   // that were written; 0: nothing had changed
  std::uint64_t version = 0;  // of a run's stream
  std::string experiment_id;  // of an experiment
  static constexpr auto fields() {
    return FieldList{field("error", &ImportResult::error), field("code", &ImportResult::code),
                     field("events", &ImportResult::events),
                     field("version", &ImportResult::version),
                     field("experiment_id", &ImportResult::experiment_id)};
  }
};
struct ImportResults {
  Position position = 0;
  std::vector<ImportResult> results;  // in the order of the items
  static constexpr auto fields() {
    return FieldList{field("position", &ImportResults::position),
                     field("results", &ImportResults::results)};
  }
};

// Points of a series from one on, in the order of step and time.
struct SeriesSlice {
  std::string run_id, key;
  std::uint64_t from = 0, limit = 0;
  static constexpr auto fields() {
    return FieldList{required("run_id", &SeriesSlice::run_id), required("key", &SeriesSlice::key),
                     field("from", &SeriesSlice::from), required("limit", &SeriesSlice::limit)};
  }
};
struct ImportRead {
  bool experiments = false;  // all of them
  std::vector<std::string> runs, logged_models, models;
  std::vector<std::string> measured;  // logged models, of which all points
  std::vector<SeriesSlice> series;
  std::vector<std::string> folders;  // artifacts below these
  static constexpr auto fields() {
    return FieldList{field("experiments", &ImportRead::experiments),
                     field("runs", &ImportRead::runs),
                     field("logged_models", &ImportRead::logged_models),
                     field("models", &ImportRead::models),
                     field("measured", &ImportRead::measured),
                     field("series", &ImportRead::series),
                     field("folders", &ImportRead::folders)};
  }
};

// Where an answer would hold too many points it only says how many there are.
struct SeriesSize {
  std::string key;
  std::uint64_t points = 0;
  static constexpr auto fields() {
    return FieldList{field("key", &SeriesSize::key), field("points", &SeriesSize::points)};
  }
};
struct StoredRun {
  ImportRun run;
  std::uint64_t version = 0;         // of its stream
  std::vector<SeriesSize> left_out;  // series that are not in `run`
  static constexpr auto fields() {
    return FieldList{field("run", &StoredRun::run), field("version", &StoredRun::version),
                     field("left_out", &StoredRun::left_out)};
  }
};
// Points that a run measured of a logged model.
struct MeasuredSeries {
  std::string run_id;
  ImportSeries series;
  static constexpr auto fields() {
    return FieldList{field("run_id", &MeasuredSeries::run_id),
                     field("series", &MeasuredSeries::series)};
  }
};
// What is there of what was asked for.
struct ImportState {
  std::vector<ImportExperiment> experiments;
  std::vector<StoredRun> runs;
  std::vector<ImportLoggedModel> logged_models;
  std::vector<MeasuredSeries> measured;
  std::vector<ImportModel> models;
  std::map<std::string, std::uint64_t> latest_versions;  // by model, of deleted ones too
  std::vector<ImportSeries> series;                      // in the order of the slices
  std::vector<FileRef> files;
  static constexpr auto fields() {
    return FieldList{field("experiments", &ImportState::experiments),
                     field("runs", &ImportState::runs),
                     field("logged_models", &ImportState::logged_models),
                     field("measured", &ImportState::measured),
                     field("models", &ImportState::models),
                     field("latest_versions", &ImportState::latest_versions),
                     field("series", &ImportState::series),
                     field("files", &ImportState::files)};
  }
};

inline constexpr std::size_t kMostInlinePoints = 100'000;  // of all runs of one read
inline constexpr std::size_t kMostSlicePoints = 500'000;   // of the slices of one read
inline constexpr std::size_t kMostImportBytes = 64 << 20;  // of a request

}  // namespace mlforge::gateway::mlflow
