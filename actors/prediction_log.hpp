// Answered predictions on their way into the log, gathered into batches of columns.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "actors/scorer.hpp"

namespace mlforge::actors {

class PredictionLog {
 public:
  explicit PredictionLog(std::size_t max_bytes = 64 << 20, std::size_t max_batch = 5000);

  // too_many_requests when the buffer is full: then the prediction must not be answered. Any
  // thread.
  Status add(std::string_view endpoint, PredictionRow row);

  struct Batch {
    std::string endpoint;
    PredictionsLogged columns;
  };
  // Up to max_batch rows of one endpoint, all of models with the same features; nothing when empty.
  // Any thread.
  std::optional<Batch> take();
  bool empty() const;
  std::size_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::size_t max_bytes_, max_batch_, bytes_ = 0;
  std::map<std::string, std::vector<PredictionRow>, std::less<>> rows_;
};

}  // namespace mlforge::actors
