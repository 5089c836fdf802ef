// Pid files: how a child that outlived a crashed run is told from a stranger that got its pid.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

#include "actors/process.hpp"

namespace mlforge::actors {
namespace {

// Field 22 of /proc/<pid>/stat: clock ticks after boot. Nothing when there is no such process or it
// is a zombie.
std::optional<std::string> start_time(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  const auto close = text.rfind(')');  // the name may hold spaces and parentheses
  if (close == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(close + 1));
  std::string field;
  for (int i = 3; i <= 22; ++i) {
    if (!(fields >> field)) return std::nullopt;
    if (i == 3 && (field == "Z" || field == "X")) return std::nullopt;
  }
  return field;
}

// The ticks count from the boot, so a file from before it says nothing.
std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id.empty() ? "-" : id;
}

// Waits until the process behind a pidfd ends; true when it has.
bool wait_gone(int pidfd, std::chrono::milliseconds timeout) {
  pollfd p{pidfd, POLLIN, 0};
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    const int n = ::poll(&p, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
    if (n > 0) return true;
    if (n == 0) return false;
    if (errno != EINTR) return false;
  }
}

}  // namespace

Status write_pid_file(const std::string& path, pid_t pid) {
  const auto started = start_time(pid);
  if (!started) return std::nullopt;  // ended already: nothing to remember
  const auto temporary = path + ".tmp";
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << pid << ' ' << *started << ' ' << boot_id() << '\n';
    if (!file.flush())
      return Error{ErrorCode::unavailable, fmt::format("The pid file {} cannot be written.", path),
                   ""};
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0)
    return Error{ErrorCode::unavailable,
                 fmt::format("The pid file {} cannot be renamed: {}.", path, std::strerror(errno)),
                 ""};
  return std::nullopt;
}

bool stop_stale(const std::string& pid_file, std::chrono::milliseconds grace) {
  std::ifstream file(pid_file);
  pid_t pid = 0;
  std::string started, boot;
  const bool parsed = static_cast<bool>(file >> pid >> started >> boot);
  file.close();
  bool stopped = false;
  if (parsed && pid > 1 && boot == boot_id()) {
    // The pidfd is opened before the identity is checked, so the signals reach the checked process
    // or nobody.
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd >= 0) {
      const auto now = start_time(pid);
      if (now && *now == started) {
        const auto send = [&](int s) { ::syscall(SYS_pidfd_send_signal, pidfd, s, nullptr, 0); };
        send(SIGTERM);
        if (!wait_gone(pidfd, grace)) {
          send(SIGKILL);
          wait_gone(pidfd, std::chrono::seconds(5));
        }
        stopped = true;
      }
      ::close(pidfd);
    }
  }
  ::unlink(pid_file.c_str());
  return stopped;
}

}  // namespace mlforge::actors
