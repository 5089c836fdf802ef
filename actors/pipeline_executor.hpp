// Runs a compiled pipeline: steps in the order of their needs, independent ones side by side.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "actors/pipeline_effects.hpp"
#include "actors/pipeline_spec.hpp"

namespace mlforge::actors {

using CompletedSteps = std::map<std::string, PipelineStepCompleted>;

struct PipelineOutcome {
  std::string status;  // succeeded, failed
  std::uint64_t steps_run = 0, steps_cached = 0;
  CompletedSteps completed;                   // with those handed in
  std::map<std::string, std::string> failed;  // step -> error
  std::vector<std::string> skipped;           // because a step that they need failed
};

// Blocks until every step has completed, failed or been skipped, then records the run's end.
// `completed` holds what an earlier execution of the same run had recorded (after a crash): those
// steps are not run again, and the run keeps its dataset version. A failed step fails the run;
// steps that need it are skipped, the others finish. At most `max_parallel` steps at a time, each
// on a thread of its own.
//
// An Error means that the run is still open and may be executed again: unavailable when it was
// cancelled, else what a call on the run's record answered.
Expected<PipelineOutcome> run_pipeline(const std::string& pipeline_run_id, const PipelineSpec& spec,
                                       const CompletedSteps& completed, PipelineEffects& effects,
                                       unsigned max_parallel = 2);

}  // namespace mlforge::actors
