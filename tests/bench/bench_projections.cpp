// How fast the views follow a log full of metrics: events/s and CPU per event, through all
// projections. Usage: projections bench [events] [runs].
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "events/event_codec.hpp"
#include "projections/projector.hpp"
#include "storage/memory_log.hpp"

namespace {

using namespace mlforge;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Single-metric events of `runs` runs in turn, five keys each.
void fill(storage::MemoryLog& log, std::size_t events, std::size_t runs) {
  static constexpr const char* kKeys[] = {"train_loss", "validation_loss", "auc", "lr", "seconds"};
  const auto ids = storage::seeded_ids(7);
  std::vector<std::string> streams;
  for (std::size_t i = 0; i < runs; ++i)
    streams.push_back("run/" + to_string(ids->next(TimeUs(i) * 1000)));
  std::vector<storage::AppendRequest> requests;
  for (std::size_t i = 0; i < events; ++i) {
    const auto step = static_cast<std::int64_t>(i / runs / 5);
    const RunMetricsLogged metric{{kKeys[i / runs % 5]}, {1.0 / double(i + 1)}, {step}, {step}};
    requests.push_back({.tenant = "default", .actor = "bench"});
    requests.back().events.push_back(encode_event(Event{metric}, streams[i % runs]));
    if (requests.size() == 1000 || i + 1 == events) {
      for (const auto& answer : log.append(requests))
        if (!answer) std::abort();
      requests.clear();
    }
  }
}

bool measure(const std::filesystem::path& folder, const storage::MemoryLog& log,
             std::uint64_t batch) {
  auto store = projections::ViewStore::open(folder / std::to_string(batch));
  if (!store) return false;
  auto engine = projections::ProjectionEngine::open(log, **store, projections::all_projections(),
                                                    {.batch_events = batch});
  if (!engine) return false;
  const double cpu = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  if (!(*engine)->catch_up()) return false;
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  const double events = double(log.head());
  std::printf("batches of %5llu: %9.0f events/s, %6.2f us CPU per single-metric event\n",
              static_cast<unsigned long long>(batch), events / wall.count(),
              (cpu_seconds() - cpu) / events * 1e6);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t events = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200000;
  const std::size_t runs = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 50;
  if (events == 0 || runs == 0) return 2;
  std::string folder = (std::filesystem::temp_directory_path() / "mlforge-bench-XXXXXX").string();
  if (!mkdtemp(folder.data())) return 1;
  storage::MemoryLog log(storage::system_clock(), storage::seeded_ids(1));
  fill(log, events, runs);
  std::printf("%zu events of %zu runs\n", events, runs);
  bool ok = true;
  for (const std::uint64_t batch : {2000u, 200u, 20u}) ok = ok && measure(folder, log, batch);
  std::filesystem::remove_all(folder);
  return ok ? 0 : 1;
}
