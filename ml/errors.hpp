// Errors of this folder.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "events/error.hpp"

namespace mlforge::ml {

inline Error invalid(std::string message, std::string_view field) {
  return Error{ErrorCode::invalid_argument, std::move(message), std::string(field)};
}

}  // namespace mlforge::ml
