// Spans over OpenTelemetry's protocol: the messages, their files, figures made from them.
#include <catch2/catch.hpp>

#include <limits>

#include "gateway/mlflow/otlp.hpp"
#include "gateway/mlflow/protobuf_reader.hpp"
#include "gateway/mlflow/span_files.hpp"
#include "gateway/mlflow/trace_metrics.hpp"
#include "gateway/mlflow/trace_previews.hpp"
#include "gateway/mlflow/trace_spans.hpp"

namespace mlforge::gateway::mlflow {
namespace {

// A field of a message: a text or message, a varint, a fixed64.
std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
std::string bytes(unsigned field, const std::string& value) {
  return varint(field << 3 | 2) + varint(value.size()) + value;
}
std::string number(unsigned field, std::uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string fixed(unsigned field, std::uint64_t value) {
  std::string out = varint(field << 3 | 1);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
std::string attribute(unsigned field, const std::string& key, const std::string& any) {
  return bytes(field, bytes(1, key) + bytes(2, any));
}
std::string request(const std::string& span) {
  return bytes(1, bytes(1, attribute(1, "service.name", bytes(1, "shop"))) +
                      bytes(2, bytes(1, bytes(1, "scope")) + bytes(2, span)));
}

const std::string kTrace(16, '\x01'), kSpan(8, '\x02'), kParent(8, '\x03');

std::string plain_span() {
  const auto list = bytes(5, bytes(1, number(3, 7)) + bytes(1, bytes(1, "x")));
  const auto map = bytes(6, attribute(1, "k", number(2, 1)));
  return bytes(1, kTrace) + bytes(2, kSpan) + bytes(4, kParent) + bytes(5, "ask \"it\"") +
         number(6, 3) + fixed(7, 1700000000000000001) + fixed(8, 1700000000000000009) +
         attribute(9, "int", number(3, static_cast<std::uint64_t>(-5))) +
         attribute(9, "double", fixed(4, 0x3FF8000000000000)) + attribute(9, "list", list) +
         attribute(9, "map", map) + attribute(9, "none", "") + attribute(9, "raw", bytes(7, "ab")) +
         bytes(11, fixed(1, 5) + bytes(2, "event") + attribute(3, "a", bytes(1, "b"))) +
         bytes(15, bytes(2, "boom") + number(3, 2)) + bytes(99, "of a later version") +
         varint(98 << 3 | 5) + "1234";
}

otlp::Span a_span(char id, bool root, std::uint64_t start, std::uint64_t end) {
  otlp::Span out;
  out.trace_id = kTrace;
  out.span_id = std::string(1, id);
  if (!root) out.parent_id = "p";
  out.name = std::string(1, id);
  out.start_ns = start;
  out.end_ns = end;
  return out;
}

std::string file_of(const std::vector<otlp::Span>& spans) {
  std::vector<const otlp::Span*> list;
  for (const auto& each : spans) list.push_back(&each);
  return spans_json(list);
}

std::string names(const std::string& json) {
  std::string out;
  for (const auto& each : read_span_facts(json)) out += each.name;
  return out;
}

std::string of(const otlp::Span& span, const std::string& name) {
  for (const auto& [key, value] : span.attributes)
    if (key == name) return value;
  return "absent";
}

TEST_CASE("what other conventions say of a span is said in MLflow's names too") {
  otlp::Span span;
  SECTION("OpenInference") {
    span.attributes = {{"openinference.span.kind", "\"LLM\""},
                       {"input.value", "\"{\\\"q\\\": 1}\""},
                       {"output.value", "\"yes\""},
                       {"llm.token_count.prompt", "10"},
                       {"llm.token_count.total", "\"12\""},
                       {"llm.model_name", "\"m\""}};
    otlp::add_mlflow_attributes(span);
    CHECK(of(span, "mlflow.spanType") == "\"LLM\"");
    CHECK(of(span, "mlflow.spanInputs") == "{\"q\": 1}");
    CHECK(of(span, "mlflow.spanOutputs") == "\"yes\"");
    CHECK(of(span, "mlflow.chat.tokenUsage") == "{\"input_tokens\": 10, \"total_tokens\": 12}");
    CHECK(of(span, "mlflow.llm.model") == "\"m\"");
    CHECK(of(span, "mlflow.llm.provider") == "absent");
  }
  SECTION("OpenTelemetry's own") {
    span.attributes = {
        {"gen_ai.operation.name", "\"chat\""}, {"gen_ai.usage.input_tokens", "100"},
        {"gen_ai.usage.output_tokens", "50"},  {"gen_ai.usage.cache_creation.input_tokens", "3"},
        {"gen_ai.input.messages", "\"[]\""},   {"gen_ai.tool.call.arguments", "[1]"},
        {"gen_ai.provider.name", "\"openai\""}};
    otlp::add_mlflow_attributes(span);
    CHECK(of(span, "mlflow.spanType") == "\"CHAT_MODEL\"");
    CHECK(of(span, "mlflow.spanInputs") == "[1]");
    CHECK(of(span, "mlflow.chat.tokenUsage") ==
          "{\"input_tokens\": 100, \"output_tokens\": 50, \"total_tokens\": 150, "
          "\"cache_creation_input_tokens\": 3}");
    CHECK(of(span, "mlflow.llm.provider") == "\"openai\"");
  }
  SECTION("Traceloop") {
    span.attributes = {{"traceloop.span.kind", "\"tool\""},
                       {"gen_ai.prompt.0.content", "\"ask\""},
                       {"gen_ai.completion.x.content", "\"not numbered\""},
                       {"gen_ai.completion.12.content", "\"answer\""}};
    otlp::add_mlflow_attributes(span);
    CHECK(of(span, "mlflow.spanType") == "\"TOOL\"");
    CHECK(of(span, "mlflow.spanInputs") == "\"ask\"");
    CHECK(of(span, "mlflow.spanOutputs") == "\"answer\"");
  }
  SECTION("what it says in MLflow's names stays") {
    span.attributes = {{"openinference.span.kind", "\"LLM\""},
                       {"mlflow.spanType", "\"AGENT\""},
                       {"input.value", "\"other\""},
                       {"mlflow.spanInputs", "\"own\""}};
    const auto before = span.attributes;
    otlp::add_mlflow_attributes(span);
    CHECK(span.attributes == before);
  }
  SECTION("UNKNOWN is replaced, a kind that nobody knows adds nothing") {
    span.attributes = {{"gen_ai.operation.name", "\"dance\""}};
    otlp::add_mlflow_attributes(span);
    CHECK(span.attributes.size() == 1);
    span.attributes = {{"mlflow.spanType", "\"UNKNOWN\""}, {"traceloop.span.kind", "\"task\""}};
    otlp::add_mlflow_attributes(span);
    CHECK(span.attributes.back() ==
          std::pair<std::string, std::string>("mlflow.spanType", "\"TASK\""));
  }
}

}  // namespace

TEST_CASE("otlp: a span in protobuf becomes one as MLflow writes it") {
  const auto read = otlp::read_protobuf(request(plain_span()));
  REQUIRE(read);
  REQUIRE(read->size() == 1);
  CHECK(read->at(0).resource == otlp::Attributes{{"service.name", "\"shop\""}});
  REQUIRE(read->at(0).spans.size() == 1);
  CHECK(file_of(read->at(0).spans) ==
        R"({"spans":[{"trace_id":"AQEBAQEBAQEBAQEBAQEBAQ==","span_id":"AgICAgICAgI=",)"
        R"("parent_span_id":"AwMDAwMDAwM=","name":"ask \"it\"",)"
        R"("start_time_unix_nano":1700000000000000001,"end_time_unix_nano":1700000000000000009,)"
        R"("events":[{"name":"event","time_unix_nano":5,"attributes":{"a":"b"}}],)"
        R"("status":{"code":"STATUS_CODE_ERROR","message":"boom"},)"
        R"("attributes":{"double":"1.5","int":"-5","list":"[7, \"x\"]","map":"{\"k\": true}",)"
        R"("mlflow.traceRequestId":"\"tr-01010101010101010101010101010101\"","none":"null",)"
        R"("raw":"\"b'ab'\""}}]})");
}

