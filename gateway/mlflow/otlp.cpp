#include "gateway/mlflow/otlp.hpp"

#include <simdjson.h>

#include <bit>

#include "events/base64.hpp"
#include "events/codec.hpp"
#include "gateway/mlflow/protobuf_reader.hpp"

namespace mlforge::gateway::mlflow::otlp {
namespace {

constexpr int kDeepestValue = 32;

Error bad_format() { return {ErrorCode::malformed, "Invalid OpenTelemetry format", ""}; }

// Reads messages; what is wrong once stays wrong.
class Messages {
 public:
  bool right() const { return right_; }

  ResourceSpans resource_spans(std::string_view bytes) {
    ResourceSpans out;
    each(bytes, [&](const ProtobufReader& in) {
      if (in.is_bytes(1))
        each(in.bytes(), [&](const ProtobufReader& resource) {
          if (resource.is_bytes(1)) out.resource.push_back(attribute(resource.bytes(), 0));
        });
      else if (in.is_bytes(2))
        each(in.bytes(), [&](const ProtobufReader& scope) {
          if (scope.is_bytes(2)) out.spans.push_back(span(scope.bytes()));
        });
    });
    return out;
  }

  template <class Field>
  void each(std::string_view bytes, Field field) {
    ProtobufReader in(bytes);
    while (right_ && in.next()) field(in);
    right_ = right_ && !in.failed();
  }

 private:
  std::string text(std::string_view bytes) {
    right_ = right_ && simdjson::validate_utf8(bytes.data(), bytes.size());
    return std::string(bytes);
  }

  Span span(std::string_view bytes) {
    Span out;
    each(bytes, [&](const ProtobufReader& in) {
      if (in.is_bytes(1)) out.trace_id = in.bytes();
      if (in.is_bytes(2)) out.span_id = in.bytes();
      if (in.is_bytes(4)) out.parent_id = in.bytes();
      if (in.is_bytes(5)) out.name = text(in.bytes());
      if (in.is_number(7)) out.start_ns = in.number();
      if (in.is_number(8)) out.end_ns = in.number();
      if (in.is_bytes(9)) out.attributes.push_back(attribute(in.bytes(), 0));
      if (in.is_bytes(11)) out.events.push_back(event(in.bytes()));
      if (in.is_bytes(15))
        each(in.bytes(), [&](const ProtobufReader& status) {
          if (status.is_bytes(2)) out.status_message = text(status.bytes());
          if (status.is_number(3)) out.status = status.number();
        });
    });
    return out;
  }

  Event event(std::string_view bytes) {
    Event out;
    each(bytes, [&](const ProtobufReader& in) {
      if (in.is_number(1)) out.time_ns = in.number();
      if (in.is_bytes(2)) out.name = text(in.bytes());
      if (in.is_bytes(3)) out.attributes.push_back(attribute(in.bytes(), 0));
    });
    return out;
  }

  std::pair<std::string, std::string> attribute(std::string_view bytes, int depth) {
    std::pair<std::string, std::string> out{"", "null"};
    each(bytes, [&](const ProtobufReader& in) {
      if (in.is_bytes(1)) out.first = text(in.bytes());
      if (in.is_bytes(2)) out.second = any(in.bytes(), depth);
    });
    return out;
  }

  std::string any(std::string_view bytes, int depth) {
    std::string out = "null";
    if (depth > kDeepestValue) right_ = false;
    each(bytes, [&](const ProtobufReader& in) {
      out.clear();
      if (in.is_bytes(1))
        append_json_string(out, text(in.bytes()));
      else if (in.is_number(2))
        out = in.number() ? "true" : "false";
      else if (in.is_number(3))
        out = std::to_string(static_cast<std::int64_t>(in.number()));
      else if (in.is_number(4))
        append_json_double(out, std::bit_cast<double>(in.number()));
      else if (in.is_bytes(5))
        out =
            list(in.bytes(), '[', ']', [&](std::string_view each) { return any(each, depth + 1); });
      else if (in.is_bytes(6))
        out = list(in.bytes(), '{', '}', [&](std::string_view each) {
          const auto [key, value] = attribute(each, depth + 1);
          std::string member;
          append_json_string(member, key);
          return member + ":" + value;
        });
      else if (in.is_bytes(7))
        out += '"', append_base64(out, in.bytes()), out += '"';
      else
        out = "null";
    });
    return out;
  }

  template <class One>
  std::string list(std::string_view bytes, char open, char close, One one) {
    std::string out(1, open);
    each(bytes, [&](const ProtobufReader& in) {
      if (!in.is_bytes(1)) return;
      if (out.size() > 1) out += ',';
      out += one(in.bytes());
    });
    return out + close;
  }

  bool right_ = true;
};

}  // namespace

Expected<std::vector<ResourceSpans>> read_protobuf(std::string_view bytes) {
  Messages messages;
  std::vector<ResourceSpans> out;
  messages.each(bytes, [&](const ProtobufReader& in) {
    if (in.is_bytes(1)) out.push_back(messages.resource_spans(in.bytes()));
  });
  if (!messages.right()) return bad_format();
  return out;
}

}  // namespace mlforge::gateway::mlflow::otlp
