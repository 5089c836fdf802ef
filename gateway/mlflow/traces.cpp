#include "gateway/mlflow/traces.hpp"

#include <fmt/format.h>

#include <charconv>

namespace mlforge::gateway::mlflow {
namespace {

constexpr const char* kAssessmentKinds[] = {"feedback", "expectation", "issue"};

// "2026-11-21T10:00:00.123Z"; digits behind the microseconds are dropped.
std::optional<std::int64_t> parse_ms(std::string text) {
  const auto dot = text.find('.');
  if (dot != text.npos) {
    auto end = text.find_first_not_of("0123456789", dot + 1);
    if (end == text.npos) end = text.size();
    if (end > dot + 7) text.erase(dot + 7, end - dot - 7);
  }
  const auto time = parse_time(text);
  if (!time) return std::nullopt;
  return (*time - (*time < 0 ? 999 : 0)) / 1000;
}

// "1.5s", of protobuf's Duration.
std::optional<std::int64_t> parse_duration_ms(std::string_view text) {
  if (!text.ends_with('s')) return std::nullopt;
  text.remove_suffix(1);
  double seconds = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (code != std::errc{} || end != text.data() + text.size() ||
      !(seconds > -1e12 && seconds < 1e12))
    return std::nullopt;
  return static_cast<std::int64_t>(seconds * 1000 + (seconds < 0 ? -0.5 : 0.5));
}

std::string timestamp_text(std::int64_t ms) {
  auto text = format_time(ms * 1000);  // with six digits
  const auto dot = text.find('.');
  if (dot == text.npos) return text;
  text.erase(ms % 1000 == 0 ? dot : dot + 4, ms % 1000 == 0 ? 7 : 3);
  return text;
}

std::string duration_text(std::int64_t ms) {
  if (ms % 1000 == 0) return fmt::format("{}s", ms / 1000);
  return fmt::format("{}.{:03}s", ms / 1000, ms % 1000);
}

void write_dictionary(Object& to, std::string_view name, const Texts& texts) {
  to.raw(name, [&](std::string& out) { codec::write(out, texts); });
}

void wrong_text(Fields& fields, const char* name, const std::string& text, const char* right) {
  fields.set_error(
      {ErrorCode::invalid_argument,
       "Invalid value \"" + text + "\" for parameter '" + name + "' supplied: it must be " + right,
       name});
}

std::int64_t read_timestamp(Fields& fields, const char* name, std::int64_t fallback) {
  const auto text = fields.text(name);
  if (text.empty()) return fallback;
  const auto ms = parse_ms(text);
  if (!ms) wrong_text(fields, name, text, "a time such as 2026-11-21T10:00:00.123Z");
  return ms.value_or(fallback);
}

std::string random_id(App& app, const char* prefix) {
  auto id = to_string(app.context.ids->next(app.context.clock->now()));
  std::erase(id, '-');
  return prefix + id;
}

std::string read_trace_state(Fields& info) {
  static constexpr const char* kStates[] = {"STATE_UNSPECIFIED", "OK", "ERROR", "IN_PROGRESS"};
  const auto text = info.text("state");
  if (text.size() == 1 && text[0] >= '0' && text[0] <= '3') return kStates[text[0] - '0'];
  return text.empty() ? kStates[0] : text;
}

}  // namespace

std::string assessment_content(std::string_view kind, simdjson::dom::object value) {
  simdjson::dom::element expected;
  const bool nested = kind == "expectation" &&
                      value.at_key("value").get(expected) == simdjson::SUCCESS &&
                      (expected.is_object() || expected.is_array());
  if (!nested) return simdjson::minify(value);
  std::string out;
  Object(out).raw("serialized_value", [&](std::string& to) {
    Object(to)
        .text("serialization_format", "JSON_FORMAT")
        .text("value", std::string(simdjson::minify(expected)));
  });
  return out;
}

std::int64_t now_ms(const App& app) { return app.context.clock->now() / 1000; }

RecordTrace read_trace(App& app, Fields info, std::int64_t now) {
  RecordTrace out;
  out.trace_id = info.text("trace_id", Need::required);
  out.experiment_id = info.nested("trace_location")
                          .nested("mlflow_experiment")
                          .text("experiment_id", Need::required);
  out.trace_state = read_trace_state(info);
  out.request_time_ms = read_timestamp(info, "request_time", now);
  if (const auto text = info.text("execution_duration"); !text.empty()) {
    const auto ms = parse_duration_ms(text);
    if (!ms) wrong_text(info, "execution_duration", text, "a duration such as 0.123s");
    out.execution_time_ms = std::max<std::int64_t>(ms.value_or(-1), -1);
  }
  out.client_request_id = info.text("client_request_id");
  out.request_preview = info.text("request_preview");
  out.response_preview = info.text("response_preview");
  out.metadata = info.dictionary("trace_metadata");
  out.tags = info.dictionary("tags");
  for (auto& each : info.list("assessments"))
    out.assessments.push_back(read_assessment(app, each, now));
  return out;
}

TraceAssessment read_assessment(App& app, Fields& fields, std::int64_t now) {
  TraceAssessment out;
  out.assessment_id = fields.text("assessment_id");
  if (out.assessment_id.empty()) out.assessment_id = random_id(app, "a-");
  out.name = fields.text("assessment_name", Need::required);
  for (const char* kind : kAssessmentKinds)
    if (const auto value = fields.object(kind)) {
      out.kind = kind;
      out.content = assessment_content(kind, *value);
    }
  if (out.kind.empty())
    fields.set_error({ErrorCode::invalid_argument,
                      "An assessment must hold one of 'feedback', 'expectation' and 'issue'",
                      "assessment"});
  auto source = fields.nested("source");
  out.source_type = source.text("source_type");
  out.source_id = source.text("source_id");
  out.span_id = fields.text("span_id");
  out.rationale = fields.text("rationale");
  out.metadata = fields.dictionary("metadata");
  out.overrides = fields.text("overrides");
  out.valid = !fields.has("valid") || fields.boolean("valid");
  out.create_time_ms = read_timestamp(fields, "create_time", now);
  out.update_time_ms = read_timestamp(fields, "last_update_time", now);
  return out;
}

void write_assessment(std::string& out, const TraceAssessment& a, std::string_view trace_id) {
  Object to(out);
  to.text("assessment_id", a.assessment_id)
      .text("assessment_name", a.name)
      .text("trace_id", trace_id)
      .some_text("span_id", a.span_id)
      .raw("source",
           [&](std::string& inner) {
             Object(inner)
                 .some_text("source_type", a.source_type)
                 .some_text("source_id", a.source_id);
           })
      .text("create_time", timestamp_text(a.create_time_ms))
      .text("last_update_time", timestamp_text(a.update_time_ms))
      .raw(a.kind, [&](std::string& inner) { inner += a.content; })
      .some_text("rationale", a.rationale);
  if (!a.metadata.empty()) write_dictionary(to, "metadata", a.metadata);
  to.some_text("overrides", a.overrides).boolean("valid", a.valid);
}

void write_trace_info(std::string& out, const TraceRow& row) {
  const auto& info = row.info;
  Object to(out);
  to.text("trace_id", info.trace_id)
      .some_text("client_request_id", info.client_request_id)
      .raw("trace_location",
           [&](std::string& place) {
             Object(place)
                 .text("type", "MLFLOW_EXPERIMENT")
                 .raw("mlflow_experiment", [&](std::string& inner) {
                   Object(inner).text("experiment_id", info.experiment_id);
                 });
           })
      .some_text("request_preview", info.request_preview)
      .some_text("response_preview", info.response_preview)
      .text("request_time", timestamp_text(info.request_time_ms));
  if (info.execution_time_ms >= 0)
    to.text("execution_duration", duration_text(info.execution_time_ms));
  to.text("state", info.state);
  write_dictionary(to, "trace_metadata", info.metadata);
  write_dictionary(to, "tags", info.tags);
  to.array("assessments", info.assessments, [&](std::string& each, const TraceAssessment& a) {
    write_assessment(each, a, info.trace_id);
  });
}

Expected<TraceRow> find_trace_row(const QueryContext& q, const std::string& trace_id) {
  auto row = projections::find_trace(q.reader, kTenant, trace_id, q.as_of);
  if (!row) return no_trace(trace_id);
  return *std::move(row);
}

}  // namespace mlforge::gateway::mlflow
