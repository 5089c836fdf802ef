// What many messages name, read and checked as MLflow's server does: runs, experiments, versions.
#pragma once
#include <string>
#include <string_view>

#include "gateway/mlflow/message.hpp"

namespace mlforge::gateway::mlflow {

// "run_id", or "run_uuid" as older clients name it; required.
std::string read_run_id(Fields& fields);

// not_found where no run can have that id: its commands would call it a wrong name.
Status check_run_id(const std::string& id);
// invalid_argument where it is no id at all, as for batches and inputs, then the same.
Status check_strict_run_id(const std::string& id);

// The experiment id that a number written in decimal means: "007" is 7. invalid_argument for other
// texts.
Expected<std::string> experiment_id_of(std::string_view text);
// The member of that name, read so; empty where it is absent and optional. A wrong one is an error
// of the message.
std::string read_experiment_id(Fields& fields, Need need);

// The name of a registered model that a command names: what MLflow refuses is refused in its words,
// and not_found where it is too long to be one.
Status check_registered_name(const std::string& name);

// "version" of a message, as text or number; 0, which no version has, where it is negative.
std::uint64_t read_version(Fields& fields);

// Percent-decoded until nothing is left to decode.
std::string fully_unquoted(std::string text);

}  // namespace mlforge::gateway::mlflow
