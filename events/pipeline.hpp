// Pipelines, and their runs. What a specification means is the compiler's matter (actors/); here
// only what happened.
#pragma once
#include <map>

#include "events/vocabulary.hpp"

namespace mlforge {

struct PipelineState {
  std::uint64_t version = 0;
  std::string spec, digest;
};

struct DefinePipeline {
  std::string name, spec;
  std::string digest;              // computed by the manager
  std::vector<std::string> steps;  // from the compiled DAG
};

Expected<Events> decide(const PipelineState& state, const DefinePipeline& command);
void evolve(PipelineState& state, const PipelineDefined& event);

struct PipelineRunState {
  bool exists = false;
  std::string pipeline, spec, status;  // status: running, succeeded, failed
  Texts overrides;
  std::string trigger;
  std::map<std::string, PipelineStepCompleted> completed;
  std::map<std::string, std::string> failed;  // step -> error
};

struct StartPipelineRun {
  std::string pipeline_run_id, pipeline;
  std::uint64_t pipeline_version = 0;
  std::string spec;
  Texts overrides;
  std::string trigger = "user", environment;
  TimeUs time = 0;
};

struct StartStep {
  std::string pipeline_run_id, step, kind, cache_key;
};

struct CompleteStep {
  std::string pipeline_run_id;
  PipelineStepCompleted outcome;
};

struct FailStep {
  std::string pipeline_run_id, step, kind, error;
};

struct EndPipelineRun {
  std::string pipeline_run_id;
  TimeUs time = 0;
};

Expected<Events> decide(const PipelineRunState& state, const StartPipelineRun& command);
Expected<Events> decide(const PipelineRunState& state, const StartStep& command);
Expected<Events> decide(const PipelineRunState& state, const CompleteStep& command);
Expected<Events> decide(const PipelineRunState& state, const FailStep& command);
Expected<Events> decide(const PipelineRunState& state, const EndPipelineRun& command);

void evolve(PipelineRunState& state, const PipelineRunStarted& event);
void evolve(PipelineRunState& state, const PipelineStepStarted& event);
void evolve(PipelineRunState& state, const PipelineStepCompleted& event);
void evolve(PipelineRunState& state, const PipelineStepFailed& event);
void evolve(PipelineRunState& state, const PipelineRunEnded& event);

}  // namespace mlforge
