// The server that the demo starts, and leaves running.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "gateway/config.hpp"

namespace mlforge::gateway {

struct DemoServer {
  std::string url;
  int pid = 0;
};

// From here on SIGINT, SIGTERM and SIGHUP stop the server that the demo has started and end this
// process with 128 + the signal's number, saying so on stderr. Call it before there are threads.
void stop_demo_on_signals(const std::string& data_dir);

// Starts a server with these settings: `file` and `flags` are what `config` was read from (the
// environment is inherited). At a free port where the configured one is taken. Its messages go to
// <folder>.log.
Expected<DemoServer> start_demo_server(
    const Config& config, const std::string& file,
    const std::vector<std::pair<std::string, std::string>>& flags);

// Asks it to stop and waits until it has.
void stop_demo_server(const DemoServer& server);
// It is left running: a signal from here on is not its end.
void leave_demo_server();

}  // namespace mlforge::gateway
