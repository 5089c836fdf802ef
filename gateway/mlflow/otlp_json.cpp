// OTLP in JSON: protobuf's JSON but that the ids are hexadecimal.
#include <simdjson.h>

#include <charconv>

#include "events/base64.hpp"
#include "events/codec.hpp"
#include "gateway/mlflow/otlp.hpp"

namespace mlforge::gateway::mlflow::otlp {
namespace otlp_json {
namespace {

using simdjson::dom::element;

constexpr int kDeepestValue = 32;

std::string text(const element& of, const char* name) {
  std::string_view out;
  return of.at_key(name).get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
}

std::uint64_t number(const element& of, const char* name) {
  std::uint64_t out = 0;
  if (of.at_key(name).get(out) == simdjson::SUCCESS) return out;
  const auto digits = text(of, name);
  std::from_chars(digits.data(), digits.data() + digits.size(), out);
  return out;
}

std::string id(const element& of, const char* name, bool& right) {
  const auto hex = text(of, name);
  std::string out;
  right = right && hex.size() % 2 == 0;
  for (std::size_t i = 0; right && i < hex.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, bad] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    right = bad == std::errc{} && end == hex.data() + i + 2;
    out += static_cast<char>(byte);
  }
  return out;
}

// In protobuf's JSON a double may be a text: "NaN", "Infinity", digits.
double real(const element& value) {
  double out = 0;
  std::string_view text;
  if (value.get(out) == simdjson::SUCCESS || value.get(text) != simdjson::SUCCESS) return out;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

template <class Each>
void each_of(const element& of, const char* name, Each each) {
  simdjson::dom::array list;
  if (of.at_key(name).get(list) == simdjson::SUCCESS)
    for (const element item : list) each(item);
}

std::string any(const element& value, int depth) {
  element found;
  const auto has = [&](const char* name) {
    return value.at_key(name).get(found) == simdjson::SUCCESS;
  };
  const auto list = [&](char open, char close, auto one) {
    std::string out(1, open);
    each_of(found, "values", [&](const element& item) {
      if (out.size() > 1) out += ", ";
      out += one(item);
    });
    return out + close;
  };
  if (depth > kDeepestValue || !value.is_object()) return "null";
  if (has("stringValue") || has("boolValue")) return simdjson::minify(found);
  std::string out;
  if (has("doubleValue")) return append_float(out, real(found)), out;
  if (has("bytesValue"))
    return append_bytes(out, parse_base64(text(value, "bytesValue")).value_or("")), out;
  if (has("intValue")) {
    std::int64_t whole = 0;
    if (found.get(whole) == simdjson::SUCCESS) return std::to_string(whole);
    const auto digits = text(value, "intValue");
    std::from_chars(digits.data(), digits.data() + digits.size(), whole);
    return std::to_string(whole);
  }
  if (has("arrayValue"))
    return list('[', ']', [&](const element& item) { return any(item, depth + 1); });
  if (has("kvlistValue"))
    return list('{', '}', [&](const element& item) {
      std::string member;
      append_json_string(member, text(item, "key"));
      element inner;
      const bool there = item.at_key("value").get(inner) == simdjson::SUCCESS;
      return member + ": " + (there ? any(inner, depth + 1) : "null");
    });
  return "null";
}

Attributes attributes(const element& of) {
  Attributes out;
  each_of(of, "attributes", [&](const element& each) {
    element value;
    const bool there = each.at_key("value").get(value) == simdjson::SUCCESS;
    out.emplace_back(text(each, "key"), there ? any(value, 0) : "null");
  });
  return out;
}

Span span(const element& from, bool& right) {
  Span out;
  out.trace_id = id(from, "traceId", right);
  out.span_id = id(from, "spanId", right);
  out.parent_id = id(from, "parentSpanId", right);
  out.name = text(from, "name");
  out.start_ns = number(from, "startTimeUnixNano");
  out.end_ns = number(from, "endTimeUnixNano");
  out.attributes = attributes(from);
  each_of(from, "events", [&](const element& each) {
    out.events.push_back({text(each, "name"), number(each, "timeUnixNano"), attributes(each)});
  });
  each_of(from, "links", [&](const element& each) {
    out.links.push_back({id(each, "traceId", right), id(each, "spanId", right), attributes(each)});
  });
  element status;
  if (from.at_key("status").get(status) == simdjson::SUCCESS) {
    out.status = number(status, "code");
    if (text(status, "code") == "STATUS_CODE_OK") out.status = 1;
    if (text(status, "code") == "STATUS_CODE_ERROR") out.status = 2;
    out.status_message = text(status, "message");
  }
  return out;
}

}  // namespace
}  // namespace otlp_json

Expected<std::vector<ResourceSpans>> read_json(std::string_view body) {
  using namespace otlp_json;
  simdjson::dom::parser parser;
  element whole;
  bool right = parser.parse(simdjson::padded_string(body)).get(whole) == simdjson::SUCCESS &&
               whole.is_object();
  std::vector<ResourceSpans> out;
  if (right)
    each_of(whole, "resourceSpans", [&](const element& each) {
      auto& resource = out.emplace_back();
      element of;
      if (each.at_key("resource").get(of) == simdjson::SUCCESS) resource.resource = attributes(of);
      each_of(each, "scopeSpans", [&](const element& scope) {
        each_of(scope, "spans",
                [&](const element& one) { resource.spans.push_back(span(one, right)); });
      });
    });
  if (!right) return Error{ErrorCode::malformed, "Invalid OpenTelemetry format", ""};
  return out;
}

}  // namespace mlforge::gateway::mlflow::otlp
