#include "projections/diff.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include "events/event_codec.hpp"
#include "projections/metrics.hpp"

namespace mlforge::projections {
namespace {

std::string name_of(std::string_view stream) {
  const auto slash = stream.find('/');
  return std::string(stream.substr(slash == stream.npos ? 0 : slash + 1));
}

bool less_is_better(std::string_view metric) {
  for (const std::string_view part : {"loss", "error", "mae", "mse", "rmse", "brier", "perplexity"})
    if (metric.find(part) != metric.npos) return true;
  return false;
}

// The row of that name in a list that stays in order.
template <class Row>
Row& row_of(std::vector<Row>& rows, const std::string& name, std::string Row::*key) {
  auto at = std::lower_bound(rows.begin(), rows.end(), name,
                             [&](const Row& row, const std::string& n) { return row.*key < n; });
  if (at == rows.end() || (*at).*key != name) {
    at = rows.insert(at, Row{});
    (*at).*key = name;
  }
  return *at;
}

void move_pointer(std::vector<PointerMove>& moves, const std::string& name, std::uint64_t from,
                  std::uint64_t to) {
  const auto before = moves.size();
  auto& move = row_of(moves, name, &PointerMove::name);
  if (moves.size() > before) move.from = from;
  move.to = to;
}

struct RunSeen {
  std::string experiment;
  std::map<std::string, MetricPoint> latest;
};

class Builder {
 public:
  Builder(const storage::Log& log, std::string_view tenant, Position from)
      : log_(log), tenant_(tenant), from_(from) {}

  Diff diff;

  Status add(const EventView& e) {
    ++diff.events;
    // Of an expired event what is left counts as the whole did.
    auto event = e.expired && !e.payload.empty()
                     ? decode_event(e.type, e.schema, e.content_type, e.payload)
                     : decode_event(e);
    if (!event) return event.error();
    visit([&](const auto& each) { on(e, each); }, *event);
    return failed_;
  }

  Expected<Diff> finish(Position to) {
    if (auto bad = name_experiments(to)) return *bad;
    for (auto& [id, run] : runs_) add_best(id, run);
    for (auto& model : diff.models) {
      std::erase_if(model.stages, [](const auto& m) { return m.from == m.to; });
      std::erase_if(model.aliases, [](const auto& m) { return m.from == m.to; });
    }
    for (auto& endpoint : diff.endpoints) {
      std::erase_if(endpoint.routes, [](const auto& m) { return m.from == m.to; });
      if (endpoint.split && endpoint.split->from_bp == endpoint.split->to_bp)
        endpoint.split.reset();
    }
    return std::move(diff);
  }

 private:
  ModelDiff& model(const EventView& e) {
    return row_of(diff.models, name_of(e.stream), &ModelDiff::name);
  }
  DatasetDiff& dataset(const EventView& e) {
    return row_of(diff.datasets, name_of(e.stream), &DatasetDiff::name);
  }
  PipelineDiff& pipeline(const std::string& name) {
    return row_of(diff.pipelines, name, &PipelineDiff::name);
  }
  EndpointDiff& endpoint(const EventView& e) {
    return row_of(diff.endpoints, name_of(e.stream), &EndpointDiff::name);
  }
  ExperimentDiff& experiment(const std::string& id) {
    return row_of(diff.experiments, id, &ExperimentDiff::experiment_id);
  }

  // The first event of a stream, for what began before the window.
  template <class E>
  std::optional<E> first(const EventView& e) {
    std::optional<E> out;
    const auto read = log_.read_stream(tenant_, e.stream, 1, 1, from_, [&](const EventView& f) {
      auto event = decode_event(f);
      if (event && holds_alternative<E>(*event)) out = get<E>(*std::move(event));
      return false;
    });
    if (!read && !failed_) failed_ = read.error();
    return out;
  }

  RunSeen& run(const EventView& e) {
    const auto id = name_of(e.stream);
    const auto [at, is_new] = runs_.try_emplace(id);
    if (is_new)
      if (const auto started = first<RunStarted>(e)) at->second.experiment = started->experiment_id;
    return at->second;
  }
  std::string pipeline_of(const EventView& e) {
    auto& name = pipeline_runs_[name_of(e.stream)];
    if (name.empty())
      if (const auto started = first<PipelineRunStarted>(e)) name = started->pipeline;
    return name;
  }

