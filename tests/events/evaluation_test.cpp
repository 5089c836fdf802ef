// What may happen to evaluation datasets, scorers and issues.
#include <algorithm>

#include "events/compaction.hpp"
#include "tests/events/given.hpp"

namespace mlforge::test::evaluation {
namespace {

EvaluationRecord record(std::string id, std::string hash, std::string expectations = "") {
  return {.record_id = std::move(id),
          .input_hash = std::move(hash),
          .inputs = R"({"q": 1})",
          .outputs = {},
          .expectations = std::move(expectations),
          .tags = {},
          .source = {}};
}

// As it comes again: of the inputs nothing is kept twice.
EvaluationRecord merged(EvaluationRecord r) {
  r.input_hash.clear();
  r.inputs.clear();
  return r;
}

const EvaluationDatasetCreated kCreated{.dataset_id = "d-1",
                                        .name = "questions",
                                        .tags = {{"a", "1"}},
                                        .experiment_ids = {"1", "2"},
                                        .time_ms = 5};

}  // namespace

TEST_CASE("evaluation dataset: made, tagged, linked and deleted") {
  given<EvaluationDatasetState>()
      .when(NewEvaluationDataset{.dataset_id = "d-1",
                                 .name = "questions",
                                 .tags = {{"a", "1"}},
                                 .experiment_ids = {"1", "2", "1"},
                                 .time = 5999})
      .then({kCreated})
      .when(TagEvaluationDataset{"d-1", {{"a", "1"}, {"b", "2"}}})
      .then({EvaluationDatasetTagsSet{.tags = {{"b", "2"}}}})
      .when(TagEvaluationDataset{"d-1", {{"b", "2"}}})
      .nothing()
      .when(UntagEvaluationDataset{"d-1", "b"})
      .then({EvaluationDatasetTagRemoved{.key = "b"}})
      .when(UntagEvaluationDataset{"d-1", "b"})
      .nothing()
      .when(LinkEvaluationDataset{"d-1", {"2", "3", "3"}, "", 9000})
      .then({EvaluationDatasetLinked{.experiment_ids = {"3"}, .time_ms = 9}})
      .when(LinkEvaluationDataset{"d-1", {"4"}, "4", 9000})
      .refused(ErrorCode::not_found, "experiment_ids", "No Experiment with id=4");
  given<EvaluationDatasetState>({kCreated})
      .when(UnlinkEvaluationDataset{"d-1", {"2", "7"}, 9000})
      .then({EvaluationDatasetUnlinked{.experiment_ids = {"2"}, .time_ms = 9}})
      .when(UnlinkEvaluationDataset{"d-1", {"2"}, 9000})
      .nothing()
      .when(DeleteEvaluationDataset{"d-1"})
      .then({EvaluationDatasetDeleted{.name = "questions"}})
      .when(DeleteEvaluationDataset{"d-1"})
      .nothing();
}

TEST_CASE("evaluation dataset: where there is none, in MLflow's words") {
  const auto none = given<EvaluationDatasetState>();
  none.when(TagEvaluationDataset{"d-9", {{"a", "1"}}})
      .refused(ErrorCode::not_found, "dataset_id", "Could not find evaluation dataset with ID d-9");
  none.when(MergeEvaluationRecords{"d-9", {}, "", 1})
      .refused(ErrorCode::not_found, "dataset_id", "'d-9' not found");
  none.when(LinkEvaluationDataset{"d-9", {"1"}, "1", 1})
      .refused(ErrorCode::not_found, "dataset_id", "Dataset 'd-9' not found");
  none.when(UnlinkEvaluationDataset{"d-9", {"1"}, 1})
      .refused(ErrorCode::not_found, "dataset_id", "Dataset 'd-9' not found");
  none.when(UntagEvaluationDataset{"d-9", "a"}).nothing();
  none.when(RemoveEvaluationRecords{"d-9", {"dr-1"}}).nothing();
}

TEST_CASE("evaluation dataset: names and tags have bounds") {
  given<EvaluationDatasetState>()
      .when(NewEvaluationDataset{.dataset_id = "d-1", .name = std::string(256, 'n')})
      .refused(ErrorCode::invalid_argument, "name");
  given<EvaluationDatasetState>({kCreated})
      .when(TagEvaluationDataset{"d-1", {{"k", std::string(5001, 'v')}}})
      .refused(ErrorCode::invalid_argument, "tags.k");
}

TEST_CASE("evaluation records: the same inputs are one record, also within a message") {
  const auto a = record("dr-1", "h1"), b = record("dr-2", "h2", R"({"x": 1})"),
             a_again = record("dr-3", "h1", R"({"y": 2})");
  given<EvaluationDatasetState>({kCreated})
      .when(MergeEvaluationRecords{"d-1", {a, b, a_again}, "ann", 7000})
      .then({EvaluationRecordsMerged{.records = {a, b, merged(record("dr-1", "", R"({"y": 2})"))},
                                     .updated_by = "ann",
                                     .time_ms = 7}})
      .when(MergeEvaluationRecords{"d-1", {record("dr-4", "h2", R"({"x": 3})")}, "", 8000})
      .then({EvaluationRecordsMerged{
          .records = {merged(record("dr-2", "", R"({"x": 3})"))}, .updated_by = "", .time_ms = 8}})
      .when(RemoveEvaluationRecords{"d-1", {"dr-2", "dr-9"}})
      .then({EvaluationRecordsRemoved{.record_ids = {"dr-2"}}})
      .when(RemoveEvaluationRecords{"d-1", {"dr-2"}})
      .nothing();
  // What was removed is new when it comes again; no records at all are an event of their own.
  given<EvaluationDatasetState>({kCreated, EvaluationRecordsMerged{.records = {a}},
                                 EvaluationRecordsRemoved{.record_ids = {"dr-1"}}})
      .when(MergeEvaluationRecords{"d-1", {a_again}, "", 0})
      .then({EvaluationRecordsMerged{.records = {a_again}}})
      .when(MergeEvaluationRecords{"d-1", {}, "", 0})
      .then({EvaluationRecordsMerged{}});
}

TEST_CASE("evaluation records: many of them become events of about a mebibyte") {
  MergeEvaluationRecords many{"d-1", {}, "ann", 7000};
  for (int i = 0; i < 30; ++i) {
    many.records.push_back(record("dr-" + std::to_string(i), "h" + std::to_string(i)));
    many.records.back().inputs = "{\"q\": \"" + std::string(100000, 'x') + "\"}";
  }
  EvaluationDatasetState state;
  evolve(state, kCreated);
  const auto events = decide(state, many);
  REQUIRE(events);
  CHECK(events->size() == 3);
  std::size_t records = 0;
  for (const auto& event : *events) {
    const auto& part = get<EvaluationRecordsMerged>(event);
    records += part.records.size();
    CHECK(part.time_ms == 7);
    CHECK(part.updated_by == "ann");
    CHECK(to_json(part).size() < (1u << 20) + 10000);
    fold(state, event);
  }
  CHECK(records == 30);
  CHECK(state.records.size() == 30);
}

TEST_CASE("scorers: versions count up from the highest that is there") {
  const RegisterScorer one{"1", "tone", "{}", "id-1", 4000};
  const RegisterScorer again{"1", "tone", "{\"a\": 1}", "id-2", 5000};
  given<ScorersState>()
      .when(one)
      .then({ScorerRegistered{{}, "tone", "id-1", 1, "{}", 4}})
      .when(again)
      .then({ScorerRegistered{{}, "tone", "id-1", 2, "{\"a\": 1}", 5}})
      .when(DeleteScorer{"1", "tone", 2})
      .then({ScorerDeleted{{}, "tone", 2}})
      .when(again)
      .then({ScorerRegistered{{}, "tone", "id-1", 2, "{\"a\": 1}", 5}})
      .when(DeleteScorer{"1", "tone", {}})
      .then({ScorerDeleted{{}, "tone", 0}})
      .when(again)
      .then({ScorerRegistered{{}, "tone", "id-2", 1, "{\"a\": 1}", 5}});
  const auto emptied = given<ScorersState>(
      {ScorerRegistered{{}, "tone", "id-1", 1, "{}", 4}, ScorerDeleted{{}, "tone", 1}});
  emptied.when(again).then({ScorerRegistered{{}, "tone", "id-1", 1, "{\"a\": 1}", 5}});
  emptied.when(DeleteScorer{"1", "tone", {}})
      .refused(ErrorCode::not_found, "name", "Scorer with name 'tone' not found for experiment 1.");
  emptied.when(DeleteScorer{"1", "tone", 3})
      .refused(ErrorCode::not_found, "name", "'tone' and version 3 not found for experiment 1.");
  given<ScorersState>().when(DeleteScorer{"1", "tone", 3}).refused(ErrorCode::not_found, "name");
  given<ScorersState>()
      .when(RegisterScorer{"1", " \t", "{}", "id", 1})
      .refused(ErrorCode::invalid_argument, "name", "cannot be empty");
}

TEST_CASE("scorers: nothing is scored online, and that can be said") {
  const auto there = given<ScorersState>({ScorerRegistered{{}, "tone", "id-1", 1, "{}", 4}});
  there.when(ConfigureOnlineScoring{"1", "tone", 0.0, "x = 1", "c1"})
      .then({ScorerOnlineConfigured{{}, "tone", "id-1", "c1", 0.0, "x = 1"}})
      .when(ConfigureOnlineScoring{"1", "tone", 0.0, "x = 1", "c2"})
      .nothing();
  there.when(ConfigureOnlineScoring{"1", "tone", 0.5, "", "c1"})
      .refused(ErrorCode::invalid_argument, "sample_rate", "does not use a gateway model");
  there.when(ConfigureOnlineScoring{"1", "tone", 1.5, "", "c1"})
      .refused(ErrorCode::invalid_argument, "sample_rate", "between 0.0 and 1.0");
  there.when(ConfigureOnlineScoring{"1", "other", 0.0, "", "c1"})
      .refused(ErrorCode::not_found, "name");
}

TEST_CASE("issues: made pending, changed in part") {
  const CreateIssue create{.issue_id = "iss-1",
                           .experiment_id = "1",
                           .name = "slow",
                           .description = "too slow",
                           .status = "",
                           .severity = "high",
                           .root_causes = {"disk"},
                           .categories = {"speed"},
                           .source_run_id = "r",
                           .created_by = "ann",
                           .time = 4000};
  given<IssueState>()
      .when(create)
      .then({IssueCreated{{},
                          "iss-1",
                          "1",
                          "slow",
                          "too slow",
                          "pending",
                          "high",
                          {"disk"},
                          {"speed"},
                          "r",
                          "ann",
                          4}})
      .when(UpdateIssue{"iss-1", "", "", "resolved", "", 9000})
      .then({IssueUpdated{{}, "", "", "resolved", "", 9}})
      .when(UpdateIssue{"iss-1", "slow", "too slow", "resolved", "high", 9000})
      .nothing();
  given<IssueState>()
      .when(UpdateIssue{"iss-9", "n", "", "", "", 1})
      .refused(ErrorCode::not_found, "issue_id", "Issue with ID 'iss-9' not found");
  auto wrong = create;
  wrong.status = "open";
  given<IssueState>().when(wrong).refused(ErrorCode::invalid_argument, "status");
  wrong = create;
  wrong.severity = "worst";
  given<IssueState>().when(wrong).refused(ErrorCode::invalid_argument, "severity");
}

TEST_CASE("label schemas: named once in an experiment, and keep their kind of input") {
  const CreateLabelSchema create{
      .label_experiment = "1",
      .schema_id = "ls-1",
      .title = "Is it right?",
      .kind = "feedback",
      .input = R"({"categorical": {"options": ["a"], "multi_select": false}})",
      .instruction = "look",
      .enable_comment = true,
      .time = 4000};
  const LabelSchemaCreated made{.schema_id = "ls-1",
                                .name = "Is it right?",
                                .kind = "feedback",
                                .input = create.input,
                                .instruction = "look",
                                .enable_comment = true,
                                .time_ms = 4};
  given<LabelSchemasState>().when(create).then({made});
  const auto there = given<LabelSchemasState>({made});
  there.when(create).refused(ErrorCode::already_exists, "name", "already exists");
  const auto update = [](auto set) {
    UpdateLabelSchema u;
    u.label_experiment = "1";
    u.schema_id = "ls-1";
    u.time = 9000;
    set(u);
    return u;
  };
  there.when(update([](auto& u) { u.title = "Right?"; }))
      .then({LabelSchemaUpdated{.schema_id = "ls-1",
                                .name = "Right?",
                                .input = made.input,
                                .instruction = "look",
                                .enable_comment = true,
                                .time_ms = 9}});
  there.when(update([](auto& u) { u.title = "Is it right?"; })).nothing();
  there.when(update([](auto& u) { u.input = R"({"text": {}})"; }))
      .refused(ErrorCode::invalid_argument, "input", "type cannot be changed");
  there
      .when(update([](auto& u) {
        u.input = R"({"categorical": {"options": ["a"], "multi_select": true}})";
      }))
      .refused(ErrorCode::invalid_argument, "input", "multi_select");
  there.when(update([](auto& u) { u.title = " feedback "; }))
      .refused(ErrorCode::invalid_argument, "name", "reserved");
  there.when(update([](auto& u) { u.instruction = std::string(1001, 'x'); }))
      .refused(ErrorCode::invalid_argument, "instruction");
  there.when(update([](auto& u) { u.schema_id = "ls-2"; }))
      .refused(ErrorCode::not_found, "schema_id");
  there.when(DeleteLabelSchema{"1", "ls-1"})
      .then({LabelSchemaDeleted{.schema_id = "ls-1"}})
      .when(DeleteLabelSchema{"1", "ls-1"})
      .nothing();
  auto wrong = create;
  wrong.kind = "other";
  given<LabelSchemasState>().when(wrong).refused(ErrorCode::invalid_argument, "type");
  wrong = create;
  wrong.title = std::string(251, 'x');
  given<LabelSchemasState>().when(wrong).refused(ErrorCode::invalid_argument, "name");
}

TEST_CASE("evaluation: states are what their shortest histories lead to") {
  const auto same = []<class State>(const Events& history, std::type_identity<State>) {
    State state;
    for (const auto& event : history) fold(state, event);
    const auto once = compact(state);
    const auto back = compact(restore<State>(once));
    CHECK_FALSE(once.events.empty());
    CHECK(shown(once.events) == shown(back.events));
    return restore<State>(once);
  };
  const auto set = same(
      {kCreated, EvaluationRecordsMerged{.records = {record("dr-1", "h1"), record("dr-2", "h2")}}},
      std::type_identity<EvaluationDatasetState>{});
  CHECK(set.records ==
        std::unordered_map<std::string, std::string>{{"h1", "dr-1"}, {"h2", "dr-2"}});
  const auto scorers =
      same({ScorerRegistered{{}, "tone", "id-1", 1, "{}", 4},
            ScorerRegistered{{}, "tone", "id-1", 2, "{}", 4},
            ScorerOnlineConfigured{{}, "tone", "id-1", "c1", 0.0, ""},
            ScorerRegistered{{}, "gone", "id-2", 1, "{}", 4}, ScorerDeleted{{}, "gone", 1}},
           std::type_identity<ScorersState>{});
  CHECK(scorers.by_name.at("tone").versions == std::set<std::uint64_t>{1, 2});
  CHECK(scorers.by_name.at("tone").online);
  CHECK(scorers.by_name.at("gone").versions.empty());
  const auto issue = same({IssueCreated{.issue_id = "iss-1", .name = "slow", .status = "pending"},
                           IssueUpdated{.status = "resolved"}},
                          std::type_identity<IssueState>{});
  CHECK(issue.info.status == "resolved");
}

}  // namespace mlforge::test::evaluation
