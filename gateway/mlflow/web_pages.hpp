// MLflow's own web pages, from where its Python package has them (mlflow_ui).
#pragma once
#include "events/error.hpp"
#include "gateway/config.hpp"

namespace mlforge::gateway::mlflow {

// Puts the folder with the pages' index.html in the place of `config.mlflow_ui`, which may name it,
// the package or the Python environment that it is installed in. invalid_argument where there is
// none; nothing is done where the setting is empty.
Status find_web_pages(Config& config);

}  // namespace mlforge::gateway::mlflow
