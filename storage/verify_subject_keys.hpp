// Checks the file of the subjects' keys (storage/subject_keys.hpp) without opening it for use.
#pragma once
#include <cstdint>
#include <filesystem>

#include "events/error.hpp"

namespace mlforge::storage {

// How many slots hold neither a key, nor a destroyed one, nor nothing; the header counts as one,
// and so does a last slot that is cut short. 0 where there is no file, or none that
// this user may read. Changes nothing.
Expected<std::uint64_t> count_damaged_keys(const std::filesystem::path& file);

}  // namespace mlforge::storage
