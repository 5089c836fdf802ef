// What the web interface downloads and uploads: files named by their run, version or logged model.
#include <filesystem>
#include <fstream>

#include "gateway/artifacts.hpp"
#include "gateway/mlflow/artifact_flags.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/local_files.hpp"
#include "gateway/mlflow/owners.hpp"
#include "gateway/mlflow/version_source.hpp"
#include "projections/artifacts.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway::mlflow {
namespace downloads_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;

constexpr std::size_t kPiece = 64 << 10, kMostUpload = 10 << 20;

// The artifact root, a URI, of what a request is about.
using RootOf = std::function<Expected<std::string>(const QueryContext&)>;

// A file of this machine; links that lead out of the folder are not followed.
void send_local(Reply reply, const std::filesystem::path& folder, const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code failed;
  const auto file = fs::weakly_canonical(folder / path, failed);
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  if (failed || end != folder.end() || !fs::is_regular_file(file, failed))
    return fail(reply, no_artifact(path));
  auto in = std::make_shared<std::ifstream>(file, std::ios::binary);
  if (!*in) return fail(reply, no_artifact(path));
  http::StreamedResponse response;
  name_attachment(response, path.substr(path.rfind('/') + 1));
  response.next = [in](std::string& out) -> Status {
    out.resize(kPiece);
    in->read(out.data(), static_cast<std::streamsize>(out.size()));
    out.resize(static_cast<std::size_t>(in->gcount()));
    if (in->bad()) return Error{ErrorCode::unavailable, "the file cannot be read", ""};
    return {};
  };
  reply.stream(std::move(response));
}

void send_below(App& app, Reply reply, std::string path, RootOf root_of) {
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  if (path.empty()) return fail(reply, no_artifact(path));
  read_then(app, std::move(reply), [&app, path, root_of](const QueryContext& q, Reply to) {
    const auto uri = root_of(q);
    if (!uri) return fail(to, uri.error());
    if (const auto folder = local_folder(app.config, *uri))
      return send_local(std::move(to), *folder, path);
    const auto root = projections::proxied_path(*uri);
    if (!root) return fail(to, no_artifact(path));
    const auto whole = root->empty() ? path : *root + "/" + path;
    const Request& request = to.request();
    send_file(
        app, request, std::move(to),
        [whole](const QueryContext& now) -> Expected<FileRef> {
          const auto row = projections::find_artifact(now.reader, kTenant, whole, now.as_of);
          if (row && row->is_folder()) return is_folder(whole);
          if (!row) return no_artifact(whole);
          return FileRef{row->path, row->digest, row->bytes};
        },
        path.substr(path.rfind('/') + 1), error_shape);
  });
}

void of_run(App& app, const Request& request, Reply reply) {
  Fields fields(request);
  const auto id = read_run_id(fields);
  const auto path = fields.text("path", Need::required);
  if (!ok(fields, reply)) return;
  send_below(app, std::move(reply), path, [id](const QueryContext& q) -> Expected<std::string> {
    const auto run = find_run(q, id);
    if (!run) return run.error();
    return run_artifact_uri(run->row);
  });
}

void of_version(App& app, const Request& request, Reply reply) {
  Fields fields(request);
  const auto name = fields.text("name", Need::required);
  const auto version = read_version(fields);
  const auto path = fields.text("path", Need::required);
  if (!ok(fields, reply)) return;
  send_below(app, std::move(reply), path,
             [name, version](const QueryContext& q) { return download_uri(q, name, version); });
}

void of_logged_model(App& app, Fields& fields, const Request& request, Reply reply) {
  const std::string id(request.param("model_id"));
  const auto path = fields.text("artifact_file_path");
  if (path.empty())
    fields.set_error({ErrorCode::invalid_argument,
                      "Request must include the \"artifact_file_path\" query parameter.",
                      "artifact_file_path"});
  if (!ok(fields, reply)) return;
  send_below(app, std::move(reply), path, [id](const QueryContext& q) -> Expected<std::string> {
    const auto model = projections::find_logged_model(q.reader, kTenant, id, q.as_of);
    if (model && !model->deleted) return model->artifact_uri;
    return Error{ErrorCode::not_found, "Logged model with ID '" + id + "' not found.", "model_id"};
  });
}

Error said(const char* message, const char* field) {
  return {ErrorCode::invalid_argument, message, field};
}

// Into the store, as an artifact of the run.
void store_blob(App& app, Reply to, const std::string& id, const std::string& path) {
  auto writer = app.blobs->create(kTenant);
  if (!writer) return fail(to, writer.error());
  if (auto bad = (*writer)->append(storage::as_bytes(to.request().body))) return fail(to, *bad);
  const auto stored = (*writer)->finish();
  if (!stored) return fail(to, stored.error());
  const Request& asked = to.request();
  command<TrackingBody>(app.managers.tracking, asked, std::move(to),
                        LogArtifact{id, FileRef{path, to_string(stored->digest), stored->bytes}},
                        [](const Outcome&) { return std::string("{}"); });
}

// Where clients of this server keep the run's files by themselves.
void store_local(Reply to, const std::filesystem::path& folder, const std::string& path) {
  if (auto bad = write_local_file(folder, path, to.request().body)) return fail(to, *bad);
  to.send(http::Response::json("{}"));
}

void upload(App& app, const Request& request, Reply reply) {
  const std::string id(request.query("run_uuid").value_or(""));
  std::string path(request.query("path").value_or(""));
  if (id.empty()) return fail(reply, said("Request must specify run_uuid.", "run_uuid"));
  if (path.empty()) return fail(reply, said("Request must specify path.", "path"));
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  if (request.body.empty()) return fail(reply, said("Request must specify data.", ""));
  if (request.body.size() > kMostUpload)
    return fail(reply, said("Artifact size is too large. Max size is 10MB.", ""));
  read_then(app, std::move(reply), [&app, id, path](const QueryContext& q, Reply to) {
    const auto run = find_run(q, id);
    if (!run) return fail(to, run.error());
    const auto folder = local_folder(app.config, run_artifact_uri(run->row));
    run_blocking(app, std::move(to), [&app, id, path, folder](Reply answer) {
      if (folder) return store_local(std::move(answer), *folder, path);
      store_blob(app, std::move(answer), id, path);
    });
  });
}

}  // namespace
}  // namespace downloads_routes

void add_download_routes(App& app, http::Router& router) {
  using namespace downloads_routes;
  const http::RouteInfo info{.summary = "MLflow", .tag = "mlflow", .hidden = true};
  router.get(
      "/get-artifact", [&app](const Request& q, Reply r) { of_run(app, q, std::move(r)); }, info);
  router.get(
      "/model-versions/get-artifact",
      [&app](const Request& q, Reply r) { of_version(app, q, std::move(r)); }, info);
  auto bytes = info;
  bytes.max_body = kMostUpload + 1;
  router.post(
      "/ajax-api/2.0/mlflow/upload-artifact",
      [&app](const Request& q, Reply r) { upload(app, q, std::move(r)); }, bytes);
  add_route(app, router, Method::get, "logged-models/{model_id}/artifacts/files", of_logged_model);
}

}  // namespace mlforge::gateway::mlflow
