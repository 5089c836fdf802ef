#include "gateway/mlflow/otlp.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <optional>
#include <span>

#include "events/json.hpp"
#include "events/json_tree.hpp"
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
      if (in.is_bytes(13)) out.links.push_back(link(in.bytes()));
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

  Link link(std::string_view bytes) {
    Link out;
    each(bytes, [&](const ProtobufReader& in) {
      if (in.is_bytes(1)) out.trace_id = in.bytes();
      if (in.is_bytes(2)) out.span_id = in.bytes();
      if (in.is_bytes(4)) out.attributes.push_back(attribute(in.bytes(), 0));
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
        append_float(out, std::bit_cast<double>(in.number()));
      else if (in.is_bytes(5))
        out =
            list(in.bytes(), '[', ']', [&](std::string_view each) { return any(each, depth + 1); });
      else if (in.is_bytes(6))
        out = list(in.bytes(), '{', '}', [&](std::string_view each) {
          const auto [key, value] = attribute(each, depth + 1);
          std::string member;
          append_json_string(member, key);
          return member + ": " + value;
        });
      else if (in.is_bytes(7))
        append_bytes(out, in.bytes());
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
      if (out.size() > 1) out += ", ";
      out += one(in.bytes());
    });
    return out + close;
  }

  bool right_ = true;
};

using Names = std::string_view[4];  // those that are not empty
using NameList = std::span<const std::string_view>;

struct Kind {
  std::string_view said, mlflow;
};

// In each name '#' stands for digits.
struct Convention {
  std::string_view kind;
  Kind kinds[10];
  std::string_view tokens_in, tokens_out, tokens;  // empty: it has none
  Names cache_read, cache_write;
  Names inputs, outputs, models, providers, tools;
};

constexpr Convention kConventions[] = {
    {.kind = "openinference.span.kind",
     .kinds = {{"TOOL", "TOOL"},
               {"CHAIN", "CHAIN"},
               {"LLM", "LLM"},
               {"RETRIEVER", "RETRIEVER"},
               {"EMBEDDING", "EMBEDDING"},
               {"AGENT", "AGENT"},
               {"RERANKER", "RERANKER"},
               {"UNKNOWN", "UNKNOWN"},
               {"GUARDRAIL", "GUARDRAIL"},
               {"EVALUATOR", "EVALUATOR"}},
     .tokens_in = "llm.token_count.prompt",
     .tokens_out = "llm.token_count.completion",
     .tokens = "llm.token_count.total",
     .cache_read = {"llm.token_count.prompt_details.cache_read"},
     .cache_write = {"llm.token_count.prompt_details.cache_write"},
     .inputs = {"input.value"},
     .outputs = {"output.value"},
     .models = {"llm.response.model_name", "llm.model_name", "llm.request.model_name",
                "embedding.model_name"},
     .providers = {"llm.provider"},
     .tools = {}},
    {.kind = "gen_ai.operation.name",
     .kinds = {{"chat", "CHAT_MODEL"},
               {"create_agent", "AGENT"},
               {"embeddings", "EMBEDDING"},
               {"execute_tool", "TOOL"},
               {"generate_content", "LLM"},
               {"invoke_agent", "AGENT"},
               {"text_completion", "LLM"},
               {"response", "LLM"}},
     .tokens_in = "gen_ai.usage.input_tokens",
     .tokens_out = "gen_ai.usage.output_tokens",
     .tokens = {},
     .cache_read = {"gen_ai.usage.cache_read.input_tokens"},
     .cache_write = {"gen_ai.usage.cache_write.input_tokens",
                     "gen_ai.usage.cache_creation.input_tokens"},
     .inputs = {"gen_ai.input.messages", "gen_ai.tool.call.arguments"},
     .outputs = {"gen_ai.output.messages", "gen_ai.tool.call.result"},
     .models = {"gen_ai.response.model", "gen_ai.request.model"},
     .providers = {"gen_ai.provider.name"},
     .tools = {"gen_ai.tool.definitions"}},
    {.kind = "traceloop.span.kind",
     .kinds = {{"workflow", "WORKFLOW"},
               {"task", "TASK"},
               {"agent", "AGENT"},
               {"tool", "TOOL"},
               {"unknown", "UNKNOWN"}},
     .tokens_in = "gen_ai.usage.prompt_tokens",
     .tokens_out = "gen_ai.usage.completion_tokens",
     .tokens = "llm.usage.total_tokens",
     .cache_read = {},
     .cache_write = {},
     .inputs = {"traceloop.entity.input", "gen_ai.prompt.#.content",
                "gen_ai.completion.#.tool_calls.#.arguments"},
     .outputs = {"traceloop.entity.output", "gen_ai.completion.#.content"},
     .models = {},
     .providers = {"gen_ai.system"},
     .tools = {}}};

