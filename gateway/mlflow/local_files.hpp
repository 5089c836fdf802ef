// Files below --default-artifact-root, where clients of this server keep theirs by themselves.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "events/error.hpp"

namespace mlforge::gateway::mlflow {

// Writes `bytes` to the file `path` below `folder`. Readers see the whole file or what was there
// before; when this answers, bytes and names are on disk. invalid_argument where the path leads out
// of the folder, unavailable where nothing can be written. Any thread.
Status write_local_file(const std::filesystem::path& folder, const std::string& path,
                        std::string_view bytes);

}  // namespace mlforge::gateway::mlflow
