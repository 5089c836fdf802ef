// The server that the demo starts, and leaves running.
#pragma once
#include <string>

#include "gateway/config.hpp"

namespace mlforge::gateway {

struct DemoServer {
  std::string url;
  int pid = 0;
};

// Stops the server of an earlier demo in this folder, empties the folder, and starts a new one; at
// a free port where the configured one is taken. Its messages go to <folder>.log. conflict: the
// folder holds something that is no demo.
Expected<DemoServer> start_demo_server(const Config& config);

// Asks it to stop and waits until it has.
void stop_demo_server(const DemoServer& server);

}  // namespace mlforge::gateway
