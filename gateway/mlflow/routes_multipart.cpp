// Uploads in parts and presigned URLs, with which MLflow's server has clients write to a store in
// the cloud by themselves. In this server's store a file's name is its digest, which nobody knows
// before its last byte: it answers as MLflow's does over a local folder, and clients send files
// whole.
#include "gateway/mlflow/entities.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/owners.hpp"
#include "projections/artifacts.hpp"

namespace mlforge::gateway::mlflow {
namespace multipart_routes {
namespace {

constexpr const char *kUpload = "Multipart upload", *kDownload = "Multipart download";

void not_supported(Reply& reply, const std::string& what) {
  std::string out;
  Object(out)
      .text("error_code", "NOT_IMPLEMENTED")
      .text("message", what + " is not supported for the current artifact repository");
  reply.send(http::Response::json(std::move(out), 501));
}

void check_where(Fields& fields, const Request& request) {
  std::string where(request.param("where"));
  if (auto bad = check_client_path(where)) fields.set_error(*bad);
}

void create(App&, Fields& fields, const Request& request, Reply reply) {
  check_where(fields, request);
  (void)fields.text("path", Need::required);
  (void)fields.integer("num_parts");
  if (ok(fields, reply)) not_supported(reply, kUpload);
}

void complete(App&, Fields& fields, const Request& request, Reply reply) {
  check_where(fields, request);
  (void)fields.text("path", Need::required);
  (void)fields.text("upload_id");
  if (!fields.has("parts"))
    fields.set_error({ErrorCode::invalid_argument,
                      "Missing value for required parameter 'parts'. See the API docs for more "
                      "information about request parameters.",
                      "parts"});
  if (ok(fields, reply)) not_supported(reply, kUpload);
}

void abort_upload(App&, Fields& fields, const Request& request, Reply reply) {
  check_where(fields, request);
  (void)fields.text("path", Need::required);
  (void)fields.text("upload_id");
  if (ok(fields, reply)) not_supported(reply, kUpload);
}

void presigned_file(App&, Fields& fields, const Request& request, Reply reply) {
  check_where(fields, request);
  if (ok(fields, reply)) not_supported(reply, kDownload);
}

// Of a run or a logged model whose files this server keeps there is none; of others, this server
// has no credentials.
void answer_presigned(Reply& reply, const std::string& uri, bool upload) {
  const std::string what = upload ? "Presigned upload" : "Presigned download";
  if (!uri.starts_with("mlflow-artifacts:") && !uri.starts_with("http"))
    return not_supported(reply, what);
  fail(reply, {ErrorCode::invalid_argument,
               what + " is not supported for " + (upload ? "" : "runs with ") +
                   "proxied artifact storage (artifact URI scheme: " +
                   uri.substr(0, uri.find(':')) + "). This endpoint requires a " +
                   (upload ? "" : "run with a ") + "direct cloud storage artifact URI.",
               ""});
}

Expected<std::string> root_of(const QueryContext& q, const std::string& run_id,
                              const std::string& model_id) {
  if (!run_id.empty()) {
    const auto run = find_run(q, run_id);
    if (!run) return run.error();
    return run_artifact_uri(run->row);
  }
  const auto model = projections::find_logged_model(q.reader, kTenant, model_id, q.as_of);
  if (model && !model->deleted) return model->artifact_uri;
  return Error{ErrorCode::not_found, "Logged model with ID '" + model_id + "' not found.",
               "model_id"};
}

void presigned_upload(App& app, Fields& fields, const Request&, Reply reply) {
  const auto run_id = fields.text("run_id"), model_id = fields.text("model_id");
  auto path = fields.text("path", Need::required);
  (void)fields.integer("expiration");
  if (run_id.empty() == model_id.empty())
    fields.set_error({ErrorCode::invalid_argument,
                      "Exactly one of run_id and model_id must be provided.", "run_id"});
  if (auto bad = check_client_path(path)) fields.set_error(*bad);
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [run_id, model_id](const QueryContext& q, Reply to) {
    const auto root = root_of(q, run_id, model_id);
    if (!root) return fail(to, root.error());
    answer_presigned(to, *root, true);
  });
}

void presigned_download(App& app, Fields& fields, const Request&, Reply reply) {
  const auto run_id = fields.text("run_id", Need::required);
  auto path = fields.text("path", Need::required);
  const auto seconds = fields.integer("expiration").value_or(900);
  if (auto bad = check_client_path(path)) fields.set_error(*bad);
  if (seconds < 1 || seconds > 604800)
    fields.set_error(
        {ErrorCode::invalid_argument,
         "expiration must be between 1 and 604800 seconds (got " + std::to_string(seconds) + ").",
         "expiration"});
  if (!ok(fields, reply)) return;
  read_then(app, std::move(reply), [run_id](const QueryContext& q, Reply to) {
    const auto root = root_of(q, run_id, "");
    if (!root) return fail(to, root.error());
    answer_presigned(to, *root, false);
  });
}

}  // namespace
}  // namespace multipart_routes

void add_multipart_routes(App& app, http::Router& router) {
  using namespace multipart_routes;
  add_route(app, router, Method::post, "artifacts/presigned-upload-url", presigned_upload);
  add_route(app, router, Method::post, "artifacts/presigned-download-url", presigned_download);
  if (app.config.serve_artifacts == "off") return;
  const http::RouteInfo info{.summary = "MLflow", .tag = "mlflow", .hidden = true};
  const auto add = [&](Method method, const std::string& path, Handler handler) {
    for (const std::string prefix :
         {"/api/2.0/mlflow-artifacts/", "/ajax-api/2.0/mlflow-artifacts/"})
      router.add(http::Route{method, prefix + path + "/{where*}",
                             [&app, handler](const Request& request, Reply reply) {
                               Fields fields(request);
                               handler(app, fields, request, std::move(reply));
                             },
                             info});
  };
  add(Method::post, "mpu/create", create);
  add(Method::post, "mpu/complete", complete);
  add(Method::post, "mpu/abort", abort_upload);
  add(Method::get, "presigned", presigned_file);
}

}  // namespace mlforge::gateway::mlflow
