#include "gateway/mlflow/trace_subject.hpp"

#include <simdjson.h>
#include <algorithm>

namespace mlforge::gateway::mlflow {
namespace trace_subject {
namespace {

// What an assessment says, within the JSON that the client sent: a text without its quotes,
// anything else as it is written. `is_number`: of JSON, not of a text.
std::string assessed_text(const std::string& content, bool& is_number) {
  const auto parsed = codec::parse(content);
  simdjson::dom::element value;
  std::string_view text;
  if (parsed && parsed->at_key("serialized_value").at_key("value").get(text) == simdjson::SUCCESS)
    return std::string(text);
  if (!parsed || parsed->at_key("value").get(value) != simdjson::SUCCESS) return {};
  if (value.get(text) == simdjson::SUCCESS) return std::string(text);
  is_number = value.is_number();
  return std::string(simdjson::minify(value));
}

// Of the tag that lists prompts: "name/version" each.
std::vector<std::string> linked_prompts(const TraceRow& row) {
  std::vector<std::string> out;
  const auto at = row.info.tags.find(kTracePrompts);
  if (at == row.info.tags.end()) return out;
  const auto parsed = codec::parse(at->second);
  simdjson::dom::array list;
  if (!parsed || parsed->get(list) != simdjson::SUCCESS) return out;
  for (const simdjson::dom::element each : list) {
    std::string_view name, version;
    if (each.at_key("name").get(name) == simdjson::SUCCESS &&
        each.at_key("version").get(version) == simdjson::SUCCESS)
      out.push_back(std::string(name) + "/" + std::string(version));
  }
  return out;
}

Value found(const Texts& texts, const std::string& name) {
  const auto at = texts.find(name);
  return at == texts.end() ? Value() : Value(at->second);
}

Value some(std::vector<std::string> texts) {
  return texts.empty() ? Value() : Value(std::move(texts));
}

Value some_text(const std::string& text) { return text.empty() ? Value() : Value(text); }

// Attributes of a span are JSON inside of texts.
std::string decoded(const simdjson::dom::element& value) {
  std::string_view text, inner;
  if (value.get(text) != simdjson::SUCCESS) return simdjson::minify(value);
  simdjson::dom::parser parser;
  const simdjson::padded_string padded(text);
  return std::string(parser.parse(padded).get(inner) == simdjson::SUCCESS ? inner : text);
}

std::string status_of(const simdjson::dom::element& span) {
  constexpr std::string_view kPrefix = "STATUS_CODE_";
  std::string_view code;
  if (span.at_key("status").at_key("code").get(code) != simdjson::SUCCESS) return "UNSET";
  return std::string(code.starts_with(kPrefix) ? code.substr(kPrefix.size()) : code);
}

}  // namespace
}  // namespace trace_subject

std::vector<SpanFacts> read_span_facts(std::string_view spans_json) {
  std::vector<SpanFacts> out;
  simdjson::dom::parser parser;
  simdjson::dom::array spans;
  const simdjson::padded_string text(spans_json);
  if (parser.parse(text)["spans"].get(spans) != simdjson::SUCCESS) return out;
  for (const simdjson::dom::element span : spans) {
    auto& facts = out.emplace_back();
    std::string_view name;
    if (span.at_key("name").get(name) == simdjson::SUCCESS) facts.name = name;
    facts.status = trace_subject::status_of(span);
    facts.content = simdjson::minify(span);
    if (span.at_key("start_time_unix_nano").get(facts.start_ns) != simdjson::SUCCESS)
      facts.start_ns = 0;
    if (span.at_key("end_time_unix_nano").get(facts.end_ns) != simdjson::SUCCESS) facts.end_ns = 0;
    simdjson::dom::object attributes;
    if (span.at_key("attributes").get(attributes) == simdjson::SUCCESS)
      for (const auto& [key, value] : attributes)
        facts.attributes[std::string(key)] = trace_subject::decoded(value);
    const auto type = facts.attributes.find("mlflow.spanType");
    facts.type = type == facts.attributes.end() ? "UNKNOWN" : type->second;
  }
  return out;
}

Value TraceSubject::value(const Key& key) const {
  switch (key.entity) {
    case Entity::tag:
      return trace_subject::found(row_.info.tags, key.name);
    case Entity::metadata:
      return trace_subject::found(row_.info.metadata, key.name);
    case Entity::feedback:
      return assessed("feedback", key);
    case Entity::expectation:
      return assessed("expectation", key);
    case Entity::span:
      return of_span(key.name);
    default:
      return attribute(key.name);
  }
}

Value TraceSubject::of_span(const std::string& name) const {
  if (!span_) return {};
  if (name == "name") return span_->name;
  if (name == "type") return span_->type;
  if (name == "status") return span_->status;
  if (name == "content") return span_->content;
  const auto at = span_->attributes.find(std::string_view(name).substr(name.find('.') + 1));
  return at == span_->attributes.end() ? Value() : Value(at->second);
}

Value TraceSubject::assessed(const char* kind, const Key& key) const {
  using namespace trace_subject;
  std::vector<std::string> texts;
  for (const auto& each : row_.info.assessments) {
    if (each.kind != kind || each.name != key.name || !each.valid) continue;
    bool is_number = false;
    auto text = assessed_text(each.content, is_number);
    if (is_number || !key.numeric) texts.push_back(std::move(text));
  }
  return some(std::move(texts));
}

Value TraceSubject::attribute(const std::string& name) const {
  using namespace trace_subject;
  const auto& info = row_.info;
  const bool timed = info.execution_time_ms >= 0;
  if (name == "timestamp_ms") return static_cast<double>(info.request_time_ms);
  if (name == "execution_time_ms")
    return timed ? Value(static_cast<double>(info.execution_time_ms)) : Value();
  if (name == "end_time_ms")
    return timed ? Value(static_cast<double>(info.request_time_ms + info.execution_time_ms))
                 : Value();
  if (name == "request_id") return info.trace_id;
  if (name == "status") return info.state;
  if (name == "client_request_id") return some_text(info.client_request_id);
  if (name == "experiment_id") return info.experiment_id;
  if (name == "text") return of_span("content");
  if (name == "name") return found(info.tags, kTraceName);
  if (name == "prompt") return some(linked_prompts(row_));
  // Of the run that made it and those that it was linked with.
  auto runs = row_.runs;
  if (const auto at = info.metadata.find(kTraceRun); at != info.metadata.end())
    runs.insert(runs.begin(), at->second);
  return some(std::move(runs));
}

const Dialect& trace_dialect() {
  static const Dialect kDialect{
      .attributes = {{.name = "request_id", .lists = true},
                     {.name = "trace_id", .lists = true, .stands_for = "request_id"},
                     {.name = "timestamp_ms", .numeric = true},
                     {.name = "timestamp", .numeric = true, .stands_for = "timestamp_ms"},
                     {.name = "execution_time_ms", .numeric = true},
                     {.name = "execution_time", .numeric = true, .stands_for = "execution_time_ms"},
                     {.name = "end_time_ms", .numeric = true},
                     {.name = "end_time", .numeric = true, .stands_for = "end_time_ms"},
                     {.name = "status", .lists = true},
                     {.name = "state", .lists = true, .stands_for = "status"},
                     {.name = "client_request_id", .lists = true},
                     {.name = "name", .lists = true},
                     {.name = "run_id", .lists = true},
                     {.name = "prompt"},
                     {.name = "text"},
                     {.name = "experiment_id", .order_only = true}},
      .entities = {Entity::tag, Entity::metadata, Entity::feedback, Entity::expectation,
                   Entity::span},
      .patterns = true};
  return kDialect;
}

bool asks_of_spans(const Filter::Node* node) {
  if (!node) return false;
  if (node->kind == Filter::Node::clause)
    return node->key.entity == Entity::span ||
           (node->key.entity == Entity::attribute && node->key.name == "text");
  return std::any_of(node->children.begin(), node->children.end(),
                     [](const auto& each) { return asks_of_spans(&each); });
}

bool fits_without_spans(const Filter::Node* node, const TraceRow& row) {
  if (!node) return true;
  if (node->kind == Filter::Node::clause)
    return asks_of_spans(node) || fits(*node, TraceSubject(row));
  const auto each = [&](const Filter::Node& child) { return fits_without_spans(&child, row); };
  return node->kind == Filter::Node::all
             ? std::all_of(node->children.begin(), node->children.end(), each)
             : std::any_of(node->children.begin(), node->children.end(), each);
}

}  // namespace mlforge::gateway::mlflow
