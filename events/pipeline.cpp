#include "events/pipeline.hpp"

#include "events/checks.hpp"

namespace mlforge {
namespace {

Status check_running(const PipelineRunState& state, const std::string& id) {
  if (!state.exists) return not_found("pipeline run", id);
  if (state.status != "running")
    return conflict("pipeline run '" + id + "' has already " + state.status);
  return {};
}

}  // namespace

Expected<Events> decide(const PipelineState& state, const DefinePipeline& c) {
  if (auto bad = check_name("name", c.name)) return *bad;
  if (state.version > 0 && state.digest == c.digest) return Events{};
  return Events{PipelineDefined{.name = c.name,
                                .version = state.version + 1,
                                .spec = c.spec,
                                .digest = c.digest,
                                .steps = c.steps}};
}

void evolve(PipelineState& state, const PipelineDefined& e) {
  state.version = e.version;
  state.spec = e.spec;
  state.digest = e.digest;
}

Expected<Events> decide(const PipelineRunState& state, const StartPipelineRun& c) {
  if (state.exists)
    return Error{ErrorCode::already_exists,
                 "pipeline run '" + c.pipeline_run_id + "' already exists", ""};
  return Events{PipelineRunStarted{.pipeline_run_id = c.pipeline_run_id,
                                   .pipeline = c.pipeline,
                                   .pipeline_version = c.pipeline_version,
                                   .spec = c.spec,
                                   .overrides = c.overrides,
                                   .trigger = c.trigger,
                                   .environment = c.environment,
                                   .start_time = c.time}};
}

Expected<Events> decide(const PipelineRunState& state, const StartStep& c) {
  if (auto bad = check_running(state, c.pipeline_run_id)) return *bad;
  if (state.completed.contains(c.step))
    return conflict("step '" + c.step + "' has already completed");
  return Events{PipelineStepStarted{.step = c.step, .kind = c.kind, .cache_key = c.cache_key}};
}

Expected<Events> decide(const PipelineRunState& state, const CompleteStep& c) {
  if (auto bad = check_running(state, c.pipeline_run_id)) return *bad;
  if (state.completed.contains(c.outcome.step)) return Events{};
  return Events{c.outcome};
}

Expected<Events> decide(const PipelineRunState& state, const FailStep& c) {
  if (auto bad = check_running(state, c.pipeline_run_id)) return *bad;
  return Events{PipelineStepFailed{.step = c.step, .kind = c.kind, .error = c.error}};
}

Expected<Events> decide(const PipelineRunState& state, const EndPipelineRun& c) {
  if (auto bad = check_running(state, c.pipeline_run_id)) return *bad;
  PipelineRunEnded e{.status = state.failed.empty() ? "succeeded" : "failed", .end_time = c.time};
  for (const auto& [step, outcome] : state.completed)
    ++(outcome.cached ? e.steps_cached : e.steps_run);
  return Events{e};
}

void evolve(PipelineRunState& state, const PipelineRunStarted& e) {
  state.exists = true;
  state.pipeline = e.pipeline;
  state.spec = e.spec;
  state.overrides = e.overrides;
  state.trigger = e.trigger;
  state.status = "running";
}
void evolve(PipelineRunState& state, const PipelineStepStarted& e) { state.failed.erase(e.step); }
void evolve(PipelineRunState& state, const PipelineStepCompleted& e) {
  state.completed[e.step] = e;
}
void evolve(PipelineRunState& state, const PipelineStepFailed& e) {
  state.failed[e.step] = e.error;
}
void evolve(PipelineRunState& state, const PipelineRunEnded& e) { state.status = e.status; }

}  // namespace mlforge
