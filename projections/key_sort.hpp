// Sorting by keys that have long beginnings in common.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "events/words.hpp"

namespace mlforge::projections {

// Sorts `items` by key_of(item), a std::string_view that the item does not hold itself; equal ones
// keep their order. The keys are read in the order in which the items come, where comparing them
// two by two waits for memory: by the eight bytes behind what all have in common, and then those
// that are still alike by the next ones (after Bentley, Sedgewick: "Fast algorithms for sorting and
// searching strings", 1997).
template <class T, class KeyOf>
class KeySort {
 public:
  explicit KeySort(KeyOf key_of) : key_of_(std::move(key_of)) {}

  void sort(std::span<T> items, std::size_t alike = 0) {
    if (items.size() < kFew) return by_comparing(items);
    std::string_view first = key_of_(items[0]).substr(alike);
    for (const T& item : items)
      first = first.substr(0, common_start(first, key_of_(item).substr(alike)));
    const std::size_t common = alike + first.size();
    std::vector<Rank> ranks(items.size());
    for (std::size_t i = 0; i < items.size(); ++i)
      ranks[i] = {word(key_of_(items[i]), common), static_cast<std::uint32_t>(i)};
    std::sort(ranks.begin(), ranks.end());
    if (ranks.front().first == ranks.back().first) return by_comparing(items);
    scratch_.assign(items.begin(), items.end());
    for (std::size_t i = 0; i < items.size(); ++i) items[i] = scratch_[ranks[i].second];
    for (std::size_t at = 0; at < ranks.size();) {
      std::size_t end = at + 1;
      while (end < ranks.size() && ranks[end].first == ranks[at].first) ++end;
      if (end - at > 1) sort(items.subspan(at, end - at), common);
      at = end;
    }
  }

 private:
  using Rank = std::pair<std::uint64_t, std::uint32_t>;
  static constexpr std::size_t kFew = 8;

  // Big-endian; a key that ends is filled up with zeros, as if it went on.
  static std::uint64_t word(std::string_view key, std::size_t from) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, key.data() + from, std::min(sizeof bytes, key.size() - from));
    return __builtin_bswap64(bytes);
  }
  void by_comparing(std::span<T> items) {
    std::stable_sort(items.begin(), items.end(),
                     [this](const T& a, const T& b) { return key_of_(a) < key_of_(b); });
  }

  KeyOf key_of_;
  std::vector<T> scratch_;
};

template <class T, class KeyOf>
void sort_by_key(std::vector<T>& items, KeyOf key_of) {
  KeySort<T, KeyOf>(std::move(key_of)).sort(items);
}

}  // namespace mlforge::projections
