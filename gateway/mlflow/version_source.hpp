// Where the files of a new version may lie: what MLflow's server accepts as its source.
#pragma once
#include "events/mlflow_registry.hpp"
#include "gateway/handlers.hpp"

namespace mlforge::gateway::mlflow {

// Fields of a request that were there at all, even if empty.
struct GivenIds {
  bool run_id = false, model_id = false;
};

// Completes and checks source, run and logged model of a new version, and says where its files are:
//   models:/<name>/<version or stage>, models:/<name>@<alias>: another version, whose run and
//     logged model are taken over;
//   models:/m-<id>: the logged model `model_id`;      runs:/<id>/...: the run `run_id`;
//   mlflow-artifacts:/...: below the artifact root of the run or the logged model;
//   a local path: below such a root that is local too;      every other URI: a plain absolute one.
// invalid_argument with MLflow's sentence where it is none of these; not_found where the version
// that is named does not exist.
Status resolve_source(const QueryContext& q, const GivenIds& given, NewVersion& version);

// Where the files of a version are. Of one that was made without that, models:/m-<id> and
// models:/<name>/<version> are followed.
Expected<std::string> download_uri(const QueryContext& q, const std::string& name,
                                   std::uint64_t version);

}  // namespace mlforge::gateway::mlflow
