// The data folder of the demo: what may be deleted in it, and when.
#pragma once
#include "gateway/config.hpp"

namespace mlforge::gateway {

// The file that names the process of the demo's server.
inline constexpr const char* kDemoPidFile = "demo.pid";

// Stops the server of an earlier demo in config.data_dir and empties the folder. Deletes nothing,
// and answers conflict, where the folder
//   is no data folder of mlforge,
//   is open in another process (with `force` too),
//   holds events that are not the demo's; `force` deletes those too.
// A log that cannot be read is not deleted without `force`.
Status clear_demo_folder(const Config& config, bool force);

}  // namespace mlforge::gateway
