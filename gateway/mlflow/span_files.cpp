#include "gateway/mlflow/span_files.hpp"

#include <simdjson.h>
#include <algorithm>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "events/base64.hpp"
#include "events/codec.hpp"
#include "events/json_tree.hpp"
#include "gateway/mlflow/message.hpp"

namespace mlforge::gateway::mlflow {
namespace span_json {
namespace {

using simdjson::dom::element;

constexpr const char* kStatusNames[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};
constexpr std::size_t kTraceIdBytes = 16, kSpanIdBytes = 8;

std::string padded(std::string_view id, std::size_t size) {
  return std::string(size - std::min(size, id.size()), '\0') + std::string(id);
}

void write_id(std::string& out, std::string_view id, std::size_t size) {
  out += '"';
  append_base64(out, padded(id, size));
  out += '"';
}

void quote_not_finite(JsonTree& tree) {
  if (tree.kind == JsonTree::number && (tree.value == "NaN" || tree.value.ends_with("Infinity")))
    tree.kind = JsonTree::text;
  for (auto& each : tree.items) quote_not_finite(each);
}

// The file is JSON, which has no NaN and infinities: they become texts where they are not inside of
// one already.
std::string strict(const std::string& json) {
  if (codec::parse(json)) return json;
  auto tree = parse_tree(json);
  if (!tree) return "null";
  quote_not_finite(*tree);
  return to_text(*tree);
}

// Attributes of spans are JSON inside of texts, those of events and links are not.
void write_attributes(std::string& out, const otlp::Attributes& attributes, bool in_texts,
                      const std::string& trace_id = {}) {
  std::map<std::string_view, std::string> last;  // of a name that comes twice, the last counts
  for (const auto& [key, value] : attributes) last[key] = value;
  if (in_texts) append_json_string(last["mlflow.traceRequestId"] = {}, trace_id);
  out += '{';
  for (const auto& [key, value] : last) {
    if (out.back() != '{') out += ',';
    append_json_string(out, key);
    out += ':';
    if (in_texts)
      append_json_string(out, value);
    else
      out += strict(value);
  }
  out += '}';
}

void write_event(std::string& out, const otlp::Event& event) {
  Object(out)
      .text("name", event.name)
      .integer("time_unix_nano", static_cast<std::int64_t>(event.time_ns))
      .raw("attributes", [&](std::string& to) { write_attributes(to, event.attributes, false); });
}

void write_link(std::string& out, const otlp::Link& link) {
  Object(out)
      .text("trace_id", mlflow_trace_id(link.trace_id))
      .text("span_id", hex_id(padded(link.span_id, kSpanIdBytes)))
      .raw("attributes", [&](std::string& to) {
        if (link.attributes.empty())
          to += "null";
        else
          write_attributes(to, link.attributes, false);
      });
}

void write_span(std::string& out, const otlp::Span* span) {
  Object to(out);
  to.raw("trace_id", [&](std::string& id) { write_id(id, span->trace_id, kTraceIdBytes); })
      .raw("span_id", [&](std::string& id) { write_id(id, span->span_id, kSpanIdBytes); })
      .raw("parent_span_id",
           [&](std::string& id) {
             if (span->parent_id.empty())
               id += "null";
             else
               write_id(id, span->parent_id, kSpanIdBytes);
           })
      .text("name", span->name)
      .integer("start_time_unix_nano", static_cast<std::int64_t>(span->start_ns))
      .integer("end_time_unix_nano", static_cast<std::int64_t>(span->end_ns))
      .array("events", span->events, write_event)
      .raw("status",
           [&](std::string& status) {
             Object(status)
                 .text("code", kStatusNames[span->status <= 2 ? span->status : 0])
                 .text("message", span->status_message);
           })
      .raw("attributes",
           [&](std::string& list) {
             write_attributes(list, span->attributes, true, mlflow_trace_id(span->trace_id));
           })
      .array("links", span->links, write_link);
}

struct Found {
  std::uint64_t start = 0, end = 0;
  bool child = false;
  std::string json;
};

Found read(const element& span) {
  Found out;
  element parent;
  if (span.at_key("start_time_unix_nano").get(out.start) != simdjson::SUCCESS) out.start = 0;
  if (span.at_key("end_time_unix_nano").get(out.end) != simdjson::SUCCESS) out.end = 0;
  out.child = span.at_key("parent_span_id").get(parent) == simdjson::SUCCESS && !parent.is_null();
  out.json = simdjson::minify(span);
  return out;
}

}  // namespace
}  // namespace span_json

std::string hex_id(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out += kDigits[static_cast<std::uint8_t>(c) >> 4];
    out += kDigits[c & 15];
  }
  return out;
}

std::string mlflow_trace_id(std::string_view otel_id) {
  return "tr-" + hex_id(span_json::padded(otel_id, span_json::kTraceIdBytes));
}

// In the order of merged_spans: clients send spans as they end.
std::string spans_json(std::span<const otlp::Span* const> spans) {
  std::vector<const otlp::Span*> order(spans.begin(), spans.end());
  std::stable_sort(order.begin(), order.end(), [](const otlp::Span* a, const otlp::Span* b) {
    return std::pair(!a->parent_id.empty(), a->start_ns) <
           std::pair(!b->parent_id.empty(), b->start_ns);
  });
  std::string out;
  Object(out).array("spans", order, span_json::write_span);
  return out;
}

Expected<std::string> merged_spans(const std::vector<std::string>& files, std::size_t unordered) {
  using namespace span_json;
  if (files.size() == 1) return files[0];
  std::map<std::string, Found, std::less<>> found;  // by span id
  for (std::size_t i = 0; i < files.size(); ++i) {
    simdjson::dom::parser parser;
    simdjson::dom::array spans;
    const simdjson::padded_string text(files[i]);
    if (parser.parse(text)["spans"].get(spans) != simdjson::SUCCESS)
      return Error{ErrorCode::corrupt, "A file of the trace holds no list of spans", ""};
    for (const element each : spans) {
      std::string_view id;
      if (each.at_key("span_id").get(id) != simdjson::SUCCESS) continue;
      auto one = read(each);
      const auto [at, added] = found.try_emplace(std::string(id));
      if (added || i >= unordered || one.end >= at->second.end) at->second = std::move(one);
    }
  }
  std::vector<const Found*> order;
  order.reserve(found.size());
  for (const auto& [id, each] : found) order.push_back(&each);
  std::stable_sort(order.begin(), order.end(), [](const Found* a, const Found* b) {
    return std::tie(a->child, a->start) < std::tie(b->child, b->start);
  });
  std::string out;
  Object(out).array("spans", order, [](std::string& to, const Found* each) { to += each->json; });
  return out;
}

}  // namespace mlforge::gateway::mlflow
