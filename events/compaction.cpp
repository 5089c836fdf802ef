#include "events/compaction.hpp"

namespace mlforge {

Compacted compact(const DatasetState& s) {
  Compacted out;
  if (s.exists) out.events.push_back(DatasetCreated{.name = s.name});
  for (std::size_t i = 0; i < s.versions.size(); ++i) {
    const auto& v = s.versions[i];
    out.events.push_back(DatasetCommitted{.version = i + 1, .digest = v.digest, .files = v.files});
    if (v.valid) out.events.push_back(DatasetValidated{.version = i + 1, .passed = *v.valid});
  }
  for (const auto& [path, file] : s.staged)
    out.events.push_back(
        DatasetFileStaged{.path = path, .digest = file.digest, .bytes = file.bytes});
  for (const auto& [path, removed] : s.staged_removal)
    if (removed) out.events.push_back(DatasetFileUnstaged{.path = path});
  return out;
}

Compacted compact(const ExperimentsState& s) {
  Compacted out{.count = s.next_id};
  for (const auto& [id, e] : s.by_id) {
    if (!e.logged) continue;
    out.events.push_back(ExperimentCreated{.experiment_id = id,
                                           .name = e.name,
                                           .artifact_location = e.artifact_location,
                                           .tags = e.tags});
    for (std::uint64_t i = 0; i < e.restored; ++i)
      out.events.push_back(ExperimentRestored{.experiment_id = id});
    if (e.deleted) out.events.push_back(ExperimentDeleted{.experiment_id = id});
    if (e.created || e.updated)
      out.events.push_back(ExperimentImported{
          .experiment_id = id, .creation_time = e.created, .last_update_time = e.updated});
  }
  return out;
}

Compacted compact(const RunState& s) {
  Compacted out;
  if (s.exists) out.events.push_back(RunStarted{.experiment_id = s.experiment_id});
  if (!s.params.empty()) out.events.push_back(RunParamsLogged{.params = s.params});
  if (!s.tags.empty()) out.events.push_back(RunTagsSet{.tags = s.tags});
  for (const auto& [path, file] : s.artifacts)
    out.events.push_back(
        RunArtifactLogged{.path = path, .digest = file.digest, .bytes = file.bytes});
  for (const auto& input : s.inputs) out.events.push_back(input);
  if (!s.datasets.empty()) {
    RunDatasetsLogged e;
    for (const auto& [name, digest] : s.datasets)
      e.datasets.push_back({.name = name, .digest = digest});
    out.events.push_back(std::move(e));
  }
  if (!s.models.empty()) out.events.push_back(RunModelsLinked{.models = s.models});
  if (s.end_time != 0 || (!s.status.empty() && s.status != "running"))
    out.events.push_back(RunEnded{.status = s.status, .end_time = s.end_time});
  if (s.alone) out.events.push_back(RunRestored{.generation = *s.alone, .alone = true});
  if (s.deleted) out.events.push_back(RunDeleted{.generation = *s.deleted});
  return out;
}

Compacted compact(const LoggedModelState& s) {
  Compacted out;
  if (s.exists) out.events.push_back(LoggedModelCreated{.experiment_id = s.experiment_id});
  if (!s.params.empty()) out.events.push_back(LoggedModelParamsLogged{.params = s.params});
  if (!s.tags.empty()) out.events.push_back(LoggedModelTagsSet{.tags = s.tags});
  if (!s.status.empty()) out.events.push_back(LoggedModelStatusChanged{.status = s.status});
  if (s.created || s.updated)
    out.events.push_back(
        LoggedModelImported{.creation_time = s.created, .last_update_time = s.updated});
  if (s.deleted) out.events.push_back(LoggedModelDeleted{});
  return out;
}

Compacted compact(const ArtifactsState& s) {
  Compacted out;
  for (const auto& [path, file] : s.files)
    out.events.push_back(ArtifactStored{.path = path, .digest = file.digest, .bytes = file.bytes});
  return out;
}

Compacted compact(const TraceState& s) {
  Compacted out;
  if (!s.exists) return out;
  out.events.push_back(s.info);
  for (const auto& run : s.runs) out.events.push_back(TraceRunLinked{.run_id = run});
  TraceUsageCounted usages;
  for (const auto& [id, span] : s.usages) usages.spans.push_back(span);
  if (!usages.spans.empty()) out.events.push_back(std::move(usages));
  return out;
}

Compacted compact(const ModelState& s) {
  Compacted out;
  if (s.exists) out.events.push_back(ModelRegistered{.description = s.description, .tags = s.tags});
  for (std::size_t i = 0; i < s.versions.size(); ++i) {
    const auto& v = s.versions[i];
    out.events.push_back(ModelVersionCreated{.version = i + 1,
                                             .run_id = v.run_id,
                                             .pipeline_run_id = v.pipeline_run_id,
                                             .artifacts = v.artifacts,
                                             .metrics = v.metrics,
                                             .source = v.source,
                                             .description = v.description,
                                             .tags = v.tags});
    if (v.gate) out.events.push_back(ModelGateEvaluated{.version = i + 1, .passed = *v.gate});
    if (v.stage != "None")
      out.events.push_back(ModelStageChanged{.version = i + 1, .from = "None", .to = v.stage});
    if (v.deleted) out.events.push_back(ModelVersionDeleted{.version = i + 1});
  }
  for (const auto& [alias, version] : s.aliases)
    out.events.push_back(ModelAliasSet{.alias = alias, .version = version});
  ModelImported times{.creation_time = s.created, .last_update_time = s.updated};
  for (std::size_t i = 0; i < s.versions.size(); ++i)
    if (const auto& v = s.versions[i]; !v.deleted && (v.created || v.updated))
      times.versions.push_back({i + 1, v.created, v.updated});
  if (s.created || s.updated || !times.versions.empty()) out.events.push_back(std::move(times));
  return out;
}

Compacted compact(const PipelineState& s) {
  if (s.version == 0) return {};
  return {{PipelineDefined{.version = s.version, .spec = s.spec, .digest = s.digest}}, 0};
}

Compacted compact(const PipelineRunState& s) {
  Compacted out;
  if (s.exists)
    out.events.push_back(PipelineRunStarted{
        .pipeline = s.pipeline, .spec = s.spec, .overrides = s.overrides, .trigger = s.trigger});
  for (const auto& [step, outcome] : s.completed) out.events.push_back(outcome);
  for (const auto& [step, error] : s.failed)
    out.events.push_back(PipelineStepFailed{.step = step, .error = error});
  if (!s.status.empty() && s.status != "running")
    out.events.push_back(PipelineRunEnded{.status = s.status});
  return out;
}

Compacted compact(const EnvironmentState& s) {
  if (s.digest.empty()) return {};
  return {{EnvironmentCaptured{.digest = s.digest}}, 0};
}

Compacted compact(const EndpointState& s) {
  Compacted out;
  if (s.config) out.events.push_back(*s.config);
  if (s.canary_bp != (s.config ? s.config->canary_bp : 0))
    out.events.push_back(EndpointSplitChanged{.to_bp = s.canary_bp});
  for (const auto& [route, version] : s.active)
    out.events.push_back(EndpointVersionActivated{.route = route, .version = version});
  return out;
}

Compacted compact(const PredictionsState& s) { return {{}, s.count}; }

Compacted compact(const DriftState& s) {
  Compacted out;
  for (const auto& report : s.triggered) out.events.push_back(report);
  // A last report that called for an alert is the last of those.
  if (s.last && !s.last->triggered) out.events.push_back(*s.last);
  for (const auto& id : s.alerted) out.events.push_back(DriftAlertRaised{.report_id = id});
  for (const auto& id : s.retrained)
    out.events.push_back(RetrainingTriggered{
        .report_id = id, .pipeline_run_id = s.retraining, .model_version = s.retrained_version});
  return out;
}

Compacted compact(const SubscriptionState& s) {
  Compacted out;
  if (!s.exists) return out;
  out.events.push_back(SubscriptionCreated{.name = s.name,
                                           .settings = s.settings,
                                           .start = s.start,
                                           .title = s.title,
                                           .description = s.description});
  for (const auto& [position, parked] : s.parked) out.events.push_back(parked);
  return out;
}

}  // namespace mlforge
