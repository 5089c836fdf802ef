// How former versions of a view's row are stored: as what differs from the version after
// them, so that a row which grows change by change takes the room of the changes; some of them, and
// short ones, whole.
// A change is mostly something that came in or went, and a time that became another.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "events/envelope.hpp"
#include "events/error.hpp"

namespace mlforge::projections {

// Part of every projection's version: rows that were written otherwise are made anew.
inline constexpr std::uint32_t kVersionLayout = 3;

struct FormerVersion {
  bool live = false;
  std::string_view value;
  Position from = 0;
};

// u8 kind: 0 absent, 1 whole, 2 a difference: edits, each u32 bytes that are the next version's,
// u32 bytes of the next version that are not there, u32 bytes of its own (little-endian), and
// these; behind the last the next version goes on. Which of the large versions are whole depends on
// position and size alone, never on batches; one in size / 256 is, at most one in 8 and at least
// one in 512.
void append_version(std::string& out, const FormerVersion& version, std::string_view next);

inline bool is_difference(std::string_view stored) { return !stored.empty() && stored[0] == 2; }

// Applies differences, the oldest first in the list, to the version after the newest of them.
// `corrupt` where one does not fit.
Expected<std::string> restore_version(std::string_view base,
                                      const std::vector<std::string_view>& differences);

}  // namespace mlforge::projections