  void on(const EventView&, const LogKeyAdded&) {}  // the log's own, of no life cycle
  void on(const EventView&, const SubjectShredded&) {}
  void on(const EventView&, const RetentionApplied&) {}
  // Nor are those of who is told of it.
  void on(const EventView&, const SubscriptionCreated&) {}
  void on(const EventView&, const SubscriptionUpdated&) {}
  void on(const EventView&, const SubscriptionDeleted&) {}
  void on(const EventView&, const SubscriptionEventParked&) {}
  void on(const EventView&, const SubscriptionParkedReleased&) {}
  void on(const EventView& e, const DatasetCreated&) { dataset(e).created = true; }
  void on(const EventView& e, const DatasetFileStaged&) { ++dataset(e).staged; }
  void on(const EventView& e, const DatasetFileUnstaged&) { ++dataset(e).unstaged; }
  void on(const EventView& e, const DatasetCommitted& c) {
    dataset(e).commits.push_back({c.version, c.files.size(), c.digest, c.message, std::nullopt});
  }
  void on(const EventView& e, const DatasetValidated& v) {
    for (auto& each : dataset(e).commits)
      if (each.version == v.version) each.valid = v.passed;
  }

  void on(const EventView&, const ExperimentCreated& c) {
    auto& row = experiment(c.experiment_id);
    row.created = true;
    row.name = c.name;
  }
  void on(const EventView& e, const RunStarted& s) {
    runs_[name_of(e.stream)].experiment = s.experiment_id;
    ++experiment(s.experiment_id).started;
  }
  void on(const EventView& e, const RunEnded& ended) {
    const auto& seen = run(e);
    ++experiment(seen.experiment).ended[ended.status];
  }
  void on(const EventView& e, const RunMetricsLogged& m) {
    auto& seen = run(e);
    (void)experiment(seen.experiment);
    for (std::size_t i = 0; i < m.keys.size() && i < m.values.size(); ++i) {
      const MetricPoint point{.step = i < m.steps.size() ? m.steps[i] : 0,
                              .timestamp = i < m.timestamps.size() ? m.timestamps[i] : 0,
                              .value = m.values[i]};
      const auto [at, is_new] = seen.latest.try_emplace(m.keys[i], point);
      if (!is_new && MetricPoint::better(point, at->second)) at->second = point;
    }
  }
  void on(const EventView& e, const RunParamsLogged&) { touch(e); }
  void on(const EventView& e, const RunTagsSet&) { touch(e); }
  void on(const EventView& e, const RunArtifactLogged&) { touch(e); }
  void on(const EventView& e, const RunInputLogged&) { touch(e); }
  void on(const EventView& e, const RunRenamed&) { touch(e); }
  void on(const EventView& e, const RunStatusChanged&) { touch(e); }
  void on(const EventView& e, const RunTagRemoved&) { touch(e); }
  void on(const EventView& e, const RunDeleted&) { touch(e); }
  void on(const EventView& e, const RunRestored&) { touch(e); }
  void on(const EventView& e, const RunArtifactRemoved&) { touch(e); }
  void on(const EventView& e, const RunDatasetsLogged&) { touch(e); }
  void on(const EventView& e, const RunModelsLinked&) { touch(e); }
  void on(const EventView& e, const RunModelMetricsLogged& m) {
    on(e, RunMetricsLogged{m.keys, m.values, m.timestamps, m.steps});
  }
  void on(const EventView&, const ExperimentRenamed& r) { (void)experiment(r.experiment_id); }
  void on(const EventView&, const ExperimentDeleted& d) { (void)experiment(d.experiment_id); }
  void on(const EventView&, const ExperimentRestored& r) { (void)experiment(r.experiment_id); }
  void on(const EventView&, const ExperimentTagsSet& t) { (void)experiment(t.experiment_id); }
  void on(const EventView&, const ExperimentTagRemoved& t) { (void)experiment(t.experiment_id); }
  // Those of no life cycle of their own are counted by type.
  void on(const EventView& e, const LoggedModelCreated&) { count(e); }
  void on(const EventView& e, const LoggedModelStatusChanged&) { count(e); }
  void on(const EventView& e, const LoggedModelParamsLogged&) { count(e); }
  void on(const EventView& e, const LoggedModelTagsSet&) { count(e); }
  void on(const EventView& e, const LoggedModelTagRemoved&) { count(e); }
  void on(const EventView& e, const LoggedModelDeleted&) { count(e); }
  void on(const EventView& e, const TraceRecorded&) { count(e); }
  void on(const EventView& e, const TraceTagsSet&) { count(e); }
  void on(const EventView& e, const TraceTagRemoved&) { count(e); }
  void on(const EventView& e, const TraceRunLinked&) { count(e); }
  void on(const EventView& e, const TraceAssessed&) { count(e); }
  void on(const EventView& e, const TraceAssessmentRemoved&) { count(e); }
  void on(const EventView& e, const TraceDeleted&) { count(e); }
  void on(const EventView& e, const TraceUsageCounted&) { count(e); }
  void on(const EventView& e, const EvaluationDatasetCreated&) { count(e); }
  void on(const EventView& e, const EvaluationDatasetTagsSet&) { count(e); }
  void on(const EventView& e, const EvaluationDatasetTagRemoved&) { count(e); }
  void on(const EventView& e, const EvaluationRecordsMerged&) { count(e); }
  void on(const EventView& e, const EvaluationRecordsRemoved&) { count(e); }
  void on(const EventView& e, const EvaluationDatasetLinked&) { count(e); }
  void on(const EventView& e, const EvaluationDatasetUnlinked&) { count(e); }
  void on(const EventView& e, const EvaluationDatasetDeleted&) { count(e); }
  void on(const EventView& e, const ScorerRegistered&) { count(e); }
  void on(const EventView& e, const ScorerDeleted&) { count(e); }
  void on(const EventView& e, const ScorerOnlineConfigured&) { count(e); }
  void on(const EventView& e, const IssueCreated&) { count(e); }
  void on(const EventView& e, const IssueUpdated&) { count(e); }
  void on(const EventView& e, const LabelSchemaCreated&) { count(e); }
  void on(const EventView& e, const LabelSchemaUpdated&) { count(e); }
  void on(const EventView& e, const LabelSchemaDeleted&) { count(e); }
  void on(const EventView& e, const ArtifactStored&) { count(e); }
  void on(const EventView& e, const ArtifactRemoved&) { count(e); }
  void on(const EventView& e, const ModelDescribed&) { count(e); }
  void on(const EventView& e, const ModelTagsSet&) { count(e); }
  void on(const EventView& e, const ModelTagRemoved&) { count(e); }
  void on(const EventView& e, const ModelDeleted&) { count(e); }
  void on(const EventView& e, const ModelRenamed&) { count(e); }
  void on(const EventView& e, const ModelTakenOver&) { count(e); }
  void on(const EventView& e, const ModelVersionDescribed&) { count(e); }
  void on(const EventView& e, const ModelVersionTagsSet&) { count(e); }
  void on(const EventView& e, const ModelVersionTagRemoved&) { count(e); }
  void on(const EventView& e, const ModelVersionDeleted&) { count(e); }
  void on(const EventView& e, const ExperimentImported&) { count(e); }
  void on(const EventView& e, const LoggedModelImported&) { count(e); }
  void on(const EventView& e, const ModelImported&) { count(e); }
  void count(const EventView& e) { ++diff.other[std::string(e.type)]; }
  void touch(const EventView& e) { (void)experiment(run(e).experiment); }

