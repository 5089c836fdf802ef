// runs/search.
#pragma once
#include "gateway/mlflow/handlers.hpp"

namespace mlforge::gateway::mlflow {

void search_runs(App& app, Fields& fields, const Request& request, Reply reply);

}  // namespace mlforge::gateway::mlflow
