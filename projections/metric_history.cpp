#include "projections/metric_history.hpp"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace mlforge::projections {
namespace {

constexpr std::size_t kPoint = sizeof(MetricPoint);

// NaN stands behind 0, as in MLflow's database, which keeps it as 0 and a mark.
int value_order(double a, double b) {
  const double x = std::isnan(a) ? 0 : a, y = std::isnan(b) ? 0 : b;
  if (x != y) return x < y ? -1 : 1;
  return int(std::isnan(a)) - int(std::isnan(b));
}

// Equal but for their position.
bool same(const MetricPoint& a, const MetricPoint& b) {
  return a.timestamp == b.timestamp && a.step == b.step && value_order(a.value, b.value) == 0;
}

std::pair<std::int64_t, std::int64_t> by(HistoryOrder order, const MetricPoint& point) {
  return order == HistoryOrder::time ? std::pair(point.timestamp, point.step)
                                     : std::pair(point.step, point.timestamp);
}

}  // namespace

MetricHistory::MetricHistory(ViewReader& view, const SeriesId& id, HistoryOrder order,
                             Position as_of)
    : view_(view), run_id_(id.run_id), key_(id.key), tenant_(id.tenant) {
  id_ = {tenant_, run_id_, key_};
  row_ = read_tail(view, id_);
  if (row_.empty()) return;
  const auto tail = parse_tail(row_);
  head_ = tail.head;
  tail_ = tail.points;
  if (head_.points == 1) {
    single_.assign(reinterpret_cast<const char*>(&head_.best), kPoint);
    tail_ = single_;
  }
  size_ = head_.points;
  const auto bit = order == HistoryOrder::time ? SeriesHead::kByTime : SeriesHead::kByStep;
  if (head_.disorder & bit)
    sort_all(as_of, order);
  else if (load_at<MetricPoint>(tail_, tail_.size() - kPoint).position > as_of)
    bound(as_of);
}

void MetricHistory::sort_all(Position as_of, HistoryOrder order) {
  sorted_ = true;
  read_points(view_, id_, row_, as_of, [&](const MetricPoint& point) { all_.push_back(point); });
  const auto before = [order](const MetricPoint& a, const MetricPoint& b) {
    const auto first = by(order, a), second = by(order, b);
    if (first != second) return first < second;
    return order != HistoryOrder::step_every && value_order(a.value, b.value) < 0;
  };
  if (!std::is_sorted(all_.begin(), all_.end(), before))
    std::stable_sort(all_.begin(), all_.end(), before);
  if (order != HistoryOrder::step_every)
    all_.erase(std::unique(all_.begin(), all_.end(), same), all_.end());
  size_ = all_.size();
}

// Counts the points that are not younger than the position: positions never fall in a series.
void MetricHistory::bound(Position as_of) {
  load_entries();
  const auto after = [as_of](const auto& entries) {
    return std::upper_bound(entries.begin(), entries.end(), as_of,
                            [](Position p, const BlockEntry& e) { return p < e.position; });
  };
  std::uint64_t first = head_.points - tail_.size() / kPoint;
  std::string_view points = tail_;
  if (load_at<MetricPoint>(tail_, 0).position > as_of) {
    const auto next = after(entries_);
    if (next == entries_.begin()) {
      size_ = 0;
      return;
    }
    first = std::prev(next)->before;
    points = block_points(*std::prev(next));
  }
  size_ = first;
  for (std::size_t at = 0; at < points.size(); at += kPoint, ++size_)
    if (load_at<MetricPoint>(points, at).position > as_of) return;
}

void MetricHistory::load_entries() {
  if (entries_.size() == head_.blocks) return;
  entries_.clear();
  entries_.reserve(head_.blocks);
  view_.scan_plain(blocks_of(id_), {}, SIZE_MAX, [&](std::string_view, std::string_view row) {
    const auto start = entries_.size();
    entries_.resize(start + row.size() / sizeof(BlockEntry));
    std::memcpy(entries_.data() + start, row.data(), row.size());
    return true;
  });
}

std::string_view MetricHistory::block_points(const BlockEntry& entry) {
  return view_.get_plain(sealed_of(id_) + ascending(entry.position)).value_or(std::string_view());
}

MetricHistory::Block MetricHistory::block_of(std::uint64_t rank) {
  if (rank >= current_.first && rank < current_.first + current_.points.size() / kPoint)
    return current_;
  const std::uint64_t in_blocks = head_.points - tail_.size() / kPoint;
  if (rank >= in_blocks) return current_ = {in_blocks, tail_};
  load_entries();
  const auto next =
      std::upper_bound(entries_.begin(), entries_.end(), rank,
                       [](std::uint64_t r, const BlockEntry& e) { return r < e.before; });
  if (next == entries_.begin()) return current_ = {};
  return current_ = {std::prev(next)->before, block_points(*std::prev(next))};
}

