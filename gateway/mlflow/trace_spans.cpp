#include "gateway/mlflow/trace_spans.hpp"

#include <simdjson.h>

#include <charconv>

#include "events/base64.hpp"
#include "events/json_tree.hpp"
#include "gateway/mlflow/message.hpp"

namespace mlforge::gateway::mlflow {
namespace {

using simdjson::dom::element;

constexpr int kDeepest = 64;
constexpr std::size_t kTraceDigits = 32, kSpanDigits = 16;

void write_members(std::string& out, const JsonTree& attributes, int depth);

// protobuf's JSON has NaN and infinities as texts.
void write_number(Object& to, const JsonTree& number) {
  std::int64_t whole = 0;
  const auto& digits = number.value;
  const bool is_whole =
      number.is_integer() &&
      std::from_chars(digits.data(), digits.data() + digits.size(), whole).ec == std::errc{};
  const bool finite = digits != "NaN" && !digits.ends_with("Infinity");
  to.raw(is_whole ? "int_value" : "double_value",
         [&](std::string& out) { out += finite ? digits : '"' + digits + '"'; });
}

// An AnyValue.
void write_any(std::string& out, const JsonTree& value, int depth) {
  Object to(out);
  if (depth > kDeepest) return;
  switch (value.kind) {
    case JsonTree::text:
      to.text("string_value", value.value);
      return;
    case JsonTree::boolean:
      to.boolean("bool_value", value.flag);
      return;
    case JsonTree::number:
      return write_number(to, value);
    case JsonTree::list:
      to.raw("array_value", [&](std::string& list) {
        Object(list).array("values", value.items, [&](std::string& each, const JsonTree& item) {
          write_any(each, item, depth + 1);
        });
      });
      return;
    case JsonTree::object:
      to.raw("kvlist_value", [&](std::string& list) {
        Object(list).raw("values",
                         [&](std::string& inner) { write_members(inner, value, depth + 1); });
      });
      return;
    case JsonTree::null:
      return;
  }
}

void write_member(std::string& out, std::string_view key, const JsonTree& value, int depth) {
  if (out.back() != '[') out += ',';
  Object(out).text("key", key).raw("value", [&](std::string& to) { write_any(to, value, depth); });
}

void write_members(std::string& out, const JsonTree& attributes, int depth) {
  out += '[';
  for (std::size_t i = 0; i < attributes.items.size(); ++i)
    write_member(out, attributes.names[i], attributes.items[i], depth);
  out += ']';
}

JsonTree tree_of(const element& value) {
  auto tree = parse_tree(simdjson::minify(value));
  return tree ? *std::move(tree) : JsonTree();
}

void copy_attributes(Object& to, const element& from) {
  element attributes;
  if (from.at_key("attributes").get(attributes) == simdjson::SUCCESS && attributes.is_object())
    to.raw("attributes", [&](std::string& list) { write_members(list, tree_of(attributes), 0); });
}

// Attributes of a span are JSON inside of texts.
void write_span_attributes(std::string& out, const simdjson::dom::object& attributes) {
  out += '[';
  for (const auto& [key, value] : attributes) {
    std::string_view text;
    auto decoded = Expected<JsonTree>(tree_of(value));
    if (value.get(text) == simdjson::SUCCESS)
      if (auto inner = parse_tree(text)) decoded = std::move(inner);
    write_member(out, key, *decoded, 0);
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
  copy_attributes(to, event);
}

// The bytes, in base64, of an id that links have in hexadecimal, below "tr-" and maybe a place
// ("trace:/a/b/<id>"); nothing for another text.
std::string link_id(const element& link, const char* name, std::size_t digits) {
  std::string_view text;
  if (link.at_key(name).get(text) != simdjson::SUCCESS) return {};
  text.remove_prefix(text.rfind('/') + 1);
  if (text.starts_with("tr-")) text.remove_prefix(3);
  if (text.empty() || text.size() > digits) return {};
  const auto padded = std::string(digits - text.size(), '0') + std::string(text);
  std::string bytes, out;
  for (std::size_t i = 0; i < digits; i += 2) {
    unsigned byte = 0;
    const auto end = padded.data() + i + 2;
    if (std::from_chars(end - 2, end, byte, 16).ptr != end) return {};
    bytes += static_cast<char>(byte);
  }
  append_base64(out, bytes);
  return out;
}

void write_links(Object& to, const element& span) {
  simdjson::dom::array links;
  if (span.at_key("links").get(links) != simdjson::SUCCESS) return;
  std::vector<element> sound;
  for (const element link : links)
    if (!link_id(link, "trace_id", kTraceDigits).empty() &&
        !link_id(link, "span_id", kSpanDigits).empty())
      sound.push_back(link);
  to.array("links", sound, [](std::string& out, const element& link) {
    Object each(out);
    each.text("trace_id", link_id(link, "trace_id", kTraceDigits))
        .text("span_id", link_id(link, "span_id", kSpanDigits));
    copy_attributes(each, link);
  });
}

void write_span(std::string& out, const element& span) {
  Object to(out);
  for (const char* name : {"trace_id", "span_id", "parent_span_id", "name", "start_time_unix_nano",
                           "end_time_unix_nano"})
    copy_member(to, span, name);
  simdjson::dom::array events;
  if (span.at_key("events").get(events) == simdjson::SUCCESS)
    to.array("events", events, write_event);
  write_links(to, span);
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
