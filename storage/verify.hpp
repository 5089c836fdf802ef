// Checks a log that is not open, from the first record to the last.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "events/envelope.hpp"
#include "events/error.hpp"

namespace mlforge::storage {

struct VerifyReport {
  std::uint64_t events = 0;         // checked
  Position first_bad_position = 0;  // 0: all is well
  std::string what;                 // a sentence; empty when all is well
  bool index_checked = false;       // false: there is no index that would be kept at the next open
};

// Called now and then with how many of `total` events are done.
using VerifyProgress = std::function<void(std::uint64_t done, std::uint64_t total)>;

// Checks a log that is not open, changing nothing: CRC, leaf commitment, gapless positions, time
// order, stream versions, and the index against the records. Stops at the first bad record. Takes
// the folder's lock (`conflict` when it is open).
Expected<VerifyReport> verify_log(const std::filesystem::path& folder,
                                  const VerifyProgress& progress = {});

}  // namespace mlforge::storage
