// What each fuzz_<what>.cpp gives: the function that libFuzzer calls, and a corpus of our own
// making. With libFuzzer the driver writes the corpus into a folder; without clang it runs the
// inputs itself, and mutations of them from a seed.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace mlforge::fuzz {

std::vector<std::string> seeds();

// Words of the format, which mutations put in and write over.
std::vector<std::string> words();

// Ends the process where a promise is broken.
inline void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace mlforge::fuzz
