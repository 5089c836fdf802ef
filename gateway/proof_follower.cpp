#include "gateway/proof_follower.hpp"

#include <pthread.h>

#include "gateway/http/logging.hpp"
namespace mlforge::gateway {
namespace {

using namespace std::chrono_literals;

// Commits that come in between are taken together: a thousand small ones cost no more than a few.
constexpr auto kGather = 20ms;
constexpr auto kUntilStored = 1s;

}  // namespace

ProofFollower::ProofFollower(storage::Prover& prover)
    : prover_(prover), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "proofs");
}

void ProofFollower::notify() {
  {
    const std::lock_guard lock(mutex_);
    if (notified_) return;
    notified_ = true;
  }
  changed_.notify_one();
}

void ProofFollower::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void ProofFollower::run() {
  std::string complaint;
  bool settled = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto woken = [this] { return notified_ || stopping_; };
    if (settled)
      changed_.wait(lock, woken);
    else
      changed_.wait_for(lock, kUntilStored, woken);
    if (changed_.wait_for(lock, kGather, [this] { return stopping_; })) return;
    notified_ = false;
    lock.unlock();
    const auto followed = prover_.follow();
    settled = followed && *followed;
    const auto said = followed ? std::string() : followed.error().message;
    if (!said.empty() && said != complaint) logging::error("the proofs stand still: {}", said);
    complaint = said;
    lock.lock();
  }
}

}  // namespace mlforge::gateway
