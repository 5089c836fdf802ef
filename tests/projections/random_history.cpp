#include "random_source.hpp"

namespace mlforge::projections::test {

template <>
Happened Source::make<DatasetCreated>() {
  const auto name = this->name("data");
  return {"dataset/" + name, DatasetCreated{.name = name, .source = pick({"", "web"})}};
}
template <>
Happened Source::make<DatasetFileStaged>() {
  return {"dataset/" + name("data"),
          DatasetFileStaged{.path = name("file"), .digest = pick({"d1", "d2"}), .bytes = below(9)}};
}
template <>
Happened Source::make<DatasetFileUnstaged>() {
  return {"dataset/" + name("data"), DatasetFileUnstaged{.path = name("file")}};
}
template <>
Happened Source::make<DatasetCommitted>() {
  return {"dataset/" + name("data"), DatasetCommitted{.version = 1 + below(3),
                                                      .digest = pick({"v1", "v2"}),
                                                      .message = pick({"", "more rows"}),
                                                      .files = {{name("file"), "d1", 3}}}};
}
template <>
Happened Source::make<DatasetValidated>() {
  return {"dataset/" + name("data"), DatasetValidated{.version = 1 + below(3),
                                                      .rows = below(100),
                                                      .columns = 4,
                                                      .passed = coin(),
                                                      .checks = {{.name = "range"}}}};
}
template <>
Happened Source::make<ExperimentCreated>() {
  const auto id = std::to_string(++serial);
  return {"experiments/all",
          ExperimentCreated{.experiment_id = coin() ? "1" : id, .name = "exp" + id}};
}
template <>
Happened Source::make<RunStarted>() {
  const auto id = name("run") + pick({"", "x", "y"});
  return {"run/" + id, RunStarted{.run_id = id,
                                  .experiment_id = pick({"1", "2"}),
                                  .name = name("try"),
                                  .start_time = time()}};
}
template <>
Happened Source::make<RunParamsLogged>() {
  return {"run/" + name("run"), RunParamsLogged{.params = texts()}};
}
template <>
Happened Source::make<RunTagsSet>() {
  return {"run/" + name("run"), RunTagsSet{.tags = texts()}};
}
template <>
Happened Source::make<RunMetricsLogged>() {
  RunMetricsLogged e;
  for (std::size_t i = 0, n = 1 + below(below(4) == 0 ? 90 : 3); i < n; ++i) {
    e.keys.push_back(pick({"loss", "auc"}));
    e.values.push_back(value());
    e.timestamps.push_back(static_cast<std::int64_t>(below(4)));
    e.steps.push_back(static_cast<std::int64_t>(below(6)));
  }
  return {"run/" + name("run"), e};
}
template <>
Happened Source::make<RunArtifactLogged>() {
  return {"run/" + name("run"),
          RunArtifactLogged{.path = name("a/file"), .digest = pick({"d1", "d2"}), .bytes = 7}};
}
template <>
Happened Source::make<RunInputLogged>() {
  return {"run/" + name("run"), RunInputLogged{.dataset = name("data"), .version = 1}};
}
template <>
Happened Source::make<RunEnded>() {
  return {"run/" + name("run"),
          RunEnded{.status = pick({"finished", "failed", "killed"}), .end_time = time()}};
}
template <>
Happened Source::make<ModelRegistered>() {
  const auto name = this->name("model");
  return {"model/" + name, ModelRegistered{.name = name, .description = pick({"", "about"})}};
}
template <>
Happened Source::make<ModelVersionCreated>() {
  return {"model/" + name("model"), ModelVersionCreated{.version = 1 + below(3),
                                                        .run_id = name("run"),
                                                        .artifacts = {{"model.ubj", "d1", 5}},
                                                        .metrics = {{"auc", 0.5}},
                                                        .params = texts()}};
}
template <>
Happened Source::make<ModelGateEvaluated>() {
  return {"model/" + name("model"),
          ModelGateEvaluated{.version = 1 + below(3), .passed = coin(), .checks = {{.name = "x"}}}};
}
template <>
Happened Source::make<ModelStageChanged>() {
  return {"model/" + name("model"),
          ModelStageChanged{
              .version = 1 + below(3), .from = "None", .to = pick({"Staging", "Archived"})}};
}
template <>
Happened Source::make<ModelAliasSet>() {
  return {"model/" + name("model"), ModelAliasSet{.alias = pick({"champion", "challenger"}),
                                                  .version = 1 + below(3),
                                                  .previous = below(4)}};
}
template <>
Happened Source::make<ModelAliasRemoved>() {
  return {"model/" + name("model"),
          ModelAliasRemoved{.alias = pick({"champion", "challenger"}), .previous = below(4)}};
}
template <>
Happened Source::make<ModelPromotionDecided>() {
  return {"model/" + name("model"), ModelPromotionDecided{.version = 1 + below(3),
                                                          .champion = below(2),
                                                          .metric = "auc",
                                                          .challenger_value = 0.9,
                                                          .approved = coin()}};
}
template <>
Happened Source::make<PipelineDefined>() {
  const auto name = this->name("pipe");
  return {"pipeline/" + name,
          PipelineDefined{.name = name, .version = 1 + below(2), .steps = {"split", "train"}}};
}
template <>
Happened Source::make<PipelineRunStarted>() {
  const auto id = name("prun") + pick({"", "x"});
  return {"pipeline_run/" + id, PipelineRunStarted{.pipeline_run_id = id,
                                                   .pipeline = name("pipe"),
                                                   .pipeline_version = 1 + below(2),
                                                   .trigger = "user",
                                                   .start_time = time()}};
}
template <>
Happened Source::make<PipelineStepStarted>() {
  return {"pipeline_run/" + name("prun"),
          PipelineStepStarted{.step = pick({"split", "train", "other"}), .kind = "k"}};
}
template <>
Happened Source::make<PipelineStepCompleted>() {
  return {"pipeline_run/" + name("prun"), PipelineStepCompleted{.step = pick({"split", "train"}),
                                                                .kind = "k",
                                                                .cache_key = name("cache"),
                                                                .cached = coin(),
                                                                .outputs = texts(),
                                                                .seconds = 0.5}};
}
template <>
Happened Source::make<PipelineStepFailed>() {
  return {"pipeline_run/" + name("prun"),
          PipelineStepFailed{.step = pick({"split", "train"}), .kind = "k", .error = "broken"}};
}
template <>
Happened Source::make<PipelineRunEnded>() {
  return {"pipeline_run/" + name("prun"),
          PipelineRunEnded{.status = pick({"succeeded", "failed"}), .end_time = time()}};
}
template <>
Happened Source::make<EnvironmentCaptured>() {
  const auto name = this->name("env");
  return {"environment/" + name,
          EnvironmentCaptured{
              .name = name, .kind = "local", .digest = pick({"e1", "e2", "e3"}), .facts = texts()}};
}
template <>
Happened Source::make<EndpointCreated>() {
  const auto name = this->name("end");
  return {"deployment/" + name, EndpointCreated{.name = name, .model = this->name("model")}};
}
template <>
Happened Source::make<EndpointSplitChanged>() {
  return {"deployment/" + name("end"), EndpointSplitChanged{.to_bp = below(10001)}};
}
template <>
Happened Source::make<EndpointVersionActivated>() {
  return {"deployment/" + name("end"),
          EndpointVersionActivated{.route = pick({"champion", "challenger"}), .version = below(4)}};
}
template <>
Happened Source::make<PredictionsLogged>() {
  PredictionsLogged e;
  for (std::size_t i = 0, n = 1 + below(5); i < n; ++i) {
    e.request_ids.push_back("r" + std::to_string(++serial));
    e.probabilities.push_back(0.5);
    e.versions.push_back(static_cast<std::int64_t>(1 + below(3)));
    e.challenger.push_back(coin());
    e.times.push_back(time());
  }
  return {"predictions/" + name("end"), e};
}
template <>
Happened Source::make<DriftReported>() {
  return {"drift/" + name("end"), DriftReported{.report_id = "rep" + std::to_string(++serial),
                                                .model_version = 1,
                                                .predictions = 50,
                                                .severity = pick({"stable", "alert"}),
                                                .features = {{.feature = "age", .psi = 0.3}}}};
}
template <>
Happened Source::make<DriftAlertRaised>() {
  return {"drift/" + name("end"),
          DriftAlertRaised{.report_id = "rep" + std::to_string(1 + below(serial + 1)),
                           .psi_threshold = 0.2,
                           .features = {"age"},
                           .worst_psi = 0.3}};
}
template <>
Happened Source::make<RetrainingTriggered>() {
  return {"drift/" + name("end"),
          RetrainingTriggered{.report_id = "rep" + std::to_string(1 + below(serial + 1)),
                              .pipeline = name("pipe"),
                              .pipeline_run_id = name("prun")}};
}
template <>
Happened Source::make<LogKeyAdded>() {
  return {"log/keys", LogKeyAdded{.name = "mlforge/log",
                                  .key_id = std::to_string(10000000 + ++serial),
                                  .algorithm = "ed25519",
                                  .public_key = "AAAA",
                                  .reason = "a test"}};
}
template <>
Happened Source::make<ExperimentRenamed>() {
  return {"experiments/all",
          ExperimentRenamed{.experiment_id = pick({"1", "2"}), .name = name("exp")}};
}
template <>
Happened Source::make<ExperimentDeleted>() {
  return {"experiments/all", ExperimentDeleted{.experiment_id = pick({"1", "2"})}};
}
template <>
Happened Source::make<ExperimentRestored>() {
  return {"experiments/all", ExperimentRestored{.experiment_id = pick({"1", "2"})}};
}
template <>
Happened Source::make<ExperimentTagsSet>() {
  return {"experiments/all", ExperimentTagsSet{.experiment_id = pick({"1", "2"}), .tags = texts()}};
}
template <>
Happened Source::make<ExperimentTagRemoved>() {
  return {"experiments/all",
          ExperimentTagRemoved{.experiment_id = pick({"1", "2"}), .key = name("key")}};
}
template <>
Happened Source::make<RunRenamed>() {
  return {"run/" + name("run"), RunRenamed{.name = name("other")}};
}
template <>
Happened Source::make<RunStatusChanged>() {
  return {"run/" + name("run"), RunStatusChanged{.status = pick({"running", "scheduled"})}};
}
template <>
Happened Source::make<RunTagRemoved>() {
  return {"run/" + name("run"), RunTagRemoved{.key = name("key")}};
}
template <>
Happened Source::make<RunDeleted>() {
  return {"run/" + name("run"), RunDeleted{.generation = below(2)}};
}
template <>
Happened Source::make<RunRestored>() {
  return {"run/" + name("run"), RunRestored{.generation = below(2)}};
}
template <>
Happened Source::make<RunArtifactRemoved>() {
  return {"run/" + name("run"), RunArtifactRemoved{.path = name("a/file")}};
}
template <>
Happened Source::make<RunModelMetricsLogged>() {
  return {"run/" + name("run"),
          RunModelMetricsLogged{.keys = {"auc"},
                                .values = {value()},
                                .timestamps = {1},
                                .steps = {static_cast<std::int64_t>(below(6))},
                                .model_ids = {name("logged")},
                                .dataset_names = {name("data")},
                                .dataset_digests = {"d1"}}};
}
template <>
Happened Source::make<RunDatasetsLogged>() {
  return {"run/" + name("run"),
          RunDatasetsLogged{.datasets = {{.name = name("data"), .digest = pick({"d1", "d2"})}}}};
}
template <>
Happened Source::make<RunModelsLinked>() {
  return {
      "run/" + name("run"),
      RunModelsLinked{.models = {{.model_id = name("logged"), .role = pick({"input", "output"})}}}};
}
template <>
Happened Source::make<LoggedModelCreated>() {
  return {"logged_model/" + name("logged"), LoggedModelCreated{.experiment_id = pick({"1", "2"}),
                                                               .name = name("net"),
                                                               .params = texts(),
                                                               .tags = texts()}};
}
template <>
Happened Source::make<LoggedModelStatusChanged>() {
  return {"logged_model/" + name("logged"),
          LoggedModelStatusChanged{.status = pick({"ready", "upload_failed"})}};
}
template <>
Happened Source::make<LoggedModelParamsLogged>() {
  return {"logged_model/" + name("logged"), LoggedModelParamsLogged{.params = texts()}};
}
template <>
Happened Source::make<LoggedModelTagsSet>() {
  return {"logged_model/" + name("logged"), LoggedModelTagsSet{.tags = texts()}};
}
template <>
Happened Source::make<LoggedModelTagRemoved>() {
  return {"logged_model/" + name("logged"), LoggedModelTagRemoved{.key = name("key")}};
}
template <>
Happened Source::make<LoggedModelDeleted>() {
  return {"logged_model/" + name("logged"), LoggedModelDeleted{}};
}
template <>
Happened Source::make<TraceRecorded>() {
  const auto id = name("tr");
  return {"trace/" + id, TraceRecorded{.trace_id = id,
                                       .experiment_id = pick({"1", "2"}),
                                       .state = pick({"OK", "ERROR"}),
                                       .request_time_ms = static_cast<std::int64_t>(below(50)),
                                       .execution_time_ms = static_cast<std::int64_t>(below(9)),
                                       .metadata = texts(),
                                       .tags = texts()}};
}
template <>
Happened Source::make<TraceTagsSet>() {
  return {"trace/" + name("tr"), TraceTagsSet{.tags = texts()}};
}
template <>
Happened Source::make<TraceTagRemoved>() {
  return {"trace/" + name("tr"), TraceTagRemoved{.key = name("key")}};
}
template <>
Happened Source::make<TraceRunLinked>() {
  return {"trace/" + name("tr"), TraceRunLinked{.run_id = name("run")}};
}
template <>
Happened Source::make<TraceAssessed>() {
  return {"trace/" + name("tr"), TraceAssessed{.assessment = {.assessment_id = name("a"),
                                                              .name = name("quality"),
                                                              .kind = "feedback",
                                                              .content = R"({"value": true})"}}};
}
template <>
Happened Source::make<TraceAssessmentRemoved>() {
  return {"trace/" + name("tr"), TraceAssessmentRemoved{.assessment_id = name("a")}};
}
template <>
Happened Source::make<TraceDeleted>() {
  return {"trace/" + name("tr"), TraceDeleted{.experiment_id = pick({"1", "2"})}};
}
template <>
Happened Source::make<ArtifactStored>() {
  return {"artifacts/" + name("root"),
          ArtifactStored{.path = "1/" + name("dir") + "/" + name("file"),
                         .digest = pick({"d1", "d2"}),
                         .bytes = 3}};
}
template <>
Happened Source::make<ArtifactRemoved>() {
  return {"artifacts/" + name("root"),
          ArtifactRemoved{.path = "1/" + name("dir") + "/" + name("file")}};
}
template <>
Happened Source::make<ModelDescribed>() {
  return {"model/" + name("model"), ModelDescribed{.description = pick({"", "about"})}};
}
template <>
Happened Source::make<ModelTagsSet>() {
  return {"model/" + name("model"), ModelTagsSet{.tags = texts()}};
}
template <>
Happened Source::make<ModelTagRemoved>() {
  return {"model/" + name("model"), ModelTagRemoved{.key = name("key")}};
}
template <>
Happened Source::make<ModelDeleted>() {
  return {"model/" + name("model"), ModelDeleted{.reason = pick({"", "old"})}};
}
template <>
Happened Source::make<ModelRenamed>() {
  return {"model/" + name("model"), ModelRenamed{.to = name("model")}};
}
template <>
Happened Source::make<ModelTakenOver>() {
  return {"model/" + name("model"),
          ModelTakenOver{.from = name("model"), .tags = texts(), .versions = {{.version = 1}}}};
}
template <>
Happened Source::make<ModelVersionDescribed>() {
  return {"model/" + name("model"),
          ModelVersionDescribed{.version = 1 + below(3), .description = pick({"", "v"})}};
}
template <>
Happened Source::make<ModelVersionTagsSet>() {
  return {"model/" + name("model"), ModelVersionTagsSet{.version = 1 + below(3), .tags = texts()}};
}
template <>
Happened Source::make<ModelVersionTagRemoved>() {
  return {"model/" + name("model"),
          ModelVersionTagRemoved{.version = 1 + below(3), .key = name("key")}};
}
template <>
Happened Source::make<ExperimentImported>() {
  return {"experiments/all",
          ExperimentImported{.experiment_id = pick({"1", "2"}),
                             .creation_time = static_cast<TimeUs>(1000000 * below(1000)),
                             .last_update_time = static_cast<TimeUs>(1000000 * below(1000))}};
}
template <>
Happened Source::make<LoggedModelImported>() {
  return {"logged_model/" + name("logged"),
          LoggedModelImported{.creation_time = static_cast<TimeUs>(1000000 * below(1000))}};
}
template <>
Happened Source::make<ModelImported>() {
  return {"model/" + name("model"),
          ModelImported{.creation_time = static_cast<TimeUs>(1000000 * below(1000)),
                        .versions = {{.version = 1 + below(3), .creation_time = 5000000}}}};
}
template <>
Happened Source::make<ModelVersionDeleted>() {
  return {"model/" + name("model"), ModelVersionDeleted{.version = 1 + below(3)}};
}
template <>
Happened Source::make<SubjectShredded>() {
  return {"subjects/all",
          SubjectShredded{.key_id = std::to_string(10000000 + ++serial), .reason = "a test"}};
}
template <>
Happened Source::make<RetentionApplied>() {
  return {"log/retention", RetentionApplied{.kind = "predictions",
                                            .keep = "30d",
                                            .before = "2026-11-21T09:30:00.000000Z",
                                            .up_to = 1 + below(9),
                                            .events = below(3)}};
}
template <>
Happened Source::make<SubscriptionCreated>() {
  const auto name = this->name("sub");
  return {
      "subscription/" + name,
      SubscriptionCreated{.name = name, .settings = {.types = {"run.*"}}, .start = 1 + below(9)}};
}
template <>
Happened Source::make<SubscriptionUpdated>() {
  return {"subscription/" + name("sub"),
          SubscriptionUpdated{.settings = {.active = coin()}, .reason = "a test"}};
}
template <>
Happened Source::make<SubscriptionDeleted>() {
  return {"subscription/" + name("sub"), SubscriptionDeleted{.parked = {below(20), below(20)}}};
}
template <>
Happened Source::make<SubscriptionEventParked>() {
  return {"subscription/" + name("sub"),
          SubscriptionEventParked{
              .event_position = below(20), .event_type = "run.started", .attempts = below(9)}};
}
template <>
Happened Source::make<SubscriptionParkedReleased>() {
  return {"subscription/" + name("sub"),
          SubscriptionParkedReleased{.event_positions = {below(20)},
                                     .action = pick({"replayed", "dropped"})}};
}
template <>
Happened Source::make<UnknownEvent>() {
  return {"later/" + name("x"), UnknownEvent{"later.happened", 7, ContentType::json, "{}"}};
}

namespace {

template <class... E>
Happened any(Source& source, const TypeList<E...>&) {
  static constexpr std::array<Happened (Source::*)(), sizeof...(E)> makers{&Source::make<E>...};
  return (source.*makers[source.below(sizeof...(E))])();
}

}  // namespace

std::vector<Happened> random_history(std::uint64_t seed, std::size_t count) {
  Source source(seed);
  std::vector<Happened> out;
  while (out.size() < count) {
    out.push_back(any(source, EventTypes{}));
    if (source.below(10) == 0) out.back().tenant = "other";
    if (source.coin()) out.back().actor = "bob";
  }
  return out;
}

}  // namespace mlforge::projections::test
