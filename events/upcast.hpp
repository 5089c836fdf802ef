// What lifts the payload of an older schema version to the next one, and so step by step to the one
// that this program knows.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "events/envelope.hpp"
#include "events/error.hpp"

namespace mlforge {

// Pure: the same bytes give the same bytes. `corrupt` where they are no payload of that version.
struct Upcaster {
  std::string_view type;
  std::uint16_t from;  // makes version from + 1
  ContentType content;
  Expected<std::string> (*step)(std::string_view payload);
};

// Every step there is: one for each version that was ever written and is not the newest.
std::span<const Upcaster> upcasters();

// Whether there are steps from version `from` to version `to`.
bool can_upcast(std::string_view type, ContentType content, std::uint16_t from, std::uint16_t to,
                std::span<const Upcaster> steps = upcasters());

// The payload as version `to` has it. Where there are no steps (see can_upcast) that is `corrupt`.
Expected<std::string> upcast(std::string_view type, ContentType content, std::uint16_t from,
                             std::uint16_t to, std::string_view payload,
                             std::span<const Upcaster> steps = upcasters());

}  // namespace mlforge
