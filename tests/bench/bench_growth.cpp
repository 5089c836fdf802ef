// What an append costs as a log grows, and as the number of its streams does; and what memory that
// takes. Every batch of 256 events of 256 bytes is synced before the next.
//   bench_growth [--json] [--events N] [--streams N] [--folder F]
//     --events  how far the log with a fixed number of streams (1,000) grows; 10,000,000 unless
//     told
//     --streams how many streams there are in the end; 1,000,000 unless told
// Appending, indexing and building the read models are timed apart: the server does the last two on
// a thread of their own.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "events/event_codec.hpp"
#include "projections/projector.hpp"
#include "storage/lmdb_log.hpp"

namespace {

using namespace mlforge;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBatch = 256, kFixedStreams = 1000;
constexpr std::size_t kIndexAfter = 16'384;  // events

template <class T>
T need(Expected<T> value) {
  if (value) return *std::move(value);
  fmt::print(stderr, "{}\n", value.error().message);
  std::exit(1);
}

double cpu_us() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return double(now.tv_sec) * 1e6 + double(now.tv_nsec) / 1e3;
}

// Memory that is the process's own: mapped pages of files are the kernel's cache.
double anonymous_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "RssAnon:") {
      double kib = 0;
      status >> kib;
      return kib / 1024;
    }
  return 0;
}

struct Cost {
  double cpu = 0, wall = 0;  // microseconds
  std::uint64_t events = 0;
  std::vector<double> batches;  // wall, microseconds

  template <class Work>
  void time(std::uint64_t n, Work&& work) {
    const auto start = Clock::now();
    const double before = cpu_us();
    work();
    cpu += cpu_us() - before;
    const double took = std::chrono::duration<double, std::micro>(Clock::now() - start).count();
    wall += took;
    batches.push_back(took);
    events += n;
  }
  double cpu_each() const { return events ? cpu / double(events) : 0; }
  double median_batch() {
    if (batches.empty()) return 0;
    const auto middle = batches.begin() + std::ptrdiff_t(batches.size() / 2);
    std::nth_element(batches.begin(), middle, batches.end());
    return *middle;
  }
};

class Growth {
 public:
  Growth(const fs::path& folder, bool json, bool with_views) : json_(json) {
    log_ = need(storage::open_lmdb_log(folder / "log"));
    if (with_views) {
      store_ = need(projections::ViewStore::open(folder / "views"));
      engine_ = need(projections::ProjectionEngine::open(*log_, *store_));
    }
  }

  // Appends until `events` are in the log, taking turns over streams [0, streams) by `pick`.
  template <class Pick>
  void grow_to(std::uint64_t events, const char* what, std::size_t streams, Pick&& pick) {
    appends_ = index_ = views_ = {};
    while (log_->head() < events) {
      for (auto& request : requests_) name(request, pick());
      appends_.time(kBatch, [&] {
        for (const auto& answer : log_->append(requests_)) (void)need(answer);
      });
      if (log_->unindexed() >= kIndexAfter) follow();
    }
    follow();
    print(what, streams);
  }

 private:
  static std::vector<storage::AppendRequest> make_requests() {
    std::vector<storage::AppendRequest> requests(kBatch);
    // One value whose payload has 256 bytes.
    const RunMetricsLogged metric{{"loss/" + std::string(172, 'x')}, {0.5}, {1}, {1}};
    for (auto& request : requests) {
      request = {.tenant = "default", .actor = "bench"};
      request.events.push_back(encode_event(Event{metric}, ""));
    }
    return requests;
  }
  void name(storage::AppendRequest& request, std::uint64_t stream) {
    request.events[0].stream = fmt::format("run/{:032x}", stream * 0x9e3779b97f4a7c15ull);
    request.command_id = fmt::format("{:032x}", ++commands_);
  }
  void follow() {
    const std::uint64_t waiting = log_->unindexed();
    index_.time(waiting, [&] { (void)need(log_->index_some()); });
    if (engine_) views_.time(waiting, [&] { (void)need(engine_->catch_up()); });
  }
  void print(const char* what, std::size_t streams) {
    const double log_mib = double(log_->used_bytes()) / 1048576;
    if (json_)
      fmt::print(
          R"({{"part":"{}","events":{},"streams":{},"append_cpu_us":{:.3f},"batch_us":{:.1f},)"
          R"("index_cpu_us":{:.3f},"views_cpu_us":{:.3f},"anonymous_mib":{:.1f},"log_mib":{:.0f}}})"
          "\n",
          what, log_->head(), streams, appends_.cpu_each(), appends_.median_batch(),
          index_.cpu_each(), views_.cpu_each(), anonymous_mib(), log_mib);
    else
      fmt::print(
          "{:<8} {:>9} events, {:>8} streams: append {:5.2f} us CPU, a batch of {} {:7.0f} us; "
          "indexing {:5.2f} us, read models {:5.2f} us CPU an event; {:6.1f} MiB anonymous, log "
          "{:.0f} MiB\n",
          what, log_->head(), streams, appends_.cpu_each(), kBatch, appends_.median_batch(),
          index_.cpu_each(), views_.cpu_each(), anonymous_mib(), log_mib);
    std::fflush(stdout);
  }

  bool json_;
  std::vector<storage::AppendRequest> requests_ = make_requests();
  std::uint64_t commands_ = 0;
  std::unique_ptr<storage::LmdbLog> log_;
  std::unique_ptr<projections::ViewStore> store_;
  std::unique_ptr<projections::ProjectionEngine> engine_;
  Cost appends_, index_, views_;
};

// 10 thousand, 100 thousand, 1 million, ... up to `most`; the cost is that of the way from one to
// the next.
void grow_log(const fs::path& folder, bool json, std::uint64_t most) {
  Growth growth(folder, json, true);
  std::uint64_t next = 0;
  const auto turn = [&] { return next++ % kFixedStreams; };
  for (std::uint64_t events = 10'000; events < most; events *= 10)
    growth.grow_to(events, "events", kFixedStreams, turn);
  growth.grow_to(most, "events", kFixedStreams, turn);
}

// At each number of streams: once each stream has an event, 100,000 more to streams at random.
void grow_streams(const fs::path& folder, bool json, std::uint64_t most) {
  Growth growth(folder, json, false);
  std::mt19937_64 random(1);
  std::uint64_t known = 0, head = 0;
  for (std::uint64_t streams = 1000;; streams = std::min(streams * 10, most)) {
    head += streams - known;
    growth.grow_to(head, "new", streams, [&] { return known++; });
    known = streams;
    head += 100'000;
    growth.grow_to(head, "streams", streams, [&] { return random() % streams; });
    if (streams >= most) break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  std::uint64_t events = 10'000'000, streams = 1'000'000;
  std::string parent = fs::temp_directory_path().string();
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--json")) json = true;
    if (i + 1 == argc) break;
    if (!std::strcmp(argv[i], "--events")) events = std::strtoull(argv[++i], nullptr, 10);
    if (!std::strcmp(argv[i], "--streams")) streams = std::strtoull(argv[++i], nullptr, 10);
    if (!std::strcmp(argv[i], "--folder")) parent = argv[++i];
  }
  std::string folder = parent + "/bench-growth-XXXXXX";
  if (!::mkdtemp(folder.data())) return 1;
  if (events > 0) grow_log(folder + "/events", json, events);
  fs::remove_all(folder + "/events");
  if (streams > 0) grow_streams(folder + "/streams", json, streams);
  fs::remove_all(folder);
  return 0;
}
