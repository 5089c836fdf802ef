// Random events of evaluation: datasets, scorers, issues, and what traces took.
#include "random_source.hpp"

namespace mlforge::projections::test {

template <>
Happened Source::make<EvaluationDatasetCreated>() {
  const auto id = name("d-");
  return {"evaluation_dataset/" + id,
          EvaluationDatasetCreated{.dataset_id = id,
                                   .name = name("questions"),
                                   .tags = texts(),
                                   .experiment_ids = {pick({"1", "2"})},
                                   .time_ms = static_cast<std::int64_t>(below(99))}};
}
template <>
Happened Source::make<EvaluationDatasetTagsSet>() {
  return {"evaluation_dataset/" + name("d-"), EvaluationDatasetTagsSet{.tags = texts()}};
}
template <>
Happened Source::make<EvaluationDatasetTagRemoved>() {
  return {"evaluation_dataset/" + name("d-"), EvaluationDatasetTagRemoved{.key = name("key")}};
}
template <>
Happened Source::make<EvaluationRecordsMerged>() {
  EvaluationRecord one{.record_id = name("dr-"),
                       .input_hash = pick({"", "h"}),
                       .inputs = R"({"q": 1})",
                       .outputs = pick({"", "null", R"({"a": NaN})", "[1]"}),
                       .expectations = pick({"", "{}", R"({"e": "x"})", R"({"f": true})"}),
                       .tags = pick({"", R"({"t": "1", "mlflow.user": "ann"})"}),
                       .source = pick({"", R"({"source_type": "HUMAN", "source_data": {}})"})};
  return {"evaluation_dataset/" + name("d-"),
          EvaluationRecordsMerged{.records = {std::move(one)},
                                  .updated_by = pick({"", "ann"}),
                                  .time_ms = static_cast<std::int64_t>(below(99))}};
}
template <>
Happened Source::make<EvaluationRecordsRemoved>() {
  return {"evaluation_dataset/" + name("d-"),
          EvaluationRecordsRemoved{.record_ids = {name("dr-"), name("dr-")}}};
}
template <>
Happened Source::make<EvaluationDatasetLinked>() {
  return {"evaluation_dataset/" + name("d-"),
          EvaluationDatasetLinked{.experiment_ids = {pick({"1", "2", "3"})}, .time_ms = 100}};
}
template <>
Happened Source::make<EvaluationDatasetUnlinked>() {
  return {"evaluation_dataset/" + name("d-"),
          EvaluationDatasetUnlinked{.experiment_ids = {pick({"1", "2", "3"})}, .time_ms = 101}};
}
template <>
Happened Source::make<EvaluationDatasetDeleted>() {
  return {"evaluation_dataset/" + name("d-"), EvaluationDatasetDeleted{.name = name("questions")}};
}
template <>
Happened Source::make<ScorerRegistered>() {
  const auto name = this->name("scorer");
  return {"scorers/" + std::to_string(below(2)), ScorerRegistered{.name = name,
                                                                  .scorer_id = "id-" + name,
                                                                  .version = 1 + below(3),
                                                                  .serialized = "{}",
                                                                  .time_ms = 7}};
}
template <>
Happened Source::make<ScorerDeleted>() {
  return {"scorers/" + std::to_string(below(2)),
          ScorerDeleted{.name = name("scorer"), .version = below(4)}};
}
template <>
Happened Source::make<ScorerOnlineConfigured>() {
  const auto name = this->name("scorer");
  return {"scorers/" + std::to_string(below(2)),
          ScorerOnlineConfigured{.name = name,
                                 .scorer_id = "id-" + name,
                                 .config_id = this->name("config"),
                                 .sample_rate = 0.25,
                                 .filter = pick({"", "status = 'OK'"})}};
}
template <>
Happened Source::make<IssueCreated>() {
  const auto id = name("iss-");
  return {"issue/" + id, IssueCreated{.issue_id = id,
                                      .experiment_id = pick({"1", "2"}),
                                      .name = name("slow"),
                                      .description = "too slow",
                                      .status = pick({"pending", "resolved"}),
                                      .severity = pick({"", "low"}),
                                      .time_ms = static_cast<std::int64_t>(below(99))}};
}
template <>
Happened Source::make<IssueUpdated>() {
  return {
      "issue/" + name("iss-"),
      IssueUpdated{.name = pick({"", "slower"}), .status = pick({"", "rejected"}), .time_ms = 9}};
}
template <>
Happened Source::make<TraceUsageCounted>() {
  return {"trace/" + name("tr"),
          TraceUsageCounted{
              .spans = {{name("s"), name("s"), pick({"", "{\"input_tokens\": 3}"}), ""}}}};
}
template <>
Happened Source::make<LabelSchemaCreated>() {
  return {"label_schemas/" + std::to_string(below(2)),
          LabelSchemaCreated{.schema_id = name("ls-"),
                             .name = name("question"),
                             .kind = "feedback",
                             .input = R"({"text": {}})",
                             .instruction = pick({"", "say"}),
                             .enable_comment = coin(),
                             .time_ms = static_cast<std::int64_t>(below(99))}};
}
template <>
Happened Source::make<LabelSchemaUpdated>() {
  return {"label_schemas/" + std::to_string(below(2)),
          LabelSchemaUpdated{.schema_id = name("ls-"),
                             .name = name("question"),
                             .input = R"({"text": {"max_length": 5}})",
                             .instruction = "say more",
                             .enable_comment = coin(),
                             .time_ms = 100}};
}
template <>
Happened Source::make<LabelSchemaDeleted>() {
  return {"label_schemas/" + std::to_string(below(2)),
          LabelSchemaDeleted{.schema_id = name("ls-")}};
}

}  // namespace mlforge::projections::test
