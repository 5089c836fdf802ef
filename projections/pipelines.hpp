// Pipelines, their runs step by step, and what finished steps can be taken from.
#pragma once
#include "projections/projection.hpp"

namespace mlforge::projections {

struct PipelineRow {
  std::string name;
  std::uint64_t version = 0;
  std::string spec, digest;
  std::vector<std::string> steps;
  std::string defined_time, actor;
  static constexpr auto fields() {
    return FieldList{
        field("name", &PipelineRow::name),   field("version", &PipelineRow::version),
        field("spec", &PipelineRow::spec),   field("digest", &PipelineRow::digest),
        field("steps", &PipelineRow::steps), field("defined_time", &PipelineRow::defined_time),
        field("actor", &PipelineRow::actor)};
  }
};

struct StepRow {
  std::string step, kind;
  std::string status;  // pending, running, completed, cached, failed
  std::string cache_key, cached_from;
  double seconds = 0;
  Texts outputs;
  Figures figures;
  std::string error;
  static constexpr auto fields() {
    return FieldList{field("step", &StepRow::step),
                     field("kind", &StepRow::kind),
                     field("status", &StepRow::status),
                     field("cache_key", &StepRow::cache_key),
                     field("cached_from", &StepRow::cached_from),
                     field("seconds", &StepRow::seconds),
                     field("outputs", &StepRow::outputs),
                     field("figures", &StepRow::figures),
                     field("error", &StepRow::error)};
  }
};

struct PipelineRunRow {
  std::string pipeline_run_id, pipeline;
  std::uint64_t pipeline_version = 0;
  std::string status;  // running, succeeded, failed
  std::string trigger, start_time, end_time;
  std::string spec;
  Texts overrides;
  std::string environment;
  std::string causation_id;    // the event that caused it; empty: a person did
  std::vector<StepRow> steps;  // in the pipeline's order where it is known, then as they started
  std::uint64_t steps_run = 0, steps_cached = 0;
  std::string actor;
  static constexpr auto fields() {
    return FieldList{field("pipeline_run_id", &PipelineRunRow::pipeline_run_id),
                     field("pipeline", &PipelineRunRow::pipeline),
                     field("pipeline_version", &PipelineRunRow::pipeline_version),
                     field("status", &PipelineRunRow::status),
                     field("trigger", &PipelineRunRow::trigger),
                     field("start_time", &PipelineRunRow::start_time),
                     field("end_time", &PipelineRunRow::end_time),
                     field("spec", &PipelineRunRow::spec),
                     field("overrides", &PipelineRunRow::overrides),
                     field("environment", &PipelineRunRow::environment),
                     field("causation_id", &PipelineRunRow::causation_id),
                     field("steps", &PipelineRunRow::steps),
                     field("steps_run", &PipelineRunRow::steps_run),
                     field("steps_cached", &PipelineRunRow::steps_cached),
                     field("actor", &PipelineRunRow::actor)};
  }
};

// Of the first completion that was computed, not taken from a cache itself.
struct CachedStepRow {
  std::string pipeline_run_id, step, kind;
  Texts outputs;
  Figures figures;
  static constexpr auto fields() {
    return FieldList{field("pipeline_run_id", &CachedStepRow::pipeline_run_id),
                     field("step", &CachedStepRow::step), field("kind", &CachedStepRow::kind),
                     field("outputs", &CachedStepRow::outputs),
                     field("figures", &CachedStepRow::figures)};
  }
};

// Versioned: "pipeline" by name, "run" by id, "running" by id, "cached_step" by cache key. Plain,
// newest first: "runs", "runs_of" a pipeline.
class PipelinesProjection : public Dispatch<PipelinesProjection> {
 public:
  static constexpr std::string_view kName = "pipelines";
  static constexpr std::uint32_t kVersion = 1;
  void on(ViewWriter& view, const EventView& envelope, const PipelineDefined& event);
  void on(ViewWriter& view, const EventView& envelope, const PipelineRunStarted& event);
  void on(ViewWriter& view, const EventView& envelope, const PipelineStepStarted& event);
  void on(ViewWriter& view, const EventView& envelope, const PipelineStepCompleted& event);
  void on(ViewWriter& view, const EventView& envelope, const PipelineStepFailed& event);
  void on(ViewWriter& view, const EventView& envelope, const PipelineRunEnded& event);
};

}  // namespace mlforge::projections
