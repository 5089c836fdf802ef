// Made-up census data in the layout of UCI Adult: for tests, demonstrations and machines without
// the real file.
#pragma once
#include <cstdint>
#include <string>

namespace mlforge::ml {

struct SyntheticOptions {
  std::uint32_t rows = 5000;
  std::uint64_t seed = 42;
  // Moves the population: 0 none; 1 adds ten years of age, four weekly hours and richer
  // occupations. The label's rule stays.
  double shift = 0;
};

// CSV text as adult.data has it (see adult_csv_options): 15 fields, ", " between them, no header,
// '?' in about 6 % of workclass and occupation and 2 % of native-country, income "<=50K" or ">50K"
// (about a quarter). A good model reaches an ROC AUC of about 0.9. The same bytes for the same
// options on every machine: integers throughout. Any thread.
std::string synthetic_adult(const SyntheticOptions& options = {});

}  // namespace mlforge::ml
