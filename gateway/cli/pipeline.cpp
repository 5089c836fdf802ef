// pipeline: definitions and their runs.
#include "gateway/cli/groups.hpp"
#include "gateway/cli/watch.hpp"
#include "projections/queries.hpp"

namespace mlforge::gateway::cli {
namespace pipeline_group {
namespace {

using projections::PipelineRow;
using projections::PipelineRunRow;

const std::string kPipelines = "/api/v1/pipelines", kPipelineRuns = "/api/v1/pipeline_runs";

struct Options {
  std::string name, file, id, as_of;
  ListOptions list;
  StartOptions start;
};

int define(const Session& s, const Options& options) {
  Api api = s.api();
  return s.show(define_pipeline(api, options.file), [&](const Defined& row) {
    s.facts({{"pipeline", row.name},
             {"version", row.version ? std::to_string(row.version) : ""},
             {"changed", row.changed ? "yes" : "no: it is defined so already"}});
  });
}

int list(const Session& s, const Options& options) {
  return show_page(
      s, s.api().get_as<projections::Page<PipelineRow>>(kPipelines + options.list.query().text()),
      Table({{"NAME"}, {"VERSION", true}, {"DEFINED"}, {"BY"}, {"STEPS"}}),
      "there are no pipelines", [](Table& table, const PipelineRow& row) {
        table.row({row.name, std::to_string(row.version), time_text(row.defined_time), row.actor,
                   join_text(row.steps)});
      });
}

int show(const Session& s, const Options& options) {
  Query query;
  query.add("as_of", options.as_of);
  return s.show(s.api().get_as<PipelineRow>(kPipelines + "/" + escape(options.name) + query.text()),
                [&](const PipelineRow& row) {
                  s.note("pipeline '" + row.name + "', version " + std::to_string(row.version) +
                         ", of " + time_text(row.defined_time));
                  s.line(row.spec);
                });
}

int runs(const Session& s, const Options& options) {
  auto query = options.list.query();
  query.add("pipeline", options.name);
  return show_page(
      s, s.api().get_as<projections::Page<PipelineRunRow>>(kPipelineRuns + query.text()),
      Table({{"PIPELINE RUN"},
             {"PIPELINE"},
             {"STATUS"},
             {"RUN", true},
             {"CACHED", true},
             {"STARTED"},
             {"TRIGGER"}}),
      "there are no pipeline runs", [](Table& table, const PipelineRunRow& row) {
        table.row({row.pipeline_run_id, row.pipeline, row.status, std::to_string(row.steps_run),
                   std::to_string(row.steps_cached), time_text(row.start_time), row.trigger});
      });
}

int status(const Session& s, const Options& options) {
  return s.show(s.api().get_as<PipelineRunRow>(kPipelineRuns + "/" + escape(options.id)),
                [&](const PipelineRunRow& row) { print_pipeline_run(s, row); });
}

}  // namespace
}  // namespace pipeline_group

void add_pipeline_commands(CLI::App& root, Session& s) {
  using namespace pipeline_group;
  auto* group = s.group(root, "pipeline", "Steps from data to a registered model, in YAML");
  const auto o = std::make_shared<Options>();
  auto* c =
      s.remote(*group, "define", "Define or redefine a pipeline from a YAML file",
               "  mlforge pipeline define ops/demo/adult.yaml", [&s, o] { return define(s, *o); });
  c->add_option("file", o->file, "YAML file")->required()->check(CLI::ExistingFile);
  c = s.remote(*group, "run", "Run a pipeline and follow it until it ends (1: it failed)",
               "  mlforge pipeline run adult\n"
               "  mlforge pipeline run adult --set steps.train_deep.params.max_depth=3 --no-watch",
               [&s, o] { return start_pipeline(s, o->start); });
  c->add_option("pipeline", o->start.pipeline, "Name, or YAML file, which is then defined first")
      ->required();
  add_start_options(*c, o->start);
  c = s.remote(*group, "list", "All pipelines", "  mlforge pipeline list",
               [&s, o] { return list(s, *o); });
  o->list.add_to(*c);
  c = s.remote(*group, "show", "The YAML of a pipeline",
               "  mlforge pipeline show adult > adult.yaml", [&s, o] { return show(s, *o); });
  c->add_option("pipeline", o->name, "Name")->required();
  add_as_of(*c, o->as_of);
  c = s.remote(*group, "runs", "Pipeline runs, newest first", "  mlforge pipeline runs adult",
               [&s, o] { return runs(s, *o); });
  c->add_option("pipeline", o->name, "Only of this pipeline");
  o->list.add_to(*c);
  c = s.remote(*group, "status", "One pipeline run with its steps",
               "  mlforge pipeline status 4f6c0e9a", [&s, o] { return status(s, *o); });
  c->add_option("pipeline_run", o->id, "Id of the pipeline run")->required();
  c = s.remote(*group, "watch", "Follow a pipeline run until it ends (1: it failed)",
               "  mlforge pipeline watch 4f6c0e9a", [&s, o] {
                 Api api = s.api();
                 return watch_run(s, api, o->id);
               });
  c->add_option("pipeline_run", o->id, "Id of the pipeline run")->required();
}

}  // namespace mlforge::gateway::cli
