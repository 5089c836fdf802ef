#include "mixed_log.hpp"

#include <cstdio>
#include <cstdlib>
#include <random>

#include "events/event_codec.hpp"

namespace mlforge::bench {
namespace {

constexpr std::size_t kRunsUnderWay = 200, kModels = 20, kAnswers = 16, kFeatures = 14;
constexpr const char* kKeys[] = {"train_loss", "validation_loss", "auc", "lr", "seconds"};

// Appends what it is given, a thousand events at a time.
class Filler {
 public:
  explicit Filler(storage::Log& log) : log_(log) {}
  ~Filler() { flush(); }
  Filler(const Filler&) = delete;

  std::uint64_t added = 0;

  void add(const Event& event, const std::string& stream) {
    requests_.push_back({.tenant = "default", .actor = "bench"});
    requests_.back().events.push_back(encode_event(event, stream));
    ++added;
    if (requests_.size() == 1000) flush();
  }

 private:
  void flush() {
    if (requests_.empty()) return;
    for (const auto& answer : log_.append(requests_))
      if (!answer) {
        std::fprintf(stderr, "%s\n", answer.error().message.c_str());
        std::exit(1);
      }
    requests_.clear();
  }

  storage::Log& log_;
  std::vector<storage::AppendRequest> requests_;
};

class Mix {
 public:
  explicit Mix(storage::Log& log) : fill_(log), ids_(storage::seeded_ids(7)) {}
  void run(std::uint64_t events);

 private:
  struct Run {
    std::string id;
    std::int64_t step = 0;
  };
  std::uint64_t pick(std::uint64_t below) { return random_() % below; }
  std::string new_id() { return to_string(ids_->next(TimeUs(++drawn_) * 1000)); }
  static std::string digest(std::uint64_t of) {
    std::string text(64, 'a');
    for (std::size_t i = 0; i < 16; ++i, of >>= 4) text[i] = "0123456789abcdef"[of & 15];
    return text;
  }
  void start(Run& run);
  void metrics(Run& run);
  void predictions();
  void rare(const Run& run);
  void one();

  Filler fill_;
  std::shared_ptr<storage::IdSource> ids_;
  std::mt19937_64 random_{1};
  std::vector<Run> runs_;
  std::uint64_t drawn_ = 0, versions_[kModels] = {};
};

void Mix::start(Run& run) {
  run = {new_id()};
  fill_.add(RunStarted{.run_id = run.id,
                       .experiment_id = std::to_string(1 + pick(10)),
                       .name = "run-" + std::to_string(drawn_),
                       .start_time = TimeUs(1'700'000'000) * 1'000'000},
            "run/" + run.id);
}

void Mix::metrics(Run& run) {
  RunMetricsLogged event;
  const auto keys = 1 + pick(5);
  ++run.step;
  for (std::uint64_t i = 0; i < keys; ++i) {
    event.keys.emplace_back(kKeys[i]);
    event.values.push_back(1.0 / double(1 + pick(1'000'000)));
    event.timestamps.push_back(1'700'000'000'000 + run.step);
    event.steps.push_back(run.step);
  }
  fill_.add(event, "run/" + run.id);
}

void Mix::predictions() {
  PredictionsLogged event;
  for (std::size_t i = 0; i < kAnswers; ++i) {
    event.request_ids.push_back(new_id());
    event.probabilities.push_back(double(pick(1000)) / 1000);
    event.versions.push_back(std::int64_t(1 + pick(2)));
    event.challenger.push_back(std::int64_t(pick(2)));
    event.times.push_back(1'700'000'000'000'000);
  }
  for (std::size_t f = 0; f < kFeatures; ++f) {
    const bool numeric = f < 6;
    (numeric ? event.numeric_names : event.categorical_names).push_back("f" + std::to_string(f));
    for (std::size_t i = 0; i < kAnswers; ++i) {
      if (numeric)
        event.numeric_values.push_back(double(pick(100)));
      else
        event.categorical_values.push_back("value-" + std::to_string(pick(16)));
    }
  }
  fill_.add(event, "predictions/endpoint" + std::to_string(pick(4)));
}

void Mix::rare(const Run& run) {
  const auto number = pick(kModels);
  const std::string model = "model/model" + std::to_string(number);
  auto& version = versions_[number];
  if (version == 0) fill_.add(ModelRegistered{.name = model.substr(6)}, model);
  switch (pick(5)) {
    case 0:
      return fill_.add(
          RunInputLogged{.dataset = "people", .version = 1 + pick(9), .digest = digest(pick(9))},
          "run/" + run.id);
    case 1:
      return fill_.add(
          PipelineStepStarted{.step = "train", .kind = "train", .cache_key = digest(pick(99))},
          "pipeline_run/" + run.id);
    case 2:
      if (version > 0)
        return fill_.add(ModelStageChanged{.version = version, .from = "None", .to = "Staging"},
                         model);
      [[fallthrough]];
    default:
      return fill_.add(
          ModelVersionCreated{.version = ++version,
                              .run_id = run.id,
                              .dataset = "people",
                              .artifacts = {{"model.ubj", digest(drawn_), 81'234},
                                            {"preprocessor.txt", digest(drawn_ + 1), 4'321}},
                              .metrics = {{"auc", 0.93}, {"f1", 0.72}},
                              .params = {{"eta", "0.1"}, {"max_depth", "6"}}},
          model);
  }
}

void Mix::one() {
  Run& run = runs_[pick(kRunsUnderWay)];
  const std::string stream = "run/" + run.id, number = std::to_string(pick(12));
  const auto draw = pick(1000);
  if (draw < 700) return metrics(run);
  if (draw < 800) return predictions();
  if (draw < 870)
    return fill_.add(RunParamsLogged{.params = {{"param" + number, std::to_string(draw)}}}, stream);
  if (draw < 910)
    return fill_.add(RunTagsSet{.tags = {{"tag" + number, std::to_string(draw)}}}, stream);
  if (draw < 940)
    return fill_.add(
        RunArtifactLogged{.path = "plots/" + number + ".png", .digest = digest(draw), .bytes = 99},
        stream);
  if (draw < 960) {
    fill_.add(RunEnded{.status = "finished", .end_time = TimeUs(1'700'000'100) * 1'000'000},
              stream);
    return start(run);
  }
  if (draw < 965) return start(run);
  if (draw < 985) return metrics(run);
  rare(run);
}

void Mix::run(std::uint64_t events) {
  runs_.resize(kRunsUnderWay);
  for (Run& run : runs_) start(run);
  while (fill_.added < events) one();
}

}  // namespace

void fill_mixed(storage::Log& log, std::uint64_t events) { Mix(log).run(events); }

void fill_metrics(storage::Log& log, std::uint64_t events, std::size_t runs) {
  Filler fill(log);
  const auto ids = storage::seeded_ids(7);
  std::vector<std::string> streams;
  for (std::size_t i = 0; i < runs; ++i)
    streams.push_back("run/" + to_string(ids->next(TimeUs(i) * 1000)));
  for (std::uint64_t i = 0; i < events; ++i) {
    const auto step = static_cast<std::int64_t>(i / runs / 5);
    fill.add(RunMetricsLogged{{kKeys[i / runs % 5]}, {1.0 / double(i + 1)}, {step}, {step}},
             streams[i % runs]);
  }
}

}  // namespace mlforge::bench
