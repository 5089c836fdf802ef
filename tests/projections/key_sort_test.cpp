#include "projections/key_sort.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>

namespace {

using Item = std::pair<std::string, int>;

std::string_view key_of(const Item* item) { return item->first; }

// Parts that keys share, as rows of one table do, with zeros and endings at every place.
std::string random_row_key(std::mt19937_64& random, std::size_t tables) {
  std::string key = "projection" + std::string(1, '\0') + std::string(random() % tables, 't');
  for (auto parts = random() % 4; parts > 0; --parts) {
    key += '\0';
    key.append(random() % 12, static_cast<char>('a' + random() % 2));
    if (random() % 3 == 0) key += std::to_string(random() % 100);
    if (random() % 8 == 0) key += static_cast<char>(random());
  }
  return key;
}

TEST_CASE("sorting by keys is stable and as comparing them sorts") {
  std::mt19937_64 random(3);
  for (const std::size_t count : {0, 1, 2, 7, 8, 9, 100, 5000})
    for (const std::size_t tables : {1, 2, 5}) {
      std::vector<Item> items;
      for (std::size_t i = 0; i < count; ++i)
        items.emplace_back(random_row_key(random, tables), int(i));
      std::vector<const Item*> sorted, expected;
      for (const Item& item : items) sorted.push_back(&item);
      expected = sorted;
      mlforge::projections::sort_by_key(sorted, key_of);
      std::stable_sort(expected.begin(), expected.end(),
                       [](const Item* a, const Item* b) { return a->first < b->first; });
      REQUIRE(sorted == expected);
    }
}

TEST_CASE("sorting keys that are all alike, or the beginning of the next") {
  std::vector<Item> items;
  for (int i = 0; i < 40; ++i) items.emplace_back(std::string(std::size_t(40 - i), '\0'), i);
  for (int i = 0; i < 40; ++i) items.emplace_back("same", i);
  std::vector<const Item*> sorted;
  for (const Item& item : items) sorted.push_back(&item);
  mlforge::projections::sort_by_key(sorted, key_of);
  for (std::size_t i = 0; i < 40; ++i) {
    REQUIRE(sorted[i]->first.size() == i + 1);
    REQUIRE(sorted[40 + i]->second == int(i));
  }
}

}  // namespace
