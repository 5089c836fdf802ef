// Fitting a Preprocessor on training rows.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "ml/errors.hpp"
#include "ml/preprocess.hpp"

namespace mlforge::ml {
namespace {

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  const double lower = *std::max_element(values.begin(), middle);
  return lower + (*middle - lower) / 2;
}

struct Moments {
  double mean = 0, scale = 1;
};

// Two passes. A variance within rounding of 0 counts as constant (the bound of scikit-learn's
// StandardScaler).
Moments moments_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  if (values.empty()) return {};
  double sum = 0, squares = 0, residual = 0;
  for (const double v : values) sum += v;
  const double mean = sum / n;
  for (const double v : values) {
    squares += (v - mean) * (v - mean);
    residual += v - mean;
  }
  const double variance = (squares - residual * residual / n) / n;
  constexpr double eps = std::numeric_limits<double>::epsilon();
  const bool constant = variance <= n * eps * variance + (n * mean * eps) * (n * mean * eps);
  return {mean, constant ? 1 : std::sqrt(variance)};
}

void fit_numeric(const Column& column, std::span<const std::uint32_t> rows,
                 const PreprocessOptions& options, Preprocessor::Input& input) {
  std::vector<double> present;
  for (const auto row : rows)
    if (!std::isnan(column.numbers[row])) present.push_back(column.numbers[row]);
  const auto missing = rows.size() - present.size();
  if (options.numeric_impute != NumericImpute::none) {
    const bool median = options.numeric_impute == NumericImpute::median;
    input.fill = present.empty() ? 0 : median ? median_of(present) : moments_of(present).mean;
    present.insert(present.end(), missing, *input.fill);
  }
  if (!options.standard_scale) return;
  const auto moments = moments_of(present);
  input.mean = moments.mean;
  input.scale = moments.scale;
}

void fit_categorical(const Column& column, std::span<const std::uint32_t> rows,
                     const PreprocessOptions& options, Preprocessor::Input& input) {
  std::vector<std::uint64_t> counts(column.categories.size(), 0);
  for (const auto row : rows)
    if (column.codes[row] >= 0) ++counts[column.codes[row]];
  std::vector<std::pair<std::string, std::uint64_t>> seen;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > 0) seen.emplace_back(column.categories[i], counts[i]);
  std::sort(seen.begin(), seen.end());
  for (const auto& [category, count] : seen) input.categories.push_back(category);
  if (options.category_impute == CategoryImpute::none || seen.empty()) return;
  const auto most = std::max_element(
      seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  input.mode = static_cast<std::uint32_t>(most - seen.begin());
}

Status check(const Table& table, std::span<const std::uint32_t> rows,
             const std::vector<std::string>& columns) {
  if (rows.empty()) return invalid("There are no training rows; at least one is needed.", "rows");
  for (const auto row : rows)
    if (row >= table.rows())
      return invalid("Row " + std::to_string(row) + " does not exist in the table.", "rows");
  if (columns.empty())
    return invalid("There is no feature column; at least one is needed.", "columns");
  std::set<std::string_view> seen;
  for (const auto& name : columns) {
    if (!seen.insert(name).second) return invalid("Column '" + name + "' is named twice.", name);
    if (!table.find(name))
      return Error{ErrorCode::not_found, "There is no column '" + name + "' in the table.", name};
  }
  return std::nullopt;
}

}  // namespace

Expected<Preprocessor> Preprocessor::fit(const Table& table, std::span<const std::uint32_t> rows,
                                         const PreprocessOptions& options, std::string_view label,
                                         std::vector<std::string> columns) {
  if (columns.empty())
    for (const auto& column : table.columns)
      if (column.name != label) columns.push_back(column.name);
  if (auto error = check(table, rows, columns)) return *error;
  Preprocessor out;
  out.options_ = options;
  for (const auto& name : columns) {
    const Column& column = table.columns[*table.find(name)];
    Input& input = out.inputs_.emplace_back();
    input.name = name;
    input.kind = column.kind;
    if (column.kind == ColumnKind::numeric)
      fit_numeric(column, rows, options, input);
    else
      fit_categorical(column, rows, options, input);
  }
  out.name_features();
  return out;
}

}  // namespace mlforge::ml
