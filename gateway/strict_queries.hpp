// What a query string may hold.
#pragma once
#include "gateway/http/router.hpp"

namespace mlforge::gateway {

// The same routes; those of our own API refuse, with invalid_argument, a query key that their
// description does not name. MLflow's routes, the page and the probes take any.
http::Router refuse_unknown_queries(const http::Router& router);

}  // namespace mlforge::gateway
