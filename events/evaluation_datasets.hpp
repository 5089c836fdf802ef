// Evaluation datasets (MLflow 3): records of inputs and what is expected of them.
#pragma once
#include <unordered_map>

#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr std::size_t kMaxEvaluationName = 255, kMaxEvaluationTagKey = 255,
                             kMaxEvaluationTagValue = 5000;  // characters

struct EvaluationDatasetState {
  bool exists = false;
  std::string name;
  Texts tags;
  std::vector<std::string> experiment_ids;               // in the order of linking
  std::unordered_map<std::string, std::string> records;  // input_hash -> record id
};

struct NewEvaluationDataset {
  std::string dataset_id;  // filled by the manager
  std::string name;
  Texts tags;
  std::vector<std::string> experiment_ids;
  TimeUs time = 0;
};
struct TagEvaluationDataset {
  std::string dataset_id;
  Texts tags;
};
struct UntagEvaluationDataset {
  std::string dataset_id, key;
};
// Records whose inputs are there already are merged into those; the others are new. All have their
// inputs and hashes, an id that is used where they are new, and what was not said is empty.
struct MergeEvaluationRecords {
  std::string dataset_id;
  std::vector<EvaluationRecord> records;
  std::string updated_by;
  TimeUs time = 0;
};
struct RemoveEvaluationRecords {
  std::string dataset_id;
  std::vector<std::string> record_ids;
};
struct LinkEvaluationDataset {
  std::string dataset_id;
  std::vector<std::string> experiment_ids;
  std::string unknown_experiment;  // filled by the manager: the first that is not there
  TimeUs time = 0;
};
struct UnlinkEvaluationDataset {
  std::string dataset_id;
  std::vector<std::string> experiment_ids;
  TimeUs time = 0;
};
struct DeleteEvaluationDataset {
  std::string dataset_id;
};

// not_found where there is no such dataset, but for untagging, removing and deleting: as in MLflow
// these do nothing then. Many records become several events, each of about a mebibyte.
Expected<Events> decide(const EvaluationDatasetState& state, const NewEvaluationDataset& command);
Expected<Events> decide(const EvaluationDatasetState& state, const TagEvaluationDataset& command);
Expected<Events> decide(const EvaluationDatasetState& state, const UntagEvaluationDataset& command);
Expected<Events> decide(const EvaluationDatasetState& state, const MergeEvaluationRecords& command);
Expected<Events> decide(const EvaluationDatasetState& state,
                        const RemoveEvaluationRecords& command);
Expected<Events> decide(const EvaluationDatasetState& state, const LinkEvaluationDataset& command);
Expected<Events> decide(const EvaluationDatasetState& state,
                        const UnlinkEvaluationDataset& command);
Expected<Events> decide(const EvaluationDatasetState& state,
                        const DeleteEvaluationDataset& command);

void evolve(EvaluationDatasetState& state, const EvaluationDatasetCreated& event);
void evolve(EvaluationDatasetState& state, const EvaluationDatasetTagsSet& event);
void evolve(EvaluationDatasetState& state, const EvaluationDatasetTagRemoved& event);
void evolve(EvaluationDatasetState& state, const EvaluationRecordsMerged& event);
void evolve(EvaluationDatasetState& state, const EvaluationRecordsRemoved& event);
void evolve(EvaluationDatasetState& state, const EvaluationDatasetLinked& event);
void evolve(EvaluationDatasetState& state, const EvaluationDatasetUnlinked& event);
void evolve(EvaluationDatasetState& state, const EvaluationDatasetDeleted& event);

}  // namespace mlforge
