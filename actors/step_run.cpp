#include "actors/step_run.hpp"

#include <utility>

namespace mlforge::actors {

Expected<TrackedRun> TrackedRun::start(const StepContext& context, const Texts& params) {
  auto& effects = context.effects;
  auto id = effects.start_run({.experiment = context.spec.experiment,
                               .name = context.step.name,
                               .pipeline_run_id = context.pipeline_run_id,
                               .step = context.step.name});
  if (!id) return id.error();
  TrackedRun run(context, *std::move(id));
  if (auto bad = effects.log_params(run.id_, params)) return *bad;
  const auto& dataset = context.dataset;
  if (auto bad = effects.log_run_input(
          run.id_, {.dataset = dataset.name, .version = dataset.version, .digest = dataset.digest}))
    return *bad;
  return run;
}

// Best effort: the step's own error is the one that is reported.
TrackedRun::~TrackedRun() {
  if (id_.empty()) return;
  (void)context_.effects.end_run(id_, context_.effects.cancelled() ? "killed" : "failed");
}

Status TrackedRun::finish() { return context_.effects.end_run(std::exchange(id_, {}), "finished"); }

Status log_figures(const StepContext& context, const std::string& run_id, const Figures& figures,
                   std::int64_t step) {
  std::vector<Metric> metrics;
  for (const auto& [key, value] : figures)
    metrics.push_back({.key = key, .value = value, .step = step});
  return context.effects.log_metrics(run_id, metrics);
}

Expected<FileRef> log_file(const StepContext& context, const std::string& run_id,
                           std::string_view path, std::string_view bytes) {
  auto file = context.effects.blobs().put(std::string(path), bytes);
  if (!file) return file;
  if (auto bad = context.effects.log_artifact(run_id, *file)) return *bad;
  return file;
}

Status MetricStream::add(std::string key, double value, std::int64_t step) {
  if (failed_) return failed_;
  pending_.push_back({.key = std::move(key), .value = value, .step = step});
  const bool due = std::chrono::steady_clock::now() - last_ >= kMaxDelay;
  return due || pending_.size() >= kMaxBatch ? flush() : Status{};
}

Status MetricStream::flush() {
  if (failed_ || pending_.empty()) return failed_;
  failed_ = effects_.log_metrics(run_id_, pending_);
  pending_.clear();
  last_ = std::chrono::steady_clock::now();
  return failed_;
}

}  // namespace mlforge::actors
