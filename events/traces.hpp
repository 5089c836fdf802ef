// Traces (MLflow 3): what was asked of a program, what it answered, and what people think of it.
// The spans themselves are a file, traces.json, below the trace's artifact location.
#pragma once
#include <optional>
#include <set>

#include "events/trace_usage.hpp"
#include "events/vocabulary.hpp"

namespace mlforge {

inline constexpr const char* kTraceArtifacts = "mlflow.artifactLocation";  // a tag
inline constexpr const char* kTraceName = "mlflow.traceName";              // a tag
inline constexpr const char* kTracePrompts = "mlflow.linkedPrompts";       // a tag
inline constexpr const char* kTraceRun = "mlflow.sourceRun";               // metadata
// A tag: TRACKING_STORE where spans have come by themselves, not as the file traces.json.
inline constexpr const char* kTraceSpans = "mlflow.trace.spansLocation";

struct TraceState {
  bool exists = false;
  TraceRecorded info;          // all that is known, with tags and assessments as they are now
  std::set<std::string> runs;  // linked; besides the one in the metadata
  SpanUsages usages;           // of spans that came by themselves, since one has said what it took
};

// At its end, or again when more is known.
struct RecordTrace {
  std::string trace_id;
  std::string experiment_id, trace_state;
  std::int64_t request_time_ms = 0, execution_time_ms = -1;
  std::string client_request_id, request_preview, response_preview;
  Texts metadata, tags;
  std::vector<TraceAssessment> assessments;
  std::string artifact_uri;  // filled by the manager
  static constexpr auto fields() {
    return FieldList{personal("request_preview", &RecordTrace::request_preview),
                     personal("response_preview", &RecordTrace::response_preview),
                     personal("metadata", &RecordTrace::metadata),
                     personal("tags", &RecordTrace::tags)};
  }
};
// What spans say of their trace, which they make where nobody has reported it yet. What has been
// reported of a trace that has ended stays.
struct LogSpans {
  std::string trace_id, experiment_id;
  std::string root_state;  // OK, ERROR; empty: its first span is not among them
  std::int64_t start_ms = 0, end_ms = -1;
  std::string request_preview, response_preview;
  Texts metadata, tags;
  std::vector<SpanUsage> spans;
  std::string artifact_uri;  // filled by the manager
  static constexpr auto fields() {
    return FieldList{personal("request_preview", &LogSpans::request_preview),
                     personal("response_preview", &LogSpans::response_preview),
                     personal("metadata", &LogSpans::metadata), personal("tags", &LogSpans::tags)};
  }
};
struct TagTrace {
  std::string trace_id;
  Texts tags;
  static constexpr auto fields() { return FieldList{personal("tags", &TagTrace::tags)}; }
};
struct UntagTrace {
  std::string trace_id, key;
};
struct LinkTraceToRun {
  std::string trace_id, linked_run_id;
};
struct PromptLink {
  std::string name, version;
};
// More entries in the tag that lists the prompts that a trace has used.
struct LinkPrompts {
  std::string trace_id;
  std::vector<PromptLink> prompts;
};
struct AssessTrace {
  std::string trace_id;
  TraceAssessment assessment;
};
// What is absent stays; metadata is added.
struct ChangeAssessment {
  std::string trace_id, assessment_id;
  std::optional<std::string> title, kind, content, rationale;
  std::optional<bool> valid;
  Texts metadata;
  std::int64_t time_ms = 0;
};
struct RemoveAssessment {
  std::string trace_id, assessment_id;
};
struct DeleteTrace {
  std::string trace_id;
};

// not_found ("Trace with ID '..' not found.") where there is no such trace.
Expected<Events> decide(const TraceState& state, const RecordTrace& command);
Expected<Events> decide(const TraceState& state, const LogSpans& command);
Expected<Events> decide(const TraceState& state, const TagTrace& command);
Expected<Events> decide(const TraceState& state, const UntagTrace& command);
Expected<Events> decide(const TraceState& state, const LinkTraceToRun& command);
Expected<Events> decide(const TraceState& state, const LinkPrompts& command);
Expected<Events> decide(const TraceState& state, const AssessTrace& command);
Expected<Events> decide(const TraceState& state, const ChangeAssessment& command);
Expected<Events> decide(const TraceState& state, const RemoveAssessment& command);
Expected<Events> decide(const TraceState& state, const DeleteTrace& command);

void evolve(TraceState& state, const TraceRecorded& event);
void evolve(TraceState& state, const TraceTagsSet& event);
void evolve(TraceState& state, const TraceTagRemoved& event);
void evolve(TraceState& state, const TraceRunLinked& event);
void evolve(TraceState& state, const TraceAssessed& event);
void evolve(TraceState& state, const TraceAssessmentRemoved& event);
void evolve(TraceState& state, const TraceDeleted& event);
void evolve(TraceState& state, const TraceUsageCounted& event);

// Puts it in the place of the one of its id, or behind the others.
void put_assessment(std::vector<TraceAssessment>& all, const TraceAssessment& assessment);

// MLflow's sentence.
Error no_trace(std::string_view trace_id);

}  // namespace mlforge
