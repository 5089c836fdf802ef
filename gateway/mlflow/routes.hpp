// MLflow's REST API, so that its own client works unchanged: docs/mlflow.md lists what is there.
#pragma once
#include "gateway/app.hpp"

namespace mlforge::gateway {

void add_mlflow_routes(App& app, http::Router& router);

}  // namespace mlforge::gateway
