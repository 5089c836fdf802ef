#include "projections/pipelines.hpp"

namespace mlforge::projections {
namespace {

constexpr auto kPipelinesView = PipelinesProjection::kName;

template <class Change>
void update_pipeline_run(ViewWriter& view, const EventView& e, Change&& change) {
  update_row<PipelineRunRow>(view, view_key(kPipelinesView, e.tenant, "run", entity(e.stream)),
                             e.position, change);
}

StepRow& step_of(PipelineRunRow& row, const std::string& step, const std::string& kind) {
  for (auto& each : row.steps)
    if (each.step == step) {
      each.kind = kind;
      return each;
    }
  row.steps.push_back({.step = step, .kind = kind, .status = "pending"});
  return row.steps.back();
}

// The steps that are to come, where the pipeline's definition of that version is still the newest.
std::vector<StepRow> pending_steps(ViewWriter& view, const EventView& e,
                                   const PipelineRunStarted& event) {
  const auto* pipeline =
      find_row<PipelineRow>(view, view_key(kPipelinesView, e.tenant, "pipeline", event.pipeline));
  std::vector<StepRow> steps;
  if (!pipeline || pipeline->version != event.pipeline_version) return steps;
  for (const auto& step : pipeline->steps) steps.push_back({.step = step, .status = "pending"});
  return steps;
}

void remember(ViewWriter& view, const EventView& e, const PipelineStepCompleted& event) {
  if (event.cached || event.cache_key.empty()) return;
  const std::string key = view_key(kPipelinesView, e.tenant, "cached_step", event.cache_key);
  if (view.get(key)) return;
  store_row(view, key,
            CachedStepRow{.pipeline_run_id = std::string(entity(e.stream)),
                          .step = event.step,
                          .kind = event.kind,
                          .outputs = event.outputs,
                          .figures = event.figures},
            e.position);
}

}  // namespace

void PipelinesProjection::on(ViewWriter& view, const EventView& e, const PipelineDefined& event) {
  store_row(view, view_key(kPipelinesView, e.tenant, "pipeline", entity(e.stream)),
            PipelineRow{.name = event.name,
                        .version = event.version,
                        .spec = event.spec,
                        .digest = event.digest,
                        .steps = event.steps,
                        .defined_time = format_time(e.time),
                        .actor = std::string(e.actor)},
            e.position);
}

void PipelinesProjection::on(ViewWriter& view, const EventView& e,
                             const PipelineRunStarted& event) {
  const PipelineRunRow row{.pipeline_run_id = event.pipeline_run_id,
                           .pipeline = event.pipeline,
                           .pipeline_version = event.pipeline_version,
                           .status = "running",
                           .trigger = event.trigger,
                           .start_time = time_text(event.start_time),
                           .spec = event.spec,
                           .overrides = event.overrides,
                           .environment = event.environment,
                           .causation_id = e.causation.is_nil() ? "" : to_string(e.causation),
                           .steps = pending_steps(view, e, event),
                           .actor = std::string(e.actor)};
  const std::string& id = row.pipeline_run_id;
  const std::string order = descending(e.position);
  store_row(view, view_key(kPipelinesView, e.tenant, "run", id), row, e.position);
  view.put(view_key(kPipelinesView, e.tenant, "running", id), id, e.position);
  view.add_plain(view_key(kPipelinesView, e.tenant, "runs", order), id);
  view.add_plain(view_key(kPipelinesView, e.tenant, "runs_of", row.pipeline, order), id);
}

void PipelinesProjection::on(ViewWriter& view, const EventView& e,
                             const PipelineStepStarted& event) {
  update_pipeline_run(view, e, [&](PipelineRunRow& row) {
    StepRow& step = step_of(row, event.step, event.kind);
    step.status = "running";
    step.cache_key = event.cache_key;
    step.error.clear();
  });
}

void PipelinesProjection::on(ViewWriter& view, const EventView& e,
                             const PipelineStepCompleted& event) {
  update_pipeline_run(view, e, [&](PipelineRunRow& row) {
    StepRow& step = step_of(row, event.step, event.kind);
    step.status = event.cached ? "cached" : "completed";
    step.cache_key = event.cache_key;
    step.cached_from = event.cached_from;
    step.seconds = event.seconds;
    step.outputs = event.outputs;
    step.figures = event.figures;
    step.error.clear();
    ++(event.cached ? row.steps_cached : row.steps_run);
  });
  remember(view, e, event);
}

void PipelinesProjection::on(ViewWriter& view, const EventView& e,
                             const PipelineStepFailed& event) {
  update_pipeline_run(view, e, [&](PipelineRunRow& row) {
    StepRow& step = step_of(row, event.step, event.kind);
    step.status = "failed";
    step.error = event.error;
  });
}

void PipelinesProjection::on(ViewWriter& view, const EventView& e, const PipelineRunEnded& event) {
  update_pipeline_run(view, e, [&](PipelineRunRow& row) {
    row.status = event.status;
    row.end_time = time_text(event.end_time);
    row.steps_run = event.steps_run;
    row.steps_cached = event.steps_cached;
  });
  view.erase(view_key(kPipelinesView, e.tenant, "running", entity(e.stream)), e.position);
}

}  // namespace mlforge::projections
