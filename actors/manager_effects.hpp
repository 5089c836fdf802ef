// The port of a pipeline run, over the managers.
#pragma once
#include "actors/executor.hpp"
#include "actors/pipeline_effects.hpp"
#include "actors/repository.hpp"

namespace mlforge::actors {

// `meta` says who acts and what caused it: the event that started the pipeline run.
class ManagerEffects : public PipelineEffects {
 public:
  ManagerEffects(const ExecutorContext& context, CommandMeta meta)
      : c_(context), meta_(std::move(meta)), blobs_(*context.blobs, meta_.tenant) {}

  Expected<ResolvedDataset> resolve_dataset(const std::string& name,
                                            std::uint64_t version) override;
  StepBlobs& blobs() override { return blobs_; }
  Expected<std::string> start_run(const RunRequest& request) override;
  Status log_params(const std::string& run_id, const Texts& params) override;
  Status log_metrics(const std::string& run_id, std::span<const Metric> metrics) override;
  Status log_artifact(const std::string& run_id, const FileRef& file) override;
  Status log_run_input(const std::string& run_id, const RunInputLogged& input) override;
  Status end_run(const std::string& run_id, const std::string& status) override;
  Expected<RegisteredVersion> create_model_version(const CreateModelVersion& command) override;
  Status transition_stage(const TransitionStage& command) override;
  Status step_started(const std::string& pipeline_run_id, const std::string& step,
                      const std::string& kind, const std::string& cache_key) override;
  Status step_completed(const std::string& pipeline_run_id,
                        const PipelineStepCompleted& outcome) override;
  Status step_failed(const std::string& pipeline_run_id, const std::string& step,
                     const std::string& kind, const std::string& error) override;
  Status run_ended(const std::string& pipeline_run_id) override;
  Expected<std::optional<CachedStep>> find_cached(const std::string& cache_key) override;
  bool cancelled() override { return *c_.stopping; }

 private:
  template <class State>
  Expected<State> fold(const std::string& stream) const;
  Expected<std::string> experiment_id(const std::string& name);
  template <class Body, class Actor>
  Status tell(const Actor& manager, Body body);

  ExecutorContext c_;
  CommandMeta meta_;
  StepBlobs blobs_;
};

}  // namespace mlforge::actors
