// Precompiled: the headers that cost most in this folder.
#pragma once
#include <utility>

// Boost 1.74's coroutines need <utility> first, so it stands in a block of its own.
#include <fmt/format.h>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <caf/all.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/handlers.hpp"
#include "projections/queries.hpp"
