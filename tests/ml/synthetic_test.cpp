#include "ml/synthetic.hpp"

#include "ml/xxh64.hpp"
#include "tests/ml/data.hpp"

namespace synthetic_tests {

using namespace mlforge::ml;
using namespace mlforge::ml::test;

TEST_CASE("made-up census data has the layout of Adult") {
  const auto table = synthetic(4000);
  REQUIRE(table.rows() == 4000);
  const auto labels = must(binary_labels(table, "income", ">50K"));
  const double rate = std::accumulate(labels.begin(), labels.end(), 0.0) / 4000;
  CHECK(rate > 0.20);
  CHECK(rate < 0.30);
  for (const auto& [name, share] :
       {std::pair{"workclass", 0.06}, {"occupation", 0.06}, {"native-country", 0.02}}) {
    const auto& column = table.columns[*table.find(name)];
    double unknown = 0;
    for (const auto code : column.codes)
      unknown += column.categories[static_cast<std::size_t>(code)] == "?" ? 1 : 0;
    CHECK(unknown / 4000 == Approx(share).margin(0.015));
  }
}

TEST_CASE("made-up census data is the same on every machine") {
  CHECK(synthetic_adult({100, 1, 0}) == synthetic_adult({100, 1, 0}));
  CHECK(synthetic_adult({100, 1, 0}) != synthetic_adult({100, 2, 0}));
  CHECK(xxh64(synthetic_adult({1000, 42, 0})) == 0x161fecace7184139ULL);
  CHECK(xxh64(synthetic_adult({1000, 42, 0.5})) == 0x355d4a538deec6b5ULL);
}

}  // namespace synthetic_tests
