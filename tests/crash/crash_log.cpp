// Kills a process that appends, again and again on one folder (a new one every 50 rounds), and
// checks after each kill that the log lost nothing:
//   crash_log [--rounds N] [--seed S]
// The child (--child <folder> <seed>) has threads that make requests and one writer that appends
// whatever waits, in one call. It tells each acknowledged event through a pipe. Exit code 0: all
// rounds were well.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "storage/lmdb_log.hpp"
#include "storage/verify.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;
namespace fs = std::filesystem;

constexpr std::size_t kMapBytes = std::size_t{8} << 30;
constexpr std::size_t kProducers = 3;
constexpr std::size_t kWaitingRequests = 32;
constexpr std::size_t kStreams = 20;
constexpr std::uint64_t kRoundsOfOneLog = 50;  // each check reads the whole log

struct Acknowledged {  // goes through the pipe as it is
  Position position = 0;
  Uuid id;
};

void require(bool ok, const std::string& what) {
  if (ok) return;
  fmt::print(stderr, "crash_log: {}\n", what);
  std::exit(1);
}

std::unique_ptr<LmdbLog> open_log(const fs::path& folder) {
  LmdbLogOptions options;
  options.map_bytes = kMapBytes;
  options.tail_events = 2000;
  auto log = open_lmdb_log(folder, options);
  require(log.has_value(), log ? "" : log.error().message);
  return std::move(*log);
}

// A bounded queue between the producers and the writer.
class Requests {
 public:
  void push(AppendRequest request) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return waiting_.size() < kWaitingRequests; });
    waiting_.push_back(std::move(request));
    some_.notify_one();
  }
  std::vector<AppendRequest> take_all() {
    std::unique_lock lock(mutex_);
    some_.wait(lock, [this] { return !waiting_.empty(); });
    std::vector<AppendRequest> all(std::make_move_iterator(waiting_.begin()),
                                   std::make_move_iterator(waiting_.end()));
    waiting_.clear();
    room_.notify_all();
    return all;
  }

 private:
  std::mutex mutex_;
  std::condition_variable room_, some_;
  std::deque<AppendRequest> waiting_;
};

// One to four events; every payload tells how many belong together. Some do not fit into a page.
AppendRequest make_request(std::mt19937_64& random, IdSource& ids) {
  AppendRequest request;
  request.tenant = "acme";
  request.command_id = to_string(ids.next(system_clock()->now()));
  request.events.resize(1 + random() % 4);
  for (NewEvent& event : request.events) {
    event.stream = fmt::format("run/{}", random() % kStreams);
    event.type = "run.metrics_logged";
    event.id = ids.next(system_clock()->now());
    event.payload = fmt::format("{};", request.events.size());
    event.payload.append(random() % 8 == 0 ? random() % 20'000 : random() % 300, 'x');
  }
  return request;
}

void tell(const std::vector<Acknowledged>& acknowledged) {
  const char* at = reinterpret_cast<const char*>(acknowledged.data());
  std::size_t left = acknowledged.size() * sizeof(Acknowledged);
  while (left > 0) {
    const ssize_t n = ::write(STDOUT_FILENO, at, left);
    if (n <= 0) std::_Exit(0);  // the parent has gone
    at += n;
    left -= static_cast<std::size_t>(n);
  }
}

[[noreturn]] void run_child(const fs::path& folder, std::uint64_t seed) {
  const auto log = open_log(folder);
  Requests requests;
  for (std::size_t i = 0; i < kProducers; ++i)
    std::thread([&requests, seed, i] {
      std::mt19937_64 random(seed * kProducers + i);
      const auto ids = system_ids();
      for (;;) requests.push(make_request(random, *ids));
    }).detach();
  std::thread([&log] {
    for (;;) {
      require(log->index_some().has_value(), "index_some failed");
      std::this_thread::yield();
    }
  }).detach();
  for (;;) {
    const auto batch = requests.take_all();
    const auto answers = log->append(batch);
    std::vector<Acknowledged> acknowledged;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      require(answers[i].has_value(), answers[i] ? "" : answers[i].error().message);
      for (std::size_t e = 0; e < batch[i].events.size(); ++e)
        acknowledged.push_back({answers[i]->first + e, batch[i].events[e].id});
    }
    tell(acknowledged);
  }
}

struct Child {
  pid_t pid = 0;
  int pipe = -1;
};

Child start_child(const fs::path& folder, std::uint64_t seed) {
  int ends[2];
  require(::pipe2(ends, O_CLOEXEC) == 0, "cannot make a pipe");
  const std::string path = folder.string(), seed_text = std::to_string(seed);
  const pid_t pid = ::fork();
  require(pid >= 0, "cannot fork");
  if (pid == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl("/proc/self/exe", "crash_log", "--child", path.c_str(), seed_text.c_str(), nullptr);
    std::_Exit(127);
  }
  ::close(ends[1]);
  return {pid, ends[0]};
}

// Waits until the child tells something, at most until `moment`. So a kill may come at any point of
// an append.
void wait_for_data(int pipe, std::chrono::steady_clock::time_point moment) {
  const auto left = moment - std::chrono::steady_clock::now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(left).count();
  pollfd readable{pipe, POLLIN, 0};
  ::poll(&readable, 1, static_cast<int>(std::max<std::int64_t>(ms, 0)));
}

