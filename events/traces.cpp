#include "events/traces.hpp"

#include <algorithm>

#include "events/mlflow_checks.hpp"
#include "events/sealed_text.hpp"

namespace mlforge {
namespace {

using mlflow::changes, mlflow::refuse, mlflow::kMaxTagValue;

Status check_there(const TraceState& state, const std::string& id) {
  if (state.exists) return {};
  return no_trace(id);
}

Status check_trace_state(const std::string& text) {
  for (const char* known : {"OK", "ERROR", "IN_PROGRESS", "STATE_UNSPECIFIED"})
    if (text == known) return {};
  return refuse("Invalid value \"" + text +
                    "\" for parameter 'trace.trace_info.state' supplied: it must be one of OK, "
                    "ERROR, IN_PROGRESS, STATE_UNSPECIFIED",
                "trace.trace_info.state");
}

// Tags that say where the server keeps a trace are the server's.
Status check_mutable(const std::string& key, const char* operation) {
  for (const char* own : {"mlflow.trace.spansLocation", "mlflow.trace.archiveLocation"})
    if (key == own)
      return refuse("Tag '" + key + "' is immutable and cannot be " + operation + " on a trace.",
                    "key");
  return {};
}

const TraceAssessment* find(const TraceState& state, const std::string& id) {
  for (const auto& each : state.info.assessments)
    if (each.assessment_id == id) return &each;
  return nullptr;
}

Error no_assessment(const std::string& trace_id, const std::string& id) {
  return {ErrorCode::not_found,
          "Assessment with ID '" + id + "' not found for trace '" + trace_id + "'",
          "assessment_id"};
}

void keep(std::string& now, const std::string& given) {
  if (!given.empty()) now = given;
}

TraceRecorded merged(const TraceState& state, const RecordTrace& c) {
  TraceRecorded e = state.info;
  e.trace_id = c.trace_id;
  e.experiment_id = c.experiment_id;
  e.state = c.trace_state;
  e.request_time_ms = c.request_time_ms;
  if (c.execution_time_ms >= 0) e.execution_time_ms = c.execution_time_ms;
  keep(e.client_request_id, c.client_request_id);
  keep(e.request_preview, c.request_preview);
  keep(e.response_preview, c.response_preview);
  for (const auto& [key, value] : c.metadata) e.metadata[key] = value;
  for (const auto& [key, value] : c.tags) e.tags[key] = value;
  e.tags[kTraceArtifacts] = c.artifact_uri;
  for (const auto& each : c.assessments) put_assessment(e.assessments, each);
  return e;
}

// Where the sum is the one of `before`, or there is none: of `now`. What a client has reported
// counts.
void update_sum(Texts& metadata, const char* key, const std::string& before,
                const std::string& now) {
  const auto at = metadata.find(key);
  if (at != metadata.end() && at->second != before) return;
  if (!now.empty()) metadata[key] = now;
}

// The spans that are to be remembered: those that say something new, or may stand between such.
TraceUsageCounted counted(const TraceState& state, const std::vector<SpanUsage>& spans) {
  TraceUsageCounted out;
  bool says = !state.usages.empty();
  for (const auto& each : spans) says = says || !each.usage.empty() || !each.cost.empty();
  if (!says) return out;
  for (const auto& each : spans)
    if (const auto at = state.usages.find(each.span_id);
        at == state.usages.end() || at->second != each)
      out.spans.push_back(each);
  return out;
}

}  // namespace

Error no_trace(std::string_view trace_id) {
  return {ErrorCode::not_found, "Trace with ID '" + std::string(trace_id) + "' not found.",
          "trace_id"};
}

void put_assessment(std::vector<TraceAssessment>& all, const TraceAssessment& assessment) {
  for (auto& each : all)
    if (each.assessment_id == assessment.assessment_id) {
      each = assessment;
      return;
    }
  all.push_back(assessment);
}

Expected<Events> decide(const TraceState& state, const RecordTrace& c) {
  if (auto bad = check_trace_state(c.trace_state)) return *bad;
  auto e = merged(state, c);
  if (state.exists && to_json(e) == to_json(state.info)) return Events{};
  return Events{std::move(e)};
}

Expected<Events> decide(const TraceState& state, const LogSpans& c) {
  TraceRecorded e = state.info;
  if (!state.exists) {
    e = {};
    e.trace_id = c.trace_id;
    e.experiment_id = c.experiment_id;
    e.state = "IN_PROGRESS";
    e.request_time_ms = c.start_ms;
    e.tags[kTraceArtifacts] = c.artifact_uri;
  }
  if (e.state != "OK" && e.state != "ERROR") {
    const auto known_end = e.execution_time_ms < 0 ? -1 : e.request_time_ms + e.execution_time_ms;
    const auto end = std::max(known_end, c.end_ms);
    e.request_time_ms = std::min(e.request_time_ms, c.start_ms);
    if (end >= e.request_time_ms) e.execution_time_ms = end - e.request_time_ms;
    keep(e.state, c.root_state);
  }
  if (e.request_preview.empty()) e.request_preview = c.request_preview;
  if (e.response_preview.empty()) e.response_preview = c.response_preview;
  for (const auto& [key, value] : c.metadata) e.metadata.emplace(key, value);
  for (const auto& [key, value] : c.tags) e.tags[key] = value;
  e.tags[kTraceSpans] = "TRACKING_STORE";
  Events events;
  if (auto more = counted(state, c.spans); !more.spans.empty()) {
    auto now = state.usages;
    for (const auto& each : more.spans) now[each.span_id] = each;
    update_sum(e.metadata, kTraceTokens, sum_of_tokens(state.usages), sum_of_tokens(now));
    update_sum(e.metadata, kTraceCost, sum_of_costs(state.usages), sum_of_costs(now));
    events.push_back(std::move(more));
  }
  if (!state.exists || to_json(e) != to_json(state.info))
    events.insert(events.begin(), std::move(e));
  return events;
}

Expected<Events> decide(const TraceState& state, const TagTrace& c) {
  if (auto bad = check_there(state, c.trace_id)) return *bad;
  Texts wanted;
  for (const auto& [key, value] : c.tags) {
    if (auto bad = mlflow::check_key("key", key)) return *bad;
    if (auto bad = check_mutable(key, "set")) return *bad;
    if (auto bad = mlflow::check_length("key", mlflow::kMaxKey, key)) return *bad;
    wanted[key] =
        find_sealed(value).empty() ? std::string(mlflow::first(value, kMaxTagValue)) : value;
  }
  auto changed = changes(state.info.tags, wanted);
  if (changed.empty()) return Events{};
  return Events{TraceTagsSet{.tags = std::move(changed)}};
}

Expected<Events> decide(const TraceState& state, const UntagTrace& c) {
  if (auto bad = check_there(state, c.trace_id)) return *bad;
  if (auto bad = check_mutable(c.key, "deleted")) return *bad;
  if (!state.info.tags.contains(c.key))
    return Error{ErrorCode::not_found,
                 "No trace tag with key '" + c.key + "' for trace with ID '" + c.trace_id + "'",
                 "key"};
  return Events{TraceTagRemoved{.key = c.key}};
}

// A trace may come later than its link: clients export traces in the background.
Expected<Events> decide(const TraceState& state, const LinkTraceToRun& c) {
  if (state.runs.contains(c.linked_run_id)) return Events{};
  return Events{TraceRunLinked{.run_id = c.linked_run_id}};
}

Expected<Events> decide(const TraceState& state, const LinkPrompts& c) {
  if (auto bad = check_there(state, c.trace_id)) return *bad;
  const auto old = state.info.tags.find(kTracePrompts);
  std::string list = "[";
  if (old != state.info.tags.end() && old->second.starts_with('[') && old->second.ends_with(']'))
    list = old->second.substr(0, old->second.size() - 1);
  for (const auto& each : c.prompts) {
    std::string entry = "{\"name\": ";
    append_json_string(entry, each.name);
    entry += ", \"version\": ";
    append_json_string(entry, each.version);
    entry += '}';
    if (list.find(entry) != std::string::npos) continue;
    list += (list.size() > 1 ? ", " : "") + entry;
  }
  Texts changed = changes(state.info.tags, {{kTracePrompts, list + "]"}});
  if (changed.empty()) return Events{};
  return Events{TraceTagsSet{.tags = std::move(changed)}};
}

Expected<Events> decide(const TraceState& state, const AssessTrace& c) {
  if (auto bad = check_there(state, c.trace_id)) return *bad;
  Events events;
  if (!c.assessment.overrides.empty()) {
    const auto* old = find(state, c.assessment.overrides);
    if (!old) return no_assessment(c.trace_id, c.assessment.overrides);
    auto overridden = *old;
    overridden.valid = false;
    if (old->valid) events.push_back(TraceAssessed{.assessment = std::move(overridden)});
  }
  events.push_back(TraceAssessed{.assessment = c.assessment});
  return events;
}

Expected<Events> decide(const TraceState& state, const ChangeAssessment& c) {
  if (auto bad = check_there(state, c.trace_id)) return *bad;
  const auto* old = find(state, c.assessment_id);
  if (!old) return no_assessment(c.trace_id, c.assessment_id);
  if (c.kind && *c.kind != old->kind)
    return refuse(
        "Cannot update the " + *c.kind + " value of an assessment that is a " + old->kind + ".",
        "assessment");
  auto changed = *old;
  if (c.title) changed.name = *c.title;
  if (c.content) changed.content = *c.content;
  if (c.rationale) changed.rationale = *c.rationale;
  if (c.valid) changed.valid = *c.valid;
  for (const auto& [key, value] : c.metadata) changed.metadata[key] = value;
  if (changed == *old) return Events{};
  changed.update_time_ms = c.time_ms;
  return Events{TraceAssessed{.assessment = std::move(changed)}};
}

Expected<Events> decide(const TraceState& state, const RemoveAssessment& c) {
  if (auto bad = check_there(state, c.trace_id)) return *bad;
  const auto* old = find(state, c.assessment_id);
  if (!old) return Events{};
  Events events{TraceAssessmentRemoved{.assessment_id = c.assessment_id}};
  if (const auto* overridden = find(state, old->overrides)) {
    auto again = *overridden;
    again.valid = true;
    events.push_back(TraceAssessed{.assessment = std::move(again)});
  }
  return events;
}

Expected<Events> decide(const TraceState& state, const DeleteTrace& c) {
  if (auto bad = check_there(state, c.trace_id)) return *bad;
  return Events{TraceDeleted{.experiment_id = state.info.experiment_id}};
}

void evolve(TraceState& state, const TraceRecorded& e) {
  state.exists = true;
  state.info = e;
}
void evolve(TraceState& state, const TraceTagsSet& e) {
  for (const auto& [key, value] : e.tags) state.info.tags[key] = value;
}
void evolve(TraceState& state, const TraceTagRemoved& e) { state.info.tags.erase(e.key); }
void evolve(TraceState& state, const TraceRunLinked& e) { state.runs.insert(e.run_id); }
void evolve(TraceState& state, const TraceAssessed& e) {
  put_assessment(state.info.assessments, e.assessment);
}
void evolve(TraceState& state, const TraceAssessmentRemoved& e) {
  std::erase_if(state.info.assessments,
                [&](const auto& each) { return each.assessment_id == e.assessment_id; });
}
void evolve(TraceState& state, const TraceDeleted&) { state = {}; }
void evolve(TraceState& state, const TraceUsageCounted& e) {
  for (const auto& each : e.spans) state.usages[each.span_id] = each;
}

}  // namespace mlforge
