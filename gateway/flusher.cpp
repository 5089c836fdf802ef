#include "gateway/flusher.hpp"

#include "gateway/http/logging.hpp"

namespace mlforge::gateway {
namespace {

constexpr int kAttempts = 3;

// These may pass: a manager that starts again, or a state that it has to fold anew.
bool is_worth_another_try(ErrorCode code) {
  return code == ErrorCode::unavailable || code == ErrorCode::internal;
}

}  // namespace

void PredictionFlusher::kick() {
  // A row that is added between the last take and the release of `busy_` is seen by the loop's
  // second look.
  while (!predictions_.empty() && !busy_.exchange(true)) {
    if (auto batch = predictions_.take())
      return send(std::make_shared<const actors::PredictionLog::Batch>(*std::move(batch)), 1);
    busy_ = false;
  }
}

bool PredictionFlusher::wait_idle(std::chrono::milliseconds timeout) {
  kick();
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return !busy_ && predictions_.empty(); });
}

bool PredictionFlusher::wait_written(std::chrono::milliseconds timeout) {
  const auto mark = predictions_.mark();
  kick();
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, timeout, [&] { return predictions_.passed(mark); });
}

void PredictionFlusher::send(BatchPtr batch, int attempt) {
  actors::CommandMeta meta;
  meta.actor = "endpoint:" + batch->endpoint;
  actors::DeploymentBody body = RecordPredictions{batch->endpoint, batch->columns, batch->subjects};
  auto done = [self = shared_from_this(), batch = std::move(batch),
               attempt](Expected<actors::Outcome> result) {
    self->answered(batch, attempt, result ? Status{} : Status{result.error()});
  };
  manager_.send(std::make_shared<actors::Request<actors::DeploymentBody>>(
      actors::Request<actors::DeploymentBody>{std::move(meta), std::move(body), std::move(done)}));
}

void PredictionFlusher::answered(const BatchPtr& batch, int attempt, const Status& failed) {
  if (failed && is_worth_another_try(failed->code) && attempt < kAttempts)
    return send(batch, attempt + 1);
  if (failed) give_up(*batch, *failed);
  predictions_.finished(*batch);
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
  }
  kick();
  changed_.notify_all();
}

// A log that has stopped writing takes nothing until it is opened again, nor does a manager that
// has gone: what waits is as lost as the batch.
void PredictionFlusher::give_up(const actors::PredictionLog::Batch& batch, const Error& why) {
  std::uint64_t rows = batch.columns.request_ids.size();
  if (why.code == ErrorCode::read_only || why.code == ErrorCode::unavailable)
    while (const auto more = predictions_.take()) {
      rows += more->columns.request_ids.size();
      predictions_.finished(*more);
    }
  lost_ += rows;
  logging::error("{} answered predictions are not in the log: {}", rows, why.message);
}

}  // namespace mlforge::gateway
