// SIGINT and SIGTERM, from the first moment of a server's start on.
#pragma once
#include <atomic>

namespace mlforge::gateway {

// Set by the first signal. Any thread.
class StopRequest {
 public:
  bool came() const { return signal_ != 0; }
  int signal() const { return signal_; }
  // Blocks until it is there; answers the signal.
  int wait() const {
    signal_.wait(0);
    return signal_;
  }
  void set(int signal) {
    signal_ = signal;
    signal_.notify_all();
  }

 private:
  std::atomic<int> signal_ = 0;
};

// Blocks both signals in this thread and those that it starts, and takes them in one of their own:
// the first sets the request, the second ends the process at once with 128 + its number. To be
// called once, before there are other threads.
const StopRequest& take_stop_signals();

}  // namespace mlforge::gateway
