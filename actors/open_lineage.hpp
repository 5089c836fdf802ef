// OpenLineage 2-0-2 run events, derived from the events of the log. Pure: what other events of the
// log say comes through LineageSource.
//
//   pipeline_run.started, .ended             START, COMPLETE or FAIL of job pipeline/<name>
//   pipeline_run.step_*                      the same of pipeline/<name>/<step>, with its parent
//   run.started, .ended                      START, COMPLETE, FAIL or ABORT of experiment/<name>
//   dataset.committed, .validated            a run of dataset/<name>/commit, /validate
//   model.version_created                    a run of model/<name>/register
//   model.promotion_decided                  a run of model/<name>/promote, facet mlforge_promotion
//   deployment.version_activated             a run of endpoint/<name>/activate
//   drift.reported                           a run of endpoint/<name>/drift, facet mlforge_drift
//   drift.alert_raised, retraining_triggered OTHER of that run, with a facet each
//
// A fact that took no time is a run of its own: START and its end.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/vocabulary.hpp"

namespace mlforge::actors {

struct LineageColumn {
  std::string name, type;
};

struct LineageRun {
  RunStarted started;
  std::string experiment;  // its name
  std::vector<RunInputLogged> inputs;
  std::uint64_t artifacts = 0;
  Texts params;
};

// What stood in the log up to a position. What is not there is nothing, or empty.
class LineageSource {
 public:
  virtual ~LineageSource() = default;
  virtual LineageRun run(const std::string& run_id, Position as_of) = 0;
  virtual PipelineRunStarted pipeline_run(const std::string& id, Position as_of) = 0;
  virtual std::string model_of_endpoint(const std::string& endpoint, Position as_of) = 0;
  // As its schema.yaml, or the first line of its first table, has them.
  virtual std::vector<LineageColumn> columns(const std::string& dataset, std::uint64_t version,
                                             Position as_of) = 0;
};

struct LineageOptions {
  std::string name_space = "mlforge";  // of jobs and datasets; other tenants' have "/<tenant>" more
  std::string version;                 // of the program
  std::string schema_base;             // URL below which kLineageFacets is served: "http://host:1"
};

// Where the gateway serves the JSON schemas of our own facets.
inline constexpr std::string_view kLineageFacets = "/openlineage/1-0-1/MlforgeFacets.json";

// The types of events that have a meaning here, as a subscription's filter.
std::vector<std::string> lineage_types();

// The run's UUID: the id itself where it is 32 hexadecimal digits, else made from its text.
std::string lineage_run_id(std::string_view text);

// Run events as JSON, in order; none for events without a meaning here.
std::vector<std::string> lineage_events(const EventView& view, const Event& event,
                                        LineageSource& source, const LineageOptions& options);

}  // namespace mlforge::actors
