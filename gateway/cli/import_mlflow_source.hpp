// What `mlforge import mlflow` reads: another MLflow server's history, in its database or its
// folder.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "events/mlflow_import.hpp"

namespace mlforge::gateway::cli {

inline constexpr TimeUs kUsPerMs = 1000;  // MLflow counts milliseconds

struct SourceCounts {
  std::uint64_t runs = 0, points = 0;  // points: 0 where counting them is as much work as reading
  // What is there and does not come along, by name.
  std::vector<std::pair<std::string, std::uint64_t>> left_out;
};

// Ids, names and stages are the source's own. Everything is in an order that does not change from
// one call to the next. Not thread-safe. Errors name the file, or the table and the row.
class MlflowSource {
 public:
  virtual ~MlflowSource() = default;
  virtual Expected<SourceCounts> count() = 0;
  virtual Expected<std::vector<ImportExperiment>> experiments() = 0;
  virtual Expected<std::vector<std::string>> run_ids(const std::string& experiment_id) = 0;
  // With all its points, by key, time, step; those of a logged model in a series of their own.
  virtual Expected<ImportRun> run(const std::string& experiment_id, const std::string& run_id) = 0;
  virtual Expected<std::vector<ImportLoggedModel>> logged_models() = 0;
  virtual Expected<std::vector<std::string>> models() = 0;
  virtual Expected<ImportModel> model(const std::string& name) = 0;
  // Where artifacts lie that are not at their URI any more; empty: nowhere.
  virtual std::filesystem::path artifacts_of_run(const std::string&, const std::string&) {
    return {};
  }
};

// "sqlite:///mlflow.db", "sqlite:////srv/mlflow.db", "postgresql://user:secret@host/database", a
// file, a folder ("./mlruns", "file:///srv/mlruns"). not_found, or invalid_argument that says what
// would be right.
Expected<std::unique_ptr<MlflowSource>> open_mlflow_source(const std::string& where,
                                                           const std::string& workspace);

std::unique_ptr<MlflowSource> open_mlflow_folder(std::filesystem::path folder);

// A point of a logged model: it stands among the run's points too.
struct ModelPoint {
  std::string key, model_id, dataset_name, dataset_digest;
  std::int64_t timestamp = 0, step = 0;
  double value = 0;
};
struct RunPoint {
  std::string key;
  std::int64_t timestamp = 0, step = 0;
  double value = 0;
};
// The points of a run, in any order, as series; each point once, or once for each of its models.
std::vector<ImportSeries> series_of(std::vector<RunPoint> points,
                                    const std::vector<ModelPoint>& of_models);

// "FINISHED", or its number in older stores, as the events have it; empty where it is none.
std::string run_status(const std::string& status);
std::string logged_model_status(const std::string& status);

}  // namespace mlforge::gateway::cli
