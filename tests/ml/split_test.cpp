#include "ml/split.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "ml/random.hpp"
#include "tests/ml/data.hpp"

namespace split_tests {

using namespace mlforge;
using namespace mlforge::ml;
using namespace mlforge::ml::test;

TEST_CASE("the generator's numbers are fixed for ever") {
  // Computed once with an independent implementation of SplitMix64 and PCG-XSH-RR 64/32.
  Random random(42);
  std::vector<std::uint32_t> got;
  for (int i = 0; i < 6; ++i) got.push_back(random.next());
  const std::vector<std::uint32_t> expected{
#include "tests/ml/random_vectors.inc"
  };
  CHECK(got == expected);
  Random other(7);
  std::array<int, 6> seen{};
  for (int i = 0; i < 60000; ++i) ++seen[other.below(6)];
  for (const int n : seen) CHECK(std::abs(n - 10000) < 500);
  for (int i = 0; i < 1000; ++i) {
    const double u = other.uniform();
    REQUIRE((u >= 0 && u < 1));
  }
}

TEST_CASE("a stratified split has the sizes and class shares it should have") {
  std::vector<std::int32_t> labels(48842, 0);
  for (std::size_t i = 0; i < 11687; ++i) labels[i * 4] = 1;
  const auto split = must(stratified_split(labels, {}, 42));
  CHECK(rows_of(split, 'T').size() == 34188);
  CHECK(rows_of(split, 'V').size() == 4885);
  CHECK(rows_of(split, 'E').size() == 9769);
  std::map<char, int> positives;
  for (std::size_t i = 0; i < split.size(); ++i) positives[split[i]] += labels[i];
  CHECK(positives['E'] == 2338);  // 11687 * 9769 / 48842 = 2337.55
  CHECK(positives['V'] == 1169);  // 9349 * 4885 / 39073 = 1168.85
  CHECK(split == must(stratified_split(labels, {}, 42)));
  CHECK(split != must(stratified_split(labels, {}, 43)));
}

TEST_CASE("a small split by hand") {
  const std::vector<std::int32_t> labels{0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
  const auto split = must(stratified_split(labels, {}, 1));
  CHECK(std::count(split.begin(), split.end(), 'E') == 2);
  CHECK(std::count(split.begin(), split.begin() + 5, 'E') == 1);
  CHECK(std::count(split.begin(), split.end(), 'V') == 1);
  CHECK_FALSE(stratified_split(labels, {7000, 1000, 1000}, 1));
  CHECK_FALSE(stratified_split(std::vector<std::int32_t>{}, {}, 1));
  CHECK_FALSE(stratified_split(std::vector<std::int32_t>{0, -1}, {}, 1));
}

TEST_CASE("folds differ by at most one row, in all and in each class") {
  std::vector<std::int32_t> labels;
  for (int i = 0; i < 1003; ++i) labels.push_back(i % 7 == 0 ? 1 : i % 5 == 0 ? 2 : 0);
  const auto folds = must(stratified_folds(labels, 5, 42));
  std::map<std::pair<std::int32_t, std::uint32_t>, int> by_class;
  std::map<std::uint32_t, int> sizes;
  for (std::size_t i = 0; i < folds.size(); ++i) {
    ++by_class[{labels[i], folds[i]}];
    ++sizes[folds[i]];
  }
  const auto level = [](std::vector<int> counts) {
    const auto [low, high] = std::minmax_element(counts.begin(), counts.end());
    return counts.size() == 5 && *high - *low <= 1;
  };
  std::vector<int> all;
  for (const auto& [fold, n] : sizes) all.push_back(n);
  CHECK(level(all));
  for (const int label : {0, 1, 2}) {
    std::vector<int> counts;
    for (std::uint32_t fold = 0; fold < 5; ++fold) counts.push_back(by_class[{label, fold}]);
    CHECK(level(counts));
  }
  CHECK(folds == must(stratified_folds(labels, 5, 42)));
  CHECK(folds != must(stratified_folds(labels, 5, 43)));
  CHECK_FALSE(stratified_folds(labels, 1, 42));
  CHECK_FALSE(stratified_folds(std::vector<std::int32_t>{0, 1}, 3, 42));
}

TEST_CASE("a split is written and read, and refuses other letters") {
  const std::string split(250, 'T');
  CHECK(must(parse_split(format_split(split))) == split);
  const auto refused = parse_split("TVE\nTXE\n");
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().message, Catch::Contains("Line 2"));
  const auto text = data_file("reference/adult_split_seed42.txt");
  if (!text) return;
  const auto reference = must(parse_split(*text));
  CHECK(reference.size() == 48842);
  CHECK(rows_of(reference, 'T').size() == 34188);
  CHECK(rows_of(reference, 'V').size() == 4885);
  CHECK(rows_of(reference, 'E').size() == 9769);
}

}  // namespace split_tests
