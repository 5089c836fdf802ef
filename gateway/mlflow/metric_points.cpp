#include "gateway/mlflow/metric_points.hpp"

#include <utility>

#include "events/json.hpp"

namespace mlforge::gateway::mlflow {

using projections::HistoryOrder;
using projections::MetricHistory;
using projections::MetricPoint;

PointWriter::PointWriter(std::string_view key, std::string_view run_id) : head_("{\"key\":") {
  append_json_string(head_, key);
  head_ += ",\"value\":";
  if (!run_id.empty()) {
    tail_ = ",\"run_id\":";
    append_json_string(tail_, run_id);
  }
  tail_ += '}';
}

void PointWriter::append(std::string& out, std::span<const MetricPoint> points) {
  out.reserve(out.size() + points.size() * (head_.size() + tail_.size() + 72));
  for (const auto& point : points) {
    if (!std::exchange(first_, false)) out += ',';
    out += head_;
    append_json_double(out, point.value);
    out += ",\"timestamp\":";
    append_json_int(out, point.timestamp);
    out += ",\"step\":";
    append_json_int(out, point.step);
    out += tail_;
  }
}

namespace {

enum Member : unsigned {
  kKey = 1,
  kValue = 2,
  kTimestamp = 4,
  kStep = 8,
  kModel = 16,
  kName = 32,
  kDigest = 64
};

// Answers which member it was, 0: none that is read here.
unsigned read_member(std::string_view member, const simdjson::dom::element& element,
                     LogBatch::Metric& metric) {
  const auto number = [&](auto& out) { return element.get(out) == simdjson::SUCCESS; };
  const auto text = [&](std::string& out) {
    std::string_view found;
    if (element.get(found) != simdjson::SUCCESS) return false;
    out = found;
    return true;
  };
  if (member == "key") return text(metric.key) && !metric.key.empty() ? +kKey : 0u;
  if (member == "value") return element.is_number() && number(metric.value) ? +kValue : 0u;
  if (member == "timestamp") return number(metric.timestamp) ? +kTimestamp : 0u;
  if (member == "step") return number(metric.step) ? +kStep : 0u;
  if (member == "model_id") return text(metric.model_id) ? +kModel : 0u;
  if (member == "dataset_name") return text(metric.dataset_name) ? +kName : 0u;
  if (member == "dataset_digest") return text(metric.dataset_digest) ? +kDigest : 0u;
  return 0;
}

bool read_whole(simdjson::dom::object object, LogBatch::Metric& metric) {
  constexpr unsigned kNeeded = kKey | kValue | kTimestamp;
  unsigned seen = 0;
  for (const auto& [member, content] : object) {
    const unsigned found = read_member(member, content, metric);
    if (found == 0 || (seen & found) != 0) return false;
    seen |= found;
  }
  return (seen & kNeeded) == kNeeded && !(seen & kName) == !(seen & kDigest);
}

}  // namespace

bool read_plain(simdjson::dom::array metrics, std::vector<LogBatch::Metric>& out) {
  out.reserve(metrics.size());
  for (const simdjson::dom::element element : metrics) {
    simdjson::dom::object object;
    if (element.get(object) == simdjson::SUCCESS && read_whole(object, out.emplace_back()))
      continue;
    out.clear();
    return false;
  }
  return true;
}

std::vector<MetricPoint> sample_by_step(projections::ViewReader& view,
                                        const projections::SeriesId& id,
                                        std::optional<std::int64_t> start,
                                        std::optional<std::int64_t> end, std::uint64_t most) {
  MetricHistory history(view, id, HistoryOrder::step);
  const std::uint64_t from = start ? history.rank_of_step(*start) : 0;
  const std::uint64_t to =
      end && *end < INT64_MAX ? history.rank_of_step(*end + 1) : history.size();
  if (from >= to) return {};
  auto ranks = projections::sample_ranks(to - from, most);
  for (auto& rank : ranks) rank += from;
  return history.at(ranks);
}

}  // namespace mlforge::gateway::mlflow
