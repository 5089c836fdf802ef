// Commands that are more than a question to a server; each answers its exit code.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "gateway/config.hpp"

namespace mlforge::gateway {

// Serves until SIGINT or SIGTERM. Once ready it prints "listening on http://HOST:PORT" on stdout.
int serve_command(const Config& config);

struct DemoOptions {
  Config config;            // of the server that the demo starts
  std::string config_file;  // what `config` was read from, besides the environment; empty: none
  std::vector<std::pair<std::string, std::string>> flags;
  std::string adult;   // folder of UCI Adult's files; empty: $MLFORGE_DATA, else known places
  bool force = false;  // delete what the data folder holds even where it is not the demo's
  bool stop = false;   // stop the server at the end, instead of leaving it running
  bool json = false;   // the closing table as JSON
};

// The whole life of a model through the public API, against a server that it starts.
int demo_command(const DemoOptions& options);

}  // namespace mlforge::gateway
