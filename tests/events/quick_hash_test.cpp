#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <vector>

#include "events/quick_hash.hpp"

namespace mlforge {

TEST_CASE("quick hash: every byte, the length and the seed count") {
  std::set<std::uint64_t> seen;
  std::size_t texts = 0;
  for (std::size_t length = 0; length <= 70; ++length) {
    std::string text(length, 'x');
    const auto note = [&](std::uint64_t seed) {
      seen.insert(quick_hash(text, seed));
      ++texts;
    };
    note(0);
    note(1);
    for (std::size_t at = 0; at < length; ++at)
      for (const char c : {'y', '\0', '\xff'}) {
        text[at] = c;
        note(0);
        text[at] = 'x';
      }
  }
  CHECK(seen.size() == texts);
}

TEST_CASE("quick hash: the low bits of names that differ in a number spread") {
  constexpr std::size_t kNames = 4096;
  std::vector<std::size_t> buckets(kNames);
  for (std::size_t i = 0; i < kNames; ++i)
    ++buckets[quick_hash("run/0198f0a2c4f37c6e8a53f2d1" + std::to_string(i)) % kNames];
  std::size_t free = 0;
  for (const auto count : buckets) free += count == 0;
  CHECK(free > kNames / 4);  // at random 1/e of them
  CHECK(free < kNames / 2);
}

}  // namespace mlforge
