// Artifacts: the proxy that MLflow's client uploads to and downloads from, and lists of them.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>

#include "gateway/artifacts.hpp"
#include "gateway/mlflow/artifact_flags.hpp"
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/owners.hpp"
#include "projections/artifacts.hpp"

namespace mlforge::gateway::mlflow {
namespace artifacts_routes {
namespace {

using actors::Outcome;
using actors::TrackingBody;
using projections::ArtifactRow;

// That no file lies where the path has a folder, and that it is none itself.
Status check_free(projections::ViewReader& view, const std::string& path) {
  for (auto at = path.find('/'); at != path.npos; at = path.find('/', at + 1)) {
    const auto row = projections::find_artifact(view, kTenant, path.substr(0, at));
    if (row && !row->is_folder())
      return Error{ErrorCode::conflict,
                   "'" + row->path + "' is a file, so that none can lie below it; delete it first",
                   "path"};
  }
  const auto row = projections::find_artifact(view, kTenant, path);
  if (row && row->is_folder())
    return Error{ErrorCode::conflict, "'" + path + "' is a folder; delete it first", "path"};
  return view.status();
}

void record_as(App& app, const Request& request, Reply reply, TrackingBody body) {
  command<TrackingBody>(app.managers.tracking, request, std::move(reply), std::move(body),
                        [](const Outcome&) { return std::string("{}"); });
}

// `work` once the read models show what the log has now; on a worker's thread.
void when_projected(App& app, std::function<void()> work) {
  const auto head = app.log->head();
  if (app.projected.position() >= head) return work();
  app.projected.when(head, [&app, work] { app.server->post(work); });
}

// A run's manager knows its files; those of experiments and models lie in several streams.
void record(App& app, const Request& request, Reply reply, const StoredFile& file) {
  const auto owner = find_owner(app, file.ref.path);
  if (!owner) return fail(reply, owner.error());
  FileRef ref = file.ref;
  if (!owner->run_id.empty()) {
    ref.path = owner->below;
    return record_as(app, request, std::move(reply), LogArtifact{owner->run_id, std::move(ref)});
  }
  when_projected(app, [&app, body = StoreArtifact{owner->root, std::move(ref)},
                       shared = std::make_shared<Reply>(std::move(reply))] {
    auto reader = app.views->reader();
    if (!reader) return fail(*shared, reader.error());
    if (auto bad = check_free(*reader, body.file.path)) return fail(*shared, *bad);
    const Request& request = shared->request();  // it lives on in the reply that takes it over
    record_as(app, request, std::move(*shared), body);
  });
}

void download(App& app, const Request& request, Reply reply, std::string path) {
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  send_file(
      app, request, std::move(reply),
      [path](const QueryContext& q) -> Expected<FileRef> {
        const auto row = projections::find_artifact(q.reader, kTenant, path, q.as_of);
        if (row && row->is_folder()) return is_folder(path);
        if (!row) return no_artifact(path);
        return FileRef{row->path, row->digest, row->bytes};
      },
      path.substr(path.rfind('/') + 1), error_shape);
}

// The entries of a folder; their names follow `shown`.
Expected<std::string> files_json(const QueryContext& q, const std::string& folder,
                                 const std::string& shown, const std::string& root_uri) {
  const auto rows = projections::list_artifacts(q.reader, kTenant, folder, q.as_of);
  const auto write_file = [&](std::string& to, const ArtifactRow& row) {
    const auto name = row.path.substr(row.path.rfind('/') + 1);
    Object file(to);
    file.text("path", shown.empty() ? name : shown + "/" + name).boolean("is_dir", row.is_folder());
    if (row.bytes > 0 && !row.is_folder())
      file.integer("file_size", static_cast<std::int64_t>(row.bytes));
  };
  std::string out;
  Object(out).array("files", rows, write_file).some_text("root_uri", root_uri);
  return out;
}

void list_proxied(App& app, Fields& fields, const Request&, Reply reply) {
  auto path = fields.text("path");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  answer_query(app, std::move(reply), as_of,
               [path](const QueryContext& q) { return files_json(q, path, "", ""); });
}

// The entries of a folder of this machine.
std::string local_files_json(const std::filesystem::path& folder, const std::string& path,
                             const std::string& root_uri) {
  namespace fs = std::filesystem;
  std::error_code failed;
  std::map<std::string, std::optional<std::uint64_t>> entries;  // without a size: a folder
  for (fs::directory_iterator each(folder / path, failed), end; !failed && each != end;
       each.increment(failed)) {
    const bool file = each->is_regular_file(failed);
    if (!file && !each->is_directory(failed)) continue;
    entries[each->path().filename().string()] =
        file ? std::optional<std::uint64_t>(each->file_size(failed)) : std::nullopt;
  }
  std::string out;
  Object(out)
      .array("files", entries,
             [&](std::string& to, const auto& entry) {
               Object one(to);
               one.text("path", path.empty() ? entry.first : path + "/" + entry.first)
                   .boolean("is_dir", !entry.second);
               if (entry.second.value_or(0) > 0)
                 one.integer("file_size", static_cast<std::int64_t>(*entry.second));
             })
      .text("root_uri", root_uri);
  return out;
}

// What lies under the artifact root `uri`, in the folder `path` of it.
Expected<std::string> list_under(const App& app, const QueryContext& q, const std::string& uri,
                                 const std::string& path) {
  if (const auto folder = local_folder(app.config, uri))
    return local_files_json(*folder, path, uri);
  const auto root = projections::proxied_path(uri);
  if (!root)
    return Error{ErrorCode::invalid_argument,
                 "The artifacts at " + uri +
                     " are not this server's: only mlflow-artifacts:/ can be listed here",
                 "run_id"};
  const auto folder = path.empty() ? *root : root->empty() ? path : *root + "/" + path;
  return files_json(q, folder, path, uri);
}

void list_of_run(App& app, Fields& fields, const Request&, Reply reply) {
  const auto id = read_run_id(fields);
  auto path = fields.text("path");
  const auto as_of = fields.text("as_of");
  if (!ok(fields, reply)) return;
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  answer_query(app, std::move(reply), as_of,
               [&app, id, path](const QueryContext& q) -> Expected<std::string> {
                 const auto run = find_run(q, id);
                 if (!run) return run.error();
                 return list_under(app, q, run_artifact_uri(run->row), path);
               });
}

void list_of_model(App& app, Fields& fields, const Request& request, Reply reply) {
  const std::string id(request.param("model_id"));
  auto path = fields.text("artifact_directory_path");
  if (!ok(fields, reply)) return;
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  answer_query(app, std::move(reply), "",
               [&app, id, path](const QueryContext& q) -> Expected<std::string> {
                 const auto row = projections::find_logged_model(q.reader, kTenant, id, q.as_of);
                 if (!row)
                   return Error{ErrorCode::not_found,
                                "Logged model with ID '" + id + "' not found.", "model_id"};
                 return list_under(app, q, row->artifact_uri, path);
               });
}

// All files at and below a path.
void gather(const QueryContext& q, const std::string& path, std::vector<std::string>& out) {
  const auto row = projections::find_artifact(q.reader, kTenant, path, q.as_of);
  if (row && !row->is_folder()) out.push_back(path);  // older logs have files below files
  for (const auto& each : projections::list_artifacts(q.reader, kTenant, path, q.as_of)) {
    if (each.is_folder())
      gather(q, each.path, out);
    else
      out.push_back(each.path);
  }
}

void remove_files(App& app, Reply reply, const std::vector<std::string>& files) {
  auto meta = command_meta(reply.request());
  if (!meta) return fail(reply, meta.error());
  std::vector<TrackingBody> bodies;
  for (const auto& path : files) {
    const auto owner = find_owner(app, path);
    if (!owner) return fail(reply, owner.error());
    if (owner->run_id.empty())
      bodies.emplace_back(RemoveArtifact{owner->root, path});
    else
      bodies.emplace_back(RemoveRunArtifact{owner->run_id, owner->below});
  }
  commands(app, *meta, std::move(bodies),
           [reply = std::make_shared<Reply>(std::move(reply))](const Outcomes& outcomes) {
             for (const auto& each : outcomes)
               if (!each) return fail(*reply, each.error());
             reply->send(http::Response::json("{}"));
           });
}

void remove(App& app, const Request& request, Reply reply) {
  std::string path(request.param("path"));
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  if (path.empty())
    return fail(reply,
                {ErrorCode::invalid_argument, "Invalid path: the root cannot be deleted", "path"});
  when_projected(app, [&app, path, shared = std::make_shared<Reply>(std::move(reply))] {
    auto reader = app.views->reader();
    if (!reader) return fail(*shared, reader.error());
    std::vector<std::string> files;
    gather({*reader, projections::kLatest, 0}, path, files);
    if (reader->status()) return fail(*shared, *reader->status());
    if (files.empty()) return shared->send(http::Response::json("{}"));
    remove_files(app, std::move(*shared), files);
  });
}

http::UploadHandler upload(App& app) {
  return [store = upload_route(app, record, error_shape)](
             const Request& request, Reply reply,
             http::UploadFlow flow) -> std::unique_ptr<http::Upload> {
    std::string path(request.param("path"));
    if (auto bad = check_client_path(path)) {
      fail(reply, *bad);
      return nullptr;
    }
    return store(request, std::move(reply), std::move(flow));
  };
}

http::RouteInfo bytes_info() {
  return {.summary = "MLflow",
          .tag = "mlflow",
          .max_body = http::kNoLimit,
          .hidden = true,
          .body_type = "application/octet-stream"};
}

}  // namespace
}  // namespace artifacts_routes

void add_artifact_routes(App& app, http::Router& router) {
  using namespace artifacts_routes;
  add_route(app, router, Method::get, "artifacts/list", list_of_run);
  add_route(app, router, Method::get, "logged-models/{model_id}/artifacts/directories",
            list_of_model);
  if (app.config.serve_artifacts == "off") return;
  for (const std::string prefix :
       {"/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/"}) {
    router.upload(Method::put, prefix + "artifacts/{path*}", upload(app), bytes_info());
    router.get(prefix + "artifacts/{path*}",
               [&app](const Request& q, Reply r) {
                 download(app, q, std::move(r), std::string(q.param("path")));
               },
               {.summary = "MLflow", .tag = "mlflow", .hidden = true});
    router.delete_(prefix + "artifacts/{path*}",
                   [&app](const Request& q, Reply r) { remove(app, q, std::move(r)); },
                   {.summary = "MLflow", .tag = "mlflow", .hidden = true});
    router.get(prefix + "artifacts",
               [&app](const Request& q, Reply r) {
                 Fields fields(q);
                 list_proxied(app, fields, q, std::move(r));
               },
               {.summary = "MLflow", .tag = "mlflow", .hidden = true});
  }
}

}  // namespace mlforge::gateway::mlflow
