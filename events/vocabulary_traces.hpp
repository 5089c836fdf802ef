// The part of the vocabulary that is about traces as MLflow 3 has them; vocabulary.hpp lists it.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "events/fields.hpp"
#include "events/json_event.hpp"

namespace mlforge {

// ---------------------------------------------------------------- traces, stream trace/<id>

// What somebody, or a program, thinks of a trace or of a span of it.
struct TraceAssessment {
  std::string assessment_id;
  std::string name;
  std::string kind;     // feedback, expectation, issue
  std::string content;  // JSON, as the client has it: {"value": 5}, {"issue_name": ".."}
  std::string source_type, source_id;
  std::string span_id, rationale;
  std::map<std::string, std::string> metadata;
  std::string overrides;  // the id of one that this one stands for now
  bool valid = true;      // false: another one overrides it
  std::int64_t create_time_ms = 0, update_time_ms = 0;
  bool operator==(const TraceAssessment&) const = default;
  static constexpr auto fields() {
    using A = TraceAssessment;
    return FieldList{field("assessment_id", &A::assessment_id),
                     field("name", &A::name),
                     field("kind", &A::kind),
                     field("content", &A::content),
                     field("source_type", &A::source_type),
                     field("source_id", &A::source_id),
                     field("span_id", &A::span_id),
                     field("rationale", &A::rationale),
                     field("metadata", &A::metadata),
                     field("overrides", &A::overrides),
                     field("valid", &A::valid),
                     field("create_time_ms", &A::create_time_ms),
                     field("update_time_ms", &A::update_time_ms)};
  }
};

// A trace as its client reports it, at its end, with all that was known of it before.
struct TraceRecorded : JsonEvent<1> {
  static constexpr std::string_view type = "trace.recorded";
  std::string trace_id;
  std::string experiment_id;
  std::string state;  // OK, ERROR, IN_PROGRESS, STATE_UNSPECIFIED
  std::int64_t request_time_ms = 0;
  std::int64_t execution_time_ms = -1;                               // -1: unknown
  std::string client_request_id, request_preview, response_preview;  // empty: absent
  std::map<std::string, std::string> metadata;                       // such as mlflow.sourceRun
  std::map<std::string, std::string> tags;                           // with mlflow.artifactLocation
  std::vector<TraceAssessment> assessments;
  static constexpr auto fields() {
    using T = TraceRecorded;
    return FieldList{field("trace_id", &T::trace_id),
                     field("experiment_id", &T::experiment_id),
                     field("state", &T::state),
                     field("request_time_ms", &T::request_time_ms),
                     field("execution_time_ms", &T::execution_time_ms),
                     field("client_request_id", &T::client_request_id),
                     personal("request_preview", &T::request_preview),
                     personal("response_preview", &T::response_preview),
                     personal("metadata", &T::metadata),
                     personal("tags", &T::tags),
                     field("assessments", &T::assessments)};
  }
};
struct TraceTagsSet : JsonEvent<1> {
  static constexpr std::string_view type = "trace.tags_set";
  std::map<std::string, std::string> tags;
  static constexpr auto fields() { return FieldList{personal("tags", &TraceTagsSet::tags)}; }
};
struct TraceTagRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "trace.tag_removed";
  std::string key;
  static constexpr auto fields() { return FieldList{field("key", &TraceTagRemoved::key)}; }
};
// Besides the run that made it.
struct TraceRunLinked : JsonEvent<1> {
  static constexpr std::string_view type = "trace.run_linked";
  std::string run_id;
  static constexpr auto fields() { return FieldList{field("run_id", &TraceRunLinked::run_id)}; }
};
// An assessment is there, or is now this.
struct TraceAssessed : JsonEvent<1> {
  static constexpr std::string_view type = "trace.assessed";
  TraceAssessment assessment;
  static constexpr auto fields() {
    return FieldList{field("assessment", &TraceAssessed::assessment)};
  }
};
struct TraceAssessmentRemoved : JsonEvent<1> {
  static constexpr std::string_view type = "trace.assessment_removed";
  std::string assessment_id;
  static constexpr auto fields() {
    return FieldList{field("assessment_id", &TraceAssessmentRemoved::assessment_id)};
  }
};
// What a span took, as it says; texts are JSON objects.
struct SpanUsage {
  std::string span_id, parent_id;  // no parent: a root
  std::string usage, cost;         // empty: it says nothing
  bool operator==(const SpanUsage&) const = default;
  static constexpr auto fields() {
    return FieldList{field("span_id", &SpanUsage::span_id),
                     field("parent_id", &SpanUsage::parent_id), field("usage", &SpanUsage::usage),
                     field("cost", &SpanUsage::cost)};
  }
};
// Spans of a trace of which some say what they took: what the sums in its metadata are of.
struct TraceUsageCounted : JsonEvent<1> {
  static constexpr std::string_view type = "trace.usage_counted";
  std::vector<SpanUsage> spans;
  static constexpr auto fields() { return FieldList{field("spans", &TraceUsageCounted::spans)}; }
};
// Its id is free again.
struct TraceDeleted : JsonEvent<1> {
  static constexpr std::string_view type = "trace.deleted";
  std::string experiment_id;
  static constexpr auto fields() {
    return FieldList{field("experiment_id", &TraceDeleted::experiment_id)};
  }
};

}  // namespace mlforge
