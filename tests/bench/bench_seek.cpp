// How long a look at an earlier moment takes: a stream's state, and whole listings of a read model.
//
//   bench_seek [EVENTS] [FOLDER]     1,000,000 events in a temporary folder unless told otherwise
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <random>
#include <set>

#include "events/event_codec.hpp"
#include "projections/projector.hpp"
#include "projections/queries.hpp"
#include "projections/stream_states.hpp"
#include "storage/lmdb_log.hpp"

namespace {

using namespace mlforge;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What this thread has worked: on a machine that others use too, the time that is its own.
double cpu_ms() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) / 1e6;
}

template <class T>
T need(Expected<T> value) {
  if (value) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.error().message.c_str());
  std::exit(1);
}

// Half of the events belong to five long runs, the rest to runs of 100 events: metrics, and now and
// then a tag, a parameter, an artifact.
std::string stream_of(std::mt19937_64& random, std::uint64_t events) {
  if (random() % 2) return "run/long" + std::to_string(random() % 5);
  return "run/short" + std::to_string(random() % (events / 200 + 1));
}

NewEvent event_of(std::mt19937_64& random, const std::string& stream, bool is_new) {
  const auto id = stream.substr(4), number = std::to_string(random() % 50);
  if (is_new) return encode_event(RunStarted{.run_id = id, .experiment_id = "1"}, stream);
  switch (random() % 20) {
    case 0:
      return encode_event(RunTagsSet{.tags = {{"tag" + number, "value"}}}, stream);
    case 1:
      return encode_event(RunParamsLogged{.params = {{"param" + number, "value"}}}, stream);
    case 2:
      return encode_event(RunArtifactLogged{.path = "a/" + number, .digest = "d"}, stream);
    default:
      return encode_event(
          RunMetricsLogged{
              .keys = {"loss", "auc"}, .values = {0.5, 0.9}, .timestamps = {1, 1}, .steps = {1, 1}},
          stream);
  }
}

void fill(storage::Log& log, std::uint64_t events) {
  std::mt19937_64 random(1);
  std::set<std::string> started;
  while (log.head() < events) {
    std::vector<storage::AppendRequest> requests(10'000);
    for (auto& request : requests) {
      request.tenant = "default";
      request.actor = "bench";
      const auto stream = stream_of(random, events);
      const bool is_new = started.insert(stream).second;
      request.events.push_back(event_of(random, stream, is_new));
    }
    for (const auto& answer : log.append(requests)) (void)need(answer);
  }
}

struct Times {
  std::vector<double> wall, cpu;

  template <class Work>
  void measure(Work&& work) {
    const auto start = Clock::now();
    const double before = cpu_ms();
    work();
    cpu.push_back(cpu_ms() - before);
    wall.push_back(ms_since(start));
  }
  void print(const char* what) {
    std::printf("%s, %zu times\n", what, wall.size());
    for (auto* times : {&wall, &cpu}) {
      std::sort(times->begin(), times->end());
      const auto at = [&](double share) {
        const auto i = static_cast<std::size_t>(share * double(times->size()));
        return (*times)[std::min(times->size() - 1, i)];
      };
      std::printf("  %s  p50 %8.3f  p99 %8.3f  max %8.3f ms\n", times == &wall ? "wall" : "CPU ",
                  at(0.5), at(0.99), times->back());
    }
  }
};

void seeks(const storage::Log& log, const projections::StreamStates& states, const char* what,
           std::uint64_t events, std::size_t n, int which) {
  std::mt19937_64 random(7);
  Times times;
  while (times.wall.size() < n) {
    auto stream = stream_of(random, events);
    if (which == 1) stream = "run/long" + std::to_string(random() % 5);
    const Position as_of = 1 + random() % log.head();
    times.measure([&] { (void)need(states.at<RunState>("default", stream, as_of)); });
  }
  times.print(what);
}

std::size_t list_all(projections::ViewStore& views, Position as_of) {
  auto reader = need(views.reader());
  std::size_t rows = 0;
  projections::PageRequest page{.limit = 1000, .as_of = as_of};
  do {
    const auto runs = need(projections::list_runs(reader, "default", "", page));
    rows += runs.items.size();
    page.page_token = runs.next_page_token;
  } while (!page.page_token.empty());
  return rows;
}

void listings(const storage::Log& log, const fs::path& folder) {
  auto views = need(projections::ViewStore::open(folder));
  auto engine = need(projections::ProjectionEngine::open(log, *views));
  const auto start = Clock::now();
  (void)need(engine->catch_up());
  std::printf("all read models built in %.1f s\n", ms_since(start) / 1000);
  std::mt19937_64 random(3);
  Times times;
  std::size_t rows = 0;
  for (int i = 0; i < 20; ++i) {
    const Position as_of = 1 + random() % log.head();
    times.measure([&] { rows = std::max(rows, list_all(*views, as_of)); });
  }
  std::printf("the largest listing has %zu runs\n", rows);
  times.print("every run, as of a random position");
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  std::string name = (fs::temp_directory_path() / "mlforge-seek-XXXXXX").string();
  const fs::path folder = argc > 2 ? fs::path(argv[2]) : fs::path(::mkdtemp(name.data()));
  {
    auto log = need(storage::open_lmdb_log(folder / "data"));
    const auto start = Clock::now();
    fill(*log, events);
    std::printf("%llu events appended in %.1f s\n", static_cast<unsigned long long>(log->head()),
                ms_since(start) / 1000);
    const auto states = need(projections::StreamStates::open(folder / "snapshots", *log));
    seeks(*log, *states, "any stream, the first look at each", events, 2000, 0);
    seeks(*log, *states, "any stream", events, 5000, 0);
    seeks(*log, *states, "streams of a tenth of the log", events, 2000, 1);
    listings(*log, folder / "views");
  }
  if (argc <= 2) fs::remove_all(folder);
}
