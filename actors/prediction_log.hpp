// Answered predictions on their way into the log, gathered into batches of columns.
#pragma once
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/prediction_spool.hpp"
#include "actors/scorer.hpp"

namespace mlforge::actors {

class PredictionLog {
 public:
  explicit PredictionLog(std::size_t max_bytes = 64 << 20, std::size_t max_batch = 500);

  // From now on rows are kept in files until they are finished. Before the first row.
  void keep_in(PredictionSpool spool);

  // The largest batch, in bytes: well under what an event may hold.
  static constexpr std::size_t kMaxBatchBytes = 4u << 20;

  // Takes a row that predict() filled in. too_many_requests when the buffer is full,
  // payload_too_large for a row that no batch can hold, read_only where its file cannot be written:
  // then the prediction must not be answered. Any thread.
  Status add(std::string_view endpoint, PredictionRow row);

  struct Batch {
    std::string endpoint;
    PredictionsLogged columns;
    std::vector<std::string> subjects = {};  // of each row; "": nobody. Empty: nobody in any
  };
  // Up to max_batch rows of one endpoint in the order of their adding, all of models with the same
  // features; nothing when empty. Endpoints take turns. Any thread.
  std::optional<Batch> take();
  // A batch that was taken is in the log, or lost for good. Any thread.
  void finished(const Batch& batch);
  // What is finished leaves the disk too. Any thread.
  void drop_finished();

  // How many rows each endpoint has added so far; passed() once all of those are finished.
  using Mark = std::map<std::string, std::uint64_t, std::less<>>;
  Mark mark() const;
  bool passed(const Mark& mark) const;

  bool empty() const;
  std::size_t bytes() const;  // as counted for the bound; 0 when empty

 private:
  using Rows = std::deque<PredictionRow>;
  std::vector<PredictionRow> take_rows(Rows& rows);

  mutable std::mutex mutex_;
  std::size_t max_bytes_, max_batch_, bytes_ = 0;
  std::map<std::string, Rows, std::less<>> rows_;
  std::string last_taken_;
  Mark added_, finished_;
  std::optional<PredictionSpool> spool_;
};

}  // namespace mlforge::actors
