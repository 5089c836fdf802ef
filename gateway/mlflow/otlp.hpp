// Spans as OpenTelemetry's exporters send them (OTLP/HTTP, ExportTraceServiceRequest), in protobuf
// and in JSON (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow::otlp {

// Values are JSON as Python's json module writes it: NaN, Infinity and -Infinity are numbers.
using Attributes = std::vector<std::pair<std::string, std::string>>;

struct Event {
  std::string name;
  std::uint64_t time_ns = 0;
  Attributes attributes;
};

struct Link {
  std::string trace_id, span_id;  // the bytes
  Attributes attributes;
};

struct Span {
  std::string trace_id, span_id, parent_id;  // the bytes; parent_id empty: a root
  std::string name;
  std::uint64_t start_ns = 0, end_ns = 0;
  Attributes attributes;
  std::vector<Event> events;
  std::vector<Link> links;
  std::uint64_t status = 0;  // 0 unset, 1 ok, 2 error
  std::string status_message;
};

struct ResourceSpans {
  Attributes resource;
  std::vector<Span> spans;
};

// `malformed` where the bytes are no such message.
Expected<std::vector<ResourceSpans>> read_protobuf(std::string_view bytes);
Expected<std::vector<ResourceSpans>> read_json(std::string_view text);

// The values that JSON has no own form for: a number with point or exponent, and bytes, which are
// the text of Python's literal.
void append_float(std::string& out, double value);
void append_bytes(std::string& out, std::string_view bytes);

// The text of a JSON text; anything else as it is.
std::string text_of(const std::string& json);

// A text that holds JSON of a text, a list or an object stands for that: exporters, and clients
// that dump before they set, send such values as texts.
void unwrap_dumped_texts(Attributes& attributes);

// Unwraps dumped texts, and adds what MLflow calls them to the attributes of OpenTelemetry's
// conventions for generative AI, of OpenInference and of Traceloop: the kind of span, inputs,
// outputs, tokens, model, provider, tools. What the span says in MLflow's own names stays.
// https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai,
// https://github.com/Arize-ai/openinference, https://github.com/traceloop/openllmetry.
void add_mlflow_attributes(Span& span);

// The bytes of a body that was sent with this Content-Encoding (gzip, deflate): at most 64 MiB.
Expected<std::string> decompressed(std::string_view body, std::string_view encoding);

}  // namespace mlforge::gateway::mlflow::otlp
