// A moment of the log as people give it: a position, or an RFC 3339 time.
#pragma once
#include "storage/log.hpp"

namespace mlforge::gateway {

// The last position at that moment; 0: before everything. invalid_argument names `field` where the
// text is neither, or a position after the log's head.
Expected<Position> parse_moment(const storage::Log& log, std::string_view text,
                                std::string_view field);

// The first position from that moment on; after the head where nothing is. A position is taken as
// it is.
Expected<Position> parse_start(const storage::Log& log, std::string_view text,
                               std::string_view field);

}  // namespace mlforge::gateway
