// Traces with their spans, which are in the artifact traces.json, and that file itself.
#include "gateway/artifacts.hpp"
#include "gateway/mlflow/owners.hpp"
#include "gateway/mlflow/trace_spans.hpp"
#include "gateway/mlflow/traces.hpp"
#include "projections/artifacts.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway::mlflow {
namespace trace_files_routes {
namespace {

constexpr const char* kSpansFile = "traces.json";
constexpr std::size_t kMostBytes = 256u << 20;  // of all files of one request

Error no_spans(const std::string& trace_id) {
  return {ErrorCode::not_found,
          "Trace with ID '" + trace_id +
              "' has no spans on this server: its file traces.json was "
              "not stored here",
          "trace_id"};
}

// A file below the trace's artifact location.
Expected<FileRef> trace_file(const QueryContext& q, const TraceRow& row, const std::string& name) {
  const auto at = row.info.tags.find(kTraceArtifacts);
  const auto root =
      at == row.info.tags.end() ? std::nullopt : projections::proxied_path(at->second);
  if (!root) return no_spans(row.info.trace_id);
  const auto path = *root + "/" + name;
  const auto file = projections::find_artifact(q.reader, kTenant, path, q.as_of);
  if (!file || file->is_folder())
    return name == kSpansFile ? no_spans(row.info.trace_id) : no_artifact(path);
  return FileRef{file->path, file->digest, file->bytes};
}

struct TraceWithFile {
  TraceRow row;
  FileRef file;
};

Expected<std::string> read_file(const App& app, const FileRef& file) {
  const auto digest = storage::parse_digest(file.digest);
  if (!digest)
    return Error{ErrorCode::corrupt, "the digest of '" + file.path + "' is no digest", ""};
  auto reader = app.blobs->open(kTenant, *digest, {});
  if (!reader) return reader.error();
  std::string out(file.bytes, '\0');
  std::size_t done = 0;
  while (done < out.size()) {
    const auto got =
        (*reader)->read({reinterpret_cast<std::uint8_t*>(out.data()) + done, out.size() - done});
    if (!got) return got.error();
    if (*got == 0) break;
    done += *got;
  }
  if (storage::sha256(storage::as_bytes(out)) != *digest)
    return Error{ErrorCode::corrupt,
                 "the stored bytes of '" + file.path + "' do not match their digest", ""};
  return out;
}

Status write_trace(const App& app, std::string& out, const TraceWithFile& trace) {
  const auto text = read_file(app, trace.file);
  if (!text) return text.error();
  std::string spans;
  if (auto bad = append_otel_spans(spans, *text)) return bad;
  Object(out)
      .raw("trace_info", [&](std::string& info) { write_trace_info(info, trace.row); })
      .raw("spans", [&](std::string& list) { list += spans; });
  return {};
}

void answer_traces(App& app, Reply reply, std::vector<TraceWithFile> traces, bool one) {
  std::size_t bytes = 0;
  for (const auto& each : traces) bytes += each.file.bytes;
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
    auto file = trace_file(q, *row, kSpansFile);
    if (!file) return fail(to, file.error());
    answer_traces(app, std::move(to), {{*std::move(row), *std::move(file)}}, true);
  });
}

void get_batch(App& app, Fields& fields, const Request&, Reply reply) {
  const auto ids = fields.texts("trace_ids", Need::required);
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [&app, ids](const QueryContext& q, Reply to) {
    std::vector<TraceWithFile> traces;
    for (const auto& id : ids) {
      auto row = find_trace_row(q, id);
      auto file = row ? trace_file(q, *row, kSpansFile) : row.error();
      if (file) traces.push_back({*std::move(row), *std::move(file)});
    }
    answer_traces(app, std::move(to), std::move(traces), false);
  });
}

void download(App& app, const Request& request, Reply reply) {
  const std::string id(request.query("request_id").value_or(""));
  std::string path(request.query("path").value_or(""));
  if (id.empty())
    return fail(reply, {ErrorCode::invalid_argument,
                        "Request must include the \"request_id\" query parameter.", "request_id"});
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  const auto name = path.empty() ? kSpansFile : "attachments/" + path;
  send_file(
      app, request, std::move(reply),
      [id, name](const QueryContext& q) -> Expected<FileRef> {
        const auto row = find_trace_row(q, id);
        if (!row) return row.error();
        return trace_file(q, *row, name);
      },
      path.empty() ? kSpansFile : path.substr(path.rfind('/') + 1), error_shape);
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
