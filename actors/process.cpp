#include "actors/process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>

extern char** environ;

namespace mlforge::actors {
namespace {

// Everything the child needs between fork and exec, made before the fork: after it only
// async-signal-safe calls are allowed.
struct ExecPlan {
  std::string program;
  std::vector<std::string> storage;
  std::vector<char*> argv, envp;
  std::string working_directory;
  int output = -1;
  int error_pipe = -1;
  int parent_death_signal = SIGKILL;
  pid_t parent = 0;
};

enum class Step : int { working_directory = 1, redirect, exec };

struct ChildFailure {
  Step step;
  int error;
};

void set_cloexec_from(int first) {
  // Boost.Asio's sockets, for one, are not close-on-exec.
#ifdef SYS_close_range
  constexpr unsigned kCloexec = 1u << 2;
  if (::syscall(SYS_close_range, static_cast<unsigned>(first), ~0u, kCloexec) == 0) return;
#endif
  for (int fd = first; fd < 4096; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
}

[[noreturn]] void fail_child(const ExecPlan& plan, Step step) {
  const ChildFailure failure{step, errno};
  [[maybe_unused]] const auto n = ::write(plan.error_pipe, &failure, sizeof failure);
  ::_exit(127);
}

[[noreturn]] void run_child(const ExecPlan& plan) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, plan.parent_death_signal);
  if (::getppid() != plan.parent) ::_exit(127);  // the parent died before prctl
  struct sigaction normal {};
  normal.sa_handler = SIG_DFL;
  for (int s = 1; s < 32; ++s) ::sigaction(s, &normal, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int input = ::open("/dev/null", O_RDONLY);
  if (input < 0 || ::dup2(input, 0) < 0 || ::dup2(plan.output, 1) < 0 || ::dup2(plan.output, 2) < 0)
    fail_child(plan, Step::redirect);
  if (!plan.working_directory.empty() && ::chdir(plan.working_directory.c_str()) != 0)
    fail_child(plan, Step::working_directory);
  set_cloexec_from(3);
  ::execve(plan.program.c_str(), plan.argv.data(), plan.envp.data());
  fail_child(plan, Step::exec);
}

void fill_strings(ExecPlan& plan, const ProcessOptions& options) {
  plan.storage.push_back(plan.program);
  for (const auto& a : options.arguments) plan.storage.push_back(a);
  const std::size_t argc = plan.storage.size();
  for (char** e = environ; e && *e; ++e) {
    const std::string_view entry(*e);
    const auto name = entry.substr(0, entry.find('='));
    bool replaced = false;
    for (const auto& [key, value] : options.environment) replaced |= key == name;
    if (!replaced) plan.storage.emplace_back(entry);
  }
  for (const auto& [key, value] : options.environment) plan.storage.push_back(key + "=" + value);
  for (std::size_t i = 0; i < plan.storage.size(); ++i)
    (i < argc ? plan.argv : plan.envp).push_back(plan.storage[i].data());
  plan.argv.push_back(nullptr);
  plan.envp.push_back(nullptr);
}

Error child_error(const ChildFailure& failure, const ProcessOptions& options) {
  const auto reason = std::strerror(failure.error);
  switch (failure.step) {
    case Step::working_directory:
      return {ErrorCode::invalid_argument,
              fmt::format("The working directory {} cannot be entered: {}.",
                          options.working_directory, reason),
              "working_directory"};
    case Step::redirect:
      return {ErrorCode::unavailable, fmt::format("The output cannot be redirected: {}.", reason),
              ""};
    case Step::exec:
      break;
  }
  return {failure.error == ENOENT ? ErrorCode::not_found : ErrorCode::invalid_argument,
          fmt::format("The program {} cannot be started: {}.", options.program, reason), "program"};
}

// Reads what the child has to say; nothing when exec closed the pipe, which means that it went
// well.
std::optional<ChildFailure> read_failure(int fd) {
  ChildFailure failure{};
  ssize_t n;
  do {
    n = ::read(fd, &failure, sizeof failure);
  } while (n < 0 && errno == EINTR);
  if (n == sizeof failure) return failure;
  return std::nullopt;
}

ExitStatus decode(int raw) {
  ExitStatus status;
  if (WIFSIGNALED(raw))
    status.signal = WTERMSIG(raw);
  else
    status.code = WEXITSTATUS(raw);
  return status;
}

struct FdCloser {
  int fd = -1;
  ~FdCloser() { reset(); }
  void reset() {
    if (fd >= 0) ::close(std::exchange(fd, -1));
  }
};

}  // namespace

struct Process::State {
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  pid_t pid = 0;
  bool started = false;  // spawn() may return: the program runs, or `failure` says why not
  std::optional<Error> failure;
  std::optional<ExitStatus> exited;
  bool reaped = false;  // after this the pid may belong to someone else
  std::thread waiter;

