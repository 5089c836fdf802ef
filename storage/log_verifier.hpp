// The checks of verify_log(), in the process that calls it.
#pragma once
#include <atomic>

#include "storage/data_folder.hpp"
#include "storage/verify.hpp"

namespace mlforge::storage {

// How far a check is, readable from another process while the checking one crashes.
struct VerifyTrace {
  enum Part : int { records, index, tree };
  std::atomic<Position> position{0};  // of the last event that was found right
  std::atomic<int> part{records};     // what is being read
};

// Any error means that the folder is damaged, or cannot be read at all.
Expected<VerifyReport> verify_in_process(const DataFolder& folder, VerifyTrace& trace,
                                         const VerifyProgress& progress,
                                         const std::optional<VerifierKey>& trusted);

}  // namespace mlforge::storage
