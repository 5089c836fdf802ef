#include "gateway/moment.hpp"

#include <charconv>

#include "events/checks.hpp"

namespace mlforge::gateway {

Expected<Position> parse_moment(const storage::Log& log, std::string_view text,
                                std::string_view field) {
  Position position = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), position);
  if (code != std::errc{} || end != text.data() + text.size()) {
    const auto time = parse_time(text);
    if (!time)
      return invalid(field,
                     "must be a log position or an RFC 3339 time such as 2026-11-21T09:30:00Z");
    return log.position_at(*time);
  }
  if (position > log.head())
    return invalid(field, "is after the log's head, which is " + std::to_string(log.head()));
  return position;
}

}  // namespace mlforge::gateway
