// States of single streams as of any moment.
#pragma once
#include "gateway/handlers.hpp"

namespace mlforge::gateway {

// GET /api/v1/states/{stream*}. Snapshots lie in the folder snapshots/ of the data; where they
// cannot be opened the route answers `unavailable`, and everything else goes on.
void add_state_route(App& app, http::Router& router);

}  // namespace mlforge::gateway
