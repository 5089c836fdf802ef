#include "actors/nats_server.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string_view>
#include <thread>

#include "actors/process.hpp"

namespace mlforge::actors {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kPortsFilePoll{20};   // only while the server comes up
constexpr std::chrono::seconds kStable{10};  // up for so long: the backoff starts anew

std::string read_small_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool write_text(const fs::path& path, std::string_view text) {
  const auto temporary = path.string() + ".tmp";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  std::error_code error;
  if (file) fs::rename(temporary, path, error);
  return file && !error;
}

int parse_port(std::string_view text) {
  int port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port > 0 && port < 65536 ? port : 0;
}

// The port in {"nats":["nats://127.0.0.1:34567"]}; 0 while the file is missing or half written.
int port_in_ports_file(const fs::path& path) {
  const auto text = read_small_file(path);
  constexpr std::string_view kHost = "127.0.0.1:";
  const auto at = text.find(kHost);
  if (at == std::string::npos || text.find('}') == std::string::npos) return 0;
  return parse_port(std::string_view(text).substr(at + kHost.size()));
}

std::string quoted(const fs::path& path) {
  std::string out = "\"";
  for (const char c : path.string()) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

struct ManagedNats::Impl {
  ManagedNatsOptions options;
  fs::path folder;
  std::string program;

  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  ManagedNatsStatus status;
  bool stopping = false;
  bool child_ended = false;

  // The supervisor's own.
  std::unique_ptr<Process> server;
  std::uint64_t starts = 0;
  int port = 0;  // the one to ask for; 0: any free one
  milliseconds backoff{0};

  std::thread supervisor;
  std::once_flag stopped;

  void run() {
    stop_stale(pid_file(), options.grace);
    port = parse_port(read_small_file(folder / "port"));
    backoff = options.min_backoff;
    while (run_once() && pause()) {
    }
    if (server) server->terminate(options.grace);
    server.reset();
    std::error_code ignored;
    fs::remove(pid_file(), ignored);
    note_end({});
  }

  // Starts the server and watches it until it ends. False: stop() was called.
  bool run_once() {
    const auto started = steady_clock::now();
    if (const auto error = launch()) {
      server.reset();
      note_end(error->message);
      return true;
    }
    const int found = wait_for_port(started + options.start_timeout);
    if (found != 0) {
      announce(found);
      wait_for_end();
    } else {
      port = 0;  // perhaps somebody else has it
    }
    if (is_stopping()) return false;
    if (found != 0 && steady_clock::now() - started > kStable) backoff = options.min_backoff;
    const bool hung = server->running();
    const auto how = server->terminate(options.grace);
    server.reset();
    note_end(hung ? std::string("The NATS server was not ready in time and was stopped.")
                  : fmt::format("The NATS server ended with {}; see {}.", to_string(how),
                                log_file().string()));
    return true;
  }

  bool is_stopping() const {
    const std::lock_guard lock(mutex);
    return stopping;
  }

  void wait_for_end() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return stopping || child_ended; });
  }

  // The port from the ports file, which the server writes when it listens. 0: it ended, it took too
  // long, or stop().
  int wait_for_port(steady_clock::time_point until) {
    const auto file = ports_folder() / fmt::format("nats-server_{}.ports", server->pid());
    for (;;) {
      if (const int found = port_in_ports_file(file)) return found;
      std::unique_lock lock(mutex);
      if (changed.wait_for(lock, kPortsFilePoll, [&] { return stopping || child_ended; })) return 0;
      if (steady_clock::now() > until) return 0;
    }
  }

  Status launch() {
    std::error_code ignored;
    fs::remove_all(ports_folder(), ignored);
    fs::create_directories(ports_folder(), ignored);
    if (!write_text(folder / "nats-server.conf", config()))
      return Error{ErrorCode::unavailable,
                   fmt::format("The NATS configuration in {} cannot be written.", folder.string()),
                   ""};
    {
      const std::lock_guard lock(mutex);
      child_ended = false;
    }
    ProcessOptions child;
    child.program = program;
    child.arguments = {"--config", (folder / "nats-server.conf").string()};
    child.output_file = (folder / "nats-server.out").string();
    child.parent_death_signal =
        SIGTERM;  // it closes its files; the pid file takes care of one that does not
    child.on_exit = [this](const ExitStatus&) {
      const std::lock_guard lock(mutex);
      child_ended = true;
      changed.notify_all();
    };
    auto spawned = Process::spawn(std::move(child));
    if (!spawned) return spawned.error();
    server = std::move(*spawned);
    const std::lock_guard lock(mutex);
    status.pid = server->pid();
    status.restarts = starts++;
    return write_pid_file(pid_file(), server->pid());
  }

  std::string config() const {
    auto text = fmt::format(
        "# Written by mlforge at every start; changes are lost.\n"
        "server_name: \"mlforge\"\n"
        "listen: \"127.0.0.1:{}\"\n"
        "ports_file_dir: {}\n"
        "log_file: {}\n"
        "logfile_size_limit: 16777216\n"
        "max_payload: {}\n"
        "max_pending: {}\n"
        "jetstream {{\n  store_dir: {}\n",
        port > 0 ? port : -1, quoted(ports_folder()), quoted(log_file()), options.max_payload_bytes,
        std::max<std::uint64_t>(64u << 20, 8 * options.max_payload_bytes),
        quoted(folder / "jetstream"));
    if (options.max_store_bytes > 0)
      text += fmt::format("  max_file_store: {}\n", options.max_store_bytes);
    return text + "}\n";
  }

  void announce(int found) {
    port = found;
    write_text(folder / "port", std::to_string(found));
    {
      const std::lock_guard lock(mutex);
      status.ready = true;
      status.url = fmt::format("nats://127.0.0.1:{}", found);
      changed.notify_all();
    }
    if (options.on_ready) options.on_ready();
  }

  void note_end(std::string why) {
    const std::lock_guard lock(mutex);
    status.ready = false;
    status.pid = 0;
    status.url.clear();
    if (!why.empty()) status.last_error = std::move(why);
    changed.notify_all();
  }

  // Waits before the next try. False: stop() was called.
  bool pause() {
    std::unique_lock lock(mutex);
    const bool stop = changed.wait_for(lock, backoff, [&] { return stopping; });
    backoff = std::min(2 * backoff, options.max_backoff);
    return !stop;
  }

  fs::path log_file() const { return folder / "nats-server.log"; }
  fs::path ports_folder() const { return folder / "ports"; }
  std::string pid_file() const { return (folder / "nats-server.pid").string(); }
};

