#include "actors/prediction_log.hpp"

#include <algorithm>

namespace mlforge::actors {
namespace {

std::size_t size_of(const PredictionRow& row) {
  std::size_t bytes = 128 + row.request_id.size() + row.numeric.size() * 8;
  for (const auto& each : row.categorical) bytes += 32 + each.size();
  return bytes;
}

bool same_features(const ServedModel& a, const ServedModel& b) {
  return &a == &b ||
         (a.numeric_names() == b.numeric_names() && a.categorical_names() == b.categorical_names());
}

// n rows as columns, value by feature.
PredictionsLogged to_columns(std::vector<PredictionRow>& rows, std::size_t n) {
  PredictionsLogged out;
  out.numeric_names = rows[0].model->numeric_names();
  out.categorical_names = rows[0].model->categorical_names();
  out.numeric_values.resize(n * out.numeric_names.size());
  out.categorical_values.resize(n * out.categorical_names.size());
  for (std::size_t i = 0; i < n; ++i) {
    auto& row = rows[i];
    out.request_ids.push_back(std::move(row.request_id));
    out.probabilities.push_back(row.prediction.probability);
    out.versions.push_back(static_cast<std::int64_t>(row.prediction.version));
    out.challenger.push_back(row.prediction.challenger);
    out.times.push_back(row.time);
    for (std::size_t f = 0; f < row.numeric.size(); ++f)
      out.numeric_values[f * n + i] = row.numeric[f];
    for (std::size_t f = 0; f < row.categorical.size(); ++f)
      out.categorical_values[f * n + i] = std::move(row.categorical[f]);
  }
  return out;
}

}  // namespace

PredictionLog::PredictionLog(std::size_t max_bytes, std::size_t max_batch)
    : max_bytes_(max_bytes), max_batch_(max_batch) {}

Status PredictionLog::add(std::string_view endpoint, PredictionRow row) {
  const std::size_t size = size_of(row);
  const std::lock_guard lock(mutex_);
  if (bytes_ + size > max_bytes_)
    return Error{ErrorCode::too_many_requests,
                 "predictions come faster than they can be written down: try again", ""};
  bytes_ += size;
  auto at = rows_.find(endpoint);
  if (at == rows_.end()) at = rows_.emplace(endpoint, std::vector<PredictionRow>{}).first;
  at->second.push_back(std::move(row));
  return {};
}

std::optional<PredictionLog::Batch> PredictionLog::take() {
  const std::lock_guard lock(mutex_);
  const auto at = std::find_if(rows_.begin(), rows_.end(),
                               [](const auto& each) { return !each.second.empty(); });
  if (at == rows_.end()) return std::nullopt;
  auto& rows = at->second;
  std::size_t n = 0;
  while (n < rows.size() && n < max_batch_ && same_features(*rows[0].model, *rows[n].model))
    bytes_ -= size_of(rows[n++]);
  Batch batch{at->first, to_columns(rows, n)};
  rows.erase(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(n));
  return batch;
}

bool PredictionLog::empty() const {
  const std::lock_guard lock(mutex_);
  return bytes_ == 0;
}

std::size_t PredictionLog::bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace mlforge::actors