TEST_CASE("otlp: JSON says the same") {
  const auto read = otlp::read_json(R"({"resourceSpans": [{"resource": {"attributes": [
      {"key": "service.name", "value": {"stringValue": "shop"}}]}, "scopeSpans": [{"spans": [{
      "traceId": "01010101010101010101010101010101", "spanId": "0202020202020202",
      "parentSpanId": "0303030303030303", "name": "ask \"it\"", "kind": 3,
      "startTimeUnixNano": "1700000000000000001", "endTimeUnixNano": 1700000000000000009,
      "attributes": [{"key": "int", "value": {"intValue": "-5"}},
        {"key": "double", "value": {"doubleValue": 1.5}}, {"key": "none"},
        {"key": "list", "value": {"arrayValue": {"values": [{"intValue": 7}, {"stringValue": "x"}]}}},
        {"key": "map", "value": {"kvlistValue": {"values": [
          {"key": "k", "value": {"boolValue": true}}]}}},
        {"key": "raw", "value": {"bytesValue": "YWI="}}],
      "events": [{"name": "event", "timeUnixNano": "5",
                  "attributes": [{"key": "a", "value": {"stringValue": "b"}}]}],
      "status": {"code": 2, "message": "boom"}}]}]}]})");
  const auto binary = otlp::read_protobuf(request(plain_span()));
  REQUIRE(read);
  REQUIRE(binary);
  CHECK(file_of(read->at(0).spans) == file_of(binary->at(0).spans));
  CHECK(read->at(0).resource == binary->at(0).resource);
  for (const char* bad : {"", "[]", "{", R"({"resourceSpans": [{"scopeSpans": [{"spans": [
                                               {"traceId": "0g"}]}]}]})"})
    CHECK_FALSE(otlp::read_json(bad));
}

