#include "gateway/mlflow/trace_spans.hpp"

#include <simdjson.h>

#include "gateway/mlflow/message.hpp"

namespace mlforge::gateway::mlflow {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

constexpr int kDeepest = 64;

void write_attributes(std::string& out, const simdjson::dom::object& attributes, int depth);

// An AnyValue.
void write_any(std::string& out, const element& value, int depth) {
  Object to(out);
  const auto as_it_is = [&](const char* name) {
    to.raw(name, [&](std::string& inner) { inner += simdjson::minify(value); });
  };
  if (depth > kDeepest) return;
  switch (value.type()) {
    case element_type::STRING:
      return as_it_is("string_value");
    case element_type::BOOL:
      return as_it_is("bool_value");
    case element_type::INT64:
      return as_it_is("int_value");
    case element_type::UINT64:
    case element_type::DOUBLE:
      return as_it_is("double_value");
    case element_type::ARRAY:
      to.raw("array_value", [&](std::string& list) {
        Object(list).array(
            "values", simdjson::dom::array(value.get_array()),
            [&](std::string& each, const element& item) { write_any(each, item, depth + 1); });
      });
      return;
    case element_type::OBJECT:
      to.raw("kvlist_value", [&](std::string& list) {
        Object(list).raw("values", [&](std::string& inner) {
          write_attributes(inner, simdjson::dom::object(value.get_object()), depth + 1);
        });
      });
      return;
    default:
      return;
  }
}

void write_attributes(std::string& out, const simdjson::dom::object& attributes, int depth) {
  out += '[';
  for (const auto& [key, value] : attributes) {
    if (out.back() != '[') out += ',';
    Object(out).text("key", key).raw("value", [&, &each = value](std::string& inner) {
      write_any(inner, each, depth);
    });
  }
  out += ']';
}

// Attributes of a span are JSON inside of texts.
void write_span_attributes(std::string& out, const simdjson::dom::object& attributes) {
  simdjson::dom::parser parser;
  out += '[';
  for (const auto& [key, value] : attributes) {
    if (out.back() != '[') out += ',';
    std::string_view text;
    element inner;
    const bool dumped = value.get(text) == simdjson::SUCCESS &&
                        parser.parse(simdjson::padded_string(text)).get(inner) == simdjson::SUCCESS;
    const element& decoded = dumped ? inner : value;
    Object(out).text("key", key).raw("value", [&](std::string& to) { write_any(to, decoded, 0); });
  }
  out += ']';
}

void copy_member(Object& to, const element& from, const char* name) {
  element value;
  if (from.at_key(name).get(value) != simdjson::SUCCESS || value.is_null()) return;
  to.raw(name, [&](std::string& out) { out += simdjson::minify(value); });
}

void write_event(std::string& out, const element& event) {
  Object to(out);
  copy_member(to, event, "name");
  copy_member(to, event, "time_unix_nano");
  simdjson::dom::object attributes;
  if (event.at_key("attributes").get(attributes) == simdjson::SUCCESS)
    to.raw("attributes", [&](std::string& list) { write_attributes(list, attributes, 0); });
}

void write_span(std::string& out, const element& span) {
  Object to(out);
  for (const char* name : {"trace_id", "span_id", "parent_span_id", "name", "start_time_unix_nano",
                           "end_time_unix_nano"})
    copy_member(to, span, name);
  simdjson::dom::array events;
  if (span.at_key("events").get(events) == simdjson::SUCCESS)
    to.array("events", events, write_event);
  element status;
  if (span.at_key("status").get(status) == simdjson::SUCCESS && status.is_object())
    to.raw("status", [&](std::string& inner) {
      Object code(inner);
      copy_member(code, status, "code");
      copy_member(code, status, "message");
    });
  simdjson::dom::object attributes;
  if (span.at_key("attributes").get(attributes) == simdjson::SUCCESS)
    to.raw("attributes", [&](std::string& list) { write_span_attributes(list, attributes); });
}

}  // namespace

Status append_otel_spans(std::string& out, std::string_view traces_json) {
  simdjson::dom::parser parser;
  simdjson::dom::array spans;
  const simdjson::padded_string text(traces_json);
  if (parser.parse(text)["spans"].get(spans) != simdjson::SUCCESS)
    return Error{ErrorCode::corrupt, "The file traces.json of the trace holds no list of spans",
                 ""};
  out += '[';
  for (const element span : spans) {
    if (out.back() != '[') out += ',';
    write_span(out, span);
  }
  out += ']';
  return {};
}

}  // namespace mlforge::gateway::mlflow
