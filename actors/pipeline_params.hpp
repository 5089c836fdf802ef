// The XGBoost params that a step may set: XGBoost itself only warns of a name that it does not
// know.
#pragma once
#include <optional>
#include <string>

namespace mlforge::actors {

// Nothing when the param is known and its value lies in its range; else what would be right, as the
// second half of a sentence ("must be a number from 0 to 1, not '3'").
std::optional<std::string> check_param(const std::string& name, const std::string& value);

}  // namespace mlforge::actors
