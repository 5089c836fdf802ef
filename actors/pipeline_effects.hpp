// The port through which a pipeline run reaches the world: datasets, runs, models, blobs, and its
// own record.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "actors/step_blobs.hpp"
#include "events/error.hpp"
#include "events/registry.hpp"
#include "events/tracking.hpp"
#include "events/vocabulary.hpp"

namespace mlforge::actors {

struct ResolvedDataset {
  std::string name;
  std::uint64_t version = 0;
  std::string digest;
  std::vector<FileRef> files;
  bool valid = false;  // it was validated and passed
};

struct RunRequest {
  std::string experiment;  // its name; made where it is missing
  std::string name;
  std::string pipeline_run_id, step;
};

struct CachedStep {
  std::string pipeline_run_id;  // that computed it
  Texts outputs;
  Figures figures;
};

struct RegisteredVersion {
  std::uint64_t version = 0;
  std::string stage;
  bool created = false;  // false: it was there before
};

// Every call may block and is made from several threads at once. An Error from a call on the run's
// own record (step_*, run_ended, find_cached) ends the execution and leaves the run open.
class PipelineEffects {
 public:
  virtual ~PipelineEffects() = default;

  // Version 0: the newest valid one; not_found where there is none.
  virtual Expected<ResolvedDataset> resolve_dataset(const std::string& name,
                                                    std::uint64_t version) = 0;
  virtual StepBlobs& blobs() = 0;

  // Answers the run's id. A run that the same step of the same pipeline run left running (before a
  // crash) is ended as killed first.
  virtual Expected<std::string> start_run(const RunRequest& request) = 0;
  virtual Status log_params(const std::string& run_id, const Texts& params) = 0;
  virtual Status log_metrics(const std::string& run_id, std::span<const Metric> metrics) = 0;
  virtual Status log_artifact(const std::string& run_id, const FileRef& file) = 0;
  virtual Status log_run_input(const std::string& run_id, const RunInputLogged& input) = 0;
  virtual Status end_run(const std::string& run_id, const std::string& status) = 0;

  // One version per (run_id, artifacts): the same again answers the one that is there.
  virtual Expected<RegisteredVersion> create_model_version(const CreateModelVersion& command) = 0;
  virtual Status transition_stage(const TransitionStage& command) = 0;

  virtual Status step_started(const std::string& pipeline_run_id, const std::string& step,
                              const std::string& kind, const std::string& cache_key) = 0;
  virtual Status step_completed(const std::string& pipeline_run_id,
                                const PipelineStepCompleted& outcome) = 0;
  virtual Status step_failed(const std::string& pipeline_run_id, const std::string& step,
                             const std::string& kind, const std::string& error) = 0;
  virtual Status run_ended(const std::string& pipeline_run_id) = 0;

  // The first computation with this key, or nothing.
  virtual Expected<std::optional<CachedStep>> find_cached(const std::string& cache_key) = 0;

  // True when the program stops: steps under way end soon and the run stays open. Cheap: training
  // asks every round.
  virtual bool cancelled() = 0;
};

}  // namespace mlforge::actors
