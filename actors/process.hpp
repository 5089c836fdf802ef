// A child process under supervision: it dies with us, its end is noticed without polling, and it
// leaves nothing behind.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "events/error.hpp"

namespace mlforge::actors {

// How a process ended: by itself with a code, or by a signal.
struct ExitStatus {
  int code = 0;    // exit code; meaningless when `signal` is set
  int signal = 0;  // 0: it ended by itself
  bool ok() const { return signal == 0 && code == 0; }
};

// "exit code 3" or "signal 9 (Killed)".
std::string to_string(const ExitStatus& status);

struct ProcessOptions {
  using Variables = std::vector<std::pair<std::string, std::string>>;

  std::string program;                 // a path, or a name to be found in PATH
  std::vector<std::string> arguments;  // without the program itself
  Variables environment;               // added to ours, replacing equal names
  std::string working_directory;       // empty: ours
  std::string output_file;             // stdout and stderr go there, mode 0600; empty: /dev/null
  bool append_output = false;          // false: the file is emptied first
  int parent_death_signal = SIGKILL;   // sent to the child by the kernel when this process dies
  // Called once from the process's own thread when the child has ended. It must not destroy the
  // Process.
  std::function<void(const ExitStatus&)> on_exit;
};

// The first executable file of that name in PATH, then in the system's folders (/usr/sbin is often
// missing in PATH). A name with a slash is answered as it is if it can be executed. Nothing: there
// is none.
std::optional<std::string> find_program(const std::string& name);

// One started child in a process group of its own. Its standard input is /dev/null and it inherits
// no open file of ours. When the child ends, what is left of its group is killed. All methods may
// be called from any thread.
class Process {
 public:
  // Starts the child; returns when it runs the program. Errors: not_found (no such program),
  // invalid_argument (output file or working directory cannot be opened), unavailable (the system
  // has no process or thread to give).
  static Expected<std::unique_ptr<Process>> spawn(ProcessOptions options);

  // Kills the child (and its group) if it still runs, and waits for its end.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const;
  bool running() const;
  std::optional<ExitStatus> exit_status() const;  // empty while it runs

  // Waits for the end; empty when it still runs after `timeout`.
  std::optional<ExitStatus> wait(std::chrono::milliseconds timeout) const;

  // Sends a signal to the child's group; false when it has ended.
  bool signal(int number);

  // SIGTERM, and SIGKILL if it still runs after `grace`. Returns when the child has ended.
  ExitStatus terminate(std::chrono::milliseconds grace);

 private:
  struct State;
  explicit Process(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

// A pid file names a process beyond doubt: its pid and when it was started, so that a reused pid is
// not mistaken for it. Written atomically. Errors: unavailable.
Status write_pid_file(const std::string& path, pid_t pid);

// Stops the process that a pid file of an earlier run names, if it is still the same one: SIGTERM,
// SIGKILL after `grace`; then removes the file. True: a process was running and is gone now. Blocks
// for up to `grace` and a little more.
bool stop_stale(const std::string& pid_file, std::chrono::milliseconds grace);

}  // namespace mlforge::actors
