// MLflow's flags about where artifacts lie: --default-artifact-root, --artifacts-destination,
// --serve-artifacts.
#pragma once
#include <filesystem>
#include <string>

#include "events/error.hpp"
#include "gateway/app.hpp"

namespace mlforge::gateway::mlflow {

// Makes `blobs`, in the data folder, a link to the destination, so that every command finds the
// bytes there. Nothing for an empty destination, and for one in S3. `conflict` where bytes lie
// elsewhere already.
Status link_destination(const std::filesystem::path& blobs, const std::string& destination);

// Set where the settings contradict each other.
Status check_artifact_flags(const Config& config);

// Puts the default experiment into the log where it lies elsewhere than on this server; waits until
// that is on disk.
Status place_default_experiment(App& app);

// A relative path, or a file: URI of one, as it stands below the folder that the server works in;
// everything else as it is.
std::string absolute_location(const std::string& uri);

// The folder that a file: URI or an absolute path names, where it lies in the root that the server
// was started with; nothing for everything else.
std::optional<std::filesystem::path> local_folder(const Config& config, const std::string& uri);

}  // namespace mlforge::gateway::mlflow