  void on(const EventView& e, const ModelRegistered&) { model(e).registered = true; }
  void on(const EventView& e, const ModelVersionCreated& c) {
    model(e).versions.push_back(c.version);
  }
  void on(const EventView& e, const ModelGateEvaluated& g) {
    ++(g.passed ? model(e).gates_passed : model(e).gates_failed);
  }
  void on(const EventView& e, const ModelStageChanged& c) {
    auto& stages = model(e).stages;
    const auto at = std::find_if(stages.begin(), stages.end(),
                                 [&](const auto& each) { return each.version == c.version; });
    if (at == stages.end())
      stages.push_back({c.version, c.from, c.to});
    else
      at->to = c.to;
  }
  void on(const EventView& e, const ModelAliasSet& a) {
    move_pointer(model(e).aliases, a.alias, a.previous, a.version);
  }
  void on(const EventView& e, const ModelAliasRemoved& a) {
    move_pointer(model(e).aliases, a.alias, a.previous, 0);
  }
  void on(const EventView& e, const ModelPromotionDecided& d) { model(e).decisions.push_back(d); }

  void on(const EventView& e, const PipelineDefined& d) {
    pipeline(name_of(e.stream)).versions.push_back(d.version);
  }
  void on(const EventView& e, const PipelineRunStarted& s) {
    pipeline_runs_[name_of(e.stream)] = s.pipeline;
    ++pipeline(s.pipeline).started;
  }
  void on(const EventView& e, const PipelineStepStarted&) { (void)pipeline(pipeline_of(e)); }
  void on(const EventView& e, const PipelineStepCompleted& c) {
    auto& row = pipeline(pipeline_of(e));
    ++(c.cached ? row.steps_cached : row.steps_run);
  }
  void on(const EventView& e, const PipelineStepFailed&) { (void)pipeline(pipeline_of(e)); }
  void on(const EventView& e, const PipelineRunEnded& ended) {
    ++pipeline(pipeline_of(e)).ended[ended.status];
  }

