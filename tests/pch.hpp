// Precompiled for every test program: the headers that cost most in it.
#pragma once
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

#include "events/vocabulary.hpp"
