#include "projections/row_table.hpp"

#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>

namespace {

using Table = mlforge::projections::RowTable<std::string>;

Table::Entry& upsert(Table& table, const std::string& key) {
  const auto hash = Table::hash(key);
  if (auto* found = table.find(key, hash)) return *found;
  return table.add(key, hash);
}

std::string random_key(std::mt19937_64& random) {
  std::string key(random() % 40, 'k');
  for (char& c : key) c = static_cast<char>(random() % 3);
  return key;
}

TEST_CASE("a table of rows holds what a map holds, and its rows stay where they are") {
  Table table;
  std::mt19937_64 random(1);
  for (int round = 0; round < 3; ++round) {
    std::map<std::string, std::string> model;
    std::map<std::string, Table::Entry*> places;
    for (int i = 0; i < 20'000; ++i) {
      const auto key = random_key(random);
      auto& entry = upsert(table, key);
      REQUIRE(entry.key() == key);
      const auto [place, is_new] = places.emplace(key, &entry);
      REQUIRE(place->second == &entry);
      REQUIRE(entry.row == (is_new ? "" : model[key]));
      model[key] = entry.row = std::string(random() % 60, 'v') + std::to_string(i);
    }
    REQUIRE(table.size() == model.size());
    for (const auto& [key, value] : model) {
      table.fetch_slot(Table::hash(key));
      table.fetch_entry(Table::hash(key));
      REQUIRE(table.find(key, Table::hash(key))->row == value);
    }
    REQUIRE(table.find("other", Table::hash("other")) == nullptr);
    table.clear();
    REQUIRE(table.size() == 0);
    REQUIRE(table.find(model.begin()->first, Table::hash(model.begin()->first)) == nullptr);
  }
}

TEST_CASE("a table of rows tells keys of one hash apart") {
  Table table;
  for (const char* key : {"a", "b", "c"}) table.add(key, 7).row = key;
  for (const char* key : {"a", "b", "c"}) REQUIRE(table.find(key, 7)->row == key);
  REQUIRE(table.find("d", 7) == nullptr);
}

TEST_CASE("a table of rows takes keys of any size, and can be moved") {
  Table table;
  for (std::size_t size : {0u, 1u, 511u, 1u << 20, 3u << 20, 17u})
    upsert(table, std::string(size, 'x')).row = std::to_string(size);
  Table moved(std::move(table));
  for (std::size_t size : {0u, 1u, 511u, 1u << 20, 3u << 20, 17u}) {
    const std::string key(size, 'x');
    REQUIRE(moved.find(key, Table::hash(key))->row == std::to_string(size));
  }
  upsert(table, "again").row = "yes";
  REQUIRE(table.size() == 1);
  REQUIRE(moved.size() == 6);
}

}  // namespace
