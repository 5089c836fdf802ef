#include "gateway/mlflow/artifact_flags.hpp"

#include <future>

#include "gateway/handlers.hpp"
#include "storage/blob_place.hpp"

namespace mlforge::gateway::mlflow {
namespace {

namespace fs = std::filesystem;

std::string without_scheme(const std::string& uri) {
  if (uri.starts_with("file://")) return uri.substr(std::min(uri.find('/', 7), uri.size()));
  return uri.starts_with("file:/") ? uri.substr(5) : uri;
}

bool is_local(const std::string& uri) { return uri.starts_with('/') || uri.starts_with("file:/"); }

}  // namespace

Status link_destination(const fs::path& blobs, const std::string& destination) {
  if (destination.empty() || storage::is_s3_uri(destination)) return {};
  const auto remote = storage::remote_blobs(blobs);
  if (!remote) return remote.error();
  if (!remote->empty())
    return Error{ErrorCode::conflict,
                 "artifacts_destination is " + destination + ", but bytes lie at " + *remote +
                     " already: move them there first, then remove " + blobs.string(),
                 "artifacts_destination"};
  std::error_code failed;
  const auto wanted = fs::absolute(without_scheme(destination), failed).lexically_normal();
  if (!failed) fs::create_directories(wanted, failed);
  if (failed)
    return Error{
        ErrorCode::invalid_argument,
        "artifacts_destination " + wanted.string() + " cannot be made: " + failed.message(),
        "artifacts_destination"};
  const auto there = fs::symlink_status(blobs, failed);
  if (fs::exists(there) && fs::equivalent(blobs, wanted, failed)) return {};
  if (fs::is_directory(there) && fs::is_empty(blobs, failed)) fs::remove(blobs, failed);
  if (fs::exists(fs::symlink_status(blobs, failed)))
    return Error{ErrorCode::conflict,
                 "artifacts_destination is " + wanted.string() + ", but bytes lie in " +
                     blobs.string() + " already: move them there first, then remove that folder",
                 "artifacts_destination"};
  fs::create_directories(blobs.parent_path(), failed);
  fs::create_directory_symlink(wanted, blobs, failed);
  if (!failed) return {};
  return Error{ErrorCode::unavailable,
               blobs.string() + " cannot be linked to artifacts_destination: " + failed.message(),
               "artifacts_destination"};
}

Status check_artifact_flags(const Config& config) {
  if (config.serve_artifacts == "on") return {};
  if (!config.default_artifact_root.empty() &&
      !config.default_artifact_root.starts_with("mlflow-artifacts:"))
    return {};
  return Error{ErrorCode::invalid_argument,
               "default_artifact_root must say where clients keep their files when "
               "serve_artifacts is off, such as s3://bucket/path or file:///srv/artifacts",
               "default_artifact_root"};
}

Status place_default_experiment(App& app) {
  if (app.config.default_artifact_root.empty()) return {};
  std::promise<Status> placed;
  auto answer = placed.get_future();
  auto done = [&placed](Expected<actors::Outcome> result) {
    placed.set_value(result ? Status() : result.error());
  };
  hand_in<actors::TrackingBody>(app.managers.tracking, {.tenant = kTenant, .actor = "mlforge"},
                                EnsureDefaultExperiment{}, std::move(done));
  const auto bad = answer.get();
  // A log that takes no writes is served all the same.
  return bad && app.log->writable() ? Status() : bad;
}

std::string absolute_location(const std::string& uri) {
  const auto colon = uri.find(':');
  const bool is_file = uri.starts_with("file:");
  const auto path = is_file ? without_scheme(uri).substr(uri.starts_with("file:/") ? 0 : 5) : uri;
  if (uri.empty() || path.starts_with('/') || (colon != uri.npos && !is_file)) return uri;
  std::error_code failed;
  const auto folder = fs::current_path(failed);
  if (failed) return uri;
  return (is_file ? "file://" : "") + (folder / path).string();
}

std::optional<fs::path> local_folder(const Config& config, const std::string& uri) {
  if (!is_local(config.default_artifact_root) || !is_local(uri)) return std::nullopt;
  std::error_code failed;
  const auto root = fs::weakly_canonical(without_scheme(config.default_artifact_root), failed);
  if (failed) return std::nullopt;
  const auto folder = fs::weakly_canonical(without_scheme(uri), failed);
  if (failed) return std::nullopt;
  const auto [end, rest] = std::mismatch(root.begin(), root.end(), folder.begin(), folder.end());
  return end == root.end() ? std::optional(folder) : std::nullopt;
}

}  // namespace mlforge::gateway::mlflow
