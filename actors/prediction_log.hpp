// Answered predictions on their way into the log, gathered into batches of columns.
#pragma once
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/scorer.hpp"

namespace mlforge::actors {

class PredictionLog {
 public:
  explicit PredictionLog(std::size_t max_bytes = 64 << 20, std::size_t max_batch = 500);

  // The largest batch, in bytes: well under what an event may hold.
  static constexpr std::size_t kMaxBatchBytes = 4u << 20;

  // Takes a row that predict() filled in. too_many_requests when the buffer is full,
  // payload_too_large for a row that no batch can hold: then the prediction must not be answered.
  // Any thread.
  Status add(std::string_view endpoint, PredictionRow row);

  struct Batch {
    std::string endpoint;
    PredictionsLogged columns;
  };
  // Up to max_batch rows of one endpoint in the order of their adding, all of models with the same
  // features; nothing when empty. Endpoints take turns. Any thread.
  std::optional<Batch> take();
  bool empty() const;
  std::size_t bytes() const;  // as counted for the bound; 0 when empty

 private:
  using Rows = std::deque<PredictionRow>;
  std::vector<PredictionRow> take_rows(Rows& rows);

  mutable std::mutex mutex_;
  std::size_t max_bytes_, max_batch_, bytes_ = 0;
  std::map<std::string, Rows, std::less<>> rows_;
  std::string last_taken_;
};

}  // namespace mlforge::actors