  void on(const EventView& e, const EnvironmentCaptured&) {
    const auto name = name_of(e.stream);
    auto& all = diff.environments;
    const auto at = std::lower_bound(all.begin(), all.end(), name);
    if (at == all.end() || *at != name) all.insert(at, name);
  }

  void on(const EventView& e, const EndpointCreated& c) {
    auto& row = endpoint(e);
    row.created = true;
    row.model = c.model;
    row.split = SplitMove{c.canary_bp, c.canary_bp};
  }
  void on(const EventView& e, const EndpointSplitChanged& c) {
    auto& row = endpoint(e);
    if (!row.split) row.split = SplitMove{c.from_bp, c.to_bp};
    row.split->to_bp = c.to_bp;
  }
  void on(const EventView& e, const EndpointVersionActivated& a) {
    move_pointer(endpoint(e).routes, a.route, a.previous, a.version);
  }
  void on(const EventView& e, const PredictionsLogged& p) {
    endpoint(e).predictions += e.expired ? p.versions.size() : p.request_ids.size();
  }
  void on(const EventView& e, const DriftReported& r) { ++endpoint(e).drift_reports[r.severity]; }
  void on(const EventView& e, const DriftAlertRaised& a) { endpoint(e).alerts.push_back(a); }
  void on(const EventView& e, const RetrainingTriggered& r) {
    endpoint(e).retrainings.push_back(r);
  }
  void on(const EventView&, const UnknownEvent& u) { ++diff.other[u.type]; }

  void add_best(const std::string& id, const RunSeen& run) {
    auto& best = experiment(run.experiment).best;
    for (const auto& [key, point] : run.latest) {
      if (std::isnan(point.value)) continue;
      const auto before = best.size();
      auto& row = row_of(best, key, &BestMetric::metric);
      const bool less = less_is_better(key);
      const bool better = less ? point.value < row.value : point.value > row.value;
      if (best.size() == before && !better) continue;
      row = {key, less ? "min" : "max", id, point.value};
    }
  }

  Status name_experiments(Position to) {
    const auto read =
        log_.read_stream(tenant_, "experiments/all", 1, UINT64_MAX, to, [&](const EventView& e) {
          const auto event = decode_event(e);
          const auto* created = event ? get_if<ExperimentCreated>(&*event) : nullptr;
          if (!created) return true;
          for (auto& each : diff.experiments)
            if (each.experiment_id == created->experiment_id) each.name = created->name;
          return true;
        });
    return read ? Status() : Status(read.error());
  }

  const storage::Log& log_;
  std::string tenant_;
  Position from_;
  Status failed_;
  std::map<std::string, RunSeen> runs_;
  std::map<std::string, std::string> pipeline_runs_;  // id -> pipeline
};

Expected<std::string> time_at(const storage::Log& log, Position position) {
  std::string out;
  if (position == 0) return out;
  const auto read = log.read(position, 1, [&](const EventView& e) {
    out = format_time(e.time);
    return false;
  });
  if (!read) return read.error();
  return out;
}

}  // namespace

Expected<Diff> diff_between(const storage::Log& log, std::string_view tenant, Position from,
                            Position to) {
  if (from > to)
    return Error{ErrorCode::invalid_argument, "field 'from' must not be after 'to'", "from"};
  Builder builder(log, tenant, from);
  Status failed;
  if (from < to) {
    const auto read = log.read(from + 1, to - from, [&](const EventView& e) {
      if (e.tenant == tenant) failed = builder.add(e);
      return !failed;
    });
    if (!read) return read.error();
  }
  if (failed) return *failed;
  auto diff = builder.finish(to);
  if (!diff) return diff;
  diff->from = from;
  diff->to = to;
  auto from_time = time_at(log, from), to_time = time_at(log, to);
  if (!from_time) return from_time.error();
  if (!to_time) return to_time.error();
  diff->from_time = *std::move(from_time);
  diff->to_time = *std::move(to_time);
  diff->words = diff_words(*diff);
  return diff;
}

}  // namespace mlforge::projections
