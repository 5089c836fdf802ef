// Seeded, stratified ways to divide rows; the same on every machine (see random.hpp).
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"

namespace mlforge::ml {

// Parts in basis points; they add up to 10000.
struct SplitParts {
  std::uint32_t train = 7000;
  std::uint32_t validation = 1000;
  std::uint32_t test = 2000;
};

// One letter a row: 'T' train, 'V' validation, 'E' test. The test and validation parts hold ceil(n
// * part) rows, each class its share by the largest remainder (ties: the lower class). Labels are
// class numbers >= 0, shape (rows). Inside a class, the rows are shuffled by the seed.
// invalid_argument when the parts do not add up to 10000 or when there are no rows.
Expected<std::string> stratified_split(std::span<const std::int32_t> labels, SplitParts parts,
                                       std::uint64_t seed);

// The fold 0..k-1 in which each row is tested, shape (rows). Sizes of folds, and of each class in
// them, differ by at most one. invalid_argument unless 2 <= k <= rows.
Expected<std::vector<std::uint32_t>> stratified_folds(std::span<const std::int32_t> labels,
                                                      std::uint32_t k, std::uint64_t seed);

// Reads an assignment as text: letters T, V, E, line ends anywhere. malformed for any other byte
// (naming the line).
Expected<std::string> parse_split(std::string_view text);

// The same with 100 letters a line.
std::string format_split(std::string_view assignment);

// The rows that carry the letter, ascending.
std::vector<std::uint32_t> rows_of(std::string_view assignment, char letter);

}  // namespace mlforge::ml
