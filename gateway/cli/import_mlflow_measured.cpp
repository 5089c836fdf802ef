// Points that runs measured of logged models: written with the runs, compared when all runs are
// there, for several may have measured one model.
#include <algorithm>

#include "gateway/cli/import_mlflow_copy.hpp"

namespace mlforge::gateway::cli {
namespace {

constexpr std::size_t kMeasuredModelsAtOnce = 500;
constexpr std::size_t kMeasuredPointsAtOnce = 200'000;

}  // namespace

void MlflowImporter::remember_measured(const ImportRun& run) {
  for (const auto& series : run.metrics) {
    if (series.model_id.empty()) continue;
    logged_models_.insert(series.model_id);
    auto& points = measured_[{series.model_id, run.run_id, series.key, series.dataset_name,
                              series.dataset_digest}];
    for (std::size_t i = 0; i < series.values.size(); ++i)
      points.push_back({series.timestamps[i], series.steps[i], series.values[i]});
  }
}

// Of one time and step the server keeps one value, as MLflow's tables do; a folder may name more.
bool MlflowImporter::holds(const std::vector<Point>& source, const std::vector<Point>& stored) {
  std::size_t moments = 0;
  for (std::size_t i = 0; i < source.size(); ++i)
    moments += i == 0 || source[i].timestamp != source[i - 1].timestamp ||
               source[i].step != source[i - 1].step;
  return moments == stored.size() &&
         std::includes(source.begin(), source.end(), stored.begin(), stored.end());
}

Status MlflowImporter::compare_measured() {
  std::map<std::string, std::size_t> sizes;
  for (const auto& [id, points] : measured_) sizes[id.model_id] += points.size();
  std::vector<std::string> models;
  std::size_t points = 0;
  for (const auto& id : logged_models_) {
    models.push_back(id);
    points += sizes[id];
    if (models.size() < kMeasuredModelsAtOnce && points < kMeasuredPointsAtOnce) continue;
    if (auto bad = compare_measured(std::exchange(models, {}))) return bad;
    points = 0;
  }
  return compare_measured(models);
}

Status MlflowImporter::compare_measured(const std::vector<std::string>& models) {
  if (models.empty()) return {};
  const auto here = read({.measured = models});
  if (!here) return here.error();
  std::map<MeasuredId, std::vector<Point>> stored, source;
  for (const auto& [run, series] : here->measured) {
    auto& points =
        stored[{series.model_id, run, series.key, series.dataset_name, series.dataset_digest}];
    for (std::size_t i = 0; i < series.values.size(); ++i)
      points.push_back({series.timestamps[i], series.steps[i], series.values[i]});
  }
  for (const auto& id : models)
    for (auto at = measured_.lower_bound({.model_id = id});
         at != measured_.end() && at->first.model_id == id; at = measured_.erase(at)) {
      source[at->first] = std::move(at->second);
      stored[at->first];  // also where there is none
    }
  for (auto& [id, points] : stored) {
    auto& mine = source[id];
    sort_points(mine);
    sort_points(points);
    if (holds(mine, points)) continue;
    keep({{"logged model " + id.model_id, "metrics." + id.key + " of run " + id.run_id,
           std::to_string(mine.size()) + " points",
           std::to_string(points.size()) + " points, not the same"}});
  }
  return {};
}

}  // namespace mlforge::gateway::cli
