// Registered models: versions, stages, aliases, gates, and the decision whether a challenger
// becomes champion.
#pragma once
#include <map>

#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr std::string_view kChampion = "champion", kChallenger = "challenger";

struct ModelVersionState {
  std::string stage = "None";
  std::string run_id, pipeline_run_id;
  std::string dataset;
  std::uint64_t dataset_version = 0;
  std::vector<FileRef> artifacts;
  Figures metrics;
  Texts params;
  std::optional<bool> gate;  // the last gate's outcome
  std::string description;
  Texts tags;
  bool deleted = false;
  std::string source;               // as the client named it
  TimeUs created = 0, updated = 0;  // of ModelImported
};

struct ModelState {
  bool exists = false;
  std::vector<ModelVersionState> versions;  // [0] is version 1
  std::map<std::string, std::uint64_t> aliases;
  std::string description;
  Texts tags;
  TimeUs created = 0, updated = 0;  // of ModelImported

  // Nothing where the number is no version, or one that was deleted.
  const ModelVersionState* version(std::uint64_t number) const;
  std::uint64_t alias(std::string_view name) const;  // 0: not set
};

struct CreateModelVersion;

// The version that the command would make once more, 0 where it is new: for a pipeline run's the
// same run_id, pipeline_run_id and artifacts, for a person's all the same in every field.
std::uint64_t find_same_version(const ModelState& state, const CreateModelVersion& command);

struct RegisterModel {
  std::string name, description;
  static constexpr auto fields() {
    return FieldList{required("name", &RegisterModel::name),
                     personal("description", &RegisterModel::description)};
  }
};

// Registers the model too where it is new. The same again (find_same_version) changes nothing.
struct CreateModelVersion {
  std::string model;
  std::string run_id, pipeline_run_id;
  std::string dataset;
  std::uint64_t dataset_version = 0;
  std::vector<FileRef> artifacts;
  Figures metrics;
  Texts params;
  static constexpr auto fields() {
    return FieldList{field("run_id", &CreateModelVersion::run_id),
                     field("dataset", &CreateModelVersion::dataset),
                     field("dataset_version", &CreateModelVersion::dataset_version),
                     required("artifacts", &CreateModelVersion::artifacts),
                     required("metrics", &CreateModelVersion::metrics),
                     field("params", &CreateModelVersion::params)};
  }
};

struct SetAlias {
  std::string model, alias;
  std::uint64_t version = 0;
  std::string reason;
  std::optional<std::uint64_t>
      expected;  // compare-and-set: the version that the alias must point to now, 0 for none
  static constexpr auto fields() {
    return FieldList{required("version", &SetAlias::version), field("reason", &SetAlias::reason),
                     field("expected", &SetAlias::expected)};
  }
};

struct RemoveAlias {
  std::string model, alias, reason;
};

struct TransitionStage {
  std::string model;
  std::uint64_t version = 0;
  std::string stage, reason;
  static constexpr auto fields() {
    return FieldList{required("stage", &TransitionStage::stage),
                     field("reason", &TransitionStage::reason)};
  }
};

// The checks are made by the manager (they read artifacts); this records them.
struct RecordGate {
  std::string model;
  std::uint64_t version = 0;
  std::vector<Check> checks;
};

struct Promote {
  std::string model;
  std::uint64_t version = 0;
  std::string metric = "auc";
  double min_delta = 0.005;
  std::string reason;
  static constexpr auto fields() {
    return FieldList{field("metric", &Promote::metric), field("min_delta", &Promote::min_delta),
                     field("reason", &Promote::reason)};
  }
};

Expected<Events> decide(const ModelState& state, const RegisterModel& command);
Expected<Events> decide(const ModelState& state, const CreateModelVersion& command);

// An alias of digits would be read as a version number: invalid_argument. `champion` moves by
// Promote only; `challenger` may only name a version in Staging.
Expected<Events> decide(const ModelState& state, const SetAlias& command);
Expected<Events> decide(const ModelState& state, const RemoveAlias& command);

// None -> Staging -> Production -> Archived, Archived -> Staging. To Production only through
// Promote. Entering Staging makes the version the challenger; leaving Staging or Production gives
// its aliases up.
Expected<Events> decide(const ModelState& state, const TransitionStage& command);
Expected<Events> decide(const ModelState& state, const RecordGate& command);

// Whether more is known to be better of a metric, by the words of its name ("cv_auc", "f1-score"):
// false for losses, errors, counts and names that say nothing.
bool more_is_better(std::string_view metric);
// invalid_argument for a metric by which nothing can be gated or weighed.
Status check_gate_metric(std::string_view metric);

// Whether Promote is one that can be weighed: the version in Staging; a metric of which more is
// better, that it and the champion have; min_delta from 0 to 1. Says nothing of the gate.
Status check_promotion(const ModelState& state, const Promote& command);

// As check_promotion, and the gate must be evaluated. Approved where the gate passed and there
// is no champion, or the metric is better than the champion's by at least min_delta: then the
// version becomes Production and champion, the former one Archived. Otherwise the version is
// Archived. Either way ModelPromotionDecided holds the figures.
Expected<Events> decide(const ModelState& state, const Promote& command);

void evolve(ModelState& state, const ModelRegistered& event);
void evolve(ModelState& state, const ModelVersionCreated& event);
void evolve(ModelState& state, const ModelGateEvaluated& event);
void evolve(ModelState& state, const ModelStageChanged& event);
void evolve(ModelState& state, const ModelAliasSet& event);
void evolve(ModelState& state, const ModelAliasRemoved& event);
void evolve(ModelState& state, const ModelPromotionDecided& event);
void evolve(ModelState& state, const ModelDescribed& event);
void evolve(ModelState& state, const ModelTagsSet& event);
void evolve(ModelState& state, const ModelTagRemoved& event);
void evolve(ModelState& state, const ModelDeleted& event);
void evolve(ModelState& state, const ModelRenamed& event);
void evolve(ModelState& state, const ModelTakenOver& event);
void evolve(ModelState& state, const ModelVersionDescribed& event);
void evolve(ModelState& state, const ModelVersionTagsSet& event);
void evolve(ModelState& state, const ModelVersionTagRemoved& event);
void evolve(ModelState& state, const ModelVersionDeleted& event);

}  // namespace mlforge
