// What a command reads and writes: streams, terminals and environment, replaceable in tests.
#pragma once
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace mlforge::gateway::cli {

struct Io {
  std::istream& in;
  std::ostream& out;  // data
  std::ostream& err;  // messages
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  std::function<std::optional<std::string>(const std::string&)> environment;

  std::optional<std::string> env(const std::string& name) const {
    return environment ? environment(name) : std::nullopt;
  }
  // Colours: only on a terminal that can show them, and not against NO_COLOR.
  bool color() const {
    return out_is_terminal && !env("NO_COLOR") && env("TERM").value_or("dumb") != "dumb";
  }
};

// Standard streams and the environment of this process.
Io process_io();

// Runs `mlforge <args...>` and answers the exit code: 0 ok, 1 failed, 2 usage, 3 not found, 4 not
// allowed, 5 conflict, 6 findings.
int run_cli(const std::vector<std::string>& args, const Io& io);

}  // namespace mlforge::gateway::cli
