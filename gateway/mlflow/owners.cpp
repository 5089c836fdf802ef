#include "gateway/mlflow/owners.hpp"

#include "gateway/mlflow/request_names.hpp"

#include "events/checks.hpp"
#include "gateway/handlers.hpp"
#include "projections/artifacts.hpp"
#include "storage/digest.hpp"

namespace mlforge::gateway::mlflow {
namespace {

constexpr std::size_t kMostRootBytes = 150;

// Where the run's artifacts lie; empty where there is no such run.
Expected<std::string> root_of_run(const App& app, const std::string& run_id) {
  std::string root;
  const auto read =
      app.log->read_stream(kTenant, "run/" + run_id, 1, 1, UINT64_MAX, [&](const EventView& e) {
        const auto event = decode_event(e);
        const auto* started = event ? get_if<RunStarted>(&*event) : nullptr;
        if (started)
          root = projections::proxied_path(started->artifact_uri)
                     .value_or(started->experiment_id + "/" + run_id + "/artifacts");
        return false;
      });
  if (!read) return read.error();
  return root;
}

// The folders that the first artifacts below an experiment share: "1~models~m-8b..".
std::string stream_root(const std::string& path) {
  std::string root;
  std::size_t at = 0;
  for (int parts = 0; parts < 3; ++parts) {
    const auto end = path.find('/', at);
    if (end == path.npos) break;
    const auto part = path.substr(at, end - at);
    root += (root.empty() ? "" : "~") + part;
    if (parts == 1 && part != "models" && part != "traces") break;
    at = end + 1;
  }
  if (root.empty()) return "files";
  if (root.size() <= kMostRootBytes) return root;
  return to_string(storage::sha256(storage::as_bytes(root)));
}

}  // namespace

Status check_client_path(std::string& path) {
  while (path.ends_with('/')) path.pop_back();
  if (path.empty()) return {};
  const auto plain = fully_unquoted(path);
  const bool drive = plain.size() > 2 && plain[1] == ':' && plain[2] == '/';
  if (!check_path("path", plain) && !check_path("path", path) && !drive &&
      plain.find('#') == plain.npos)
    return {};
  return Error{ErrorCode::invalid_argument, "Invalid path", "path"};
}

Error is_folder(const std::string& path) {
  return {ErrorCode::invalid_argument,
          "Artifact path refers to a directory, not a file: '" + path + "'", "path"};
}

Error no_artifact(const std::string& path) {
  return {ErrorCode::not_found, "No such artifact: '" + path + "'", "path"};
}

Expected<Owner> find_owner(const App& app, const std::string& path) {
  constexpr std::string_view kFolder = "/artifacts/";
  for (auto at = path.find(kFolder); at != path.npos; at = path.find(kFolder, at + 1)) {
    const auto slash = path.rfind('/', at == 0 ? 0 : at - 1);
    const auto run_id =
        path.substr(slash == path.npos ? 0 : slash + 1, at - (slash == path.npos ? 0 : slash + 1));
    if (run_id.empty() || run_id.size() > 200) continue;
    const auto root = root_of_run(app, run_id);
    if (!root) return root.error();
    if (*root == path.substr(0, at + kFolder.size() - 1))
      return Owner{run_id, path.substr(at + kFolder.size()), ""};
  }
  return Owner{"", "", stream_root(path)};
}

}  // namespace mlforge::gateway::mlflow
