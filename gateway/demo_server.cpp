#include "gateway/demo_server.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <thread>

#include "gateway/demo_folder.hpp"

namespace mlforge::gateway {
namespace {

// The server that a signal has to stop; 0: none.
struct Running {
  std::mutex mutex;
  int pid = 0;
};
Running& running() {
  static Running one;
  return one;
}

sigset_t ending_signals_of_demo() {
  sigset_t set;
  sigemptyset(&set);
  for (const int each : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, each);
  return set;
}

bool port_is_free(const std::string& host, std::uint16_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return false;
  const int fd = ::socket(found->ai_family, found->ai_socktype, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const bool free = ::bind(fd, found->ai_addr, found->ai_addrlen) == 0;
  ::close(fd);
  ::freeaddrinfo(found);
  return free;
}

// `mlforge serve` with what the demo was given; the folder and the address as they turned out.
std::vector<std::string> server_arguments(
    const Config& config, const std::string& listen, const std::string& file,
    const std::vector<std::pair<std::string, std::string>>& flags) {
  std::vector<std::string> out{"mlforge", "serve"};
  if (!file.empty()) out.insert(out.end(), {"--config", file});
  for (const auto& [name, value] : flags) {
    const auto* setting = find_setting(name);
    if (name == "data_dir" || name == "listen" || !setting) continue;
    if (setting->is_switch)
      out.push_back(value == "on" ? setting->flag() : "--no-" + setting->flag().substr(2));
    else if (value.empty())
      out.insert(out.end(), {setting->flag(), ""});
    else
      out.push_back(setting->flag() + "=" + value);
  }
  out.insert(out.end(), {"--data-dir", config.data_dir, "--listen", listen});
  return out;
}

// In the child: becomes the server in a session of its own, so that the terminal's Ctrl-C is not
// its end once the demo has left it.
[[noreturn]] void become_server(std::vector<char*>& args, const char* messages, int out) {
  const sigset_t signals = ending_signals_of_demo();
  ::setsid();
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  ::dup2(out, STDOUT_FILENO);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  const int errors = ::open(messages, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  ::dup2(errors >= 0 ? errors : null, STDERR_FILENO);
  ::execv("/proc/self/exe", args.data());
  ::_exit(127);
}

// The line in which the server says that it is ready; empty when it ended without one.
std::string first_line(int in) {
  std::string line;
  for (char c; ::read(in, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

}  // namespace

void stop_demo_on_signals(const std::string& data_dir) {
  const sigset_t signals = ending_signals_of_demo();
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals, data_dir] {
    int signal = 0;
    ::sigwait(&signals, &signal);
    const std::lock_guard lock(running().mutex);
    if (const int pid = running().pid; pid > 0) {
      ::kill(pid, SIGTERM);
      ::waitpid(pid, nullptr, 0);
      std::cerr << "\nmlforge: interrupted; the demo's server is stopped, its data stays in "
                << data_dir << " until the next demo" << std::endl;
    } else {
      std::cerr << "\nmlforge: interrupted" << std::endl;
    }
    ::_exit(128 + signal);
  }).detach();
}

Expected<DemoServer> start_demo_server(
    const Config& config, const std::string& file,
    const std::vector<std::pair<std::string, std::string>>& flags) {
  auto listen = config.listen;
  if (!port_is_free(config.host(), config.port())) listen = config.host() + ":0";
  const auto messages = config.data_dir + ".log";
  auto arguments = server_arguments(config, listen, file, flags);
  std::vector<char*> args;
  for (auto& each : arguments) args.push_back(each.data());
  args.push_back(nullptr);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    return Error{ErrorCode::internal, std::strerror(errno), ""};
  int pid = 0;
  {
    const std::lock_guard lock(running().mutex);
    pid = ::fork();
    if (pid == 0) become_server(args, messages.c_str(), pipe[1]);
    running().pid = pid;
  }
  if (pid < 0) return Error{ErrorCode::internal, std::strerror(errno), ""};
  ::close(pipe[1]);
  const auto line = first_line(pipe[0]);
  const auto at = line.find("http://");
  if (at == line.npos) {
    ::close(pipe[0]);
    stop_demo_server({"", pid});
    return Error{ErrorCode::unavailable, "the server did not start: see " + messages, ""};
  }
  // The pipe's end is kept on purpose: closed, the server's next line on stdout would be an error
  // to it.
  std::ofstream(std::filesystem::path(config.data_dir) / kDemoPidFile) << pid << '\n';
  return DemoServer{line.substr(at), pid};
}

void stop_demo_server(const DemoServer& server) {
  const std::lock_guard lock(running().mutex);
  ::kill(server.pid, SIGTERM);
  ::waitpid(server.pid, nullptr, 0);
  running().pid = 0;
}

void leave_demo_server() {
  const std::lock_guard lock(running().mutex);
  running().pid = 0;
}

}  // namespace mlforge::gateway