TEST_CASE("otlp: bytes that are no message are refused, wherever they end") {
  const auto whole = request(plain_span());
  std::size_t refused = 0;
  for (std::size_t size = 1; size < whole.size(); ++size)
    refused += !otlp::read_protobuf(whole.substr(0, size));
  CHECK(refused == whole.size() - 1);
  CHECK(otlp::read_protobuf("")->empty());
  CHECK_FALSE(otlp::read_protobuf("\xff\xff"));
  CHECK_FALSE(otlp::read_protobuf(std::string(11, '\xff')));  // a number without an end
  CHECK_FALSE(otlp::read_protobuf(bytes(1, bytes(2, bytes(2, bytes(5, "\xff"))))));  // no UTF-8
  std::string deep = number(3, 1);
  for (int i = 0; i < 100; ++i) deep = bytes(5, bytes(1, deep));
  CHECK_FALSE(otlp::read_protobuf(request(attribute(9, "deep", deep))));
}

TEST_CASE("otlp: compressed bodies") {
  // Of "hello hello hello", by Python's zlib.
  const std::string raw("\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x00", 10);
  const std::string zlib = "\x78\x9c" + raw + std::string("\x3a\x2e\x06\x7d", 4);
  const std::string gzip = std::string("\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10) +
                           std::string("n\0", 2) + raw + std::string("\0\0\0\0\x11\0\0\0", 8);
  CHECK(otlp::decompressed(zlib, "deflate").value() == "hello hello hello");
  CHECK(otlp::decompressed(raw, "deflate").value() == "hello hello hello");
  CHECK(otlp::decompressed(gzip, "gzip").value() == "hello hello hello");
  CHECK_FALSE(otlp::decompressed(gzip.substr(0, 18), "gzip"));
  CHECK_FALSE(otlp::decompressed("plain", "gzip"));
  CHECK(otlp::decompressed(raw, "br").error().message == "Unsupported Content-Encoding: br");
}

TEST_CASE("otlp: texts that were dumped before they were sent stand for what they hold, once") {
  const auto unwrapped = [](const std::string& text) {
    std::string json;
    append_json_string(json, text);
    otlp::Attributes attributes{{"a", json}};
    otlp::unwrap_dumped_texts(attributes);
    return attributes[0].second == json ? "as it was" : attributes[0].second;
  };
  for (const char* dumped : {R"({"a":1})", " [NaN]", R"("q" )", R"("\"twice\"")", "{}"})
    CHECK(unwrapped(dumped) == dumped);
  for (const char* text : {"5", "true", "null", "plain", "", "{\"a\":1} x", "[1", "\"open", "NaN"})
    CHECK(unwrapped(text) == "as it was");
  otlp::Attributes others{{"list", R"(["[1]"])"}, {"number", "1.0"}};
  const auto before = others;
  otlp::unwrap_dumped_texts(others);
  CHECK(others == before);
}

TEST_CASE("otlp: numbers and bytes as Python writes them") {
  const auto number = [](double value) {
    std::string out;
    otlp::append_float(out, value);
    return out;
  };
  CHECK(number(1) == "1.0");
  CHECK(number(-0.0) == "-0.0");
  CHECK(number(100000) == "100000.0");
  CHECK(number(1e16) == "1e+16");
  CHECK(number(0.0001) == "0.0001");
  CHECK(number(1e-5) == "1e-05");
  CHECK(number(0.1) == "0.1");
  CHECK(number(std::numeric_limits<double>::quiet_NaN()) == "NaN");
  CHECK(number(-std::numeric_limits<double>::infinity()) == "-Infinity");
  const auto raw = [](std::string_view bytes) {
    std::string out;
    otlp::append_bytes(out, bytes);
    return out;
  };
  CHECK(raw(std::string("\0\xff", 2)) == R"("b'\\x00\\xff'")");
  CHECK(raw("it's\n") == R"("b\"it's\\n\"")");
  CHECK(raw("'\"") == R"("b'\\'\"'")");
}

TEST_CASE("otlp: links, and numbers that are not finite") {
  const auto link = bytes(1, std::string(16, '\x09')) + bytes(2, "12345678") +
                    attribute(4, "k", fixed(4, 0xFFF0000000000000));
  const auto binary = otlp::read_protobuf(
      request(plain_span() + bytes(13, link) + attribute(9, "inf", fixed(4, 0x7FF0000000000000))));
  REQUIRE(binary);
  const auto file = file_of(binary->at(0).spans);
  CHECK(file.find(R"("links":[{"trace_id":"tr-09090909090909090909090909090909",)"
                  R"("span_id":"3132333435363738","attributes":{"k":"-Infinity"}}])") !=
        std::string::npos);
  CHECK(file.find(R"("inf":"Infinity")") != std::string::npos);
  std::string out;
  REQUIRE_FALSE(append_otel_spans(out, file));
  CHECK(out.find(R"("links":[{"trace_id":"CQkJCQkJCQkJCQkJCQkJCQ==","span_id":"MTIzNDU2Nzg=",)") !=
        std::string::npos);
  CHECK(out.find(R"({"key":"inf","value":{"double_value":"Infinity"}})") != std::string::npos);
  const auto json = otlp::read_json(R"({"resourceSpans": [{"scopeSpans": [{"spans": [{
      "traceId": "01", "spanId": "02", "links": [
        {"traceId": "09090909090909090909090909090909", "spanId": "3132333435363738"}],
      "attributes": [{"key": "a", "value": {"doubleValue": "-Infinity"}},
                     {"key": "b", "value": {"doubleValue": 2}}]}]}]}]})");
  REQUIRE(json);
  CHECK(json->at(0).spans[0].attributes == otlp::Attributes{{"a", "-Infinity"}, {"b", "2.0"}});
  CHECK(json->at(0).spans[0].links.at(0).span_id == "12345678");
}

