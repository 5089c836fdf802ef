// Experiments and runs.
#pragma once
#include <optional>

#include "projections/entity_key.hpp"
#include "projections/projection.hpp"
#include "projections/run_text.hpp"

namespace mlforge::projections {

struct ExperimentRow {
  std::string experiment_id, name;
  std::string created_time;  // RFC 3339, as all times of rows
  std::string actor;
  std::string updated_time;
  std::string lifecycle_stage = "active";  // active, deleted
  std::uint64_t restored = 0;              // how often
  std::string artifact_location;           // empty: the server's own
  Texts tags;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentRow::experiment_id),
                     field("name", &ExperimentRow::name),
                     field("created_time", &ExperimentRow::created_time),
                     field("actor", &ExperimentRow::actor),
                     field("updated_time", &ExperimentRow::updated_time),
                     field("lifecycle_stage", &ExperimentRow::lifecycle_stage),
                     field("restored", &ExperimentRow::restored),
                     field("artifact_location", &ExperimentRow::artifact_location),
                     field("tags", &ExperimentRow::tags)};
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
  std::string user_id;                   // as the client named itself
  std::string artifact_uri;              // empty: the server's own
  std::optional<std::uint64_t> deleted;  // RunDeleted::generation
  std::optional<std::uint64_t> alone;    // RunRestored::generation, where that was alone
  std::vector<ModelLink> models;         // logged models that it read or made
  static constexpr auto fields() {
    return FieldList{field("run_id", &RunRow::run_id),
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
                     field("actor", &RunRow::actor),
                     field("user_id", &RunRow::user_id),
                     field("artifact_uri", &RunRow::artifact_uri),
                     field("deleted", &RunRow::deleted),
                     field("alone", &RunRow::alone),
                     field("models", &RunRow::models)};
  }
};

// How a run is stored. Each param and tag of one with very many has a row of its own, so that the
// next costs no more than the first; the row of the run has none then.
struct StoredRun : RunRow {
  std::optional<bool> apart;
  static constexpr auto fields() {
    return RunRow::fields().apply([](auto... of_row) {
      return FieldList{of_row..., field("apart", &StoredRun::apart)};
    });
  }
};
// One in memory, which may soon change again.
struct KeptRun : StoredRun {
  RunText text;
};
// The part of it that says where a run stands among others: less to read than the whole.
struct RunHead {
  std::string run_id, start_time;
  std::optional<std::uint64_t> deleted, alone;
  static constexpr auto fields() {
    return FieldList{field("run_id", &RunHead::run_id), field("start_time", &RunHead::start_time),
                     field("deleted", &RunHead::deleted), field("alone", &RunHead::alone)};
  }
};
struct TextRow {
  std::string key, value;
  static constexpr auto fields() {
    return FieldList{field("key", &TextRow::key), field("value", &TextRow::value)};
  }
};

// A run is hidden with its experiment, until it is restored alone, or where it was deleted since
// the experiment was last restored.
inline bool is_deleted(const RunRow& run, const ExperimentRow& experiment) {
  return (experiment.lifecycle_stage == "deleted" && run.alone != experiment.restored) ||
         run.deleted == experiment.restored;
}

// Versioned: "experiment" by id, "experiment_name" name -> id, "run" by id: a StoredRun, "param"
// and "tag" by run and key: a TextRow, "dataset" by run and order: a DatasetUse. Plain, newest
// first: "experiments", "runs", "runs_of" an experiment.
class RunsProjection : public Dispatch<RunsProjection> {
 public:
  static constexpr std::string_view kName = "runs";
  static constexpr std::uint32_t kVersion = 3;
  void on(ViewWriter& view, const EventView& envelope, const ExperimentCreated& event);
  void on(ViewWriter& view, const EventView& envelope, const RunStarted& event);
  void on(ViewWriter& view, const EventView& envelope, const RunParamsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const RunArtifactLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunInputLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunEnded& event);
  void on(ViewWriter& view, const EventView& envelope, const ExperimentRenamed& event);
  void on(ViewWriter& view, const EventView& envelope, const ExperimentDeleted& event);
  void on(ViewWriter& view, const EventView& envelope, const ExperimentRestored& event);
  void on(ViewWriter& view, const EventView& envelope, const ExperimentTagsSet& event);
  void on(ViewWriter& view, const EventView& envelope, const ExperimentTagRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const ExperimentImported& event);
  void on(ViewWriter& view, const EventView& envelope, const RunRenamed& event);
  void on(ViewWriter& view, const EventView& envelope, const RunStatusChanged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunTagRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const RunDeleted& event);
  void on(ViewWriter& view, const EventView& envelope, const RunRestored& event);
  void on(ViewWriter& view, const EventView& envelope, const RunArtifactRemoved& event);
  void on(ViewWriter& view, const EventView& envelope, const RunDatasetsLogged& event);
  void on(ViewWriter& view, const EventView& envelope, const RunModelsLinked& event);

 private:
  // Of the row of the event's run.
  const std::string& key_of(const EventView& envelope);
  const KeptRun* find_run(ViewWriter& view, const EventView& envelope);
  // `piece`: where all that `change` changes is.
  template <class Change>
  void update_run(ViewWriter& view, const EventView& envelope, RunText::Piece piece,
                  Change&& change);
  void set_texts(ViewWriter& view, const EventView& envelope, RunText::Piece piece,
                 const Texts& texts);
  void set_text(ViewWriter& view, const EventView& envelope, RunText::Piece piece,
                const std::string& key, const std::string& value);
  void move_apart(ViewWriter& view, const EventView& envelope);

  EntityKey run_key_{kName, "run"};
};

}  // namespace mlforge::projections
