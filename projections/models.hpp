// Registered models and their versions.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct ModelRow {
  std::string name, description, created_time, actor;
  std::map<std::string, std::uint64_t> aliases;  // alias -> version
  std::uint64_t latest_version = 0;              // 0: none yet
  std::string updated_time;
  Texts tags;
  static constexpr auto fields() {
    return FieldList{field("name", &ModelRow::name),
                     field("description", &ModelRow::description),
                     field("created_time", &ModelRow::created_time),
                     field("actor", &ModelRow::actor),
                     field("aliases", &ModelRow::aliases),
                     field("latest_version", &ModelRow::latest_version),
                     field("updated_time", &ModelRow::updated_time),
                     field("tags", &ModelRow::tags)};
  }
};

struct GateRow {
  bool passed = false;
  std::vector<Check> checks;
  std::string time;
  static constexpr auto fields() {
    return FieldList{field("passed", &GateRow::passed), field("checks", &GateRow::checks),
                     field("time", &GateRow::time)};
  }
};

struct ModelVersionRow {
  std::string model;
  std::uint64_t version = 0;
  std::string stage;  // None, Staging, Production, Archived
  std::string run_id, pipeline_run_id, dataset;
  std::uint64_t dataset_version = 0;
  std::vector<FileRef> artifacts;
  Figures metrics;
  Texts params;
  std::optional<GateRow> gate;                    // the last one
  std::optional<ModelPromotionDecided> decision;  // the last one, approved or not
  std::string created_time, actor;
  std::vector<std::string> aliases;  // in alphabetical order
  std::string updated_time;
  // As ModelVersionCreated has them.
  std::string source, run_link, description, model_id, storage_location;
  Texts tags;
  static constexpr auto fields() {
    return FieldList{field("model", &ModelVersionRow::model),
                     field("version", &ModelVersionRow::version),
                     field("stage", &ModelVersionRow::stage),
                     field("run_id", &ModelVersionRow::run_id),
                     field("pipeline_run_id", &ModelVersionRow::pipeline_run_id),
                     field("dataset", &ModelVersionRow::dataset),
                     field("dataset_version", &ModelVersionRow::dataset_version),
                     field("artifacts", &ModelVersionRow::artifacts),
                     field("metrics", &ModelVersionRow::metrics),
                     field("params", &ModelVersionRow::params),
                     field("gate", &ModelVersionRow::gate),
                     field("decision", &ModelVersionRow::decision),
                     field("created_time", &ModelVersionRow::created_time),
                     field("actor", &ModelVersionRow::actor),
                     field("aliases", &ModelVersionRow::aliases),
                     field("updated_time", &ModelVersionRow::updated_time),
                     field("source", &ModelVersionRow::source),
                     field("run_link", &ModelVersionRow::run_link),
                     field("description", &ModelVersionRow::description),
                     field("model_id", &ModelVersionRow::model_id),
                     field("storage_location", &ModelVersionRow::storage_location),
                     field("tags", &ModelVersionRow::tags)};
  }
};

// Versioned: "model" by name, "version" by model and number.
class ModelsProjection : public Dispatch<ModelsProjection> {
 public:
  static constexpr std::string_view kName = "models";
  static constexpr std::uint32_t kVersion = 5;
  void on(ViewWriter& view, const EventView& envelope, const ModelRegistered& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelVersionCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelGateEvaluated& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelStageChanged& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelAliasSet& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelAliasRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelPromotionDecided& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelDescribed& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelTagRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelDeleted& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelVersionDescribed& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelVersionTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelVersionTagRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelVersionDeleted& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelRenamed& event);
  void on(ViewWriter& view, const EventView& envelope, const ModelImported& event);
};

}  // namespace mlforge::projections
