#include "projections/audit.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <cstring>

namespace mlforge::projections {
namespace {

constexpr std::size_t kBlockBytes = 64 * sizeof(Position);

Position position_at(std::string_view positions, std::size_t at) {
  Position position;
  std::memcpy(&position, positions.data() + at, sizeof position);
  return position;
}

std::string because(const std::string& reason) { return reason.empty() ? "" : ": " + reason; }

std::string names(const Texts& texts) {
  std::string out;
  for (const auto& [key, value] : texts) {
    if (out.size() > 200) return out + ", ...";
    out += out.empty() ? key : ", " + key;
  }
  return out;
}

std::string names(const std::vector<std::string>& all) {
  Texts texts;
  for (const auto& each : all) texts.emplace(each, "");
  return names(texts);
}

std::size_t failed_checks(const std::vector<Check>& checks) {
  std::size_t count = 0;
  for (const auto& each : checks) count += !each.passed;
  return count;
}

// One overload per event and none for all, so that an event without a sentence does not compile.
struct Sentence {
  std::string_view name;

  std::string operator()(const DatasetCreated& e) const {
    return fmt::format("Dataset '{}' was created{}.", e.name,
                       e.source.empty() ? "" : ", from " + e.source);
  }
  std::string operator()(const DatasetFileStaged& e) const {
    return fmt::format("File '{}' ({} bytes) was staged in dataset '{}'.", e.path, e.bytes, name);
  }
  std::string operator()(const DatasetFileUnstaged& e) const {
    return fmt::format("File '{}' was taken out of what is staged in dataset '{}'.", e.path, name);
  }
  std::string operator()(const DatasetCommitted& e) const {
    return fmt::format("Version {} of dataset '{}' was committed with {} files{}.", e.version, name,
                       e.files.size(), because(e.message));
  }
  std::string operator()(const DatasetValidated& e) const {
    return fmt::format(
        "Version {} of dataset '{}' ({} rows, {} columns) {} validation: {} of {} "
        "checks failed.",
        e.version, name, e.rows, e.columns, e.passed ? "passed" : "did not pass",
        failed_checks(e.checks), e.checks.size());
  }
  std::string operator()(const ExperimentCreated& e) const {
    return fmt::format("Experiment '{}' was created with id {}.", e.name, e.experiment_id);
  }
  std::string operator()(const RunStarted& e) const {
    return fmt::format("Run '{}' was started in experiment {}{}.",
                       e.name.empty() ? e.run_id : e.name, e.experiment_id,
                       e.step.empty() ? "" : " by pipeline step '" + e.step + "'");
  }
  std::string operator()(const RunParamsLogged& e) const {
    return fmt::format("Run '{}' logged params: {}.", name, names(e.params));
  }
  std::string operator()(const RunTagsSet& e) const {
    return fmt::format("Run '{}' got tags: {}.", name, names(e.tags));
  }
  std::string operator()(const RunMetricsLogged& e) const {
    return fmt::format("Run '{}' logged {} metrics.", name, e.keys.size());
  }
  std::string operator()(const RunArtifactLogged& e) const {
    return fmt::format("Run '{}' logged artifact '{}' ({} bytes).", name, e.path, e.bytes);
  }
  std::string operator()(const RunInputLogged& e) const {
    return fmt::format("Run '{}' reads version {} of dataset '{}'.", name, e.version, e.dataset);
  }
  std::string operator()(const RunEnded& e) const {
    return fmt::format("Run '{}' ended as {}.", name, e.status);
  }
  std::string operator()(const ExperimentRenamed& e) const {
    return fmt::format("Experiment {} was renamed to '{}'.", e.experiment_id, e.name);
  }
  std::string operator()(const ExperimentDeleted& e) const {
    return fmt::format("Experiment {} was deleted.", e.experiment_id);
  }
  std::string operator()(const ExperimentRestored& e) const {
    return fmt::format("Experiment {} was restored.", e.experiment_id);
  }
  std::string operator()(const ExperimentTagsSet& e) const {
    return fmt::format("Experiment {} got tags: {}.", e.experiment_id, names(e.tags));
  }
  std::string operator()(const ExperimentTagRemoved& e) const {
    return fmt::format("Experiment {} lost its tag '{}'.", e.experiment_id, e.key);
  }
  std::string operator()(const RunRenamed& e) const {
    return fmt::format("Run '{}' was renamed to '{}'.", name, e.name);
  }
  std::string operator()(const RunStatusChanged& e) const {
    return fmt::format("Run '{}' is {}.", name, e.status);
  }
  std::string operator()(const RunTagRemoved& e) const {
    return fmt::format("Run '{}' lost its tag '{}'.", name, e.key);
  }
  std::string operator()(const RunDeleted&) const {
    return fmt::format("Run '{}' was deleted.", name);
  }
  std::string operator()(const RunRestored&) const {
    return fmt::format("Run '{}' was restored.", name);
  }
  std::string operator()(const RunArtifactRemoved& e) const {
    return fmt::format("Artifact '{}' of run '{}' was removed.", e.path, name);
  }
  std::string operator()(const RunModelMetricsLogged& e) const {
    return fmt::format("Run '{}' logged {} metrics of models.", name, e.keys.size());
  }
  std::string operator()(const RunDatasetsLogged& e) const {
    return fmt::format("Run '{}' reads {} datasets, '{}' first.", name, e.datasets.size(),
                       e.datasets.empty() ? "" : e.datasets.front().name);
  }
  std::string operator()(const RunModelsLinked& e) const {
    return fmt::format("Run '{}' was linked with {} logged models, '{}' first.", name,
                       e.models.size(), e.models.empty() ? "" : e.models.front().model_id);
  }
  std::string operator()(const LoggedModelCreated& e) const {
    return fmt::format("Model '{}' was logged in experiment {}{}.", e.name, e.experiment_id,
                       e.source_run_id.empty() ? "" : " by run '" + e.source_run_id + "'");
  }
  std::string operator()(const LoggedModelStatusChanged& e) const {
    return fmt::format("Logged model '{}' is {}.", name, e.status);
  }
  std::string operator()(const LoggedModelParamsLogged& e) const {
    return fmt::format("Logged model '{}' got params: {}.", name, names(e.params));
  }
  std::string operator()(const LoggedModelTagsSet& e) const {
    return fmt::format("Logged model '{}' got tags: {}.", name, names(e.tags));
  }
  std::string operator()(const LoggedModelTagRemoved& e) const {
    return fmt::format("Logged model '{}' lost its tag '{}'.", name, e.key);
  }
  std::string operator()(const LoggedModelDeleted&) const {
    return fmt::format("Logged model '{}' was deleted.", name);
  }
  std::string operator()(const TraceRecorded& e) const {
    return fmt::format("Trace '{}' was recorded in experiment {}: {}.", name, e.experiment_id,
                       e.state);
  }
  std::string operator()(const TraceTagsSet& e) const {
    return fmt::format("Trace '{}' got tags: {}.", name, names(e.tags));
  }
  std::string operator()(const TraceTagRemoved& e) const {
    return fmt::format("Trace '{}' lost its tag '{}'.", name, e.key);
  }
  std::string operator()(const TraceRunLinked& e) const {
    return fmt::format("Trace '{}' was linked with run '{}'.", name, e.run_id);
  }
  std::string operator()(const TraceAssessed& e) const {
    return fmt::format("Trace '{}' has the {} '{}' of '{}'.", name, e.assessment.kind,
                       e.assessment.name, e.assessment.source_id);
  }
  std::string operator()(const TraceAssessmentRemoved& e) const {
    return fmt::format("Trace '{}' lost its assessment '{}'.", name, e.assessment_id);
  }
  std::string operator()(const TraceDeleted&) const {
    return fmt::format("Trace '{}' was deleted.", name);
  }
  std::string operator()(const TraceUsageCounted& e) const {
    return fmt::format("What {} spans of trace '{}' took was counted.", e.spans.size(), name);
  }
  std::string operator()(const EvaluationDatasetCreated& e) const {
    return fmt::format("Evaluation dataset '{}' was created with id {}.", e.name, name);
  }
  std::string operator()(const EvaluationDatasetTagsSet& e) const {
    return fmt::format("Evaluation dataset '{}' got tags: {}.", name, names(e.tags));
  }
  std::string operator()(const EvaluationDatasetTagRemoved& e) const {
    return fmt::format("Evaluation dataset '{}' lost its tag '{}'.", name, e.key);
  }
  std::string operator()(const EvaluationRecordsMerged& e) const {
    const auto added = std::count_if(e.records.begin(), e.records.end(),
                                     [](const auto& each) { return !each.input_hash.empty(); });
    return fmt::format("Evaluation dataset '{}' got {} records; {} of them are new.", name,
                       e.records.size(), added);
  }
  std::string operator()(const EvaluationRecordsRemoved& e) const {
    return fmt::format("Evaluation dataset '{}' lost {} records.", name, e.record_ids.size());
  }
  std::string operator()(const EvaluationDatasetLinked& e) const {
    return fmt::format("Evaluation dataset '{}' was linked with {} experiments, {} first.", name,
                       e.experiment_ids.size(),
                       e.experiment_ids.empty() ? "" : e.experiment_ids.front());
  }
  std::string operator()(const EvaluationDatasetUnlinked& e) const {
    return fmt::format("Evaluation dataset '{}' is no more linked with {} experiments, {} first.",
                       name, e.experiment_ids.size(),
                       e.experiment_ids.empty() ? "" : e.experiment_ids.front());
  }
  std::string operator()(const EvaluationDatasetDeleted& e) const {
    return fmt::format("Evaluation dataset '{}' ('{}') was deleted.", name, e.name);
  }
  std::string operator()(const ScorerRegistered& e) const {
    return fmt::format("Version {} of scorer '{}' was registered in experiment {}.", e.version,
                       e.name, name);
  }
  std::string operator()(const ScorerDeleted& e) const {
    return e.version == 0 ? fmt::format("Scorer '{}' of experiment {} was deleted.", e.name, name)
                          : fmt::format("Version {} of scorer '{}' of experiment {} was deleted.",
                                        e.version, e.name, name);
  }
  std::string operator()(const ScorerOnlineConfigured& e) const {
    return fmt::format("Scorer '{}' of experiment {} scores {} of what comes in.", e.name, name,
                       e.sample_rate);
  }
  std::string operator()(const IssueCreated& e) const {
    return fmt::format("Issue '{}' was found in experiment {}: {}.", e.name, e.experiment_id,
                       e.status);
  }
  std::string operator()(const IssueUpdated& e) const {
    return fmt::format("Issue '{}' was changed{}.", name, e.status.empty() ? "" : ": " + e.status);
  }
  std::string operator()(const LabelSchemaCreated& e) const {
    return fmt::format("Label schema '{}' was made in experiment {}.", e.name, name);
  }
  std::string operator()(const LabelSchemaUpdated& e) const {
    return fmt::format("Label schema '{}' of experiment {} was changed.", e.name, name);
  }
  std::string operator()(const LabelSchemaDeleted& e) const {
    return fmt::format("Label schema {} of experiment {} was deleted.", e.schema_id, name);
  }
  std::string operator()(const ArtifactStored& e) const {
    return fmt::format("Artifact '{}' ({} bytes) was stored.", e.path, e.bytes);
  }
  std::string operator()(const ArtifactRemoved& e) const {
    return fmt::format("Artifact '{}' was removed.", e.path);
  }
  std::string operator()(const ModelDescribed&) const {
    return fmt::format("Model '{}' got another description.", name);
  }
  std::string operator()(const ModelTagsSet& e) const {
    return fmt::format("Model '{}' got tags: {}.", name, names(e.tags));
  }
  std::string operator()(const ModelTagRemoved& e) const {
    return fmt::format("Model '{}' lost its tag '{}'.", name, e.key);
  }
  std::string operator()(const ModelDeleted& e) const {
    return fmt::format("Model '{}' was deleted with all its versions{}.", name, because(e.reason));
  }
  std::string operator()(const ModelRenamed& e) const {
    return fmt::format("Model '{}' was renamed to '{}'.", name, e.to);
  }
  std::string operator()(const ModelTakenOver& e) const {
    return fmt::format("Model '{}' took over the {} versions of '{}'.", name, e.versions.size(),
                       e.from);
  }
  std::string operator()(const ModelVersionDescribed& e) const {
    return fmt::format("Version {} of model '{}' got another description.", e.version, name);
  }
  std::string operator()(const ModelVersionTagsSet& e) const {
    return fmt::format("Version {} of model '{}' got tags: {}.", e.version, name, names(e.tags));
  }
  std::string operator()(const ModelVersionTagRemoved& e) const {
    return fmt::format("Version {} of model '{}' lost its tag '{}'.", e.version, name, e.key);
  }
  std::string operator()(const ExperimentImported& e) const {
    return fmt::format("Experiment {} was imported.", e.experiment_id);
  }
  std::string operator()(const LoggedModelImported&) const {
    return fmt::format("Logged model '{}' was imported.", name);
  }
  std::string operator()(const ModelImported& e) const {
    return fmt::format("Model '{}' was imported with {} versions.", name, e.versions.size());
  }
  std::string operator()(const ModelVersionDeleted& e) const {
    return fmt::format("Version {} of model '{}' was deleted{}.", e.version, name,
                       because(e.reason));
  }
  std::string operator()(const ModelRegistered& e) const {
    return fmt::format("Model '{}' was registered.", e.name);
  }
  std::string operator()(const ModelVersionCreated& e) const {
    return fmt::format("Version {} of model '{}' was created{}.", e.version, name,
                       e.run_id.empty() ? "" : " from run '" + e.run_id + "'");
  }
  std::string operator()(const ModelGateEvaluated& e) const {
    return fmt::format("Version {} of model '{}' {} its gate: {} of {} checks failed.", e.version,
                       name, e.passed ? "passed" : "did not pass", failed_checks(e.checks),
                       e.checks.size());
  }
  std::string operator()(const ModelStageChanged& e) const {
    return fmt::format("Version {} of model '{}' moved from {} to {}{}.", e.version, name, e.from,
                       e.to, because(e.reason));
  }
  std::string operator()(const ModelAliasSet& e) const {
    return fmt::format("Alias '{}' of model '{}' was set to version {}{}{}.", e.alias, name,
                       e.version, e.previous ? fmt::format(" (before: {})", e.previous) : "",
                       because(e.reason));
  }
  std::string operator()(const ModelAliasRemoved& e) const {
    return fmt::format("Alias '{}' was taken from version {} of model '{}'{}.", e.alias, e.previous,
                       name, because(e.reason));
  }
  std::string operator()(const ModelPromotionDecided& e) const {
    return fmt::format(
        "The promotion of version {} of model '{}' was {}: {} {} against {} of "
        "version {}, required delta {}{}.",
        e.version, name, e.approved ? "approved" : "refused", e.metric, e.challenger_value,
        e.champion_value, e.champion, e.required_delta, because(e.reason));
  }
  std::string operator()(const PipelineDefined& e) const {
    return fmt::format("Version {} of pipeline '{}' was defined with {} steps.", e.version, e.name,
                       e.steps.size());
  }
  std::string operator()(const PipelineRunStarted& e) const {
    return fmt::format("A run of pipeline '{}' was started by {}.", e.pipeline, e.trigger);
  }
  std::string operator()(const PipelineStepStarted& e) const {
    return fmt::format("Step '{}' of pipeline run '{}' was started.", e.step, name);
  }
  std::string operator()(const PipelineStepCompleted& e) const {
    if (e.cached)
      return fmt::format("Step '{}' of pipeline run '{}' was taken from pipeline run '{}'.", e.step,
                         name, e.cached_from);
    return fmt::format("Step '{}' of pipeline run '{}' completed in {:.3f} s.", e.step, name,
                       e.seconds);
  }
  std::string operator()(const PipelineStepFailed& e) const {
    return fmt::format("Step '{}' of pipeline run '{}' failed{}.", e.step, name, because(e.error));
  }
  std::string operator()(const PipelineRunEnded& e) const {
    return fmt::format("Pipeline run '{}' {}: {} steps run, {} cached.", name, e.status,
                       e.steps_run, e.steps_cached);
  }
  std::string operator()(const EnvironmentCaptured& e) const {
    return fmt::format("Environment '{}' was captured with {} facts.", e.name, e.facts.size());
  }
  std::string operator()(const EndpointCreated& e) const {
    return fmt::format(
        "Endpoint '{}' was created for model '{}', {} basis points to the "
        "challenger.",
        e.name, e.model, e.canary_bp);
  }
  std::string operator()(const EndpointSplitChanged& e) const {
    return fmt::format(
        "The challenger's share at endpoint '{}' changed from {} to {} basis "
        "points{}.",
        name, e.from_bp, e.to_bp, because(e.reason));
  }
  std::string operator()(const EndpointVersionActivated& e) const {
    if (e.version == 0) return fmt::format("Endpoint '{}' serves no {} any more.", name, e.route);
    return fmt::format("Endpoint '{}' serves version {} as {}.", name, e.version, e.route);
  }
  std::string operator()(const PredictionsLogged& e) const {
    return fmt::format("Endpoint '{}' answered {} predictions.", name, e.request_ids.size());
  }
  std::string operator()(const DriftReported& e) const {
    return fmt::format("Drift over {} predictions of endpoint '{}' is '{}'.", e.predictions, name,
                       e.severity);
  }
  std::string operator()(const DriftAlertRaised& e) const {
    return fmt::format("Endpoint '{}' raised a drift alert: PSI {:.4f} over {} on {}.", name,
                       e.worst_psi, e.psi_threshold, names(e.features));
  }
  std::string operator()(const RetrainingTriggered& e) const {
    return fmt::format("Drift at endpoint '{}' started pipeline '{}' as run '{}'.", name,
                       e.pipeline, e.pipeline_run_id);
  }
  std::string operator()(const LogKeyAdded& e) const {
    return fmt::format("The log signs its checkpoints with key {} from here on: {}.", e.key_id,
                       e.reason);
  }
  std::string operator()(const SubjectShredded& e) const {
    return fmt::format("The key {} of a subject was destroyed{}.", e.key_id, because(e.reason));
  }
  std::string operator()(const SubscriptionCreated& e) const {
    return fmt::format("Subscription '{}' of kind {} was created.", e.name, e.settings.kind);
  }
  std::string operator()(const SubscriptionUpdated& e) const {
    return fmt::format("The settings of subscription '{}' changed{}{}.", name,
                       e.settings.active ? "" : "; it is not active", because(e.reason));
  }
  std::string operator()(const SubscriptionDeleted&) const {
    return fmt::format("Subscription '{}' was deleted.", name);
  }
  std::string operator()(const SubscriptionEventParked& e) const {
    return fmt::format("Subscription '{}' parked event {} ({}) after {} attempts{}.", name,
                       e.event_position, e.event_type, e.attempts, because(e.error));
  }
  std::string operator()(const SubscriptionParkedReleased& e) const {
    return fmt::format("{} parked events of subscription '{}' were {}.", e.event_positions.size(),
                       name, e.action);
  }
  std::string operator()(const RetentionApplied& e) const {
    return fmt::format(
        "Payloads of {} events of streams '{}/*' up to position {} are dropped: "
        "they are kept for {}.",
        e.events, e.kind, e.up_to, e.keep);
  }
  std::string operator()(const UnknownEvent& e) const {
    return fmt::format("An event '{}' of schema {} that this program does not know.", e.type,
                       e.schema);
  }
};

}  // namespace

std::string summarize(std::string_view name, const Event& event) {
  return visit(Sentence{name}, event);
}

bool AuditProjection::wants(const Event& event) const {
  return !holds_alternative<RunMetricsLogged>(event) &&
         !holds_alternative<RunModelMetricsLogged>(event) &&
         !holds_alternative<PredictionsLogged>(event);
}

AuditRow audit_row(const EventView& e, EventDecoder& decoder) {
  const auto event = decoder.decode(e);
  return {.position = e.position,
          .time = format_time(e.time),
          .actor = std::string(e.actor),
          .type = std::string(e.type),
          .stream = std::string(e.stream),
          .event_id = to_string(e.id),
          .causation_id = e.causation.is_nil() ? "" : to_string(e.causation),
          .correlation_id = e.correlation.is_nil() ? "" : to_string(e.correlation),
          .summary = summarize(
              entity(e.stream),
              event ? **event : UnknownEvent{std::string(e.type), e.schema, e.content_type, {}})};
}

void AuditProjection::note(ViewWriter& view, const EventView& e, std::string_view stream) {
  std::string& open = view.plain(open_key_.of(e.tenant, stream));
  if (open.size() == kBlockBytes) {
    const Position first = position_at(open, 0);
    view.add_plain(view_key(kName, e.tenant, "stream", stream, descending(first)), open);
    open.clear();
  }
  open.append(reinterpret_cast<const char*>(&e.position), sizeof e.position);
}

void AuditProjection::apply(ViewWriter& view, const EventView& e, const Event& event) {
  if (!wants(event)) return;
  note(view, e, e.stream);
  note(view, e, {});
}

void visit_audited(ViewReader& view, std::string_view tenant, std::string_view stream,
                   Position below, const std::function<bool(Position)>& visit) {
  const auto newest_first = [&](std::string_view positions) {
    for (std::size_t at = positions.size(); at >= sizeof(Position); at -= sizeof(Position)) {
      const Position position = position_at(positions, at - sizeof(Position));
      if (position < below && !visit(position)) return false;
    }
    return true;
  };
  const auto open = view.get_plain(view_key(AuditProjection::kName, tenant, "open", stream));
  if (open && !newest_first(*open)) return;
  const auto blocks = view_prefix(AuditProjection::kName, tenant, "stream", stream);
  view.scan_plain(
      blocks, blocks + descending(below), SIZE_MAX,
      [&](std::string_view, std::string_view positions) { return newest_first(positions); });
}

}  // namespace mlforge::projections
