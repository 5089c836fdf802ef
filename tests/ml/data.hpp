// Where tests find data, and what they do without it.
#pragma once
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "ml/csv.hpp"
#include "ml/synthetic.hpp"

namespace mlforge::ml::test {

inline std::filesystem::path source_folder() {
  if (const char* path = std::getenv("MLFORGE_SOURCE")) return path;
  return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
}

inline std::filesystem::path data_folder() {
  if (const char* path = std::getenv("MLFORGE_DATA")) return path;
  return source_folder() / ".." / "shared" / "data";
}

inline std::optional<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// The text of a data file; absent: says so, and the case decides what it can still do.
inline std::optional<std::string> data_file(const std::string& name) {
  auto text = read_file(data_folder() / name);
  if (!text) WARN("skipped in part: the data file " << name << " is missing (set MLFORGE_DATA)");
  return text;
}

// A value or a failed test that shows the error's sentence.
template <class T>
T must(Expected<T> value) {
  if (!value) FAIL(value.error().message);
  return std::move(*value);
}

inline std::vector<std::uint32_t> all_rows(std::size_t n) {
  std::vector<std::uint32_t> rows(n);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

// adult.data and adult.test together, read once.
inline const Table* adult() {
  static const std::optional<Table> table = [] {
    std::optional<Table> out;
    const auto train = data_file("adult/adult.data"), test = data_file("adult/adult.test");
    if (train && test)
      out = must(concatenate(must(read_csv(*train, adult_csv_options())),
                             must(read_csv(*test, adult_csv_options()))));
    return out;
  }();
  return table ? &*table : nullptr;
}

inline Table synthetic(std::uint32_t rows, std::uint64_t seed = 42, double shift = 0) {
  return must(read_csv(synthetic_adult({rows, seed, shift}), adult_csv_options()));
}

inline std::vector<std::int32_t> classes_of(const std::vector<float>& labels) {
  return {labels.begin(), labels.end()};
}

}  // namespace mlforge::ml::test