TEST_CASE(
    "trace spans: links by any name that clients have for a trace; what is none is left out") {
  const std::string hex(32, 'a'), id(16, 'b');
  for (const auto& name :
       {"tr-" + hex, "trace:/place/" + hex, hex, "tr-" + hex + "0", std::string("x")}) {
    std::string out;
    REQUIRE_FALSE(append_otel_spans(out, R"({"spans":[{"name":"s","links":[{"trace_id":")" + name +
                                             R"(","span_id":")" + id +
                                             R"(","attributes":null}]}]})"));
    const bool right = name.size() > 1 && !name.ends_with('0');
    CHECK((out.find(
               R"("links":[{"trace_id":"qqqqqqqqqqqqqqqqqqqqqg==","span_id":"u7u7u7u7u7s="}])") !=
           std::string::npos) == right);
    CHECK((out.find("links") != std::string::npos) == right);
  }
}

TEST_CASE("trace previews: JSON as it is written, the words of a chat, at most 1000 characters") {
  CHECK(preview_of("\"plain\"", "user") == "\"plain\"");
  CHECK(preview_of("{\"q\": NaN}", "user") == "{\"q\": NaN}");
  const std::string chat = R"("messages": [{"role": "user", "content": "ask"},
      {"role": "assistant", "content": [{"type": "image"}, {"type": "text", "text": "say"}]}])";
  CHECK(preview_of("{" + chat + "}", "user") == "ask");
  CHECK(preview_of("{" + chat + "}", "assistant") == "say");
  CHECK(preview_of("{\"request\": {" + chat + "}}", "nobody") == "say");
  CHECK(preview_of(R"({"choices": [{"message": {"role": "assistant", "content": "so"}}]})",
                   "assistant") == "so");
  const std::string silent = R"({"input": [{"role": "user", "content": 5}, "x"]})";
  CHECK(preview_of(silent, "user") == silent);
  CHECK(preview_of(R"({"messages": []})", "user") == R"({"messages": []})");
  std::string longer;
  for (int i = 0; i < 1000; ++i) longer += "ü";
  CHECK(preview_of(longer, "user") == longer);
  CHECK(preview_of(longer + "x", "user") == longer.substr(0, 2 * 997) + "...");
}

