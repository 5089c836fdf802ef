#include "ml/routing.hpp"

#include <string>

#include "ml/xxh64.hpp"

namespace mlforge::ml {

std::uint32_t canary_bucket(std::string_view experiment_id, std::string_view unit) {
  std::string key;
  key.reserve(experiment_id.size() + 1 + unit.size());
  key.append(experiment_id).push_back('\0');
  key.append(unit);
  return static_cast<std::uint32_t>(xxh64(key) % kCanaryBuckets);
}

}  // namespace mlforge::ml
