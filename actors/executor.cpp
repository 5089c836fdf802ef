#include "actors/executor.hpp"

#include <malloc.h>
#include <spdlog/spdlog.h>

#include "actors/actors.hpp"
#include "actors/ask.hpp"
#include "actors/manager_effects.hpp"
#include "actors/pipeline_executor.hpp"

namespace mlforge::actors {
namespace {

// Who acts in the name of the run, and the event that everything it does was caused by.
Expected<CommandMeta> meta_of(const storage::Log& log, const std::string& tenant,
                              const std::string& id) {
  CommandMeta meta{.tenant = tenant, .actor = "pipeline:" + id};
  const auto read =
      log.read_stream(tenant, "pipeline_run/" + id, 1, 1, UINT64_MAX, [&](const EventView& e) {
        meta.causation = e.id;
        meta.correlation = e.correlation.is_nil() ? e.id : e.correlation;
        return false;
      });
  if (!read) return read.error();
  return meta;
}

// A retraining that drift called for ends in Staging, whatever the pipeline says of a run that a
// person starts.
void register_in_staging(PipelineSpec& spec) {
  for (auto& step : spec.steps)
    if (auto* config = std::get_if<RegisterConfig>(&step.config)) config->stage = "Staging";
}

// A run whose specification does not compile (any more) fails as a whole.
void fail_run(const ExecutorContext& context, const CommandMeta& meta, const std::string& id,
              const Error& error) {
  ManagerEffects effects(context, meta);
  auto bad = effects.step_failed(id, "compile", "compile", error.message);
  if (!bad) bad = effects.run_ended(id);
  if (bad) spdlog::error("pipeline run {}: {}", id, bad->message);
}

void execute(const ExecutorContext& context, const std::string& tenant, const std::string& id) {
  Repository<PipelineRunState> runs(*context.log, 1);
  auto entry = runs.load(tenant, "pipeline_run/" + id);
  if (!entry) return spdlog::error("pipeline run {}: {}", id, entry.error().message);
  const PipelineRunState& state = (*entry)->state;
  if (!state.exists || state.status != "running") return;
  const auto meta = meta_of(*context.log, tenant, id);
  if (!meta) return spdlog::error("pipeline run {}: {}", id, meta.error().message);
  auto spec = compile_pipeline(state.spec, state.overrides);
  if (!spec) return fail_run(context, *meta, id, spec.error());
  if (state.trigger.starts_with("drift:")) register_in_staging(*spec);
  ManagerEffects effects(context, *meta);
  const auto outcome = run_pipeline(id, *spec, state.completed, effects, context.max_parallel);
  if (!outcome && outcome.error().code != ErrorCode::unavailable)
    spdlog::error("pipeline run {}: {}", id, outcome.error().message);
}

}  // namespace

ExecutorActor spawn_executor(caf::actor_system& system, const ExecutorContext& context) {
  using Actor = ActorOf<ExecutorActor>;
  return handle_of<ExecutorActor>(
      system.spawn<caf::detached>([context](Actor::pointer) -> Actor::behavior_type {
        return {[context](const RunPipeline& run) {
          if (*context.stopping) return;
          try {
            execute(context, run.tenant, run.pipeline_run_id);
          } catch (const std::exception& e) {
            spdlog::error("pipeline run {}: {}", run.pipeline_run_id, e.what());
          }
        }};
      }));
}

}  // namespace mlforge::actors
