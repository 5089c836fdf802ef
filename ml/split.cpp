#include "ml/split.hpp"

#include <algorithm>
#include <map>

#include "ml/random.hpp"

namespace mlforge::ml {
namespace {

using Rows = std::vector<std::uint32_t>;

// Rows by class, classes ascending, each class shuffled by the one generator.
std::vector<Rows> shuffled_classes(std::span<const std::int32_t> labels, std::uint64_t seed) {
  std::map<std::int32_t, Rows> by_class;
  for (std::uint32_t row = 0; row < labels.size(); ++row) by_class[labels[row]].push_back(row);
  Random random(seed);
  std::vector<Rows> out;
  for (auto& [label, rows] : by_class) {
    shuffle(std::span(rows), random);
    out.push_back(std::move(rows));
  }
  return out;
}

// `total` places shared out in proportion to the sizes, by the largest remainder.
std::vector<std::uint64_t> share_out(const std::vector<std::uint64_t>& sizes, std::uint64_t total) {
  std::uint64_t all = 0;
  for (const auto size : sizes) all += size;
  std::vector<std::uint64_t> shares(sizes.size(), 0);
  if (all == 0) return shares;
  std::vector<std::pair<std::uint64_t, std::size_t>> remainders;
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    shares[i] = sizes[i] * total / all;
    given += shares[i];
    remainders.emplace_back(sizes[i] * total % all, i);
  }
  std::stable_sort(remainders.begin(), remainders.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t i = 0; given < total; ++i, ++given) ++shares[remainders[i].second];
  return shares;
}

std::uint64_t part_of(std::uint64_t rows, std::uint32_t basis_points) {
  return (rows * basis_points + 9999) / 10000;
}

Status check_labels(std::span<const std::int32_t> labels) {
  const auto bad = std::find_if(labels.begin(), labels.end(), [](auto label) { return label < 0; });
  if (bad == labels.end()) return std::nullopt;
  return Error{ErrorCode::invalid_argument,
               "The label of row " + std::to_string(bad - labels.begin()) +
                   " (from 0) is missing; every row needs a class to be split by.",
               "labels"};
}

}  // namespace

Expected<std::string> stratified_split(std::span<const std::int32_t> labels, SplitParts parts,
                                       std::uint64_t seed) {
  if (std::uint64_t{parts.train} + parts.validation + parts.test != 10000)
    return Error{ErrorCode::invalid_argument,
                 "The parts of a split must add up to 10000 basis points.", "parts"};
  if (labels.empty())
    return Error{ErrorCode::invalid_argument, "There are no rows to split; at least one is needed.",
                 "labels"};
  if (auto error = check_labels(labels)) return *error;
  const auto classes = shuffled_classes(labels, seed);
  std::vector<std::uint64_t> sizes;
  for (const auto& rows : classes) sizes.push_back(rows.size());
  const auto n = static_cast<std::uint64_t>(labels.size());
  const auto test_total = part_of(n, parts.test);
  const auto test = share_out(sizes, test_total);
  for (std::size_t c = 0; c < sizes.size(); ++c) sizes[c] -= test[c];
  const auto validation = share_out(sizes, std::min(part_of(n, parts.validation), n - test_total));
  std::string out(labels.size(), 'T');
  for (std::size_t c = 0; c < classes.size(); ++c)
    for (std::size_t i = 0; i < test[c] + validation[c]; ++i)
      out[classes[c][i]] = i < test[c] ? 'E' : 'V';
  return out;
}

Expected<std::vector<std::uint32_t>> stratified_folds(std::span<const std::int32_t> labels,
                                                      std::uint32_t k, std::uint64_t seed) {
  if (k < 2 || k > labels.size())
    return Error{ErrorCode::invalid_argument,
                 "The number of folds is " + std::to_string(k) +
                     "; from 2 to the number of rows (" + std::to_string(labels.size()) +
                     ") would be right.",
                 "folds"};
  if (auto error = check_labels(labels)) return *error;
  std::vector<std::uint32_t> folds(labels.size());
  std::uint32_t next = 0;  // dealt on from class to class, so that the folds' sizes stay level too
  for (const auto& rows : shuffled_classes(labels, seed))
    for (const auto row : rows) folds[row] = next++ % k;
  return folds;
}

Expected<std::string> parse_split(std::string_view text) {
  std::string out;
  std::size_t line = 1;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
    } else if (c == 'T' || c == 'V' || c == 'E') {
      out += c;
    } else if (c != '\r') {
      return Error{
          ErrorCode::malformed,
          "Line " + std::to_string(line) + " of the split has a byte that is none of T, V and E.",
          "split"};
    }
  }
  return out;
}

std::string format_split(std::string_view assignment) {
  std::string out;
  for (std::size_t i = 0; i < assignment.size(); i += 100) {
    out += assignment.substr(i, 100);
    out += '\n';
  }
  return out;
}

std::vector<std::uint32_t> rows_of(std::string_view assignment, char letter) {
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < assignment.size(); ++i)
    if (assignment[i] == letter) rows.push_back(i);
  return rows;
}

}  // namespace mlforge::ml