TEST_CASE("span files: read together, each span once, the first one first") {
  const auto first = file_of({a_span('b', false, 5, 6), a_span('c', false, 4, 9)});
  const auto second = file_of({a_span('a', true, 7, 9), a_span('b', false, 5, 8)});
  const auto merged = merged_spans({first, second});
  REQUIRE(merged);
  CHECK(names(*merged) == "acb");
  CHECK(read_span_facts(*merged).at(2).end_ns == 8);
  CHECK(merged_spans({second, first}, 2).value() == merged_spans({first, second}, 2).value());
  CHECK(read_span_facts(merged_spans({second, first}, 2).value()).at(2).end_ns == 8);
  CHECK(read_span_facts(merged_spans({second, first}).value()).at(2).end_ns == 6);
  CHECK(merged_spans({first}).value() == first);
  CHECK(merged_spans({first, "{}"}).error().code == ErrorCode::corrupt);
}

TEST_CASE("trace metrics: groups, buckets, percentiles") {
  MetricQuestion q{.view = "TRACES",
                   .metric = "latency",
                   .aggregations = {{"AVG", 0}, {"PERCENTILE", 50}, {"PERCENTILE", 99.5}}};
  REQUIRE_FALSE(check_question(q));
  std::vector<MetricRow> rows;
  for (int i = 0; i < 4; ++i) {
    TraceRow trace;
    trace.info.request_time_ms = 1000 * i - 1000;
    trace.info.execution_time_ms = i == 3 ? -1 : 10 * i;
    trace.info.tags[kTraceName] = i < 2 ? "x" : "y";
    rows.push_back(trace_metric_row(q, trace));
  }
  CHECK(
      data_points_json(q, rows, 10) ==
      R"([{"metric_name":"latency","dimensions":{},"values":{"AVG":10,"P50.0":10,"P99.5":19.9}}])");
  q.dimensions = {"trace_name"};
  q.aggregations = {{"MAX", 0}, {"MIN", 0}};
  CHECK(
      data_points_json(q, rows, 10) ==
      R"([{"metric_name":"latency","dimensions":{"trace_name":"x"},"values":{"MAX":10,"MIN":0}},)"
      R"({"metric_name":"latency","dimensions":{"trace_name":"y"},"values":{"MAX":20,"MIN":20}}])");
  CHECK(data_points_json(q, rows, 1).find("\"y\"") == std::string::npos);
  q.dimensions.clear();
  q.bucket_seconds = 2;
  q.aggregations = {{"MAX", 0}};
  CHECK(data_points_json(q, rows, 10) ==
        R"([{"metric_name":"latency","dimensions":{"time_bucket":"1969-12-31T23:59:58+00:00"},)"
        R"("values":{"MAX":0}},{"metric_name":"latency","dimensions":)"
        R"({"time_bucket":"1970-01-01T00:00:00+00:00"},"values":{"MAX":20}}])");
  q.bucket_seconds = 0;
  CHECK(data_points_json(q, {}, 10) == "[]");
  q.aggregations = {{"COUNT", 0}};
  CHECK(check_question(q)->message.find("Found invalid aggregation_type(s): ['COUNT']") == 0);
  q.metric = "trace_count";
  CHECK(data_points_json(q, {}, 10).find(R"("values":{"COUNT":0})") != std::string::npos);
}

