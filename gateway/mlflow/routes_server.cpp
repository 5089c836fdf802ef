// What MLflow's client asks a server about itself, and the answers for what is not served.
#include "gateway/mlflow/handlers.hpp"

namespace mlforge::gateway::mlflow {
namespace server_routes {
namespace {

// The version of MLflow's API that is spoken.
constexpr const char* kVersion = "3.17.2";

// Parts of the API that exist and are not served yet.
constexpr std::string_view kLater[] = {
    "/mlflow/traces",        "/mlflow/unified-traces",      "/mlflow/get-online-trace-details",
    "/mlflow-artifacts/mpu", "/mlflow-artifacts/presigned", "/mlflow/gateway-proxy"};

void disabled(const Request& request, Reply reply) {
  reply.send(http::Response::text(
      "Endpoint: " + std::string(request.path) +
          " disabled due to the mlflow server running with `--no-serve-artifacts`. To enable "
          "artifacts server functionality, run `mlforge serve` with `--serve-artifacts`",
      503));
}

void not_served(const Request& request, Reply reply) {
  const auto path = request.path;
  bool later = path.find("/3.0/") != path.npos;
  for (const auto each : kLater) later = later || path.find(each) != path.npos;
  std::string out;
  const auto what = std::string(to_string(request.method)) + " " + std::string(path);
  if (later)
    Object(out)
        .text("error_code", "NOT_IMPLEMENTED")
        .text("message", what + " is a part of MLflow's API that mlforge does not serve");
  else
    Object(out)
        .text("error_code", "ENDPOINT_NOT_FOUND")
        .text("message", what + " is no endpoint of MLflow's API")
        .text("sqlstate", "KAM00")
        .text("error_class", "RESOURCE_NOT_FOUND");
  reply.send(http::Response::json(std::move(out), later ? 501 : 404));
}

}  // namespace
}  // namespace server_routes

void add_server_routes(App& app, http::Router& router) {
  using namespace server_routes;
  const bool serves_artifacts = app.config.serve_artifacts == "on";
  const http::RouteInfo info{.summary = "MLflow", .tag = "mlflow", .hot = true, .hidden = true};
  router.get(
      "/health", [](const Request&, Reply r) { r.send(http::Response::text("OK")); }, info);
  router.get(
      "/version", [](const Request&, Reply r) { r.send(http::Response::text(kVersion)); }, info);
  for (const std::string prefix : {"/api/", "/ajax-api/"}) {
    router.get(
        prefix + "3.0/mlflow/server-info",
        [](const Request&, Reply r) {
          r.send(http::Response::json(R"({"store_type":"mlforge","workspaces_enabled":false})"));
        },
        info);
    for (const std::string place : {"2.0/mlflow/", "2.0/mlflow-artifacts/", "3.0/mlflow/"})
      for (const auto method :
           {Method::get, Method::post, Method::put, Method::patch, Method::delete_})
        router.add(http::Route{
            method, prefix + place + "{rest*}",
            serves_artifacts || place != "2.0/mlflow-artifacts/" ? not_served : disabled, info});
  }
}

}  // namespace mlforge::gateway::mlflow
