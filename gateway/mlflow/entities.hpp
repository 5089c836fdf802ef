// Rows of the read models as MLflow's messages.
#pragma once
#include <string>

#include "gateway/handlers.hpp"
#include "projections/logged_models.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::mlflow {

using projections::ExperimentRow;
using projections::LoggedModelRow;
using projections::ModelRow;
using projections::ModelVersionRow;
using projections::RunRow;

void write_experiment(std::string& out, const ExperimentRow& row);

// The default experiment is there before an event has named it.
Expected<ExperimentRow> find_experiment(const QueryContext& q, const std::string& id);
Expected<ExperimentRow> find_experiment_by_name(const QueryContext& q, const std::string& name);

struct RunEntity {
  RunRow row;
  bool deleted = false;
};
Expected<RunEntity> find_run(const QueryContext& q, const std::string& id);

// What a run has read, as its client described it, in the order of logging.
std::vector<DatasetUse> datasets_of(const QueryContext& q, const std::string& run_id);

std::string run_artifact_uri(const RunRow& row);
void write_run_info(std::string& out, const RunEntity& run);
// With data, inputs and outputs.
void write_run(std::string& out, const QueryContext& q, const RunEntity& run);
// Of a run that has just begun.
void write_new_run(std::string& out, const RunEntity& run);
void write_metric(std::string& out, const projections::MetricRow& metric, std::string_view run_id);

Expected<ModelRow> find_model(const QueryContext& q, const std::string& name);
Expected<ModelVersionRow> find_version(const QueryContext& q, const std::string& name,
                                       std::uint64_t version);
// Highest first.
std::vector<ModelVersionRow> versions_of(const QueryContext& q, const std::string& name);
void write_model(std::string& out, const QueryContext& q, const ModelRow& row);
void write_version(std::string& out, const ModelVersionRow& row);
// The highest of each stage.
std::vector<ModelVersionRow> latest_versions(const QueryContext& q, const std::string& name);

void write_logged_model(std::string& out, const QueryContext& q, const LoggedModelRow& row);

}  // namespace mlforge::gateway::mlflow