ManagedNats::ManagedNats(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Expected<std::unique_ptr<ManagedNats>> ManagedNats::start(ManagedNatsOptions options) {
  const auto program = find_program(options.program);
  if (!program)
    return Error{
        ErrorCode::unavailable,
        fmt::format("{} is not installed; install the package nats-server, or give --nats URL "
                    "or --nats off.",
                    options.program),
        "nats"};
  auto impl = std::make_unique<Impl>();
  std::error_code error;
  impl->folder = fs::absolute(options.folder, error);
  if (!error) fs::create_directories(impl->folder, error);
  if (error)
    return Error{
        ErrorCode::unavailable,
        fmt::format("The folder {} for NATS cannot be made: {}.", options.folder, error.message()),
        "nats"};
  ::chmod(impl->folder.c_str(), 0700);
  impl->options = std::move(options);
  impl->program = *program;
  impl->supervisor = std::thread([raw = impl.get()] { raw->run(); });
  return std::unique_ptr<ManagedNats>(new ManagedNats(std::move(impl)));
}

ManagedNats::~ManagedNats() { stop(); }

std::string ManagedNats::url() const { return status().url; }

ManagedNatsStatus ManagedNats::status() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->status;
}

bool ManagedNats::wait_ready(milliseconds timeout) const {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait_for(lock, timeout, [&] { return impl_->status.ready || impl_->stopping; });
  return impl_->status.ready;
}

void ManagedNats::stop() {
  std::call_once(impl_->stopped, [this] {
    {
      const std::lock_guard lock(impl_->mutex);
      impl_->stopping = true;
    }
    impl_->changed.notify_all();
    impl_->supervisor.join();
  });
}

}  // namespace mlforge::actors