bool is_named(std::string_view key, std::string_view pattern) {
  for (; !pattern.empty(); pattern.remove_prefix(1)) {
    if (key.empty() || (pattern[0] != '#' && pattern[0] != key[0])) return false;
    const auto digits = std::min(key.find_first_not_of("0123456789"), key.size());
    if (pattern[0] == '#' && digits == 0) return false;
    key.remove_prefix(pattern[0] == '#' ? digits : 1);
  }
  return key.empty();
}

// A value that says something: not null, false, 0 or empty.
std::string find(const Attributes& attributes, NameList names) {
  for (const auto name : names)
    for (const auto& [key, value] : attributes) {
      if (name.empty() || !is_named(key, name)) continue;
      if (const auto tree = parse_tree(value); !tree || !tree->is_falsy()) return value;
    }
  return {};
}

std::optional<std::int64_t> count_of(const Attributes& attributes, NameList names) {
  for (const auto name : names)
    for (const auto& [key, value] : attributes) {
      if (name.empty() || key != name) continue;
      const auto text = text_of(value);
      std::int64_t out = 0;
      const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), out);
      if (code == std::errc{} && end == text.data() + text.size()) return out;
    }
  return std::nullopt;
}

std::string usage_of(const Attributes& attributes, const Convention& c) {
  const auto in = count_of(attributes, std::array{c.tokens_in}),
             out = count_of(attributes, std::array{c.tokens_out});
  auto all = count_of(attributes, std::array{c.tokens});
  if (std::int64_t sum = 0; !all && in && out && !__builtin_add_overflow(*in, *out, &sum))
    all = sum;
  if (!in && !out && !all) return {};
  std::string json = "{";
  const auto add = [&json](const char* name, const std::optional<std::int64_t>& value) {
    if (!value) return;
    if (json.size() > 1) json += ", ";
    json += std::string("\"") + name + "\": " + std::to_string(*value);
  };
  add("input_tokens", in);
  add("output_tokens", out);
  add("total_tokens", all);
  add("cache_read_input_tokens", count_of(attributes, c.cache_read));
  add("cache_creation_input_tokens", count_of(attributes, c.cache_write));
  return json + "}";
}

std::string kind_of(const Attributes& attributes, const Convention& c) {
  const auto said = text_of(find(attributes, std::array{c.kind}));
  for (const auto& each : c.kinds)
    if (!each.said.empty() && each.said == said) return "\"" + std::string(each.mlflow) + "\"";
  return {};
}

}  // namespace

void add_mlflow_attributes(Span& span) {
  unwrap_dumped_texts(span.attributes);
  const auto given = span.attributes;
  const auto add = [&](const char* name, auto value_of) {
    for (const auto& [key, value] : given)
      if (key == name && text_of(value) != "UNKNOWN") return;
    for (const auto& convention : kConventions)
      if (auto value = value_of(convention); !value.empty())
        return void(span.attributes.emplace_back(name, std::move(value)));
  };
  const auto first = [&](Names Convention::*names) {
    return [&given, names](const Convention& c) { return find(given, c.*names); };
  };
  add("mlflow.spanType", [&](const Convention& c) { return kind_of(given, c); });
  add("mlflow.spanInputs", first(&Convention::inputs));
  add("mlflow.spanOutputs", first(&Convention::outputs));
  add("mlflow.chat.tokenUsage", [&](const Convention& c) { return usage_of(given, c); });
  add("mlflow.chat.tools", first(&Convention::tools));
  add("mlflow.llm.model", first(&Convention::models));
  add("mlflow.llm.provider", first(&Convention::providers));
}

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
