// Carries answered predictions into the log: as soon as one batch is on disk the next goes out.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "actors/managers.hpp"
#include "actors/prediction_log.hpp"

namespace mlforge::gateway {

class PredictionFlusher : public std::enable_shared_from_this<PredictionFlusher> {
 public:
  PredictionFlusher(actors::PredictionLog& predictions, actors::DeploymentActor manager)
      : predictions_(predictions), manager_(std::move(manager)) {}

  // There is something to carry. Any thread; cheap while a batch is under way.
  void kick();

  // Answered predictions that could not be written down: the log stopped writing after the answer,
  // or the server was stopped by force.
  std::uint64_t lost() const { return lost_; }

  // Waits until everything that was added has been carried; false when it was not within `timeout`.
  bool wait_idle(std::chrono::milliseconds timeout);
  // Waits until every prediction that was answered before the call is in the log, or lost. Any
  // thread.
  bool wait_written(std::chrono::milliseconds timeout);

 private:
  using BatchPtr = std::shared_ptr<const actors::PredictionLog::Batch>;
  void send(BatchPtr batch, int attempt);
  void answered(const BatchPtr& batch, int attempt, const Status& failed);
  void give_up(const actors::PredictionLog::Batch& batch, const Error& why);

  actors::PredictionLog& predictions_;
  actors::DeploymentActor manager_;
  std::atomic<bool> busy_ = false;
  std::atomic<std::uint64_t> lost_ = 0;
  std::mutex mutex_;  // for the wait only
  std::condition_variable changed_;
};

}  // namespace mlforge::gateway
