// Parts of MLflow that this server has nothing of, as its web pages ask for them: they list what
// there is, and there is none. What would make some of it answers 501 (routes_server.cpp).
#include "gateway/mlflow/handlers.hpp"

namespace mlforge::gateway::mlflow {
namespace absent_routes {
namespace {

struct Absent {
  const char* path;  // below 3.0/mlflow/
  Method method;
  const char* answer;
};

constexpr Absent kAbsent[] = {
    {"review-queues/list", Method::get, R"({"review_queues":[]})"},
    {"mcp-servers", Method::get, R"({"mcp_servers":[],"next_page_token":null})"},
    {"mcp-servers/endpoints", Method::get, R"({"mcp_access_endpoints":[],"next_page_token":null})"},
    {"gateway/endpoints/list", Method::get, R"({"endpoints":[]})"},
    {"gateway/endpoints/bindings/list", Method::get, R"({"bindings":[]})"},
    {"gateway/secrets/list", Method::get, R"({"secrets":[]})"},
    {"gateway/secrets/config", Method::get,
     R"({"secrets_available":false,"using_default_passphrase":false})"},
    {"gateway/model-definitions/list", Method::get, R"({"model_definitions":[]})"},
    {"gateway/budgets/list", Method::get, R"({"budget_policies":[]})"},
    {"gateway/guardrails/list", Method::get, R"({"guardrails":[]})"},
    {"gateway/supported-providers", Method::get, R"({"providers":[]})"},
    {"gateway/supported-models", Method::get, R"({"models":[]})"},
    {"assistant/config", Method::get,
     R"({"providers":{},"projects":{},"remote_access_allowed":false})"},
    {"assistant/providers", Method::get,
     R"({"providers":[],"resolved":null,"gateway_vendor_options":{}})"},
    {"ui-telemetry", Method::get,
     R"({"disable_ui_telemetry":true,"disable_ui_events":[],"ui_rollout_percentage":0})"},
};

}  // namespace
}  // namespace absent_routes

void add_absent_routes(App&, http::Router& router) {
  const http::RouteInfo info{.summary = "MLflow", .tag = "mlflow", .hidden = true};
  const auto answer = [](const char* json) {
    return [json](const Request&, Reply reply) { reply.send(http::Response::json(json)); };
  };
  for (const auto& each : absent_routes::kAbsent)
    for (const std::string prefix : {"/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/"})
      router.add(http::Route{each.method, prefix + each.path, answer(each.answer), info});
  // MLflow answers the same where it knows of no gateway.
  for (const auto method : {Method::get, Method::post})
    router.add(http::Route{method, "/ajax-api/2.0/mlflow/gateway-proxy",
                           answer(R"({"endpoints":[]})"), info});
}

}  // namespace mlforge::gateway::mlflow
