// Precompiled: the headers that cost most in this folder.
#pragma once
#include <fmt/format.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/handlers.hpp"
#include "projections/queries.hpp"
