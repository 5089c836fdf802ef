// Appends a second through the log, against raw LMDB with the same batches in the same run, and
// events a second on a scan.
//   bench_storage [--json] [--seconds S] [--folder F]
// "raw" writes the 256-byte payload as the value, "raw, same bytes" a value as large as our record.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/lmdb_log.hpp"

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

struct Row {
  std::size_t batch = 0;
  double log = 0, raw = 0, raw_same_bytes = 0;  // events a second
};

void require(bool ok, std::string_view what) {
  if (ok) return;
  fmt::print(stderr, "bench_storage: {}\n", what);
  std::exit(1);
}

// The durations of one way of appending, batch by batch.
class Timings {
 public:
  template <class Append>
  void time(Append append_batch) {
    const auto start = SteadyClock::now();
    append_batch();
    seconds_.push_back(Seconds(SteadyClock::now() - start).count());
  }
  // Events a second of the median batch: a neighbour's burst on the disk moves it little.
  double events_per_second(std::size_t batch) {
    const auto middle = seconds_.begin() + static_cast<std::ptrdiff_t>(seconds_.size() / 2);
    std::nth_element(seconds_.begin(), middle, seconds_.end());
    return static_cast<double>(batch) / *middle;
  }

 private:
  std::vector<double> seconds_;
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
    require(answer.has_value(), answer ? "" : answer.error().message);
}

// What a program without us would do: one transaction and one sync a batch.
class RawLog {
 public:
  explicit RawLog(const fs::path& folder) {
    fs::create_directories(folder);
    require(mdb_env_create(&env_) == 0, "mdb_env_create");
    mdb_env_set_mapsize(env_, kMapBytes);
    require(mdb_env_open(env_, folder.c_str(), MDB_NOTLS, 0640) == 0, "mdb_env_open");
    MDB_txn* txn = nullptr;
    require(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "mdb_txn_begin");
    require(mdb_dbi_open(txn, nullptr, MDB_INTEGERKEY, &dbi_) == 0, "mdb_dbi_open");
    require(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
  }
  ~RawLog() { mdb_env_close(env_); }
  RawLog(const RawLog&) = delete;

  void append(std::size_t batch, const std::string& value) {
    MDB_txn* txn = nullptr;
    MDB_cursor* cursor = nullptr;
    require(mdb_txn_begin(env_, nullptr, 0, &txn) == 0, "mdb_txn_begin");
    require(mdb_cursor_open(txn, dbi_, &cursor) == 0, "mdb_cursor_open");
    for (std::size_t i = 0; i < batch; ++i) {
      ++position_;
      MDB_val key{sizeof position_, &position_};
      MDB_val data{value.size(), const_cast<char*>(value.data())};
      require(mdb_cursor_put(cursor, &key, &data, MDB_APPEND) == 0, "mdb_cursor_put");
    }
    mdb_cursor_close(cursor);
    require(mdb_txn_commit(txn) == 0, "mdb_txn_commit");
  }

 private:
  MDB_env* env_ = nullptr;
  MDB_dbi dbi_ = 0;
  std::uint64_t position_ = 0;
};

std::vector<Row> bench_appends(const fs::path& folder, LmdbLog& log, double seconds) {
  RawLog raw(folder / "raw"), same(folder / "same");
  const auto sample = make_requests(1).front();
  EventView view;
  view.tenant = sample.tenant;
  view.stream = sample.events[0].stream;
  view.type = sample.events[0].type;
  view.actor = sample.actor;
  view.payload = sample.events[0].payload;
  const std::string payload(kPayloadBytes, 'x'), record(record_size(view) + 32, 'x');
  std::vector<Row> rows;
  for (const std::size_t batch : {1, 16, 64, 256, 1024}) {
    auto requests = make_requests(batch);
    Timings ours, bare, bare_same;
    const auto start = SteadyClock::now();
    // The three take turns batch by batch, so that they meet the same disk.
    while (Seconds(SteadyClock::now() - start).count() < seconds) {
      std::uint64_t command = log.head();
      for (auto& request : requests) request.command_id = fmt::format("{:032x}", ++command);
      ours.time([&] { append_to_log(log, requests); });
      bare.time([&] { raw.append(batch, payload); });
      bare_same.time([&] { same.append(batch, record); });
      // The projector's work, on a thread of its own in the server.
      if (log.unindexed() > 16'384) require(log.index_some().has_value(), "index_some failed");
    }
    rows.push_back({batch, ours.events_per_second(batch), bare.events_per_second(batch),
                    bare_same.events_per_second(batch)});
  }
  return rows;
}

double bench_scan(const LmdbLog& log) {
  double best = 0;
  std::uint64_t bytes = 0;
  for (std::size_t round = 0; round < kScans; ++round) {
    const auto start = SteadyClock::now();
    const auto last = log.read(1, log.head(), [&](const EventView& e) {
      bytes += e.payload.size();
      return true;
    });
    require(last && *last == log.head(), "the scan failed");
    best = std::max(best,
                    static_cast<double>(log.head()) / Seconds(SteadyClock::now() - start).count());
  }
  require(bytes == kScans * log.head() * kPayloadBytes, "the scan saw other bytes");
  return best;
}

void print(const std::vector<Row>& rows, double scan, std::uint64_t events, bool json) {
  if (json) {
    std::string text;
    for (const Row& r : rows)
      text += fmt::format(
          "{}{{\"batch\":{},\"log\":{:.0f},\"raw\":{:.0f},\"raw_same_bytes\":{:.0f},"
          "\"ratio\":{:.3f},\"ratio_same_bytes\":{:.3f}}}",
          text.empty() ? "" : ",", r.batch, r.log, r.raw, r.raw_same_bytes, r.log / r.raw,
          r.log / r.raw_same_bytes);
    fmt::print(
        "{{\"append_events_per_second\":[{}],\"scan_events_per_second\":{:.0f},"
        "\"events\":{}}}\n",
        text, scan, events);
    return;
  }
  fmt::print("{:>6} {:>12} {:>12} {:>7} {:>16} {:>7}\n", "batch", "log ev/s", "raw ev/s", "ratio",
             "raw, same bytes", "ratio");
  for (const Row& r : rows)
    fmt::print("{:>6} {:>12.0f} {:>12.0f} {:>6.0f}% {:>16.0f} {:>6.0f}%\n", r.batch, r.log, r.raw,
               100 * r.log / r.raw, r.raw_same_bytes, 100 * r.log / r.raw_same_bytes);
  fmt::print("scan of {} events: {:.2f} M events/s\n", events, scan / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  double seconds = 3;  // for each size of batch
  std::string parent = fs::temp_directory_path().string();
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--json")) json = true;
    if (!std::strcmp(argv[i], "--seconds") && i + 1 < argc) seconds = std::stod(argv[++i]);
    if (!std::strcmp(argv[i], "--folder") && i + 1 < argc) parent = argv[++i];
  }
  std::string folder = parent + "/bench-storage-XXXXXX";
  require(::mkdtemp(folder.data()) != nullptr, "cannot make a folder for the measurement");
  {
    LmdbLogOptions options;
    options.map_bytes = kMapBytes;
    auto log = open_lmdb_log(folder + "/log", options);
    require(log.has_value(), log ? "" : log.error().message);
    const auto rows = bench_appends(folder, **log, seconds);
    print(rows, bench_scan(**log), (*log)->head(), json);
  }
  fs::remove_all(folder);
  return 0;
}
