// Precompiled: the headers that cost most in this folder.
#pragma once
#include <caf/all.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "events/vocabulary.hpp"
