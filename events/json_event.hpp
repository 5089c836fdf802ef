// The base of the event structs.
#pragma once
#include <cstdint>

#include "events/envelope.hpp"

namespace mlforge {

// What every JSON event has in common; columns events say their own content type.
template <std::uint16_t Version>
struct JsonEvent {
  static constexpr std::uint16_t schema = Version;
  static constexpr ContentType content = ContentType::json;
};

}  // namespace mlforge
