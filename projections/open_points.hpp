// The newest points of a run, of all its series, in one small row: most events touch that row
// alone, however many metrics they carry. When it is full its points move to their series
// (metric_blocks.hpp); that depends on the events alone, never on batches.
//
// Table "open", by tenant and run: OpenHead, the names, the events.
//   a name    u8 size, the name, MetricPoint: the best of its points in this row
//   an event  varint: its position less that of the event before; varint: how many points; of each
//             point varint: twice the number of its name, and 1 where step and time are those of
//             the point before; else zigzag varints, what both differ by; the value, 8 bytes
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "projections/metric_blocks.hpp"

namespace mlforge::projections {

struct OpenHead {
  std::uint32_t names = 0;    // bytes of the names
  std::uint32_t spilled = 0;  // not 0: the run's series have rows of their own
  Position position = 0;      // of the last event; with the next two what the next one differs from
  std::int64_t step = 0, timestamp = 0;
};

// What an event says, of sizes that agree.
struct LoggedPoints {
  Position position = 0;
  std::span<const std::string> keys;
  std::span<const double> values;
  std::span<const std::int64_t> timestamps, steps;
};

// With its key and the head of its node a full row fits half a page of LMDB: no page of its own.
inline constexpr std::size_t kOpenBytes = 1920;
// Events of more points, or with longer names, go past this row.
inline constexpr std::size_t kOpenPoints = 64, kOpenName = 255;

std::string open_key(std::string_view tenant, std::string_view run_id);

// Whether the event is one for add_points().
bool fits_open(const LoggedPoints& points);
// Adds an event that comes behind all others to an open row; an empty one becomes one.
void add_points(std::string& row, const LoggedPoints& points);
// Takes all points out; `spilled` from here on.
void empty_open(std::string& row);

OpenHead open_head(std::string_view row);
std::vector<std::string_view> open_names(std::string_view row);
// The best of one name's points in the row.
std::optional<MetricPoint> open_best(std::string_view row, std::string_view name);

// Visits all points in the order of the log, each with the number of its name in open_names().
template <class F>
void each_open_point(std::string_view row, F&& visit);

namespace open_points {

inline std::uint64_t read_varint(const char*& at, const char* end) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && at < end; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    value |= std::uint64_t(byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return value;
}
inline std::uint64_t unzigzag(std::uint64_t value) { return (value >> 1) ^ (0 - (value & 1)); }

}  // namespace open_points

template <class F>
void each_open_point(std::string_view row, F&& visit) {
  const std::size_t start = sizeof(OpenHead) + open_head(row).names;
  if (start >= row.size()) return;
  const char* at = row.data() + start;
  const char* const end = row.data() + row.size();
  std::uint64_t position = 0, step = 0, timestamp = 0;
  while (at < end) {
    position += open_points::read_varint(at, end);
    for (auto left = open_points::read_varint(at, end); left > 0; --left) {
      const auto tag = open_points::read_varint(at, end);
      if ((tag & 1) == 0) {
        step += open_points::unzigzag(open_points::read_varint(at, end));
        timestamp += open_points::unzigzag(open_points::read_varint(at, end));
      }
      MetricPoint point{position, std::bit_cast<std::int64_t>(step),
                        std::bit_cast<std::int64_t>(timestamp)};
      if (end - at < std::ptrdiff_t(sizeof point.value)) return;
      std::memcpy(&point.value, at, sizeof point.value);
      at += sizeof point.value;
      visit(tag >> 1, point);
    }
  }
}

}  // namespace mlforge::projections
