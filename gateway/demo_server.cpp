#include "gateway/demo_server.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace mlforge::gateway {
namespace {

namespace fs = std::filesystem;

// The file that says: this folder is a demo's, and this is its server.
fs::path pid_file(const Config& config) { return fs::path(config.data_dir) / "demo.pid"; }

// Whether the process is a server on this folder: its number may be somebody else's by now.
bool is_our_server(int pid, const Config& config) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
  const std::string line{std::istreambuf_iterator<char>(in), {}};
  return line.find("serve") != line.npos && line.find(config.data_dir) != line.npos;
}

// It is no child of ours, so there is nothing to wait on but its absence.
bool wait_for_end(int pid, const Config& config) {
  for (int i = 0; i < 600; ++i) {
    if (!is_our_server(pid, config)) return true;
    ::usleep(50000);
  }
  return false;
}

Status clear_folder(const Config& config) {
  const fs::path folder = config.data_dir;
  std::error_code bad;
  if (!fs::exists(folder, bad) || fs::is_empty(folder, bad)) return {};
  if (!fs::exists(pid_file(config), bad))
    return Error{ErrorCode::conflict,
                 "the folder '" + folder.string() +
                     "' is not an earlier demo's: name another one with --data-dir",
                 ""};
  int pid = 0;
  std::ifstream(pid_file(config)) >> pid;
  if (pid > 0 && is_our_server(pid, config)) {
    ::kill(pid, SIGTERM);
    if (!wait_for_end(pid, config))
      return Error{
          ErrorCode::conflict,
          "the server of the earlier demo (process " + std::to_string(pid) + ") does not stop", ""};
  }
  fs::remove_all(folder, bad);
  if (bad)
    return Error{ErrorCode::internal,
                 "the folder '" + folder.string() + "' cannot be emptied: " + bad.message(), ""};
  return {};
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

// In the child: becomes `mlforge serve` in a session of its own, so that the terminal's Ctrl-C is
// not its end.
[[noreturn]] void become_server(const Config& config, const std::string& listen, int out) {
  ::setsid();
  ::dup2(out, STDOUT_FILENO);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  const int errors =
      ::open((config.data_dir + ".log").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  ::dup2(errors >= 0 ? errors : null, STDERR_FILENO);
  const char* args[] = {"mlforge",  "serve",        "--data-dir", config.data_dir.c_str(),
                        "--listen", listen.c_str(), "--nats",     config.nats.c_str(),
                        nullptr};
  ::execv("/proc/self/exe", const_cast<char**>(args));
  ::_exit(127);
}

// The line in which the server says that it is ready; empty when it ended without one.
std::string first_line(int in) {
  std::string line;
  for (char c; ::read(in, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

}  // namespace

Expected<DemoServer> start_demo_server(const Config& config) {
  if (auto bad = clear_folder(config)) return *bad;
  auto listen = config.listen;
  if (!port_is_free(config.host(), config.port())) listen = config.host() + ":0";
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    return Error{ErrorCode::internal, std::strerror(errno), ""};
  const int pid = ::fork();
  if (pid < 0) return Error{ErrorCode::internal, std::strerror(errno), ""};
  if (pid == 0) become_server(config, listen, pipe[1]);
  ::close(pipe[1]);
  const auto line = first_line(pipe[0]);
  const auto at = line.find("http://");
  if (at == line.npos) {
    ::close(pipe[0]);
    ::waitpid(pid, nullptr, 0);
    return Error{ErrorCode::unavailable,
                 "the server did not start: see " + config.data_dir + ".log", ""};
  }
  // The pipe's end is kept on purpose: closed, the server's next line on stdout would be an error
  // to it.
  std::ofstream(pid_file(config)) << pid << '\n';
  return DemoServer{line.substr(at), pid};
}

void stop_demo_server(const DemoServer& server) {
  ::kill(server.pid, SIGTERM);
  ::waitpid(server.pid, nullptr, 0);
}

}  // namespace mlforge::gateway
