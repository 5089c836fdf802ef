// Names of streams, for those that follow the log.
#pragma once
#include <string>
#include <string_view>

#include "projections/projection.hpp"

namespace mlforge::actors {

inline constexpr const char* kTenant = "default";

// What is behind the kind: "model/adult" -> "adult".
inline std::string name_of(std::string_view stream) {
  return std::string(projections::entity(stream));
}

}  // namespace mlforge::actors