  // The kernel sends the parent-death signal when the *thread* that forked ends. So one thread
  // forks, and lives as long as the child because it is the one that waits for it.
  void run(ProcessOptions options, ExecPlan plan, FdCloser output, FdCloser pipe_read,
           FdCloser pipe_write) {
    plan.parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) run_child(plan);
    const int fork_error = errno;
    output.reset();
    pipe_write.reset();
    if (child < 0) {
      return report({ErrorCode::unavailable,
                     fmt::format("The system gives no new process: {}.", std::strerror(fork_error)),
                     ""});
    }
    if (const auto failure = read_failure(pipe_read.fd)) {
      while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
      }
      return report(child_error(*failure, options));
    }
    pipe_read.reset();
    {
      const std::lock_guard lock(mutex);
      pid = child;
      started = true;
    }
    changed.notify_all();
    wait_for_end(child, options.on_exit);
  }

  void report(Error error) {
    const std::lock_guard lock(mutex);
    failure = std::move(error);
    started = reaped = true;
    changed.notify_all();
  }

  void wait_for_end(pid_t child, const std::function<void(const ExitStatus&)>& on_exit) {
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    ExitStatus status;
    {
      const std::lock_guard lock(mutex);
      ::kill(-child, SIGKILL);  // the zombie still holds the group's number, so it is nobody else's
      int raw = 0;
      while (::waitpid(child, &raw, 0) < 0 && errno == EINTR) {
      }
      status = decode(raw);
      reaped = true;
      exited = status;
    }
    changed.notify_all();
    if (on_exit) on_exit(status);
  }
};

std::string to_string(const ExitStatus& status) {
  if (status.signal == 0) return fmt::format("exit code {}", status.code);
  return fmt::format("signal {} ({})", status.signal, ::strsignal(status.signal));
}

std::optional<std::string> find_program(const std::string& name) {
  const auto executable = [](const std::string& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos)
    return executable(name) ? std::optional(name) : std::nullopt;
  if (name.empty()) return std::nullopt;
  const char* path = std::getenv("PATH");
  const std::string folders = std::string(path ? path : "") +
                              ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (std::size_t begin = 0; begin <= folders.size();) {
    const auto end = std::min(folders.find(':', begin), folders.size());
    if (end > begin) {
      auto candidate = folders.substr(begin, end - begin) + "/" + name;
      if (executable(candidate)) return candidate;
    }
    begin = end + 1;
  }
  return std::nullopt;
}

Process::Process(std::shared_ptr<State> state) : state_(std::move(state)) {}

Expected<std::unique_ptr<Process>> Process::spawn(ProcessOptions options) {
  ExecPlan plan;
  const auto program = find_program(options.program);
  if (!program)
    return Error{ErrorCode::not_found,
                 fmt::format("The program {} was not found; give a path or a name in PATH.",
                             options.program),
                 "program"};
  plan.program = *program;
  plan.working_directory = options.working_directory;
  plan.parent_death_signal = options.parent_death_signal;
  const bool discard = options.output_file.empty();
  const int mode =
      discard ? O_WRONLY : O_WRONLY | O_CREAT | O_APPEND | (options.append_output ? 0 : O_TRUNC);
  FdCloser output{
      ::open(discard ? "/dev/null" : options.output_file.c_str(), mode | O_CLOEXEC, 0600)};
  if (output.fd < 0)
    return Error{ErrorCode::invalid_argument,
                 fmt::format("The output file {} cannot be opened: {}.", options.output_file,
                             std::strerror(errno)),
                 "output_file"};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return Error{ErrorCode::unavailable, fmt::format("No pipe: {}.", std::strerror(errno)), ""};
  FdCloser pipe_read{ends[0]}, pipe_write{ends[1]};
  plan.output = output.fd;
  plan.error_pipe = pipe_write.fd;
  fill_strings(plan, options);

  auto state = std::make_shared<State>();
  try {
    // Moving a plan keeps its pointers valid only if the strings stay where they are: vectors hand
    // over their buffers.
    state->waiter =
        std::thread([raw = state.get(), options = std::move(options), plan = std::move(plan),
                     out = std::exchange(output.fd, -1), in = std::exchange(pipe_read.fd, -1),
                     err = std::exchange(pipe_write.fd, -1)]() mutable {
          raw->run(std::move(options), std::move(plan), FdCloser{out}, FdCloser{in}, FdCloser{err});
        });
  } catch (const std::system_error& e) {
    return Error{ErrorCode::unavailable,
                 fmt::format("The system gives no new thread: {}.", e.what()), ""};
  }
  std::unique_lock lock(state->mutex);
  state->changed.wait(lock, [&] { return state->started; });
  if (state->failure) {
    lock.unlock();
    state->waiter.join();
    return std::move(*state->failure);
  }
  lock.unlock();
  return std::unique_ptr<Process>(new Process(std::move(state)));
}

Process::~Process() {
  signal(SIGKILL);
  state_->waiter.join();
}

pid_t Process::pid() const { return state_->pid; }

bool Process::running() const { return !exit_status(); }

std::optional<ExitStatus> Process::exit_status() const {
  const std::lock_guard lock(state_->mutex);
  return state_->exited;
}

std::optional<ExitStatus> Process::wait(std::chrono::milliseconds timeout) const {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, timeout, [&] { return state_->exited.has_value(); });
  return state_->exited;
}

bool Process::signal(int number) {
  const std::lock_guard lock(state_->mutex);
  return !state_->reaped && ::kill(-state_->pid, number) == 0;
}

ExitStatus Process::terminate(std::chrono::milliseconds grace) {
  signal(SIGTERM);
  if (const auto status = wait(grace)) return *status;
  signal(SIGKILL);
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->exited.has_value(); });
  return *state_->exited;
}

}  // namespace mlforge::actors
