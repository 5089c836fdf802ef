#include "ml/routing.hpp"

#include <catch2/catch.hpp>

#include "ml/xxh64.hpp"
#include "tests/ml/data.hpp"

namespace routing_tests {

using namespace mlforge::ml;
using namespace mlforge::ml::test;

TEST_CASE("xxh64 agrees with the reference implementation at every kind of length") {
  struct Vector {
    std::size_t length;
    std::uint64_t plain, seeded;
  };
  const std::vector<Vector> vectors{
#include "tests/ml/xxh64_vectors.inc"
  };
  std::string pattern;
  for (int i = 0; i < 200; ++i) pattern += static_cast<char>((i * 7 + 3) & 255);
  for (const auto& v : vectors) {
    const auto bytes = std::string_view(pattern).substr(0, v.length);
    CHECK(xxh64(bytes) == v.plain);
    CHECK(xxh64(bytes, 0x9E3779B185EBCA8DULL) == v.seeded);
  }
}

TEST_CASE("canary buckets agree with the vectors file") {
  CsvOptions options;
  for (const auto* name : {"experiment_id", "unit", "hash_hex", "bucket"})
    options.kinds[name] = ColumnKind::categorical;
  options.missing_markers.clear();
  const auto text = read_file(source_folder() / "tests" / "ml" / "canary_vectors.csv");
  REQUIRE(text);
  const auto table = must(read_csv(*text, options));
  REQUIRE(table.rows() >= 30);
  const auto cell = [&](std::size_t column, std::size_t row) {
    return table.columns[column]
        .categories[static_cast<std::size_t>(table.columns[column].codes[row])];
  };
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::string key = cell(0, row) + '\0' + cell(1, row);
    CHECK(xxh64(key) == std::stoull(cell(2, row), nullptr, 16));
    CHECK(canary_bucket(cell(0, row), cell(1, row)) == std::stoul(cell(3, row)));
  }
}

TEST_CASE(
    "the share of 100,000 units follows the split, and units only move towards the challenger") {
  constexpr int kUnits = 100000;
  for (const std::uint32_t share : {0u, 1u, 100u, 500u, 2500u, 5000u, 9000u, 10000u}) {
    int challenger = 0;
    for (int i = 0; i < kUnits; ++i) {
      const auto bucket = canary_bucket("share", "user-" + std::to_string(i));
      REQUIRE(bucket < kCanaryBuckets);
      challenger += routes_to_challenger(bucket, share) ? 1 : 0;
      if (share > 0 && routes_to_challenger(bucket, share - 1))
        REQUIRE(routes_to_challenger(bucket, share));
    }
    // Five standard deviations of a fair binomial draw.
    const double p = share / 10000.0;
    CHECK(std::abs(challenger - p * kUnits) <= 5 * std::sqrt(kUnits * p * (1 - p)));
  }
}

}  // namespace routing_tests
