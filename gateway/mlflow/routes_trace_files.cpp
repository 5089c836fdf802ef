// Traces with their spans, which are in the artifact traces.json, and that file itself.
#include "gateway/artifacts.hpp"
#include "gateway/mlflow/owners.hpp"
#include "gateway/mlflow/trace_files.hpp"
#include "gateway/mlflow/trace_spans.hpp"
#include "gateway/mlflow/traces.hpp"

namespace mlforge::gateway::mlflow {
namespace trace_files_routes {
namespace {

constexpr std::size_t kMostBytes = 256u << 20;  // of all files of one request

struct TraceWithFiles {
  TraceRow row;
  std::vector<FileRef> files;
};

Status write_trace(const App& app, std::string& out, const TraceWithFiles& trace) {
  const auto text = read_spans(app, trace.files);
  if (!text) return text.error();
  std::string spans;
  if (auto bad = append_otel_spans(spans, *text)) return bad;
  Object(out)
      .raw("trace_info", [&](std::string& info) { write_trace_info(info, trace.row); })
      .raw("spans", [&](std::string& list) { list += spans; });
  return {};
}

void answer_traces(App& app, Reply reply, std::vector<TraceWithFiles> traces, bool one) {
  std::size_t bytes = 0;
  for (const auto& each : traces)
    for (const auto& file : each.files) bytes += file.bytes;
  if (bytes > kMostBytes)
    return fail(reply, {ErrorCode::invalid_argument,
                        "The spans of these traces have more than 256 MiB: ask for fewer, or read "
                        "the artifacts traces.json",
                        "trace_ids"});
  run_blocking(app, std::move(reply), [&app, traces = std::move(traces), one](Reply to) {
    std::string out = one ? "{\"trace\":" : "{\"traces\":[";
    for (const auto& each : traces) {
      if (&each != &traces.front()) out += ',';
      if (auto bad = write_trace(app, out, each)) return fail(to, *bad);
    }
    to.send(revealed(app, http::Response::json(std::move(out) + (one ? "}" : "]}"))));
  });
}

void get(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = fields.text("trace_id", Need::required);
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [&app, id](const QueryContext& q, Reply to) {
    auto row = find_trace_row(q, id);
    if (!row) return fail(to, row.error());
    auto files = span_files(q, *row);
    if (!files) return fail(to, files.error());
    answer_traces(app, std::move(to), {{*std::move(row), *std::move(files)}}, true);
  });
}

void get_batch(App& app, Fields& fields, const Request&, Reply reply) {
  const auto ids = fields.texts("trace_ids", Need::required);
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [&app, ids](const QueryContext& q, Reply to) {
    std::vector<TraceWithFiles> traces;
    for (const auto& id : ids) {
      auto row = find_trace_row(q, id);
      auto files = row ? span_files(q, *row) : row.error();
      if (files) traces.push_back({*std::move(row), *std::move(files)});
    }
    answer_traces(app, std::move(to), std::move(traces), false);
  });
}

// All spans as one file, however they came.
void download_spans(App& app, Reply reply, const std::string& id) {
  read_then(app, std::move(reply), [&app, id](const QueryContext& q, Reply to) {
    auto row = find_trace_row(q, id);
    if (!row) return fail(to, row.error());
    auto files = span_files(q, *row);
    if (!files) return fail(to, files.error());
    run_blocking(app, std::move(to), [&app, files = *std::move(files)](Reply at) {
      auto text = read_spans(app, files);
      if (!text) return fail(at, text.error());
      auto response = http::Response::json(*std::move(text));
      response.headers.emplace_back("Content-Disposition", "attachment; filename=traces.json");
      at.send(std::move(response));
    });
  });
}

void download(App& app, const Request& request, Reply reply) {
  const std::string id(request.query("request_id").value_or(""));
  std::string path(request.query("path").value_or(""));
  if (id.empty())
    return fail(reply, {ErrorCode::invalid_argument,
                        "Request must include the \"request_id\" query parameter.", "request_id"});
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  if (path.empty()) return download_spans(app, std::move(reply), id);
  send_file(
      app, request, std::move(reply),
      [id, path](const QueryContext& q) -> Expected<FileRef> {
        const auto row = find_trace_row(q, id);
        if (!row) return row.error();
        return trace_file(q, *row, "attachments/" + path);
      },
      path.substr(path.rfind('/') + 1), error_shape);
}

}  // namespace
}  // namespace trace_files_routes

void add_trace_file_routes(App& app, http::Router& router) {
  using namespace trace_files_routes;
  add_route_v3(app, router, Method::get, "traces/get", get);
  add_route_v3(app, router, Method::get, "traces/batchGet", get_batch);
  for (const char* version : {"2.0", "3.0"})
    router.get(std::string("/ajax-api/") + version + "/mlflow/get-trace-artifact",
               [&app](const Request& q, Reply r) { download(app, q, std::move(r)); },
               {.summary = "MLflow", .tag = "mlflow", .hidden = true});
}

}  // namespace mlforge::gateway::mlflow
