// Bytes on disk and events a second on a scan, before and after the log is archived.
//   bench_archive [--events N] [--folder F]
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/compact.hpp"
#include "storage/lmdb_log.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;
using SteadyClock = std::chrono::steady_clock;
namespace fs = std::filesystem;

void require(bool ok, std::string_view what) {
  if (ok) return;
  fmt::print(stderr, "bench_archive: {}\n", what);
  std::exit(1);
}

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

// Metrics of 64 runs as JSON: some 200 bytes of text that differ in their numbers.
std::string payload(std::uint64_t i) {
  return fmt::format(
      R"({{"keys":["loss","accuracy"],"values":[{:.6f},{:.6f}],"steps":[{},{}],"times":[{},{}]}})",
      1.0 / static_cast<double>(i + 1), static_cast<double>(i % 997) / 997.0, i, i,
      1790000000000000 + i * 1000, 1790000000000000 + i * 1000);
}

void fill(LmdbLog& log, std::uint64_t events) {
  for (std::uint64_t i = 0; i < events;) {
    std::vector<AppendRequest> requests(256);
    for (auto& request : requests) {
      request.tenant = "default";
      request.actor = "ann";
      NewEvent event;
      event.stream = "run/0198f0a2c4f37c6e8a53f2d1b0c9" + std::to_string(1000 + i % 64);
      event.type = "run.metrics_logged";
      event.payload = payload(i++);
      request.events.push_back(std::move(event));
    }
    for (const auto& answer : log.append(requests))
      require(answer.has_value(), answer ? "" : answer.error().message);
  }
}

double scan(const LmdbLog& log) {
  double best = 0;
  for (int i = 0; i < 3; ++i) {
    std::uint64_t bytes = 0;
    const auto start = SteadyClock::now();
    const auto read = log.read(1, ~0ull, [&](const EventView& e) {
      bytes += e.payload.size();
      return true;
    });
    require(read && *read == log.head() && bytes > 0, "the scan broke off");
    best = std::max(best, static_cast<double>(log.head()) / seconds_since(start));
  }
  return best;
}

std::uint64_t bytes_of(const fs::path& folder) {
  std::uint64_t bytes = 0;
  if (!fs::exists(folder)) return 0;
  for (const auto& each : fs::recursive_directory_iterator(folder))
    if (each.is_regular_file() && each.path().filename() != "lock.mdb") bytes += each.file_size();
  return bytes;
}

std::unique_ptr<LmdbLog> open(const fs::path& folder) {
  auto log = open_lmdb_log(folder, {.map_bytes = std::size_t{16} << 30});
  require(log.has_value(), log ? "" : log.error().message);
  return *std::move(log);
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t events = 200'000;
  fs::path folder = fs::temp_directory_path() / fmt::format("bench-archive-{}", ::getpid());
  for (int i = 1; i + 1 < argc; i += 2) {
    if (argv[i] == std::string("--events")) events = std::strtoull(argv[i + 1], nullptr, 10);
    if (argv[i] == std::string("--folder")) folder = argv[i + 1];
  }
  auto log = open(folder);
  fill(*log, events);
  const double plain = scan(*log);
  const auto before = bytes_of(folder / "log");
  const auto start = SteadyClock::now();
  double longest = 0;
  for (;;) {
    const auto step = SteadyClock::now();
    const auto report = log->archive_some(log->head());
    require(report.has_value(), report ? "" : report.error().message);
    if (report->events == 0) break;
    longest = std::max(longest, seconds_since(step));
  }
  const double seconds = seconds_since(start);
  const double archived = scan(*log);
  log.reset();
  const auto compacted = compact_log(folder);
  require(compacted.has_value(), compacted ? "" : compacted.error().message);
  fmt::print("{} events: log/ {} bytes before; {} bytes after, with {} in segments/\n", events,
             before, bytes_of(folder / "log"), bytes_of(folder / "segments"));
  fmt::print(
      "scan: {:.0f} events/s before, {:.0f} after; archived at {:.0f} events/s, a segment in "
      "at most {:.2f} s\n",
      plain, archived, static_cast<double>(events) / seconds, longest);
  fs::remove_all(folder);
  return 0;
}
