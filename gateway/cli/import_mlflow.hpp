// `mlforge import mlflow`.
#pragma once
#include "gateway/cli/session.hpp"

namespace mlforge::gateway::cli {

// Below `import`.
void add_import_mlflow(CLI::App& import, Session& s);

}  // namespace mlforge::gateway::cli
