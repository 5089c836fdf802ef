// Writes a data folder of runs for tests/bench/mlflow_reads.py: what MLflow's clients log of a run,
// as events, many to a commit.
//
//   bench_runs FOLDER [--runs N] [--experiments N] [--metrics N] [--points N] [--long N]
//
// `runs` go round `experiments` experiments; each has `metrics` metrics of `points` points, five
// params and two tags. One run more, "long", has one metric of --long points and one of 10,000.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>

#include "events/event_codec.hpp"
#include "storage/lmdb_log.hpp"

namespace {

using namespace mlforge;

struct Amounts {
  std::uint64_t runs = 10'000, experiments = 1, metrics = 10, points = 1, longest = 10'000'000;
};

class Filler {
 public:
  explicit Filler(storage::Log& log) : log_(log) {}
  ~Filler() { flush(); }

  void add(const std::string& stream, Event event) {
    storage::AppendRequest request{.tenant = "default", .actor = "bench"};
    request.events.push_back(encode_event(event, stream));
    bytes_ += request.events.back().payload.size();
    requests_.push_back(std::move(request));
    if (requests_.size() >= 10'000 || bytes_ > (32u << 20)) flush();
  }
  void flush() {
    for (const auto& answer : log_.append(requests_))
      if (!answer) {
        std::fprintf(stderr, "%s\n", answer.error().message.c_str());
        std::exit(1);
      }
    requests_.clear();
    bytes_ = 0;
  }

 private:
  storage::Log& log_;
  std::vector<storage::AppendRequest> requests_;
  std::size_t bytes_ = 0;
};

constexpr TimeUs kStart = 1'790'000'000'000'000;

void start_run(Filler& filler, const std::string& id, std::uint64_t experiment, TimeUs time) {
  const std::string name = "run-" + id.substr(0, 8);
  filler.add("run/" + id, RunStarted{.run_id = id,
                                     .experiment_id = std::to_string(experiment),
                                     .name = name,
                                     .start_time = time,
                                     .user_id = "bench"});
  filler.add("run/" + id, RunTagsSet{.tags = {{"mlflow.runName", name}, {"team", "risk"}}});
}

// At most a thousand points an event, as in MLflow's log-batch.
void log_metrics(Filler& filler, const std::string& id, const Amounts& a, std::mt19937_64& random) {
  RunMetricsLogged e;
  const auto flush = [&] {
    if (!e.keys.empty()) filler.add("run/" + id, std::exchange(e, {}));
  };
  for (std::uint64_t point = 0; point < a.points; ++point)
    for (std::uint64_t metric = 0; metric < a.metrics; ++metric) {
      e.keys.push_back("metric_" + std::to_string(metric));
      e.values.push_back(static_cast<double>(random() % 1'000'000) / 1e6);
      e.timestamps.push_back(kStart / 1000 + static_cast<std::int64_t>(point));
      e.steps.push_back(static_cast<std::int64_t>(point));
      if (e.keys.size() == 1000) flush();
    }
  flush();
}

void log_long(Filler& filler, const std::string& key, std::uint64_t points) {
  for (std::uint64_t at = 0; at < points;) {
    RunMetricsLogged e;
    for (; at < points && e.keys.size() < 1000; ++at) {
      e.keys.push_back(key);
      e.values.push_back(1.0 / static_cast<double>(at + 1));
      e.timestamps.push_back(kStart / 1000 + static_cast<std::int64_t>(at));
      e.steps.push_back(static_cast<std::int64_t>(at));
    }
    filler.add("run/long", std::move(e));
  }
}

void fill(storage::Log& log, const Amounts& a) {
  std::mt19937_64 random(1);
  Filler filler(log);
  for (std::uint64_t i = 1; i <= a.experiments; ++i)
    filler.add("experiments/all",
               ExperimentCreated{.experiment_id = std::to_string(i),
                                 .name = i == 1 ? "bench" : "bench-" + std::to_string(i)});
  for (std::uint64_t i = 0; i < a.runs; ++i) {
    char id[33];
    std::snprintf(id, sizeof id, "%016llx%016llx", static_cast<unsigned long long>(random()),
                  static_cast<unsigned long long>(i));
    start_run(filler, id, i % a.experiments + 1, kStart + static_cast<TimeUs>(i) * 1000);
    Texts params;
    for (int p = 0; p < 5; ++p)
      params["param_" + std::to_string(p)] = std::to_string(random() % 10);
    filler.add(std::string("run/") + id, RunParamsLogged{.params = std::move(params)});
    log_metrics(filler, id, a, random);
  }
  if (a.longest == 0) return;
  start_run(filler, "long", 1, kStart);
  log_long(filler, "loss", a.longest);
  log_long(filler, "ten_thousand", 10'000);
}

std::uint64_t* option(Amounts& a, const char* name) {
  const std::pair<const char*, std::uint64_t*> all[] = {{"--runs", &a.runs},
                                                        {"--experiments", &a.experiments},
                                                        {"--metrics", &a.metrics},
                                                        {"--points", &a.points},
                                                        {"--long", &a.longest}};
  for (const auto& [known, value] : all)
    if (std::strcmp(known, name) == 0) return value;
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  Amounts amounts;
  bool usage = argc < 2 || argc % 2 != 0 || argv[1][0] == '-';
  for (int i = 2; !usage && i < argc; i += 2) {
    auto* value = option(amounts, argv[i]);
    usage = !value;
    if (value) *value = std::strtoull(argv[i + 1], nullptr, 10);
  }
  if (usage || amounts.experiments == 0) {
    std::fprintf(stderr,
                 "usage: bench_runs FOLDER [--runs N] [--experiments N] [--metrics N] [--points N] "
                 "[--long N]\n");
    return 2;
  }
  auto log = storage::open_lmdb_log(argv[1], {});
  if (!log) {
    std::fprintf(stderr, "%s\n", log.error().message.c_str());
    return 1;
  }
  fill(**log, amounts);
  std::printf("%llu events\n", static_cast<unsigned long long>((*log)->head()));
  if (const auto bad = (*log)->close()) {
    std::fprintf(stderr, "%s\n", bad->message.c_str());
    return 1;
  }
  return 0;
}
