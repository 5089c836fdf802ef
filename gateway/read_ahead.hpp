// Streamed answers from where reading blocks.
#pragma once
#include "gateway/app.hpp"

namespace mlforge::gateway {

// Has response.next called on a worker's thread, one piece (of up to 512 KiB) ahead of what the
// client has taken, instead of on the server's thread.
void read_ahead(App& app, http::StreamedResponse& response);

}  // namespace mlforge::gateway
