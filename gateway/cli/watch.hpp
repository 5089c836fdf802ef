// Pipeline runs: starting one, and following it until it ends.
#pragma once
#include "gateway/cli/session.hpp"
#include "projections/pipelines.hpp"

namespace mlforge::gateway::cli {

struct StartOptions {
  std::string pipeline;              // name, or path of a YAML file, which is then defined first
  std::vector<std::string> changes;  // "steps.train.params.max_depth=3"
  bool watch = true;
};

// Starts the run, follows it unless told otherwise, and prints what came of it. 1: it failed.
int start_pipeline(const Session& s, const StartOptions& options);

// Follows a run: a line on stderr whenever a step changes. Prints the run at its end. 1: it failed.
int watch_run(const Session& s, Api& api, const std::string& pipeline_run_id);

// Defines the pipeline of a file; answers its name.
struct Defined {
  std::string name;
  bool changed = false;
  std::uint64_t version = 0;  // 0: not told
  static constexpr auto fields() {
    return FieldList{field("name", &Defined::name), field("changed", &Defined::changed),
                     field("version", &Defined::version)};
  }
};
Expected<Answer<Defined>> define_pipeline(Api& api, const std::string& file);

void print_pipeline_run(const Session& s, const projections::PipelineRunRow& run);

void add_start_options(CLI::App& command, StartOptions& options);

}  // namespace mlforge::gateway::cli
