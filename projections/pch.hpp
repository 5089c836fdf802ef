// Precompiled: the headers that cost most in this folder.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "events/event_codec.hpp"
#include "projections/queries.hpp"
