// XXH64, the 64-bit xxHash (public specification by Yann Collet, version 0.1.1). Not for secrets.
#pragma once
#include <cstdint>
#include <string_view>

namespace mlforge::ml {

// Same value on every machine, whatever its byte order. Any thread.
std::uint64_t xxh64(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace mlforge::ml
