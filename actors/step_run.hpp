// A tracked run that a step keeps while it works.
#pragma once
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "actors/pipeline_steps.hpp"

namespace mlforge::actors {

// Started on construction, with its dataset as input; ended as failed (killed, when the program
// stops) unless finish() was called. One thread.
class TrackedRun {
 public:
  static Expected<TrackedRun> start(const StepContext& context, const Texts& params);
  TrackedRun(TrackedRun&& other) noexcept
      : context_(other.context_), id_(std::exchange(other.id_, {})) {}
  TrackedRun& operator=(TrackedRun&&) = delete;
  ~TrackedRun();

  const std::string& id() const { return id_; }
  Status finish();

 private:
  TrackedRun(const StepContext& context, std::string id) : context_(context), id_(std::move(id)) {}
  const StepContext& context_;
  std::string id_;  // empty: ended, or moved from
};

// Logs figures as metrics of a run, all at one step.
Status log_figures(const StepContext& context, const std::string& run_id, const Figures& figures,
                   std::int64_t step = 0);

// Stores bytes as a blob and logs it as an artifact of the run.
Expected<FileRef> log_file(const StepContext& context, const std::string& run_id,
                           std::string_view path, std::string_view bytes);

// Sends metrics while they come: at the latest after kMaxBatch of them or kMaxDelay, since each
// call may wait for the disk. One thread.
class MetricStream {
 public:
  MetricStream(PipelineEffects& effects, std::string run_id)
      : effects_(effects), run_id_(std::move(run_id)) {}

  // After an error every further call answers it again.
  Status add(std::string key, double value, std::int64_t step);
  Status flush();

 private:
  static constexpr std::size_t kMaxBatch = 64;
  static constexpr std::chrono::milliseconds kMaxDelay{100};
  PipelineEffects& effects_;
  std::string run_id_;
  std::vector<Metric> pending_;
  std::chrono::steady_clock::time_point last_{};  // so that the first metric goes out at once
  Status failed_;
};

}  // namespace mlforge::actors
