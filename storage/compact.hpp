// Gives the file system back what the log's environment does not use any more.
#pragma once
#include <cstdint>
#include <filesystem>

#include "events/error.hpp"

namespace mlforge::storage {

struct CompactReport {
  std::uint64_t bytes_before = 0, bytes_after = 0;  // of log/data.mdb
};

// Copies the used pages of a log that is not open (`conflict` else) to a new file, which takes the
// place of the old one: after a power cut there is the one or the other. Needs room for both.
Expected<CompactReport> compact_log(const std::filesystem::path& folder);

}  // namespace mlforge::storage
