// How the series of a run lie in the views: the newest points of all in the run's open row
// (open_points.hpp), those before in a row of each series, what is behind them in blocks that never
// change, and a list of the blocks, so that a page or a sample of a long series reads the blocks
// that it needs.
//
// Tables of plain rows, each with tenant, run and metric in its key:
//   tail    u16 size of the name, the name, SeriesHead, the points since the last block
//   sealed  by the position of its first point: a block, MetricPoints in the order of the log
//   blocks  by number / kBlocksARow: BlockEntries
// The first point of a series stands in the head until there is a second. A tail that is full
// becomes a block when an event follows; that depends on the points alone, never on batches. The
// points of one event stay together.
#pragma once
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "projections/view_key.hpp"
#include "projections/view_writer.hpp"

namespace mlforge::projections {

struct MetricPoint {
  Position position = 0;
  std::int64_t step = 0;
  std::int64_t timestamp = 0;  // milliseconds
  double value = 0;

  // MLflow's rule for the latest value: the larger step, then the larger timestamp, then the larger
  // value, where NaN counts as 0; between equals the earlier one stays.
  static bool better(const MetricPoint& candidate, const MetricPoint& best);
};

struct SeriesHead {
  MetricPoint best;          // the latest value
  std::uint64_t points = 0;  // all of them
  std::uint32_t blocks = 0;
  std::uint32_t disorder = 0;
  // Some point is not behind the one before it, by (timestamp, step) or by (step, timestamp).
  static constexpr std::uint32_t kByTime = 1, kByStep = 2;
};

struct BlockEntry {
  Position position = 0;     // of its first point
  std::uint64_t before = 0;  // points of the series before it
  std::int64_t first_step = 0;
  double low = 0, high = 0;  // low > high: nothing but NaN
};

struct SeriesId {
  std::string_view tenant, run_id, key;
};

struct SeriesTail {
  std::string_view name;
  SeriesHead head;
  std::string_view points;
  MetricPoint last() const;  // of all points
};

// A sealed row, and a full tail with a name that is not long, fit one page of LMDB with its head.
inline constexpr std::size_t kSealBytes = 3840 / sizeof(MetricPoint) * sizeof(MetricPoint);
inline constexpr std::size_t kBlocksARow = 96;

std::string tail_key(const SeriesId& id);
std::string tails_of(std::string_view tenant, std::string_view run_id);
std::string sealed_of(const SeriesId& id);
std::string blocks_of(const SeriesId& id);

// Of a tail row.
SeriesTail parse_tail(std::string_view row);

template <class T>
T load_at(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// Makes an empty row the tail of a series without points.
void begin_tail(std::string& tail, std::string_view name);
void append_point(ViewWriter& view, const SeriesId& id, std::string& tail,
                  const MetricPoint& point);

// The tail of a series as if its points in the open row stood there already; empty where there is
// no such series.
std::string read_tail(ViewReader& view, const SeriesId& id);

// Visits the points up to and including position `as_of` in the order of the log. `row`: of
// read_tail().
template <class F>
void read_points(ViewReader& view, const SeriesId& id, std::string_view row, Position as_of,
                 F&& visit) {
  if (row.empty()) return;
  const auto tail = parse_tail(row);
  if (tail.head.points == 1) {
    if (tail.head.best.position <= as_of) visit(tail.head.best);
    return;
  }
  const auto each = [&](std::string_view points) {
    for (std::size_t at = 0; at + sizeof(MetricPoint) <= points.size(); at += sizeof(MetricPoint)) {
      const auto point = load_at<MetricPoint>(points, at);
      if (point.position > as_of) return false;
      visit(point);
    }
    return true;
  };
  bool more = true;
  if (tail.head.blocks > 0)
    view.scan_plain(sealed_of(id), {}, SIZE_MAX,
                    [&](std::string_view, std::string_view points) { return more = each(points); });
  if (more) each(tail.points);
}

// The latest value as of a position.
std::optional<MetricPoint> latest_point(ViewReader& view, const SeriesId& id, Position as_of);

// Those of all series of a run, in no order.
struct NamedPoint {
  std::string name;
  MetricPoint point;
};
std::vector<NamedPoint> latest_points(ViewReader& view, std::string_view tenant,
                                      std::string_view run_id, Position as_of);

}  // namespace mlforge::projections
