// Lets queries wait until the read models have reached a position, without a thread that blocks.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "events/envelope.hpp"

namespace mlforge::actors {

class ReadBarrier {
 public:
  // Calls `fn` once the position is reached, or cannot be (see fail): at once on this thread, or
  // later on the one that calls reached() or fail(). Who must know which looks at position().
  void when(Position position, std::function<void()> fn) {
    std::unique_lock lock(mutex_);
    if (position <= reached_ || failed_) {
      lock.unlock();
      return fn();
    }
    waiting_.emplace(position, std::move(fn));
    const bool is_first = !awaited_.exchange(true);
    lock.unlock();
    if (is_first && on_wait_) on_wait_();
  }

  // `fn` is called when somebody begins to wait and nobody else does, on that thread. To be set
  // before the first when().
  void on_wait(std::function<void()> fn) { on_wait_ = std::move(fn); }
  // Whether somebody waits. Any thread.
  bool awaited() const { return awaited_; }

  void reached(Position position) {
    std::unique_lock lock(mutex_);
    reached_ = std::max<Position>(reached_, position);
    failed_ = false;
    release(std::move(lock), waiting_.upper_bound(reached_));
  }

  // Nobody waits any longer, until reached() is called again.
  void fail() {
    std::unique_lock lock(mutex_);
    failed_ = true;
    release(std::move(lock), waiting_.end());
  }

  Position position() const { return reached_; }
  bool failed() const { return failed_; }

 private:
  using Waiting = std::multimap<Position, std::function<void()>>;

  void release(std::unique_lock<std::mutex> lock, Waiting::iterator end) {
    std::vector<std::function<void()>> ready;
    for (auto at = waiting_.begin(); at != end; ++at) ready.push_back(std::move(at->second));
    waiting_.erase(waiting_.begin(), end);
    awaited_ = !waiting_.empty();
    lock.unlock();
    for (auto& fn : ready) fn();
  }

  std::mutex mutex_;
  std::atomic<Position> reached_ = 0;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> awaited_ = false;
  std::function<void()> on_wait_;
  Waiting waiting_;
};

}  // namespace mlforge::actors
