// Evaluation datasets and their records, between MLflow's JSON and rows and commands.
#pragma once
#include "events/json_tree.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "projections/evaluation_datasets.hpp"

namespace mlforge::gateway::mlflow {

// What `upsert` is sent as `records`, a JSON text of a list of objects: with the identity of each
// by its inputs. The Error names the record and says what would be right. Record ids are empty.
Expected<MergeEvaluationRecords> read_evaluation_records(std::string_view text);

// `tags`, the JSON text of an object: values become texts as Python's str() has them; null is left
// out.
Expected<Texts> read_evaluation_tags(std::string_view text);

// MLflow's Dataset. `experiments`: with the experiments that it is of.
void write_evaluation_dataset(std::string& out, const projections::EvaluationDatasetRow& row,
                              bool experiments = false);

// One of the list that MLflow's server sends as text.
void append_evaluation_record(std::string& out, std::string_view dataset_id,
                              const projections::EvaluationRecordRow& row);

}  // namespace mlforge::gateway::mlflow
