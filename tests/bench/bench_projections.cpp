// How fast the read models are built from a log: events a second of processor time and of wall
// time, through all projections, from a log on disk (records read, checked and decoded).
//   bench_projections [--json] [--events N] [--folder F] [--log mixed|metrics] [--batch N] [--keep]
// With --keep, the logs stay in the folder and are found there the next time.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "mixed_log.hpp"
#include "projections/projector.hpp"
#include "storage/lmdb_log.hpp"

namespace {

using namespace mlforge;
namespace fs = std::filesystem;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class T>
T need(Expected<T> value) {
  if (value) return *std::move(value);
  std::fprintf(stderr, "%s\n", value.error().message.c_str());
  std::exit(1);
}

struct Figure {
  std::string log;
  std::uint64_t events = 0, batch = 0;
  double wall = 0, cpu = 0;  // seconds
};

Figure replay(const fs::path& folder, const storage::Log& log, const char* name,
              std::uint64_t batch) {
  const fs::path views = folder / (name + std::to_string(batch));
  auto store = need(projections::ViewStore::open(views));
  auto engine = need(projections::ProjectionEngine::open(
      log, *store, projections::all_projections(), {.batch_events = batch}));
  const double cpu = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  (void)need(engine->catch_up());
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  Figure figure{name, log.head(), batch, wall.count(), cpu_seconds() - cpu};
  for (const auto& status : engine->statuses())
    if (status.failed) {
      std::fprintf(stderr, "%s: %s\n", status.name.c_str(), status.error.c_str());
      std::exit(1);
    }
  engine.reset();
  store.reset();
  fs::remove_all(views);
  return figure;
}

void print(const Figure& f, bool json) {
  if (json)
    std::printf(
        "{\"log\":\"%s\",\"events\":%llu,\"batch\":%llu,\"seconds\":%.4f,\"cpu_seconds\":%.4f}\n",
        f.log.c_str(), static_cast<unsigned long long>(f.events),
        static_cast<unsigned long long>(f.batch), f.wall, f.cpu);
  else
    std::printf(
        "%-8s %9llu events, batches of %5llu: %8.0f events/s of CPU (%5.2f us each), %8.0f "
        "events/s\n",
        f.log.c_str(), static_cast<unsigned long long>(f.events),
        static_cast<unsigned long long>(f.batch), double(f.events) / f.cpu,
        1e6 * f.cpu / double(f.events), double(f.events) / f.wall);
  std::fflush(stdout);
}

using Fill = std::function<void(storage::Log&)>;

struct Options {
  bool json = false, keep = false;
  std::uint64_t events = 300'000;
  std::string folder, log;
  std::vector<std::uint64_t> batches{20'000, 2'000, 200};
};

void measure(const Options& options, const char* name, const Fill& fill) {
  if (!options.log.empty() && options.log != name) return;
  const fs::path folder = options.folder;
  const auto log = need(storage::open_lmdb_log(folder / (std::string("log-") + name)));
  if (log->head() == 0) fill(*log);
  for (const std::uint64_t batch : options.batches)
    print(replay(folder, *log, name, batch), options.json);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--json")) o.json = true;
    if (!std::strcmp(argv[i], "--keep")) o.keep = true;
    if (i + 1 == argc) break;
    if (!std::strcmp(argv[i], "--events")) o.events = std::strtoull(argv[++i], nullptr, 10);
    if (!std::strcmp(argv[i], "--folder")) o.folder = argv[++i];
    if (!std::strcmp(argv[i], "--log")) o.log = argv[++i];
    if (!std::strcmp(argv[i], "--batch")) o.batches = {std::strtoull(argv[++i], nullptr, 10)};
  }
  if (o.events == 0) return 2;
  const std::string parent = o.folder.empty() ? fs::temp_directory_path().string() : o.folder;
  if (!o.keep) {
    o.folder = parent + "/bench-projections-XXXXXX";
    if (!::mkdtemp(o.folder.data())) return 1;
  }
  measure(o, "mixed", [&](storage::Log& log) { bench::fill_mixed(log, o.events); });
  measure(o, "metrics", [&](storage::Log& log) { bench::fill_metrics(log, o.events, 1000); });
  if (!o.keep) fs::remove_all(o.folder);
  return 0;
}
