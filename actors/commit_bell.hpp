// How the writer tells a follower of commits without a message for each.
#pragma once
#include <atomic>

#include "actors/handles.hpp"

namespace mlforge::actors {

// Rung after every commit, it sends Committed once, and again only after the follower has begun
// to look at the log. Any thread.
class CommitBell {
 public:
  template <class Follower>
  void ring(const Follower& follower, Position head) {
    if (!rung_.exchange(true)) follower.send(Committed{head});
  }
  // By the follower, before it reads where the log ends.
  void silence() { (void)rung_.exchange(false); }

 private:
  std::atomic<bool> rung_ = false;
};

}  // namespace mlforge::actors