std::vector<MetricPoint> MetricHistory::slice(std::uint64_t from, std::uint64_t to) {
  std::vector<MetricPoint> out;
  to = std::min(to, size_);
  if (from >= to) return out;
  if (sorted_)
    return {all_.begin() + static_cast<std::ptrdiff_t>(from),
            all_.begin() + static_cast<std::ptrdiff_t>(to)};
  out.resize(to - from);
  for (std::uint64_t rank = from; rank < to;) {
    const auto block = block_of(rank);
    const std::uint64_t end = block.first + block.points.size() / kPoint;
    if (rank >= end) return {};  // the reader's status says why
    const std::uint64_t count = std::min(end, to) - rank;
    std::memcpy(out.data() + (rank - from), block.points.data() + (rank - block.first) * kPoint,
                count * kPoint);
    rank += count;
  }
  return out;
}

std::vector<MetricPoint> MetricHistory::at(std::span<const std::uint64_t> ranks) {
  std::vector<MetricPoint> out;
  out.reserve(ranks.size());
  for (const auto rank : ranks) {
    if (sorted_) {
      out.push_back(all_[rank]);
      continue;
    }
    const auto block = block_of(rank);
    if (rank - block.first >= block.points.size() / kPoint) return {};
    out.push_back(load_at<MetricPoint>(block.points, (rank - block.first) * kPoint));
  }
  return out;
}

std::uint64_t MetricHistory::rank_of_step(std::int64_t step) {
  if (sorted_)
    return static_cast<std::uint64_t>(
        std::partition_point(all_.begin(), all_.end(),
                             [step](const MetricPoint& p) { return p.step < step; }) -
        all_.begin());
  if (size_ == 0) return 0;
  load_entries();
  const auto next =
      std::partition_point(entries_.begin(), entries_.end(),
                           [step](const BlockEntry& e) { return e.first_step < step; });
  // Between the last block that begins before the step, and the first that does not.
  std::uint64_t low = next == entries_.begin() ? 0 : std::prev(next)->before;
  std::uint64_t high = size_;
  if (next != entries_.end()) high = std::min(size_, next->before);
  low = std::min(low, high);
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    const auto points = at({&middle, 1});
    if (points.empty()) return 0;
    if (points[0].step < step)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

std::vector<std::uint64_t> MetricHistory::extremes() {
  std::uint64_t low = 0, high = 0;
  MetricPoint lowest, highest;
  bool found = false;
  const auto look = [&](std::uint64_t rank, const MetricPoint& point) {
    if (std::isnan(point.value)) return;
    if (!found || point.value < lowest.value) std::tie(low, lowest) = std::pair(rank, point);
    if (!found || point.value > highest.value) std::tie(high, highest) = std::pair(rank, point);
    found = true;
  };
  const auto look_at = [&](std::uint64_t from, std::uint64_t to) {
    const auto points = slice(from, to);
    for (std::size_t i = 0; i < points.size(); ++i) look(from + i, points[i]);
  };
  if (sorted_) {
    look_at(0, size_);
  } else {
    load_entries();
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < entries_.size() && entries_[i].before < size_; ++i) {
      const auto& e = entries_[i];
      const std::uint64_t end =
          i + 1 < entries_.size() ? entries_[i + 1].before : head_.points - tail_.size() / kPoint;
      const bool better = !found || e.low < lowest.value || e.high > highest.value;
      if (end > size_ || (e.low <= e.high && better)) look_at(e.before, std::min(end, size_));
      seen = end;
    }
    if (seen < size_) look_at(seen, size_);
  }
  if (!found) return {};
  if (low == high) return {low};
  return {std::min(low, high), std::max(low, high)};
}

std::vector<std::uint64_t> sample_ranks(std::uint64_t total, std::uint64_t most) {
  std::vector<std::uint64_t> ranks;
  const std::uint64_t parts = std::min(total, std::max<std::uint64_t>(most, 1));
  if (parts == 0) return ranks;
  const std::uint64_t size = total / parts, larger = total % parts;
  for (std::uint64_t i = 0; i < parts; ++i) ranks.push_back(i * size + std::min(i, larger));
  ranks.back() = total - 1;
  return ranks;
}

}  // namespace mlforge::projections