TEST_CASE("trace metrics: tokens, sessions, assessments, spans") {
  TraceRow trace;
  trace.info.metadata = {{"mlflow.trace.tokenUsage", R"({"input_tokens": 5, "total_tokens": 8})"},
                         {"mlflow.trace.session", "s"}};
  TraceAssessment good{
      .assessment_id = "1", .name = "good", .kind = "feedback", .content = R"({"value": true})"};
  auto old = good, text = good;
  old.valid = false;
  text.content = R"({"value": "fine"})";
  text.name = "text";
  trace.info.assessments = {good, old, text};
  CHECK(trace_metric_row({.metric = "total_tokens"}, trace).value == 8.0);
  CHECK_FALSE(trace_metric_row({.metric = "output_tokens"}, trace).value);
  const MetricQuestion sessions{
      .view = "TRACES", .metric = "session_count", .aggregations = {{"COUNT", 0}}};
  const auto row = trace_metric_row(sessions, trace);
  CHECK(data_points_json(sessions, {row, row}, 9).find(R"({"COUNT":1})") != std::string::npos);
  const auto counted = assessment_metric_rows({.metric = "assessment_count"}, trace, "", "");
  REQUIRE(counted.size() == 2);
  CHECK(counted[1].dimensions.at("assessment_value") == "\"fine\"");
  const auto values =
      assessment_metric_rows({.metric = "assessment_value"}, trace, "good", "feedback");
  REQUIRE(values.size() == 1);
  CHECK(values[0].value == 1.0);
  CHECK(assessment_metric_rows({.metric = "assessment_count"}, trace, "", "expectation").empty());
  SpanFacts span{
      .name = "n",
      .type = "LLM",
      .status = "OK",
      .content = "",
      .start_ns = 1000000,
      .end_ns = 5000000,
      .attributes = {{"mlflow.llm.cost", R"({"total_cost": 0.5})"}, {"mlflow.llm.model", "m"}}};
  CHECK(span_metric_row({.metric = "latency"}, span).value == 4.0);
  CHECK(span_metric_row({.metric = "total_cost"}, span).value == 0.5);
  CHECK(span_metric_row({.metric = "span_count"}, span).dimensions.at("span_model_name") == "m");
}

TEST_CASE(
    "mlflow otlp: spans that came in one request stand in order of their starts, root first") {
  CHECK(names(file_of({a_span('c', false, 2, 3), a_span('b', false, 1, 4),
                       a_span('r', true, 1, 5)})) == "rbc");
}

}  // namespace mlforge::gateway::mlflow
