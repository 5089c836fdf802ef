// Precompiled: the headers that cost most in this folder.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/cli/groups.hpp"
#include "gateway/cli/session.hpp"
#include "gateway/config.hpp"
#include "projections/queries.hpp"
