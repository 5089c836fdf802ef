// POST /v1/traces: spans over OpenTelemetry's protocol, as MLflow's client and any OTLP exporter
// send them. Each request's spans of a trace become a file; what they say of the trace, an event.
#include <algorithm>
#include <map>
#include <mutex>

#include "gateway/mlflow/entities.hpp"

#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/span_files.hpp"
#include "gateway/mlflow/trace_previews.hpp"
#include "gateway/mlflow/traces.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway::mlflow {
namespace otlp_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

constexpr std::size_t kMostBody = 64 << 20, kMostTag = 8000, kMostTagKey = 250;
constexpr std::int64_t kNsPerMs = 1000000;
constexpr std::string_view kUserTag = "mlflow.traceTag.";

// As MLflow's server answers here: not in its own shape of errors.
void refuse(Reply& reply, int status, std::string_view detail) {
  std::string out;
  Object(out).text("detail", detail);
  reply.send(http::Response::json(std::move(out), status));
}

// As FastAPI answers where a header is missing. An empty one names no experiment either.
void refuse_missing_header(Reply& reply, std::string_view name) {
  std::string out;
  Object(out).raw("detail", [&](std::string& list) {
    list += '[';
    Object(list)
        .text("type", "missing")
        .raw("loc",
             [&](std::string& place) {
               place += "[\"header\",";
               append_json_string(place, name);
               place += ']';
             })
        .text("msg", "Field required")
        .raw("input", [](std::string& input) { input += "null"; });
    list += ']';
  });
  reply.send(http::Response::json(std::move(out), 422));
}

// The spans of one trace among those of a request.
struct Traced {
  std::vector<const otlp::Span*> spans;
  const otlp::Attributes* resource = nullptr;  // of its first span that has one
};

void add_tag(Texts& tags, const std::string& key, const std::string& value) {
  if (!key.empty() && key.size() <= kMostTagKey)
    tags[key] = value.substr(0, value.size() <= kMostTag ? value.npos : kMostTag);
}

void add_resource(LogSpans& out, const otlp::Attributes& resource) {
  for (const auto& [key, value] : resource)
    if (!key.starts_with("telemetry.sdk.") && !key.starts_with("mlflow."))
      add_tag(out.tags, key, otlp::text_of(value));
}

void add_root(LogSpans& out, const otlp::Span& root) {
  out.root_state = root.status == 2 ? "ERROR" : "OK";
  for (const auto& [key, value] : root.attributes) {
    if (key == "mlflow.spanInputs") out.request_preview = preview_of(value, "user");
    if (key == "mlflow.spanOutputs") out.response_preview = preview_of(value, "assistant");
    if (key.starts_with(kUserTag))
      add_tag(out.tags, key.substr(kUserTag.size()), otlp::text_of(value));
  }
}

SpanUsage usage_of_span(const otlp::Span& span) {
  SpanUsage out{hex_id(span.span_id), hex_id(span.parent_id), {}, {}};
  for (const auto& [key, value] : span.attributes) {
    if (key == "mlflow.chat.tokenUsage") out.usage = value;
    if (key == "mlflow.llm.cost") out.cost = value;
  }
  return out;
}

LogSpans summary(const std::string& trace_id, const std::string& experiment_id,
                 const Traced& traced) {
  LogSpans out{.trace_id = trace_id, .experiment_id = experiment_id, .start_ms = INT64_MAX};
  if (traced.resource) add_resource(out, *traced.resource);
  for (const auto* span : traced.spans) {
    out.start_ms = std::min(out.start_ms, static_cast<std::int64_t>(span->start_ns) / kNsPerMs);
    if (span->end_ns)
      out.end_ms = std::max(out.end_ms, static_cast<std::int64_t>(span->end_ns) / kNsPerMs);
    for (const auto& [key, value] : span->attributes) {
      if (key == "session.id" || key == "gen_ai.conversation.id")
        out.metadata.emplace("mlflow.trace.session", otlp::text_of(value));
      if (key == "user.id") out.metadata.emplace("mlflow.trace.user", otlp::text_of(value));
    }
    if (span->parent_id.empty()) add_root(out, *span);
    out.spans.push_back(usage_of_span(*span));
  }
  return out;
}

Expected<FileRef> store(const App& app, const std::string& trace_id, const Traced& traced) {
  const auto text = spans_json(traced.spans);
  auto writer = app.blobs->create(kTenant);
  if (!writer) return writer.error();
  if (auto bad = (*writer)->append(storage::as_bytes(text))) return *bad;
  const auto stored = (*writer)->finish();
  if (!stored) return stored.error();
  return FileRef{spans_folder(trace_id), to_string(stored->digest), stored->bytes};
}

// Several commands, answered together. Spans are answered by an empty message.
struct Batch {
  std::mutex mutex;
  Reply reply;
  std::size_t left = 0;
  Status error;

  void done(const Expected<Outcome>& result) {
    const std::lock_guard lock(mutex);
    if (!result && !error) error = result.error();
    if (--left > 0) return;
    if (error) return fail(reply, *error);
    reply.send({200, "application/x-protobuf", "", {}});
  }
};

void send(App& app, Reply reply, std::vector<TrackingBody> bodies) {
  auto meta = command_meta(reply.request());
  if (!meta) return fail(reply, meta.error());
  meta->command_id.clear();  // one id names one command
  auto batch = std::make_shared<Batch>();
  batch->left = bodies.size();
  batch->reply = std::move(reply);
  for (auto& body : bodies)
    app.managers.tracking.send(
        std::make_shared<actors::Request<TrackingBody>>(actors::Request<TrackingBody>{
            *meta, std::move(body),
            [batch](const Expected<Outcome>& result) { batch->done(result); }}));
}

