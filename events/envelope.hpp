// What surrounds every event: where it stands in the log, who did it, when, and what caused it.
#pragma once
#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mlforge {

using Position =
    std::uint64_t;            // global, gapless, the first event has 1; 0 means "before everything"
using TimeUs = std::int64_t;  // UTC microseconds since 1970

struct Uuid {
  std::array<std::uint8_t, 16> bytes{};
  auto operator<=>(const Uuid&) const = default;
  bool is_nil() const { return *this == Uuid{}; }
};

// Lower-case, 36 characters with hyphens. parse_uuid answers nothing for any other form.
std::string to_string(const Uuid& id);
std::optional<Uuid> parse_uuid(std::string_view text);

// RFC 3339 in UTC with microseconds, "2026-11-21T01:38:00.123456Z". parse_time also takes offsets
// and fewer digits.
std::string format_time(TimeUs time);
std::optional<TimeUs> parse_time(std::string_view text);

enum class ContentType : std::uint8_t {
  json = 0,
  columns = 1,  // typed columns, see events/columns.hpp: NaN and infinities keep their bits
};

// An event as it is handed to the log. The log gives position, version and time.
struct NewEvent {
  std::string stream;  // "<kind>/<name>", unique inside its tenant
  std::string type;    // wire name, "run.metrics_logged"
  std::uint16_t schema = 1;
  ContentType content_type = ContentType::json;
  std::string payload;
  Uuid id;  // nil: the log draws a UUIDv7
};

// An event in the log, as views into memory that lives as long as the read that gave it.
struct EventView {
  Position position = 0;
  Uuid id;
  std::string_view tenant;
  std::string_view stream;
  std::uint64_t version = 0;  // in its stream, the first event has 1
  std::string_view type;
  std::uint16_t schema = 1;
  std::string_view actor;
  TimeUs time = 0;  // never goes back; ties by position
  Uuid causation;   // nil: nothing in the log caused it
  Uuid correlation;
  std::string_view command_id;  // empty: none was sent
  ContentType content_type = ContentType::json;
  std::string_view payload;
  bool expired = false;  // the payload was dropped by retention, for ever; the rest is as it was
};

// The same with its own memory.
struct Envelope {
  Position position = 0;
  Uuid id;
  std::string tenant;
  std::string stream;
  std::uint64_t version = 0;
  std::string type;
  std::uint16_t schema = 1;
  std::string actor;
  TimeUs time = 0;
  Uuid causation;
  Uuid correlation;
  std::string command_id;
  ContentType content_type = ContentType::json;
  std::string payload;
  bool expired = false;

  Envelope() = default;
  explicit Envelope(const EventView& e);
  EventView view() const;
};

}  // namespace mlforge
