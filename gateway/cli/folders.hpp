// For commands that work on a data folder which no server has open.
#pragma once
#include <memory>

#include "gateway/config.hpp"
#include "gateway/moment.hpp"
#include "storage/lmdb_log.hpp"
#include "storage/read_only_log.hpp"

namespace mlforge::gateway::cli {

// The log in the configured folder: `not_found` where there is none, `conflict` where it is open.
Expected<std::unique_ptr<storage::LmdbLog>> open_folder(const Config& config);
// The same to look at it only: the folder may be one that cannot be written.
Expected<std::unique_ptr<storage::ReadOnlyLog>> look_at_folder(const Config& config);

}  // namespace mlforge::gateway::cli