// Reads what the child tells until it has acknowledged something and the moment of the seed has
// come; then kills it and reads the rest.
std::vector<Acknowledged> run_and_kill(const Child& child, std::mt19937_64& random) {
  using Clock = std::chrono::steady_clock;
  const std::size_t least = sizeof(Acknowledged) * (1 + random() % 200);
  const auto more = std::chrono::microseconds(random() % 50'000);
  std::string bytes;
  char buffer[65536];
  auto moment = Clock::time_point::max();
  bool killed = false;
  for (;;) {
    if (!killed && Clock::now() >= moment) {
      ::kill(child.pid, SIGKILL);
      killed = true;
    }
    if (!killed && moment != Clock::time_point::max()) {
      wait_for_data(child.pipe, moment);
      if (Clock::now() >= moment) continue;
    }
    const ssize_t n = ::read(child.pipe, buffer, sizeof buffer);
    if (n <= 0) break;
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() >= least && moment == Clock::time_point::max()) moment = Clock::now() + more;
  }
  ::close(child.pipe);
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  require(killed && WIFSIGNALED(status), "the child ended before it was killed");
  std::vector<Acknowledged> acknowledged(bytes.size() / sizeof(Acknowledged));
  std::memcpy(acknowledged.data(), bytes.data(), acknowledged.size() * sizeof(Acknowledged));
  return acknowledged;
}

// All events of a request are there, or none of them.
void check_whole_requests(const std::map<std::string, std::pair<std::size_t, std::size_t>>& found) {
  for (const auto& [command, counts] : found)
    require(counts.first == counts.second, fmt::format("command {} has {} of its {} events",
                                                       command, counts.first, counts.second));
}

void check_log(const LmdbLog& log, const std::vector<Acknowledged>& acknowledged) {
  require(!log.writable(), "the log opened for reading only");
  Position next = 1;
  std::map<Position, Uuid> ids;
  std::map<std::string, std::uint64_t> versions;
  std::map<std::string, std::pair<std::size_t, std::size_t>> requests;
  const auto last = log.read(1, ~0ull, [&](const EventView& e) {
    require(e.position == next++, "positions have a gap");
    require(e.version == ++versions[std::string(e.stream)], "versions have a gap");
    ids[e.position] = e.id;
    auto& request = requests[std::string(e.command_id)];
    ++request.first;
    request.second = std::stoul(std::string(e.payload.substr(0, e.payload.find(';'))));
    return true;
  });
  require(last.has_value(), last ? "" : last.error().message);
  require(*last == log.head(), "the log ends before its head");
  for (const Acknowledged& a : acknowledged) {
    const auto found = ids.find(a.position);
    require(found != ids.end() && found->second == a.id,
            fmt::format("the acknowledged event at position {} is lost", a.position));
  }
  check_whole_requests(requests);
  for (const auto& [stream, version] : versions) {
    require(log.stream_version("acme", stream).value() == version, "the index has another version");
    const auto read =
        log.read_stream("acme", stream, 1, ~0ull, ~0ull, [](const EventView&) { return true; });
    require(read && *read == version, "a stream does not read whole");
  }
}

void check_retry(LmdbLog& log) {
  std::string command;
  (void)log.read(log.head(), 1, [&](const EventView& e) {
    command = e.command_id;
    return false;
  });
  const auto known = log.find_command("acme", command);
  require(known && known->last == log.head(), "the last command was forgotten");
}

void run_rounds(const fs::path& folder, std::uint64_t rounds, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Acknowledged> all;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto told = run_and_kill(start_child(folder, seed * 1000 + round), random);
    all.insert(all.end(), told.begin(), told.end());
    // The index as the kill left it, before any open could mend it.
    const auto verified = verify_log(folder);
    require(verified && verified->first_bad_position == 0,
            verified ? verified->what : verified.error().message);
    require(verified->index_checked, "the index was not kept over the kill");
    const auto log = open_log(folder);
    check_log(*log, all);
    check_retry(*log);
    fmt::print("round {}: {} acknowledged, head {}\n", round + 1, told.size(), log->head());
  }
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t rounds = 3, seed = 1;
  for (int i = 1; i + 1 < argc; ++i) {
    if (!std::strcmp(argv[i], "--child") && i + 2 < argc)
      run_child(argv[i + 1], std::stoull(argv[i + 2]));
    if (!std::strcmp(argv[i], "--rounds")) rounds = std::stoull(argv[i + 1]);
    if (!std::strcmp(argv[i], "--seed")) seed = std::stoull(argv[i + 1]);
  }
  for (std::uint64_t done = 0; done < rounds; done += kRoundsOfOneLog) {
    std::string folder = (fs::temp_directory_path() / "mlforge-crash-XXXXXX").string();
    require(::mkdtemp(folder.data()) != nullptr, "cannot make a folder");
    run_rounds(folder, std::min(kRoundsOfOneLog, rounds - done), seed + done);
    fs::remove_all(folder);
  }
  return 0;
}
