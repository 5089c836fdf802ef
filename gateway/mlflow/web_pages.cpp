#include "gateway/mlflow/web_pages.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "gateway/artifacts.hpp"
#include "gateway/mlflow/handlers.hpp"
#include "gateway/mlflow/owners.hpp"

namespace mlforge::gateway::mlflow {
namespace web_pages {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBuild = "server/js/build";

struct Type {
  std::string_view ending, content_type;
};
constexpr Type kTypes[] = {{".html", "text/html; charset=utf-8"},
                           {".js", "text/javascript; charset=utf-8"},
                           {".mjs", "text/javascript; charset=utf-8"},
                           {".css", "text/css; charset=utf-8"},
                           {".json", "application/json"},
                           {".map", "application/json"},
                           {".svg", "image/svg+xml"},
                           {".png", "image/png"},
                           {".jpg", "image/jpeg"},
                           {".gif", "image/gif"},
                           {".webp", "image/webp"},
                           {".ico", "image/vnd.microsoft.icon"},
                           {".wasm", "application/wasm"},
                           {".woff", "font/woff"},
                           {".woff2", "font/woff2"},
                           {".ttf", "font/ttf"},
                           {".txt", "text/plain; charset=utf-8"}};

std::string content_type(const fs::path& file) {
  for (const auto& each : kTypes)
    if (file.extension() == each.ending) return std::string(each.content_type);
  return "application/octet-stream";
}

bool has_pages(const fs::path& folder) {
  std::error_code failed;
  return fs::is_regular_file(folder / "index.html", failed);
}

// Where the pages may be, below what somebody has named.
std::vector<fs::path> places(const fs::path& named) {
  std::vector<fs::path> out{named, named / kBuild, named / "mlflow" / kBuild};
  std::error_code failed;
  for (fs::directory_iterator each(named / "lib", failed), end; !failed && each != end;
       each.increment(failed))
    if (each->path().filename().string().starts_with("python"))
      out.push_back(each->path() / "site-packages" / "mlflow" / kBuild);
  return out;
}

Error no_page(const std::string& path) {
  return {ErrorCode::not_found, "MLflow's web pages have no file '" + path + "'", "path"};
}

// A file of the pages; links that lead out of their folder are not followed.
std::optional<fs::path> page_file(const fs::path& folder, const std::string& path) {
  std::error_code failed;
  auto file = fs::weakly_canonical(folder / path, failed);
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), file.begin(), file.end());
  if (failed || end != folder.end() || !fs::is_regular_file(file, failed)) return std::nullopt;
  return file;
}

void send_page(App& app, Reply reply, std::string path, const char* cache) {
  if (auto bad = check_client_path(path)) return fail(reply, *bad);
  run_blocking(app, std::move(reply), [&app, path, cache](Reply to) {
    const auto file = page_file(app.config.mlflow_ui, path);
    std::ifstream in;
    if (file) in.open(*file, std::ios::binary);
    if (!in.is_open()) return fail(to, no_page(path));
    http::Response response;
    response.content_type = content_type(*file);
    response.body.assign(std::istreambuf_iterator<char>(in), {});
    if (in.bad())
      return fail(to, {ErrorCode::unavailable, "the file '" + path + "' cannot be read", "path"});
    response.headers = {{"Cache-Control", cache}, {"X-Frame-Options", "SAMEORIGIN"}};
    to.send(std::move(response));
  });
}

}  // namespace
}  // namespace web_pages

Status find_web_pages(Config& config) {
  namespace fs = std::filesystem;
  if (config.mlflow_ui.empty()) return {};
  std::string named = config.mlflow_ui;
  if (named.starts_with("file://")) named.erase(0, 7);
  for (const auto& place : web_pages::places(named)) {
    if (!web_pages::has_pages(place)) continue;
    std::error_code failed;
    config.mlflow_ui = fs::canonical(place, failed).string();
    if (!failed) return {};
  }
  return Error{ErrorCode::invalid_argument,
               "mlflow_ui: there is no index.html in " + named + ", nor below it in mlflow/" +
                   web_pages::kBuild + " or lib/python*/site-packages/mlflow/" + web_pages::kBuild +
                   "; name the folder of MLflow's built pages or a Python environment with the "
                   "package mlflow (mlflow-skinny has no pages)",
               "mlflow_ui"};
}

void add_web_page_routes(App& app, http::Router& router) {
  if (app.config.mlflow_ui.empty()) return;
  const http::RouteInfo info{.summary = "MLflow's pages", .tag = "mlflow", .hidden = true};
  router.get(
      "/",
      [&app](const Request&, Reply r) {
        web_pages::send_page(app, std::move(r), "index.html", "no-cache");
      },
      info);
  // Their names hold the digest of what is in them.
  router.get(
      "/static-files/{path*}",
      [&app](const Request& q, Reply r) {
        web_pages::send_page(app, std::move(r), std::string(q.param("path")),
                             "public, max-age=2419200");
      },
      info);
}

}  // namespace mlforge::gateway::mlflow
