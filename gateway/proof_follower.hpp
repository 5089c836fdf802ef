// Brings the Merkle tree up behind the log's commits, on a thread of its own, and has a checkpoint
// signed and stored from time to time.
#pragma once
#include <condition_variable>
#include <mutex>
#include <thread>

#include "storage/prover.hpp"

namespace mlforge::gateway {

class ProofFollower {
 public:
  // `prover` outlives it.
  explicit ProofFollower(storage::Prover& prover);
  ~ProofFollower() { stop(); }

  // There is something new in the log. Any thread; never blocks for long.
  void notify();
  // Ends the thread. Nothing may be called afterwards but the destructor.
  void stop();

 private:
  void run();

  storage::Prover& prover_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool notified_ = true, stopping_ = false;
  std::thread thread_;
};

}  // namespace mlforge::gateway
