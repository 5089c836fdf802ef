// Flips bits in a log's files and compares what verify says with what the log answers.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace mlforge::storage {

struct FlipTally {
  std::uint64_t flips = 0;
  std::uint64_t reported = 0;  // by verify
  std::uint64_t harmless = 0;  // not reported, and every answer is the same
  std::string missed;          // the first flip that changed an answer in silence; empty: none
};

// Makes a log of a few hundred events in `folder`, with proofs, closed cleanly.
void make_small_log(const std::filesystem::path& folder);

// Everything that a fresh open of the log answers, as a digest: all records by position and by
// stream, the Merkle tree's roots, tiles and walks. Answered by a child process; "crash" and
// "error: ..." are answers too.
std::string all_answers(const std::filesystem::path& folder);

// Flips `count` bits, one at a time and drawn by `seed`, in `file` of the log in `folder`; a third
// of them in the first two pages, which say where everything is.
FlipTally flip_bits(const std::filesystem::path& folder, const std::filesystem::path& file,
                    std::uint64_t count, std::uint64_t seed);

}  // namespace mlforge::storage
