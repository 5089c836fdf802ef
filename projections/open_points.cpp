#include "projections/open_points.hpp"

#include <algorithm>
#include <stdexcept>

namespace mlforge::projections {
namespace {

constexpr std::size_t kVarint = 10;  // bytes at most
constexpr std::size_t kMostEventBytes = 2 * kVarint + kOpenPoints * (3 * kVarint + sizeof(double));

char* put_varint(char* at, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
  *at++ = static_cast<char>(value);
  return at;
}

std::uint64_t zigzag(std::uint64_t difference) {
  return (difference << 1) ^ (0 - (difference >> 63));
}

std::size_t name_size(const std::string& row, std::size_t at) {
  return static_cast<unsigned char>(row[at]);
}

// Where a name stands in the row, and which one it is. Events tend to bring the same names in the
// same order: the one behind the last found is tried first.
class Names {
 public:
  explicit Names(std::string& row) : row_(row), end_(sizeof(OpenHead) + open_head(row).names) {
    if (end_ > row.size()) throw std::runtime_error("the open row of a run's points is damaged");
  }

  std::uint64_t number_of(std::string_view name, const MetricPoint& point) {
    if (!is_next(name)) {
      next_ = sizeof(OpenHead);
      number_ = 0;
      while (next_ < end_ && !is_next(name)) skip();
    }
    if (next_ >= end_)
      add(name, point);
    else
      improve(point);
    skip();
    return number_ - 1;
  }
  std::size_t bytes() const { return end_ - sizeof(OpenHead); }

 private:
  bool is_next(std::string_view name) const {
    return next_ + 1 + name.size() + sizeof(MetricPoint) <= end_ &&
           name_size(row_, next_) == name.size() &&
           std::memcmp(row_.data() + next_ + 1, name.data(), name.size()) == 0;
  }
  void skip() {
    next_ += 1 + name_size(row_, next_) + sizeof(MetricPoint);
    ++number_;
  }
  void add(std::string_view name, const MetricPoint& point) {
    const std::size_t size = 1 + name.size() + sizeof point;
    next_ = end_;
    row_.insert(end_, size, '\0');
    char* const to = row_.data() + end_;
    to[0] = static_cast<char>(name.size());
    std::memcpy(to + 1, name.data(), name.size());
    std::memcpy(to + 1 + name.size(), &point, sizeof point);
    end_ += size;
  }
  void improve(const MetricPoint& point) {
    char* const at = row_.data() + next_ + 1 + name_size(row_, next_);
    MetricPoint best;
    std::memcpy(&best, at, sizeof best);
    if (MetricPoint::better(point, best)) std::memcpy(at, &point, sizeof point);
  }

  std::string& row_;
  std::size_t end_, next_ = sizeof(OpenHead);
  std::uint64_t number_ = 0;
};

template <class F>
void each_name(std::string_view row, F&& visit) {
  const std::size_t end = std::min(row.size(), sizeof(OpenHead) + open_head(row).names);
  for (std::size_t at = sizeof(OpenHead); at < end;) {
    const std::size_t size = static_cast<unsigned char>(row[at]);
    if (at + 1 + size + sizeof(MetricPoint) > end) return;
    if (!visit(row.substr(at + 1, size), at + 1 + size)) return;
    at += 1 + size + sizeof(MetricPoint);
  }
}

}  // namespace

std::string open_key(std::string_view tenant, std::string_view run_id) {
  return view_key("metrics", tenant, "open", run_id);
}

OpenHead open_head(std::string_view row) {
  return row.size() < sizeof(OpenHead) ? OpenHead{} : load_at<OpenHead>(row, 0);
}

bool fits_open(const LoggedPoints& points) {
  return points.keys.size() <= kOpenPoints &&
         std::all_of(points.keys.begin(), points.keys.end(),
                     [](const auto& key) { return key.size() <= kOpenName; });
}

void add_points(std::string& row, const LoggedPoints& points) {
  if (row.size() < sizeof(OpenHead)) row.assign(sizeof(OpenHead), '\0');
  auto head = open_head(row);
  std::array<char, kMostEventBytes> event;
  char* out = put_varint(event.data(), points.position - head.position);
  out = put_varint(out, points.keys.size());
  Names names(row);
  for (std::size_t i = 0; i < points.keys.size(); ++i) {
    const MetricPoint point{points.position, points.steps[i], points.timestamps[i],
                            points.values[i]};
    const std::uint64_t number = names.number_of(points.keys[i], point);
    const bool same = point.step == head.step && point.timestamp == head.timestamp;
    out = put_varint(out, number << 1 | std::uint64_t(same));
    if (!same) {
      out = put_varint(out, zigzag(std::uint64_t(point.step) - std::uint64_t(head.step)));
      out = put_varint(out, zigzag(std::uint64_t(point.timestamp) - std::uint64_t(head.timestamp)));
      head.step = point.step;
      head.timestamp = point.timestamp;
    }
    std::memcpy(out, &point.value, sizeof point.value);
    out += sizeof point.value;
  }
  head.names = static_cast<std::uint32_t>(names.bytes());
  head.position = points.position;
  std::memcpy(row.data(), &head, sizeof head);
  row.append(event.data(), static_cast<std::size_t>(out - event.data()));
}

void empty_open(std::string& row) {
  const OpenHead head{.spilled = 1};
  row.assign(reinterpret_cast<const char*>(&head), sizeof head);
}

std::vector<std::string_view> open_names(std::string_view row) {
  std::vector<std::string_view> names;
  each_name(row, [&](std::string_view name, std::size_t) {
    names.push_back(name);
    return true;
  });
  return names;
}

std::optional<MetricPoint> open_best(std::string_view row, std::string_view name) {
  std::optional<MetricPoint> best;
  each_name(row, [&](std::string_view each, std::size_t point) {
    if (each == name) best = load_at<MetricPoint>(row, point);
    return !best;
  });
  return best;
}

}  // namespace mlforge::projections
