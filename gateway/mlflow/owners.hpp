// Whose an artifact is, from its path below the artifact root.
#pragma once
#include <string>

#include "gateway/app.hpp"

namespace mlforge::gateway::mlflow {

struct Owner {
  std::string run_id;  // empty: no run's
  std::string below;   // of a run's: the path below its artifacts
  std::string root;    // of no run's: names the stream artifacts/<root>
};

// A run's artifacts lie where its first event says. Reads the log; any thread.
Expected<Owner> find_owner(const App& app, const std::string& path);

// A folder's or a file's path as a client gives it: relative, without "..". Empty is the root.
// Takes slashes off its end.
Status check_client_path(std::string& path);

Error no_artifact(const std::string& path);
Error is_folder(const std::string& path);  // where a file is asked for

}  // namespace mlforge::gateway::mlflow
