// What may happen to a trace.
#include "events/traces.hpp"

#include "events/compaction.hpp"
#include "tests/events/given.hpp"

namespace mlforge::test {
namespace {

const TraceRecorded kRecorded{
    .trace_id = "t",
    .experiment_id = "1",
    .state = "OK",
    .request_time_ms = 5,
    .execution_time_ms = 7,
    .request_preview = "q",
    .metadata = {{"m", "1"}},
    .tags = {{"a", "1"}, {kTraceArtifacts, "mlflow-artifacts:/1/traces/t/artifacts"}}};
const TraceAssessment kGood{.assessment_id = "a1",
                            .name = "quality",
                            .kind = "feedback",
                            .content = R"({"value":1})",
                            .create_time_ms = 3,
                            .update_time_ms = 3};

RecordTrace report() {
  return {.trace_id = "t",
          .experiment_id = "1",
          .trace_state = "OK",
          .request_time_ms = 5,
          .execution_time_ms = 7,
          .request_preview = "q",
          .metadata = {{"m", "1"}},
          .tags = {{"a", "1"}},
          .artifact_uri = "mlflow-artifacts:/1/traces/t/artifacts"};
}

TraceAssessment with(TraceAssessment a, bool valid) {
  a.valid = valid;
  return a;
}

}  // namespace

TEST_CASE("trace: reported once, and again with more") {
  given<TraceState>().when(report()).then({kRecorded}).when(report()).nothing();
  auto more = report();
  more.trace_state = "ERROR";
  more.execution_time_ms = -1;
  more.request_preview.clear();
  more.metadata = {{"n", "2"}};
  more.tags = {{"a", "2"}};
  auto merged = kRecorded;
  merged.state = "ERROR";
  merged.metadata["n"] = "2";
  merged.tags["a"] = "2";
  given<TraceState>({kRecorded}).when(more).then({merged});
  more.trace_state = "DONE";
  given<TraceState>().when(more).refused(ErrorCode::invalid_argument, "trace.trace_info.state");
}

TEST_CASE("trace: spans make it, and say more of it until it has ended") {
  LogSpans child{.trace_id = "t",
                 .experiment_id = "1",
                 .start_ms = 20,
                 .end_ms = 30,
                 .metadata = {{"mlflow.trace.user", "ann"}},
                 .tags = {{"service.name", "shop"}},
                 .artifact_uri = "mlflow-artifacts:/1/traces/t/artifacts"};
  TraceRecorded open{.trace_id = "t",
                     .experiment_id = "1",
                     .state = "IN_PROGRESS",
                     .request_time_ms = 20,
                     .execution_time_ms = 10,
                     .metadata = child.metadata,
                     .tags = {{"service.name", "shop"},
                              {kTraceSpans, "TRACKING_STORE"},
                              {kTraceArtifacts, child.artifact_uri}}};
  given<TraceState>().when(child).then({open}).when(child).nothing();
  auto root = child;
  root.root_state = "ERROR";
  root.start_ms = 10;
  root.end_ms = 25;
  root.request_preview = "q";
  root.metadata = {{"mlflow.trace.user", "bob"}};
  auto ended = open;
  ended.state = "ERROR";
  ended.request_time_ms = 10;
  ended.execution_time_ms = 20;
  ended.request_preview = "q";
  given<TraceState>({open}).when(root).then({ended});
  // What has been reported of a trace that has ended stays; that spans have come is added.
  auto reported = kRecorded;
  reported.tags[kTraceSpans] = "TRACKING_STORE";
  reported.tags["service.name"] = "shop";
  reported.metadata["mlflow.trace.user"] = "ann";
  given<TraceState>({kRecorded}).when(child).then({reported}).when(child).nothing();
}

TEST_CASE("trace: what its spans took is summed, of the outermost that say it") {
  const auto took = [](int in, int out) {
    return "{\"input_tokens\": " + std::to_string(in) +
           ", \"output_tokens\": " + std::to_string(out) +
           ", \"total_tokens\": " + std::to_string(in + out) + "}";
  };
  LogSpans spans{.trace_id = "t",
                 .experiment_id = "1",
                 .start_ms = 20,
                 .end_ms = 30,
                 .spans = {{"a", "r", took(1, 2), R"({"total_cost": 0.5})"}, {"b", "r", "", ""}},
                 .artifact_uri = "mlflow-artifacts:/1/traces/t/artifacts"};
  TraceRecorded info{
      .trace_id = "t",
      .experiment_id = "1",
      .state = "IN_PROGRESS",
      .request_time_ms = 20,
      .execution_time_ms = 10,
      .metadata = {{kTraceTokens, took(1, 2)},
                   {kTraceCost, R"({"input_cost": 0, "output_cost": 0, "total_cost": 0.5})"}},
      .tags = {{kTraceSpans, "TRACKING_STORE"}, {kTraceArtifacts, spans.artifact_uri}}};
  const auto one = given<TraceState>()
                       .when(spans)
                       .then({info, TraceUsageCounted{.spans = spans.spans}})
                       .when(spans)
                       .nothing();
  // A sibling, as text inside of text, is added; a parent that says what both took stands for them.
  auto more = spans;
  more.spans = {{"c", "r", R"("{\"input_tokens\": 3, \"cache_read_input_tokens\": 4}")", ""}};
  auto second = info;
  second.metadata[kTraceTokens] =
      R"({"input_tokens": 4, "output_tokens": 2, "total_tokens": 3, "cache_read_input_tokens": 4})";
  auto root = spans;
  root.spans = {{"r", "", took(10, 20), ""}};
  auto third = info;
  third.metadata[kTraceTokens] = took(10, 20);
  const auto two = one.when(more).then({second, TraceUsageCounted{.spans = more.spans}});
  const auto three = two.when(root).then({third, TraceUsageCounted{.spans = root.spans}});
  CHECK(to_json(restore<TraceState>(compact(three.state())).info) == to_json(third));
  CHECK(restore<TraceState>(compact(three.state())).usages == three.state().usages);
  // What the client reports counts, whatever comes after it.
  auto reported = third;
  reported.metadata[kTraceTokens] = took(7, 7);
  auto late = spans;
  late.spans = {{"d", "", took(1, 1), ""}};
  given<TraceState>({third, TraceUsageCounted{.spans = root.spans}, reported})
      .when(late)
      .then({TraceUsageCounted{.spans = late.spans}});
  // Spans that say nothing are not remembered, and one that is its own parent ends nowhere.
  late.spans = {{"e", "e", "", ""}};
  info.metadata.clear();
  given<TraceState>({info}).when(late).nothing();
  CHECK(sum_of_tokens({{"e", {"e", "e", took(1, 1), ""}}}) == took(1, 1));
  CHECK(sum_of_tokens({{"e", {"e", "", "[1]", ""}}}).empty());
}

TEST_CASE("trace: what is not there cannot be changed") {
  const auto none = given<TraceState>();
  none.when(TagTrace{"t", {{"a", "1"}}}).refused(ErrorCode::not_found, "trace_id", "'t' not found");
  none.when(UntagTrace{"t", "a"}).refused(ErrorCode::not_found, "trace_id");
  none.when(LinkTraceToRun{"t", "r"}).then({TraceRunLinked{.run_id = "r"}});
  none.when(AssessTrace{"t", kGood}).refused(ErrorCode::not_found, "trace_id");
  none.when(DeleteTrace{"t"}).refused(ErrorCode::not_found, "trace_id");
  given<TraceState>({kRecorded, TraceDeleted{.experiment_id = "1"}})
      .when(DeleteTrace{"t"})
      .refused(ErrorCode::not_found, "trace_id");
}

TEST_CASE("trace: tags") {
  given<TraceState>({kRecorded})
      .when(TagTrace{"t", {{"a", "1"}, {"b", "2"}}})
      .then({TraceTagsSet{.tags = {{"b", "2"}}}})
      .when(UntagTrace{"t", "b"})
      .then({TraceTagRemoved{.key = "b"}})
      .when(UntagTrace{"t", "b"})
      .refused(ErrorCode::not_found, "key");
  given<TraceState>({kRecorded})
      .when(TagTrace{"t", {{"mlflow.trace.spansLocation", "x"}}})
      .refused(ErrorCode::invalid_argument, "key", "immutable");
  given<TraceState>({kRecorded})
      .when(TagTrace{"t", {{std::string(251, 'k'), "x"}}})
      .refused(ErrorCode::invalid_argument, "key");
  const LinkPrompts link{"t", {{"p", "1"}, {"p", "1"}, {"q", "2"}}};
  given<TraceState>({kRecorded})
      .when(link)
      .then({TraceTagsSet{
          .tags = {{kTracePrompts,
                    R"([{"name": "p", "version": "1"}, {"name": "q", "version": "2"}])"}}}})
      .when(link)
      .nothing();
}

TEST_CASE("trace: an assessment that overrides another one") {
  auto second = kGood;
  second.assessment_id = "a2";
  second.overrides = "a1";
  given<TraceState>({kRecorded})
      .when(AssessTrace{"t", kGood})
      .then({TraceAssessed{.assessment = kGood}})
      .when(AssessTrace{"t", second})
      .then({TraceAssessed{.assessment = with(kGood, false)}, TraceAssessed{.assessment = second}})
      .when(RemoveAssessment{"t", "a2"})
      .then({TraceAssessmentRemoved{.assessment_id = "a2"},
             TraceAssessed{.assessment = with(kGood, true)}})
      .when(RemoveAssessment{"t", "a2"})
      .nothing();
  second.overrides = "nobody";
  given<TraceState>({kRecorded})
      .when(AssessTrace{"t", second})
      .refused(ErrorCode::not_found, "assessment_id");
}

TEST_CASE("trace: an assessment changes in what is given") {
  auto changed = kGood;
  changed.content = R"({"value":2})";
  changed.metadata = {{"k", "v"}};
  changed.update_time_ms = 9;
  const auto there = given<TraceState>({kRecorded, TraceAssessed{.assessment = kGood}});
  there
      .when(ChangeAssessment{.trace_id = "t",
                             .assessment_id = "a1",
                             .kind = "feedback",
                             .content = R"({"value":2})",
                             .metadata = {{"k", "v"}},
                             .time_ms = 9})
      .then({TraceAssessed{.assessment = changed}});
  there.when(ChangeAssessment{.trace_id = "t", .assessment_id = "a1", .time_ms = 9}).nothing();
  there.when(ChangeAssessment{.trace_id = "t", .assessment_id = "a1", .kind = "expectation"})
      .refused(ErrorCode::invalid_argument, "assessment");
  there.when(ChangeAssessment{.trace_id = "t", .assessment_id = "a9"})
      .refused(ErrorCode::not_found, "assessment_id");
}

TEST_CASE("trace: its shortest history leads to the same state") {
  const auto state =
      given<TraceState>({kRecorded, TraceTagRemoved{.key = "a"}, TraceAssessed{.assessment = kGood},
                         TraceRunLinked{.run_id = "r"}})
          .state();
  const auto again = restore<TraceState>(compact(state));
  CHECK(again.exists);
  CHECK(to_json(again.info) == to_json(state.info));
  CHECK(again.runs == state.runs);
}

}  // namespace mlforge::test
