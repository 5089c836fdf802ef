#include "gateway/moment.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "events/checks.hpp"

namespace mlforge::gateway {
namespace {

std::optional<Position> as_position(std::string_view text) {
  Position position = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), position);
  if (text.empty() || code != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return position;
}

Error no_moment(std::string_view field) {
  return invalid(field,
                 "must be a log position or an RFC 3339 time such as 2026-11-21T09:30:00Z, or a "
                 "date");
}

}  // namespace

Expected<Position> parse_moment(const storage::Log& log, std::string_view text,
                                std::string_view field) {
  if (const auto position = as_position(text)) {
    if (*position <= log.head()) return *position;
    return invalid(field, "is after the log's head, which is " + std::to_string(log.head()));
  }
  const auto time = parse_time(text);
  if (!time) return no_moment(field);
  // What it will stand at then is not known, as with a position that is not there yet.
  if (const auto now = storage::system_clock()->now(); *time > now)
    return invalid(field, "is in the future: it is " + format_time(now) + " now");
  return log.position_at(*time);
}

Expected<Position> parse_start(const storage::Log& log, std::string_view text,
                               std::string_view field) {
  if (const auto position = as_position(text)) return std::max<Position>(*position, 1);
  const auto time = parse_time(text);
  if (!time) return no_moment(field);
  return log.position_at(*time - 1) + 1;
}

}  // namespace mlforge::gateway
