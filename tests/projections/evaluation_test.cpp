// Evaluation datasets with their records, scorers, issues: as they are, and as they were.
#include "fixture.hpp"
#include "projections/evaluation_datasets.hpp"
#include "projections/issues.hpp"
#include "projections/scorers.hpp"

namespace mlforge::projections::test {
namespace {

EvaluationRecord question(const std::string& id, const std::string& expectations = "",
                          const std::string& tags = "") {
  return {.record_id = id,
          .input_hash = "h" + id,
          .inputs = R"({"q": "why", "n": 1})",
          .outputs = {},
          .expectations = expectations,
          .tags = tags,
          .source = {}};
}

EvaluationRecord addition(const std::string& id, const std::string& outputs,
                          const std::string& expectations, const std::string& tags) {
  return {.record_id = id,
          .input_hash = {},
          .inputs = {},
          .outputs = outputs,
          .expectations = expectations,
          .tags = tags,
          .source = {}};
}

}  // namespace

TEST_CASE("evaluation datasets: records are merged member by member, and stand as they stood") {
  World w;
  const std::string stream = "evaluation_dataset/d-1";
  const auto happen = [&](Event event) { return w.append(stream, std::move(event)); };
  happen(EvaluationDatasetCreated{.dataset_id = "d-1",
                                  .name = "questions",
                                  .tags = {{"mlflow.user", "ann"}},
                                  .experiment_ids = {"1"},
                                  .time_ms = 1});
  const auto first = happen(EvaluationRecordsMerged{
      .records = {question("dr-1", R"({"a": 1, "b": "x"})", R"({"mlflow.user": "bob"})"),
                  question("dr-2")},
      .updated_by = "bob",
      .time_ms = 2});
  const auto second = happen(EvaluationRecordsMerged{
      .records = {addition("dr-1", "null", R"({"b": 2.5, "c": null})", R"({"t": "1"})")},
      .updated_by = "",
      .time_ms = 3});
  happen(EvaluationRecordsRemoved{.record_ids = {"dr-2"}});
  auto view = w.reader();
  const auto row = find_evaluation_dataset(view, kTenant, "d-1");
  REQUIRE(row);
  CHECK(row->created_by == "ann");
  CHECK(row->updated_by.empty());
  CHECK(row->records == 1);
  CHECK(row->profile == "{\"num_records\": 1}");
  CHECK(row->updated_ms == 3);
  CHECK(row->schema.inputs == Texts{{"n", "integer"}, {"q", "string"}});
  CHECK(row->schema.expectations == Texts{{"a", "integer"}, {"b", "string"}, {"c", "null"}});
  const auto now = evaluation_records(view, kTenant, "d-1", "", 10);
  REQUIRE(now.size() == 1);
  CHECK(now[0].expectations == R"({"a": 1, "b": 2.5, "c": null})");
  CHECK(now[0].tags == R"({"mlflow.user": "bob", "t": "1"})");
  CHECK(now[0].outputs.empty());
  CHECK(now[0].created_by == "bob");
  CHECK(now[0].updated_by == "bob");
  CHECK(now[0].created_ms == 2);
  CHECK(now[0].updated_ms == 3);
  const auto then = evaluation_records(view, kTenant, "d-1", "", 10, first);
  REQUIRE(then.size() == 2);
  CHECK(then[0].expectations == R"({"a": 1, "b": "x"})");
  CHECK(then[0].outputs == "{}");
  CHECK(evaluation_records(view, kTenant, "d-1", "dr-1", 10, second).size() == 1);
  CHECK(evaluation_records(view, kTenant, "d-1", "", 1, second).size() == 1);
  happen(EvaluationRecordsRemoved{.record_ids = {"dr-1"}});
  const auto last = happen(EvaluationDatasetLinked{.experiment_ids = {"2"}, .time_ms = 7});
  happen(EvaluationDatasetDeleted{.name = "questions"});
  auto later = w.reader();
  CHECK_FALSE(find_evaluation_dataset(later, kTenant, "d-1"));
  const auto before = find_evaluation_dataset(later, kTenant, "d-1", last);
  REQUIRE(before);
  CHECK(before->profile == "null");
  CHECK(before->experiment_ids == std::vector<std::string>{"1", "2"});
  CHECK(before->updated_ms == 7);
}

TEST_CASE("scorers: the highest version of each name, and all of one") {
  World w;
  const auto happen = [&](Event event) { return w.append("scorers/7", std::move(event)); };
  happen(ScorerRegistered{{}, "tone", "id-1", 1, "{}", 4});
  happen(ScorerRegistered{{}, "tone", "id-1", 2, "{\"v\": 2}", 5});
  happen(ScorerRegistered{{}, "tone 2", "id-2", 1, "{}", 5});
  const auto configured = happen(ScorerOnlineConfigured{{}, "tone", "id-1", "c", 0.0, "f"});
  happen(ScorerDeleted{{}, "tone", 2});
  auto view = w.reader();
  const auto latest = latest_scorers(view, kTenant, "7");
  REQUIRE(latest.size() == 2);
  CHECK(latest[0].version == 1);
  CHECK(latest[1].name == "tone 2");
  CHECK(latest_scorers(view, kTenant, "7", configured)[0].serialized == "{\"v\": 2}");
  CHECK(scorer_versions(view, kTenant, "7", "tone", configured).size() == 2);
  CHECK(scorer_versions(view, kTenant, "7", "tone").size() == 1);
  CHECK(find_online_scoring(view, kTenant, "id-1")->filter == "f");
  happen(ScorerDeleted{{}, "tone", 0});
  auto later = w.reader();
  CHECK(scorer_versions(later, kTenant, "7", "tone").empty());
  CHECK_FALSE(find_online_scoring(later, kTenant, "id-1"));
}

TEST_CASE("issues: as they are and were") {
  World w;
  const auto made = w.append("issue/iss-1", IssueCreated{.issue_id = "iss-1",
                                                         .experiment_id = "1",
                                                         .name = "slow",
                                                         .status = "pending",
                                                         .time_ms = 4});
  w.append("issue/iss-1", IssueUpdated{.status = "resolved", .time_ms = 9});
  auto view = w.reader();
  CHECK(find_issue(view, kTenant, "iss-1")->info.status == "resolved");
  CHECK(find_issue(view, kTenant, "iss-1")->updated_ms == 9);
  CHECK(find_issue(view, kTenant, "iss-1", made)->info.status == "pending");
  CHECK_FALSE(find_issue(view, kTenant, "iss-2"));
  std::size_t count = 0;
  each_issue(view, kTenant, kLatest, [&](const IssueRow& row) {
    count += row.info.time_ms == 4;
    return true;
  });
  CHECK(count == 1);
}

}  // namespace mlforge::projections::test
