#include "actors/manager_effects.hpp"

#include <future>

#include "actors/ask.hpp"
#include "events/checks.hpp"
#include "projections/queries.hpp"
#include "storage/digest.hpp"

namespace mlforge::actors {

template <class State>
Expected<State> ManagerEffects::fold(const std::string& stream) const {
  Repository<State> states(*c_.log, 1);
  auto entry = states.load(meta_.tenant, stream);
  if (!entry) return entry.error();
  return std::move((*entry)->state);
}

// A manager that has to start over from the log answers unavailable once; only a stop makes it stay
// so.
template <class Body, class Actor>
Status ManagerEffects::tell(const Actor& manager, Body body) {
  for (int attempt = 1;; ++attempt) {
    const auto outcome = ask<Body>(manager, meta_, body);
    if (outcome) return {};
    if (outcome.error().code != ErrorCode::unavailable || attempt == 3 || *c_.stopping)
      return outcome.error();
  }
}

Expected<ResolvedDataset> ManagerEffects::resolve_dataset(const std::string& name,
                                                          std::uint64_t version) {
  const auto state = fold<DatasetState>("dataset/" + name);
  if (!state) return state.error();
  if (!state->exists) return not_found("dataset", name);
  for (std::size_t i = state->versions.size(); i-- > 0;) {
    const auto& each = state->versions[i];
    if (version == 0 ? each.valid.value_or(false) : version == i + 1)
      return ResolvedDataset{name, i + 1, each.digest, each.files, each.valid.value_or(false)};
  }
  return not_found(version ? "version of dataset '" + name + "'" : "valid version of dataset",
                   version ? std::to_string(version) : name);
}

Expected<std::string> ManagerEffects::experiment_id(const std::string& name) {
  for (int round = 0; round < 2; ++round) {
    const auto state = fold<ExperimentsState>("experiments/all");
    if (!state) return state.error();
    if (const auto at = state->id_by_name.find(name); at != state->id_by_name.end())
      return at->second;
    // Somebody else may make it at the same time: then it is there in the second round.
    const auto made = ask<TrackingBody>(c_.managers.tracking, meta_, CreateExperiment{name});
    if (!made && made.error().code != ErrorCode::already_exists) return made.error();
  }
  return not_found("experiment", name);
}

Expected<std::string> ManagerEffects::start_run(const RunRequest& request) {
  auto experiment = experiment_id(request.experiment);
  if (!experiment) return experiment.error();
  for (int attempt = 1;; ++attempt) {
    const auto name = request.pipeline_run_id + "/" + request.step + "/" + std::to_string(attempt);
    const auto id = to_string(storage::sha256(storage::as_bytes(name))).substr(0, 32);
    const auto state = fold<RunState>("run/" + id);
    if (!state) return state.error();
    if (state->exists) {
      if (state->status == "running")
        if (auto bad = end_run(id, "killed")) return *bad;
      continue;
    }
    StartRun command{.run_id = id,
                     .experiment_id = *experiment,
                     .name = request.name,
                     .pipeline_run_id = request.pipeline_run_id,
                     .step = request.step};
    if (auto bad = tell<TrackingBody>(c_.managers.tracking, std::move(command))) return *bad;
    return id;
  }
}

Status ManagerEffects::log_params(const std::string& run_id, const Texts& params) {
  return tell<TrackingBody>(c_.managers.tracking, LogParams{run_id, params});
}
Status ManagerEffects::log_metrics(const std::string& run_id, std::span<const Metric> metrics) {
  return tell<TrackingBody>(c_.managers.tracking,
                            LogMetrics{run_id, {metrics.begin(), metrics.end()}});
}
Status ManagerEffects::log_artifact(const std::string& run_id, const FileRef& file) {
  return tell<TrackingBody>(c_.managers.tracking, LogArtifact{run_id, file});
}
Status ManagerEffects::log_run_input(const std::string& run_id, const RunInputLogged& input) {
  return tell<TrackingBody>(c_.managers.tracking, LogRunInput{run_id, input});
}
Status ManagerEffects::end_run(const std::string& run_id, const std::string& status) {
  return tell<TrackingBody>(c_.managers.tracking, EndRun{run_id, status});
}

Expected<RegisteredVersion> ManagerEffects::create_model_version(
    const CreateModelVersion& command) {
  const auto outcome = ask<RegistryBody>(c_.managers.registry, meta_, command);
  if (!outcome) return outcome.error();
  const auto state = fold<ModelState>("model/" + command.model);
  if (!state) return state.error();
  for (std::size_t i = state->versions.size(); i-- > 0;) {
    const auto& each = state->versions[i];
    if (each.run_id == command.run_id && each.pipeline_run_id == command.pipeline_run_id &&
        each.artifacts == command.artifacts)
      return RegisteredVersion{i + 1, each.stage, outcome->find<ModelVersionCreated>() != nullptr};
  }
  return Error{ErrorCode::internal, "the version that was created is not in the log", ""};
}

Status ManagerEffects::transition_stage(const TransitionStage& command) {
  return tell<RegistryBody>(c_.managers.registry, command);
}
Status ManagerEffects::step_started(const std::string& pipeline_run_id, const std::string& step,
                                    const std::string& kind, const std::string& cache_key) {
  return tell<PipelineBody>(c_.managers.pipelines,
                            StartStep{pipeline_run_id, step, kind, cache_key});
}
Status ManagerEffects::step_completed(const std::string& pipeline_run_id,
                                      const PipelineStepCompleted& outcome) {
  return tell<PipelineBody>(c_.managers.pipelines, CompleteStep{pipeline_run_id, outcome});
}
Status ManagerEffects::step_failed(const std::string& pipeline_run_id, const std::string& step,
                                   const std::string& kind, const std::string& error) {
  return tell<PipelineBody>(c_.managers.pipelines, FailStep{pipeline_run_id, step, kind, error});
}
Status ManagerEffects::run_ended(const std::string& pipeline_run_id) {
  return tell<PipelineBody>(c_.managers.pipelines, EndPipelineRun{pipeline_run_id});
}

Expected<std::optional<CachedStep>> ManagerEffects::find_cached(const std::string& cache_key) {
  std::promise<void> caught_up;
  c_.projected->when(c_.log->head(), [&caught_up] { caught_up.set_value(); });
  caught_up.get_future().wait();
  auto reader = c_.views->reader();
  if (!reader) return reader.error();
  auto found = projections::find_cached_step(*reader, meta_.tenant, cache_key);
  if (!found) {
    if (found.error().code == ErrorCode::not_found) return std::optional<CachedStep>{};
    return found.error();
  }
  return std::optional<CachedStep>{
      CachedStep{found->pipeline_run_id, found->outputs, found->figures}};
}

}  // namespace mlforge::actors
