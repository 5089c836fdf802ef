// What changed between two moments: read from the events in between, so it needs no view.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "events/vocabulary.hpp"
#include "storage/log.hpp"

namespace mlforge::projections {

// A version that moved; stages as before the first and after the last move.
struct StageMove {
  std::uint64_t version = 0;
  std::string from, to;
  static constexpr auto fields() {
    return FieldList{field("version", &StageMove::version), field("from", &StageMove::from),
                     field("to", &StageMove::to)};
  }
};

// An alias, or a route of an endpoint; 0 stands for none.
struct PointerMove {
  std::string name;
  std::uint64_t from = 0, to = 0;
  static constexpr auto fields() {
    return FieldList{field("name", &PointerMove::name), field("from", &PointerMove::from),
                     field("to", &PointerMove::to)};
  }
};

struct ModelDiff {
  std::string name;
  bool registered = false;
  std::vector<std::uint64_t> versions;  // created
  std::vector<StageMove> stages;
  std::vector<PointerMove> aliases;
  std::vector<ModelPromotionDecided> decisions;
  std::uint64_t gates_passed = 0, gates_failed = 0;
  static constexpr auto fields() {
    return FieldList{field("name", &ModelDiff::name),
                     field("registered", &ModelDiff::registered),
                     field("versions", &ModelDiff::versions),
                     field("stages", &ModelDiff::stages),
                     field("aliases", &ModelDiff::aliases),
                     field("decisions", &ModelDiff::decisions),
                     field("gates_passed", &ModelDiff::gates_passed),
                     field("gates_failed", &ModelDiff::gates_failed)};
  }
};

// The best of the latest values that runs logged in between: the largest, but of losses and errors
// the smallest.
struct BestMetric {
  std::string metric, mode, run_id;  // mode: max, min
  double value = 0;
  static constexpr auto fields() {
    return FieldList{field("metric", &BestMetric::metric), field("mode", &BestMetric::mode),
                     field("run_id", &BestMetric::run_id), field("value", &BestMetric::value)};
  }
};

struct ExperimentDiff {
  std::string experiment_id, name;
  bool created = false;
  std::uint64_t started = 0;
  std::map<std::string, std::uint64_t> ended;  // by status
  std::vector<BestMetric> best;                // by metric
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &ExperimentDiff::experiment_id),
                     field("name", &ExperimentDiff::name),
                     field("created", &ExperimentDiff::created),
                     field("started", &ExperimentDiff::started),
                     field("ended", &ExperimentDiff::ended),
                     field("best", &ExperimentDiff::best)};
  }
};

struct DatasetCommit {
  std::uint64_t version = 0, files = 0;
  std::string digest, message;
  std::optional<bool> valid;
  static constexpr auto fields() {
    return FieldList{field("version", &DatasetCommit::version),
                     field("files", &DatasetCommit::files), field("digest", &DatasetCommit::digest),
                     field("message", &DatasetCommit::message),
                     field("valid", &DatasetCommit::valid)};
  }
};

struct DatasetDiff {
  std::string name;
  bool created = false;
  std::vector<DatasetCommit> commits;
  std::uint64_t staged = 0, unstaged = 0;  // files
  static constexpr auto fields() {
    return FieldList{field("name", &DatasetDiff::name), field("created", &DatasetDiff::created),
                     field("commits", &DatasetDiff::commits), field("staged", &DatasetDiff::staged),
                     field("unstaged", &DatasetDiff::unstaged)};
  }
};

struct PipelineDiff {
  std::string name;
  std::vector<std::uint64_t> versions;  // defined
  std::uint64_t started = 0;
  std::map<std::string, std::uint64_t> ended;  // by status
  std::uint64_t steps_run = 0, steps_cached = 0;
  static constexpr auto fields() {
    return FieldList{field("name", &PipelineDiff::name),
                     field("versions", &PipelineDiff::versions),
                     field("started", &PipelineDiff::started),
                     field("ended", &PipelineDiff::ended),
                     field("steps_run", &PipelineDiff::steps_run),
                     field("steps_cached", &PipelineDiff::steps_cached)};
  }
};

struct SplitMove {
  std::uint64_t from_bp = 0, to_bp = 0;
  static constexpr auto fields() {
    return FieldList{field("from_bp", &SplitMove::from_bp), field("to_bp", &SplitMove::to_bp)};
  }
};

struct EndpointDiff {
  std::string name, model;  // model: where it was created in between
  bool created = false;
  std::optional<SplitMove> split;
  std::vector<PointerMove> routes;
  std::uint64_t predictions = 0;
  std::map<std::string, std::uint64_t> drift_reports;  // by severity
  std::vector<DriftAlertRaised> alerts;
  std::vector<RetrainingTriggered> retrainings;
  static constexpr auto fields() {
    return FieldList{field("name", &EndpointDiff::name),
                     field("model", &EndpointDiff::model),
                     field("created", &EndpointDiff::created),
                     field("split", &EndpointDiff::split),
                     field("routes", &EndpointDiff::routes),
                     field("predictions", &EndpointDiff::predictions),
                     field("drift_reports", &EndpointDiff::drift_reports),
                     field("alerts", &EndpointDiff::alerts),
                     field("retrainings", &EndpointDiff::retrainings)};
  }
};

struct Diff {
  Position from = 0, to = 0;
  std::string from_time, to_time;  // of the events at these positions; empty at position 0
  std::uint64_t events = 0;
  std::vector<ModelDiff> models;  // all lists in order of their names
  std::vector<ExperimentDiff> experiments;
  std::vector<DatasetDiff> datasets;
  std::vector<PipelineDiff> pipelines;
  std::vector<EndpointDiff> endpoints;
  std::vector<std::string> environments;       // captured
  std::map<std::string, std::uint64_t> other;  // events of types that this program does not know
  std::vector<std::string> words;              // one sentence for each thing that changed
  static constexpr auto fields() {
    return FieldList{field("from", &Diff::from),
                     field("to", &Diff::to),
                     field("from_time", &Diff::from_time),
                     field("to_time", &Diff::to_time),
                     field("events", &Diff::events),
                     field("models", &Diff::models),
                     field("experiments", &Diff::experiments),
                     field("datasets", &Diff::datasets),
                     field("pipelines", &Diff::pipelines),
                     field("endpoints", &Diff::endpoints),
                     field("environments", &Diff::environments),
                     field("other", &Diff::other),
                     field("words", &Diff::words)};
  }
};

// Between the states as of `from` and as of `to` (from <= to <= head). Reads the events in between
// and, for runs that began earlier, their first one. `corrupt` where an event does not decode.
Expected<Diff> diff_between(const storage::Log& log, std::string_view tenant, Position from,
                            Position to);

// The sentences of a diff.
std::vector<std::string> diff_words(const Diff& diff);

}  // namespace mlforge::projections
