#include "actors/prediction_log.hpp"

#include <algorithm>
#include <iterator>

namespace mlforge::actors {
namespace {

// In memory, about; never less than the row takes in an event.
std::size_t size_of(const PredictionRow& row) {
  std::size_t bytes =
      sizeof(PredictionRow) + row.request_id.size() + row.numeric.size() * sizeof(double);
  for (const auto& each : row.categorical) bytes += sizeof(std::string) + each.size();
  if (row.subject.empty()) return bytes;
  // Encrypted it stands as text in base64: a number takes up to 26 bytes of JSON, a character six.
  std::size_t text = 512 + 6 * row.request_id.size() + 27 * row.numeric.size();
  for (const auto& each : row.categorical) text += 4 + 6 * each.size();
  return bytes + row.subject.size() + text * 4 / 3;
}

bool same_features(const ServedModel& a, const ServedModel& b) {
  return &a == &b ||
         (a.numeric_names() == b.numeric_names() && a.categorical_names() == b.categorical_names());
}

// Value by feature.
PredictionsLogged to_columns(std::span<PredictionRow> rows) {
  const std::size_t n = rows.size();
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

// Of each row; nothing where no row is about anybody.
std::vector<std::string> subjects_of(std::vector<PredictionRow>& rows) {
  const auto none = [](const PredictionRow& row) { return row.subject.empty(); };
  if (std::all_of(rows.begin(), rows.end(), none)) return {};
  std::vector<std::string> out;
  for (auto& row : rows) out.push_back(std::move(row.subject));
  return out;
}

}  // namespace

PredictionLog::PredictionLog(std::size_t max_bytes, std::size_t max_batch)
    : max_bytes_(max_bytes), max_batch_(std::max<std::size_t>(max_batch, 1)) {}

Status PredictionLog::add(std::string_view endpoint, PredictionRow row) {
  const std::size_t size = size_of(row);
  if (size > kMaxBatchBytes)
    return Error{ErrorCode::payload_too_large,
                 "the features take " + std::to_string(size) + " bytes in the log, at most " +
                     std::to_string(kMaxBatchBytes) + " would be right",
                 "features"};
  std::string spooled;
  if (spool_) {
    PredictionRow copy = row;
    spooled = PredictionSpool::encode({std::string(endpoint), row.subject, to_columns({&copy, 1})});
  }
  const std::lock_guard lock(mutex_);
  if (bytes_ + size > max_bytes_)
    return Error{ErrorCode::too_many_requests,
                 "predictions come faster than they can be written down: try again", ""};
  if (spool_)
    if (auto bad = spool_->add(endpoint, spooled, !row.subject.empty())) return bad;
  bytes_ += size;
  auto at = rows_.find(endpoint);
  if (at == rows_.end()) at = rows_.emplace(endpoint, Rows{}).first;
  at->second.push_back(std::move(row));
  ++added_[at->first];
  return {};
}

void PredictionLog::finished(const Batch& batch) {
  const std::lock_guard lock(mutex_);
  finished_[batch.endpoint] += batch.columns.request_ids.size();
  if (spool_) spool_->finished(batch.endpoint, batch.columns.request_ids.size());
}

void PredictionLog::drop_finished() {
  const std::lock_guard lock(mutex_);
  if (spool_) spool_->rotate();
}

void PredictionLog::keep_in(PredictionSpool spool) { spool_ = std::move(spool); }

PredictionLog::Mark PredictionLog::mark() const {
  const std::lock_guard lock(mutex_);
  return added_;
}

bool PredictionLog::passed(const Mark& mark) const {
  const std::lock_guard lock(mutex_);
  return std::all_of(mark.begin(), mark.end(), [&](const auto& each) {
    const auto at = finished_.find(each.first);
    return at != finished_.end() && at->second >= each.second;
  });
}

std::vector<PredictionRow> PredictionLog::take_rows(Rows& rows) {
  std::size_t n = 0, bytes = 0;
  for (; n < rows.size() && n < max_batch_; ++n) {
    const std::size_t size = size_of(rows[n]);
    if (!same_features(*rows[0].model, *rows[n].model) || bytes + size > kMaxBatchBytes) break;
    bytes += size;
  }
  const auto end = rows.begin() + static_cast<std::ptrdiff_t>(n);
  std::vector<PredictionRow> out(std::make_move_iterator(rows.begin()),
                                 std::make_move_iterator(end));
  rows.erase(rows.begin(), end);
  bytes_ -= bytes;
  return out;
}

std::optional<PredictionLog::Batch> PredictionLog::take() {
  std::vector<PredictionRow> rows;
  std::string endpoint;
  {
    const std::lock_guard lock(mutex_);
    const auto waiting = [](const auto& each) { return !each.second.empty(); };
    auto at = std::find_if(rows_.upper_bound(last_taken_), rows_.end(), waiting);
    if (at == rows_.end()) at = std::find_if(rows_.begin(), rows_.end(), waiting);
    if (at == rows_.end()) return std::nullopt;
    endpoint = last_taken_ = at->first;
    rows = take_rows(at->second);
  }
  auto subjects = subjects_of(rows);
  // Not under the lock: it copies.
  return Batch{std::move(endpoint), to_columns(rows), std::move(subjects)};
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
