// Which version serves a request during a canary release: integers only, the same on every machine.
#pragma once
#include <cstdint>
#include <string_view>

namespace mlforge::ml {

inline constexpr std::uint32_t kCanaryBuckets = 10000;  // one bucket is one basis point (0.01 %)

// XXH64(experiment_id, one 0x00 byte, unit; seed 0) mod 10000: in [0, 10000). A unit (user,
// session, request key) keeps its bucket as long as the experiment lives; two experiments split
// independently. Any thread.
std::uint32_t canary_bucket(std::string_view experiment_id, std::string_view unit);

// True when the challenger serves it. Raising basis_points (0..10000) only ever moves units to the
// challenger.
constexpr bool routes_to_challenger(std::uint32_t bucket, std::uint32_t basis_points) {
  return bucket < basis_points;
}

}  // namespace mlforge::ml
