#include "gateway/stop_request.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <thread>

namespace mlforge::gateway {

const StopRequest& take_stop_signals() {
  static StopRequest request;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    ::sigwait(&signals, &signal);
    request.set(signal);
    ::sigwait(&signals, &signal);
    std::cerr << "mlforge: a second signal: aborting\n";
    ::_exit(128 + signal);
  }).detach();
  return request;
}

}  // namespace mlforge::gateway
