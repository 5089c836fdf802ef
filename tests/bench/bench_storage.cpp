// Durable appends a second through the log, against raw LMDB with the same batches in the same run;
// then a scan with its CRC checks against raw LMDB's, and a full verification.
//   bench_storage [--json] [--seconds S] [--batch EVENTS] [--folder F]
// One event has a payload of 256 bytes. The raw logs (raw_log.hpp, which shares no code with
// mlforge) are given the same streams by name, and as many different values, and write
//   raw           the payload as the value, without an index
//   same bytes    a value as large as our record, without an index
//   same indexes  that, with the indexes that we keep, in the way in which we keep them
//   one sync      that, with the indexes in the synced transaction
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "raw_log.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/verify.hpp"

namespace {

using namespace mlforge;
using namespace mlforge::storage;
using Seconds = std::chrono::duration<double>;
using SteadyClock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr std::size_t kPayloadBytes = 256;
constexpr std::size_t kStreams = 64;
constexpr std::size_t kMapBytes = std::size_t{16} << 30;
constexpr std::size_t kScans = 3;  // the best counts

constexpr std::size_t kIndexAfter = 16'384;

using bench::RawLog;
using bench::require;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return double(t.tv_sec) + double(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class T>
T need(Expected<T> value) {
  require(value.has_value(), value ? "" : value.error().message.c_str());
  return *std::move(value);
}

// One way of appending, batch by batch.
struct Way {
  explicit Way(const char* n) : name(n) {}

  const char* name;
  std::vector<double> seconds;  // of each batch
  double index_seconds = 0, cpu = 0;

  template <class Append>
  void time(Append append_batch) {
    const auto start = SteadyClock::now();
    const double before = cpu_seconds();
    append_batch();
    cpu += cpu_seconds() - before;
    seconds.push_back(Seconds(SteadyClock::now() - start).count());
  }
  template <class Index>
  void time_index(Index index) {
    const auto start = SteadyClock::now();
    index();
    index_seconds += Seconds(SteadyClock::now() - start).count();
  }
  // Of the mean batch, with its share of the indexing. A hundredth, the slowest, is left out: a
  // neighbour's bursts on the disk; what every fiftieth batch pays for the others is in it.
  double events_per_second(std::size_t batch) {
    std::sort(seconds.begin(), seconds.end());
    const auto counted = seconds.size() - seconds.size() / 100;
    const double sum = std::accumulate(seconds.begin(),
                                       seconds.begin() + static_cast<std::ptrdiff_t>(counted), 0.0);
    return static_cast<double>(batch) /
           (sum / double(counted) + index_seconds / double(seconds.size()));
  }
  double cpu_us(std::size_t batch) const {
    return 1e6 * cpu / static_cast<double>(batch * seconds.size());
  }
};

struct Row {
  std::size_t batch = 0;
  std::vector<Way> ways;  // ours first
};

std::vector<AppendRequest> make_requests(std::size_t batch) {
  std::vector<AppendRequest> requests(batch);
  for (std::size_t i = 0; i < batch; ++i) {
    requests[i].tenant = "default";
    requests[i].actor = "ann";
    NewEvent event;
    event.stream = "run/0198f0a2c4f37c6e8a53f2d1b0c9" + std::to_string(1000 + i % kStreams);
    event.type = "run.metrics_logged";
    event.payload.assign(kPayloadBytes, static_cast<char>('a' + i % 26));
    requests[i].events.push_back(std::move(event));
  }
  return requests;
}

void append_to_log(LmdbLog& log, const std::vector<AppendRequest>& requests) {
  for (const auto& answer : log.append(requests))
    require(answer.has_value(), answer ? "" : answer.error().message.c_str());
}

std::size_t record_bytes() {
  const auto sample = make_requests(1).front();
  EventView view;
  view.tenant = sample.tenant;
  view.stream = sample.events[0].stream;
  view.type = sample.events[0].type;
  view.actor = sample.actor;
  view.payload = sample.events[0].payload;
  return record_size(view) + 32;
}

std::vector<bench::RawEvent> raw_events(const std::vector<AppendRequest>& requests,
                                        std::size_t bytes) {
  std::vector<bench::RawEvent> events;
  for (const auto& request : requests)
    events.push_back({request.tenant + '/' + request.events[0].stream,
                      std::string(bytes, request.events[0].payload[0])});
  return events;
}

struct RawLogs {
  explicit RawLogs(const fs::path& folder)
      : raw(folder / "raw", kMapBytes, RawLog::Index::none),
        same(folder / "same", kMapBytes, RawLog::Index::none),
        beside(folder / "beside", kMapBytes, RawLog::Index::beside),
        inside(folder / "inside", kMapBytes, RawLog::Index::inside) {}
  RawLog raw, same, beside, inside;
};

// The ways take turns batch by batch, so that they meet the same disk.
Row bench_batch(LmdbLog& log, RawLogs& raw, std::size_t batch, double seconds) {
  auto requests = make_requests(batch);
  const auto payloads = raw_events(requests, kPayloadBytes);
  const auto records = raw_events(requests, record_bytes());
  Way ours("mlforge"), bare("raw"), same("same bytes"), beside("same indexes"), inside("one sync");
  const auto start = SteadyClock::now();
  while (Seconds(SteadyClock::now() - start).count() < seconds) {
    std::uint64_t command = log.head();
    for (auto& request : requests) request.command_id = fmt::format("{:032x}", ++command);
    ours.time([&] { append_to_log(log, requests); });
    bare.time([&] { raw.raw.append(payloads); });
    same.time([&] { raw.same.append(records); });
    beside.time([&] { raw.beside.append(records); });
    inside.time([&] { raw.inside.append(records); });
    // On a thread of its own in the server; here it counts.
    if (log.unindexed() >= kIndexAfter) ours.time_index([&] { (void)need(log.index_some()); });
    if (raw.beside.unindexed() >= kIndexAfter) beside.time_index([&] { raw.beside.index_some(); });
  }
  ours.time_index([&] { (void)need(log.index_some()); });
  beside.time_index([&] { raw.beside.index_some(); });
  return {batch, {ours, bare, same, beside, inside}};
}

struct Scans {
  double ours = 0, walk = 0, read = 0;  // events a second, the best of a few
  double verify_seconds = 0;
  std::uint64_t events = 0;
};

template <class Scan>
double best_rate(std::uint64_t events, Scan scan) {
  double best = 0;
  for (std::size_t round = 0; round < kScans; ++round) {
    const double start = cpu_seconds();
    scan();
    best = std::max(best, double(events) / (cpu_seconds() - start));
  }
  return best;
}

Scans bench_scans(const LmdbLog& log, const RawLog& raw) {
  Scans scans;
  scans.events = log.head();
  std::uint64_t bytes = 0;
  scans.ours = best_rate(log.head(), [&] {
    bytes = 0;
    const auto last = need(log.read(1, log.head(), [&](const EventView& e) {
      bytes += e.payload.size();
      return true;
    }));
    require(last == log.head(), "the scan did not come to the end");
  });
  require(bytes == log.head() * kPayloadBytes, "the scan saw other bytes");
  require(raw.events() == log.head(), "the logs are not of the same size");
  std::uint64_t sum = 0;
  scans.walk = best_rate(raw.events(), [&] { sum += raw.scan(false).sum; });
  scans.read = best_rate(raw.events(), [&] { sum += raw.scan(true).sum; });
  require(sum != 0, "the raw scan saw nothing");
  return scans;
}

double verify(const fs::path& folder) {
  const auto start = SteadyClock::now();
  const auto report = need(verify_log(folder));
  require(report.what.empty() && report.index_checked, "the log is not sound");
  return Seconds(SteadyClock::now() - start).count();
}

std::string json_of(Row& row) {
  std::string ways;
  const double ours = row.ways[0].events_per_second(row.batch);
  for (Way& way : row.ways) {
    const double rate = way.events_per_second(row.batch);
    ways += fmt::format(
        R"({}{{"name":"{}","events_per_second":{:.0f},"ratio":{:.3f},"cpu_us":{:.2f}}})",
        ways.empty() ? "" : ",", way.name, rate, ours / rate, way.cpu_us(row.batch));
  }
  return fmt::format(R"({{"batch":{},"ways":[{}]}})", row.batch, ways);
}

void print(std::vector<Row>& rows, const Scans& s, bool json) {
  std::string text;
  for (Row& row : rows) {
    text += (text.empty() ? "" : ",") + json_of(row);
    if (json) continue;
    for (Way& way : row.ways) {
      const double rate = way.events_per_second(row.batch);
      fmt::print("{:>5} a batch  {:<13} {:>9.0f} events/s  {:>5.2f} us CPU  mlforge to it {:.2f}\n",
                 row.batch, way.name, rate, way.cpu_us(row.batch),
                 row.ways[0].events_per_second(row.batch) / rate);
    }
  }
  if (json)
    fmt::print(R"({{"appends":[{}],"events":{},"scan":{:.0f},"raw_walk":{:.0f},"raw_scan":{:.0f},)"
               R"("verify_seconds":{:.3f}}})"
               "\n",
               text, s.events, s.ours, s.walk, s.read, s.verify_seconds);
  else
    fmt::print(
        "{} events, by CPU time: scan with CRC {:.2f} M events/s; raw LMDB, every byte read {:.2f} "
        "M "
        "({:.2f}), only walked over {:.2f} M ({:.2f}); full verification {:.2f} M events/s of wall "
        "time\n",
        s.events, s.ours / 1e6, s.read / 1e6, s.ours / s.read, s.walk / 1e6, s.ours / s.walk,
        double(s.events) / s.verify_seconds / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  double seconds = 3;  // for each size of batch
  std::vector<std::size_t> sizes = {1, 16, 64, 256, 1024};
  std::string parent = fs::temp_directory_path().string();
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--json")) json = true;
    if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc) seconds = std::stod(argv[++i]);
    if (!std::strcmp(argv[i], "--folder") && i + 1 < argc) parent = argv[++i];
    if (!std::strcmp(argv[i], "--batch") && i + 1 < argc) sizes = {std::stoul(argv[++i])};
  }
  std::string folder = parent + "/bench-storage-XXXXXX";
  require(::mkdtemp(folder.data()) != nullptr, "cannot make a folder for the measurement");
  std::vector<Row> rows;
  Scans scans;
  {
    LmdbLogOptions options;
    options.map_bytes = kMapBytes;
    const auto log = need(open_lmdb_log(folder + "/log", options));
    RawLogs raw(folder);
    for (const std::size_t batch : sizes) rows.push_back(bench_batch(*log, raw, batch, seconds));
    scans = bench_scans(*log, raw.same);
    require(!log->close(), "the log does not close");
  }
  scans.verify_seconds = verify(folder + "/log");
  print(rows, scans, json);
  fs::remove_all(folder);
  return 0;
}
