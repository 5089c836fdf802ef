#include "projections/metric_blocks.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "projections/open_points.hpp"

namespace mlforge::projections {
namespace {

constexpr std::string_view kProjection = "metrics";
constexpr std::size_t kFirstPoints = 12;  // room for so many, once there are two

std::size_t head_at(std::string_view tail) {
  return sizeof(std::uint16_t) + load_at<std::uint16_t>(tail, 0);
}

void add_point(std::string& tail, const MetricPoint& point) {
  tail.append(reinterpret_cast<const char*>(&point), sizeof point);
}

BlockEntry entry_of(std::string_view points, std::uint64_t before) {
  const auto first = load_at<MetricPoint>(points, 0);
  BlockEntry entry{.position = first.position,
                   .before = before,
                   .first_step = first.step,
                   .low = std::numeric_limits<double>::infinity(),
                   .high = -std::numeric_limits<double>::infinity()};
  for (std::size_t at = 0; at < points.size(); at += sizeof(MetricPoint)) {
    const double value = load_at<MetricPoint>(points, at).value;
    if (value < entry.low) entry.low = value;
    if (value > entry.high) entry.high = value;
  }
  return entry;
}

void seal(ViewWriter& view, const SeriesId& id, std::string& tail, SeriesHead& head) {
  const std::size_t start = head_at(tail) + sizeof(SeriesHead);
  const auto points = std::string_view(tail).substr(start);
  const auto entry = entry_of(points, head.points - points.size() / sizeof(MetricPoint));
  view.add_plain(sealed_of(id) + ascending(entry.position), points);
  tail.resize(start);
  view.plain(blocks_of(id) + ascending(head.blocks / kBlocksARow))
      .append(reinterpret_cast<const char*>(&entry), sizeof entry);
  ++head.blocks;
}

// `full` is told before a point that is to come behind a full tail.
template <class Full>
void add_to_tail(std::string& tail, const MetricPoint& point, Full&& full) {
  const std::size_t at = head_at(tail);
  auto head = load_at<SeriesHead>(tail, at);
  if (head.points == 0) {
    head.best = point;
  } else {
    if (head.points == 1) {
      tail.reserve(tail.size() + kFirstPoints * sizeof(MetricPoint));
      add_point(tail, head.best);
    }
    const auto last = load_at<MetricPoint>(tail, tail.size() - sizeof(MetricPoint));
    if (std::pair(point.timestamp, point.step) <= std::pair(last.timestamp, last.step))
      head.disorder |= SeriesHead::kByTime;
    if (std::pair(point.step, point.timestamp) <= std::pair(last.step, last.timestamp))
      head.disorder |= SeriesHead::kByStep;
    if (MetricPoint::better(point, head.best)) head.best = point;
    if (tail.size() - at - sizeof head >= kSealBytes && last.position != point.position) full(head);
    add_point(tail, point);
  }
  ++head.points;
  std::memcpy(tail.data() + at, &head, sizeof head);
}

}  // namespace

bool MetricPoint::better(const MetricPoint& candidate, const MetricPoint& best) {
  if (candidate.step != best.step) return candidate.step > best.step;
  if (candidate.timestamp != best.timestamp) return candidate.timestamp > best.timestamp;
  const auto stored = [](double value) { return std::isnan(value) ? 0.0 : value; };
  return stored(candidate.value) > stored(best.value);
}

std::string tail_key(const SeriesId& id) {
  return view_key(kProjection, id.tenant, "tail", id.run_id, id.key);
}
std::string tails_of(std::string_view tenant, std::string_view run_id) {
  return view_prefix(kProjection, tenant, "tail", run_id);
}
std::string sealed_of(const SeriesId& id) {
  return view_prefix(kProjection, id.tenant, "sealed", id.run_id, id.key);
}
std::string blocks_of(const SeriesId& id) {
  return view_prefix(kProjection, id.tenant, "blocks", id.run_id, id.key);
}

MetricPoint SeriesTail::last() const {
  return points.empty() ? head.best
                        : load_at<MetricPoint>(points, points.size() - sizeof(MetricPoint));
}

SeriesTail parse_tail(std::string_view row) {
  const std::size_t head = head_at(row);
  return {row.substr(sizeof(std::uint16_t), head - sizeof(std::uint16_t)),
          load_at<SeriesHead>(row, head), row.substr(head + sizeof(SeriesHead))};
}

void begin_tail(std::string& tail, std::string_view name) {
  const auto size = static_cast<std::uint16_t>(std::min<std::size_t>(name.size(), 65535));
  const SeriesHead head;
  tail.append(reinterpret_cast<const char*>(&size), sizeof size);
  tail.append(name.substr(0, size));
  tail.append(reinterpret_cast<const char*>(&head), sizeof head);
}

void append_point(ViewWriter& view, const SeriesId& id, std::string& tail,
                  const MetricPoint& point) {
  add_to_tail(tail, point, [&](SeriesHead& head) { seal(view, id, tail, head); });
}

std::string read_tail(ViewReader& view, const SeriesId& id) {
  const auto open = view.get_plain(open_key(id.tenant, id.run_id));
  if (!open) return {};
  std::string tail;
  if (open_head(*open).spilled)
    if (const auto row = view.get_plain(tail_key(id))) tail = *row;
  const auto names = open_names(*open);
  const auto name = std::find(names.begin(), names.end(), id.key) - names.begin();
  if (static_cast<std::size_t>(name) == names.size()) return tail;
  if (tail.empty()) begin_tail(tail, id.key);
  each_open_point(*open, [&](std::uint64_t of, const MetricPoint& point) {
    if (of == static_cast<std::uint64_t>(name)) add_to_tail(tail, point, [](SeriesHead&) {});
  });
  return tail;
}

namespace {

// By the tail row.
std::optional<MetricPoint> latest_in(ViewReader& view, const SeriesId& id, std::string_view row,
                                     Position as_of) {
  const auto tail = parse_tail(row);
  if (tail.last().position <= as_of) return tail.head.best;
  std::optional<MetricPoint> best;
  read_points(view, id, row, as_of, [&](const MetricPoint& point) {
    if (!best || MetricPoint::better(point, *best)) best = point;
  });
  return best;
}

// Of what was logged first and what followed.
std::optional<MetricPoint> later(std::optional<MetricPoint> first,
                                 std::optional<MetricPoint> second) {
  return first && (!second || !MetricPoint::better(*second, *first)) ? first : second;
}

// As of a position that is before some points of the open row.
std::vector<NamedPoint> former_points(ViewReader& view, std::string_view tenant,
                                      std::string_view run_id, std::string_view open,
                                      Position as_of) {
  std::vector<NamedPoint> out;
  std::set<std::string> names;
  for (const auto name : open_names(open)) names.emplace(name);
  const auto add = [&](std::string_view, std::string_view row) {
    const auto name = parse_tail(row).name;
    if (name.size() <= kOpenName) {
      names.emplace(name);
    } else if (const auto best = latest_in(view, {tenant, run_id, name}, row, as_of)) {
      out.push_back({std::string(name), *best});  // none of its points is in the open row
    }
    return true;
  };
  if (open_head(open).spilled) view.scan_plain(tails_of(tenant, run_id), {}, SIZE_MAX, add);
  for (const auto& name : names)
    if (const auto best = latest_point(view, {tenant, run_id, name}, as_of))
      out.push_back({name, *best});
  return out;
}

}  // namespace

std::optional<MetricPoint> latest_point(ViewReader& view, const SeriesId& id, Position as_of) {
  const auto open = view.get_plain(open_key(id.tenant, id.run_id));
  if (!open) return std::nullopt;
  const auto head = open_head(*open);
  if (head.position > as_of) {
    const auto row = read_tail(view, id);
    return row.empty() ? std::nullopt : latest_in(view, id, row, as_of);
  }
  const auto best = open_best(*open, id.key);
  const auto row = head.spilled ? view.get_plain(tail_key(id)) : std::nullopt;
  return row ? later(latest_in(view, id, *row, as_of), best) : best;
}

std::vector<NamedPoint> latest_points(ViewReader& view, std::string_view tenant,
                                      std::string_view run_id, Position as_of) {
  std::vector<NamedPoint> out;
  const auto open = view.get_plain(open_key(tenant, run_id));
  if (!open) return out;
  const auto head = open_head(*open);
  if (head.position > as_of) return former_points(view, tenant, run_id, *open, as_of);
  auto names = open_names(*open);
  const auto add = [&](std::string_view name, std::optional<MetricPoint> before) {
    if (const auto best = later(before, open_best(*open, name)))
      out.push_back({std::string(name), *best});
  };
  if (head.spilled)
    view.scan_plain(tails_of(tenant, run_id), {}, SIZE_MAX,
                    [&](std::string_view, std::string_view row) {
                      const auto name = parse_tail(row).name;
                      add(name, latest_in(view, {tenant, run_id, name}, row, as_of));
                      std::erase(names, name);
                      return true;
                    });
  for (const auto name : names) add(name, std::nullopt);
  return out;
}

}  // namespace mlforge::projections
