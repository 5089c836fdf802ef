// What a scorer's serialized form must not hold, as MLflow's server has it.
#pragma once
#include <string_view>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow {

// Refuses what is no JSON object, code to execute (decorated functions), clients of third parties
// that are sent somewhere else, and models of a gateway, which this server has not.
Status check_serialized_scorer(std::string_view serialized);

}  // namespace mlforge::gateway::mlflow