Status check_span(const otlp::Span& span) {
  const bool right = !span.trace_id.empty() && span.trace_id.size() <= 16 &&
                     !span.span_id.empty() && span.span_id.size() <= 8 &&
                     span.parent_id.size() <= 8;
  if (right) return {};
  return Error{ErrorCode::invalid_argument, "Cannot convert OpenTelemetry span to MLflow span", ""};
}

// The web pages show by this attribute which of the agents that they know a trace is of.
void name_agent(otlp::Span& root, const otlp::Attributes& resource) {
  constexpr std::string_view kAgents[] = {"claude-code", "codex_cli_rs", "codex_vscode",
                                          "gemini-cli", "qwen-code"};
  const auto said = std::find_if(resource.begin(), resource.end(),
                                 [](const auto& each) { return each.first == "service.name"; });
  if (said == resource.end()) return;
  const auto name = otlp::text_of(said->second);
  if (std::find(std::begin(kAgents), std::end(kAgents), name) != std::end(kAgents))
    root.attributes.push_back(*said);
}

// By the ids of their traces; a parent of zeros is none.
Expected<std::map<std::string, Traced>> by_trace(std::vector<otlp::ResourceSpans>& all) {
  std::map<std::string, Traced> out;
  for (auto& resource : all)
    for (auto& span : resource.spans) {
      if (auto bad = check_span(span)) return *bad;
      if (span.parent_id.find_first_not_of('\0') == std::string::npos) span.parent_id.clear();
      otlp::add_mlflow_attributes(span);
      if (span.parent_id.empty()) name_agent(span, resource.resource);
      auto& traced = out[mlflow_trace_id(span.trace_id)];
      traced.spans.push_back(&span);
      if (!traced.resource && !resource.resource.empty()) traced.resource = &resource.resource;
    }
  return out;
}

void log_spans(App& app, Reply reply, std::vector<otlp::ResourceSpans> all) {
  const Request& request = reply.request();
  const std::string experiment_id(request.header("x-mlflow-experiment-id"));
  const std::string run_id(request.header("x-mlflow-run-id"));
  const auto traces = by_trace(all);
  if (!traces) return refuse(reply, 422, traces.error().message);
  std::vector<TrackingBody> bodies;
  for (const auto& [trace_id, traced] : *traces) {
    auto file = store(app, trace_id, traced);
    if (!file) return fail(reply, file.error());
    auto said = summary(trace_id, experiment_id, traced);
    const bool ended = !said.root_state.empty();
    bodies.emplace_back(StoreArtifact{"spans~" + trace_id, *std::move(file), true});
    bodies.emplace_back(std::move(said));
    if (ended && !run_id.empty()) bodies.emplace_back(LinkTraceToRun{trace_id, run_id});
  }
  if (bodies.empty()) return reply.send({200, "application/x-protobuf", "", {}});
  send(app, std::move(reply), std::move(bodies));
}

void decode(App& app, Reply reply) {
  const Request& request = reply.request();
  const auto media = request.content_type.substr(0, request.content_type.find(';'));
  auto encoding = std::string(request.header("content-encoding"));
  for (char& c : encoding) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  std::string_view body = request.body;
  std::string inflated;
  if (!encoding.empty() && encoding != "identity") {
    auto done = otlp::decompressed(body, encoding);
    if (!done) return refuse(reply, 400, done.error().message);
    body = inflated = *std::move(done);
  }
  auto all = media == "application/json" ? otlp::read_json(body) : otlp::read_protobuf(body);
  if (!all) return refuse(reply, 400, all.error().message);
  if (all->empty()) return refuse(reply, 400, "Invalid OpenTelemetry format - no spans found");
  log_spans(app, std::move(reply), *std::move(all));
}

void export_traces(App& app, const Request& request, Reply reply) {
  const std::string experiment_id(request.header("x-mlflow-experiment-id"));
  if (experiment_id.empty()) return refuse_missing_header(reply, "x-mlflow-experiment-id");
  if (const auto subject = subject_of(request); !subject || !subject->empty())
    return refuse(reply, 400,
                  "X-Mlforge-Subject must not be sent here: spans are kept as a file, which is not "
                  "encrypted");
  auto media = request.content_type.substr(0, request.content_type.find(';'));
  while (media.ends_with(' ')) media.remove_suffix(1);
  if (media != "application/x-protobuf" && media != http::kJson)
    return refuse(reply, 400,
                  "Invalid Content-Type: " + std::string(request.content_type) +
                      ". Expected: application/x-protobuf or application/json");
  read_then(app, std::move(reply), [&app, experiment_id](const QueryContext& q, Reply to) {
    const auto row = find_experiment(q, experiment_id);
    if (!row) return fail(to, row.error());
    run_blocking(app, std::move(to), [&app](Reply at) { decode(app, std::move(at)); });
  });
}

}  // namespace
}  // namespace otlp_routes

void add_otlp_routes(App& app, http::Router& router) {
  http::RouteInfo info{.summary = "MLflow", .tag = "mlflow", .hidden = true};
  info.max_body = otlp_routes::kMostBody;
  router.post(
      "/v1/traces",
      [&app](const Request& q, Reply r) { otlp_routes::export_traces(app, q, std::move(r)); },
      info);
}

}  // namespace mlforge::gateway::mlflow
