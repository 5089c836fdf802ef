// Logged models and the metrics measured of them.
#pragma once
#include <optional>

#include "projections/projection.hpp"
#include "projections/view_reader.hpp"

namespace mlforge::projections {

struct LoggedModelRow {
  std::string model_id, experiment_id, name, source_run_id, model_type, artifact_uri;
  std::string status = "pending";  // pending, ready, upload_failed
  std::string created_time, updated_time, actor;
  bool deleted = false;
  Texts params, tags;
  static constexpr auto fields() {
    return FieldList{field("model_id", &LoggedModelRow::model_id),
                     field("experiment_id", &LoggedModelRow::experiment_id),
                     field("name", &LoggedModelRow::name),
                     field("source_run_id", &LoggedModelRow::source_run_id),
                     field("model_type", &LoggedModelRow::model_type),
                     field("artifact_uri", &LoggedModelRow::artifact_uri),
                     field("status", &LoggedModelRow::status),
                     field("created_time", &LoggedModelRow::created_time),
                     field("updated_time", &LoggedModelRow::updated_time),
                     field("actor", &LoggedModelRow::actor),
                     field("deleted", &LoggedModelRow::deleted),
                     field("params", &LoggedModelRow::params),
                     field("tags", &LoggedModelRow::tags)};
  }
};

struct LoggedModelMetric {
  std::string key, run_id, dataset_name, dataset_digest;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;  // milliseconds
  static constexpr auto fields() {
    return FieldList{field("key", &LoggedModelMetric::key),
                     field("run_id", &LoggedModelMetric::run_id),
                     field("dataset_name", &LoggedModelMetric::dataset_name),
                     field("dataset_digest", &LoggedModelMetric::dataset_digest),
                     field("value", &LoggedModelMetric::value),
                     field("timestamp", &LoggedModelMetric::timestamp),
                     field("step", &LoggedModelMetric::step)};
  }
};

// Versioned: "model" by id, "metric" by model and what makes it one: key, dataset, run, step, time.
// Plain: "models_of" an experiment, newest first -> id.
class LoggedModelsProjection : public Dispatch<LoggedModelsProjection> {
 public:
  static constexpr std::string_view kName = "logged_models";
  static constexpr std::uint32_t kVersion = 2;
  void on(ViewWriter& view, const EventView& envelope, const LoggedModelCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const LoggedModelStatusChanged& event);
  void on(ViewWriter& view, const EventView& envelope, const LoggedModelParamsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const LoggedModelTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const LoggedModelTagRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const LoggedModelDeleted& event);
  void on(ViewWriter& view, const EventView& envelope, const LoggedModelImported& event);
  void on(ViewWriter& view, const EventView& envelope, const RunModelMetricsLogged& event);
};

// Also one that was deleted; nothing where there never was one.
std::optional<LoggedModelRow> find_logged_model(ViewReader& view, std::string_view tenant,
                                                std::string_view model_id,
                                                Position as_of = kLatest);
std::vector<LoggedModelMetric> logged_model_metrics(ViewReader& view, std::string_view tenant,
                                                    std::string_view model_id,
                                                    Position as_of = kLatest);
// Of one experiment, newest first, without those deleted.
std::vector<LoggedModelRow> list_logged_models(ViewReader& view, std::string_view tenant,
                                               std::string_view experiment_id,
                                               Position as_of = kLatest);

}  // namespace mlforge::projections
