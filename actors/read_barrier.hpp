// Lets queries wait until the read models have reached a position, without a thread that blocks.
#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "events/envelope.hpp"

namespace mlforge::actors {

class ReadBarrier {
 public:
  // Calls `fn` once the position is reached: at once on this thread, or later on the one that calls
  // reached().
  void when(Position position, std::function<void()> fn) {
    {
      const std::lock_guard lock(mutex_);
      if (position > reached_) {
        waiting_.emplace(position, std::move(fn));
        return;
      }
    }
    fn();
  }

  void reached(Position position) {
    std::vector<std::function<void()>> ready;
    {
      const std::lock_guard lock(mutex_);
      reached_ = std::max<Position>(reached_, position);
      const auto end = waiting_.upper_bound(reached_);
      for (auto at = waiting_.begin(); at != end; ++at) ready.push_back(std::move(at->second));
      waiting_.erase(waiting_.begin(), end);
    }
    for (auto& fn : ready) fn();
  }

  Position position() const { return reached_; }

 private:
  std::mutex mutex_;
  std::atomic<Position> reached_ = 0;
  std::multimap<Position, std::function<void()>> waiting_;
};

}  // namespace mlforge::actors
