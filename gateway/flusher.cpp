#include "gateway/flusher.hpp"

#include <spdlog/spdlog.h>

namespace mlforge::gateway {

void PredictionFlusher::kick() {
  // A row that is added between the last take and the release of `busy_` is seen by the loop's
  // second look.
  while (!predictions_.empty() && !busy_.exchange(true)) {
    if (auto batch = predictions_.take()) return send(*std::move(batch));
    busy_ = false;
  }
}

bool PredictionFlusher::wait_idle(std::chrono::milliseconds timeout) {
  kick();
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return !busy_ && predictions_.empty(); });
}

void PredictionFlusher::send(actors::PredictionLog::Batch batch) {
  actors::CommandMeta meta;
  meta.actor = "endpoint:" + batch.endpoint;
  auto done = [self = shared_from_this()](Expected<actors::Outcome> result) {
    if (!result)
      spdlog::error("a batch of predictions is not in the log: {}", result.error().message);
    {
      const std::lock_guard lock(self->mutex_);
      self->busy_ = false;
    }
    self->kick();
    self->changed_.notify_all();
  };
  actors::DeploymentBody body =
      RecordPredictions{std::move(batch.endpoint), std::move(batch.columns)};
  caf::anon_send(manager_, std::make_shared<actors::Request<actors::DeploymentBody>>(
                               actors::Request<actors::DeploymentBody>{
                                   std::move(meta), std::move(body), std::move(done)}));
}

}  // namespace mlforge::gateway
