#include "ml/preprocess.hpp"

#include <algorithm>
#include <cmath>

#include "ml/errors.hpp"

namespace mlforge::ml {
namespace {

// Index of the category, -1 when unknown.
std::int32_t look_up(const std::vector<std::string>& sorted, std::string_view text) {
  const auto it = std::lower_bound(sorted.begin(), sorted.end(), text,
                                   [](const std::string& a, std::string_view b) { return a < b; });
  return it == sorted.end() || *it != text ? -1 : static_cast<std::int32_t>(it - sorted.begin());
}

}  // namespace

void Preprocessor::name_features() {
  feature_names_.clear();
  for (auto& input : inputs_) {
    input.first_feature = feature_names_.size();
    if (input.kind == ColumnKind::numeric || options_.encoding == Encoding::ordinal)
      feature_names_.push_back(input.name);
    else
      for (const auto& category : input.categories)
        feature_names_.push_back(input.name + "=" + category);
  }
}

void Preprocessor::put_number(const Input& input, double value, std::span<float> row) const {
  if (std::isnan(value) && input.fill) value = *input.fill;
  row[input.first_feature] = static_cast<float>((value - input.mean) / input.scale);
}

void Preprocessor::put_category(const Input& input, std::int32_t index, bool missing,
                                std::span<float> row) const {
  if (missing && input.mode) index = static_cast<std::int32_t>(*input.mode);
  if (options_.encoding == Encoding::ordinal) {
    row[input.first_feature] = static_cast<float>(index);
    return;
  }
  const auto hot = row.subspan(input.first_feature, input.categories.size());
  std::fill(hot.begin(), hot.end(), 0.0f);
  if (index >= 0) hot[static_cast<std::size_t>(index)] = 1.0f;
}

Expected<Matrix> Preprocessor::transform(const Table& table,
                                         std::span<const std::uint32_t> rows) const {
  for (const auto row : rows)
    if (row >= table.rows())
      return invalid("Row " + std::to_string(row) + " does not exist in the table.", "rows");
  Matrix out{rows.size(), features(), std::vector<float>(rows.size() * features())};
  for (const auto& input : inputs_) {
    const auto at = table.find(input.name);
    if (!at)
      return Error{ErrorCode::not_found, "There is no column '" + input.name + "' in the table.",
                   input.name};
    const Column& column = table.columns[*at];
    if (column.kind != input.kind)
      return invalid("Column '" + input.name + "' is " + std::string(to_string(column.kind)) +
                         "; the preprocessor was fitted on a " +
                         std::string(to_string(input.kind)) + " one.",
                     input.name);
    if (input.kind == ColumnKind::numeric) {
      for (std::size_t i = 0; i < rows.size(); ++i)
        put_number(input, column.numbers[rows[i]], out.row(i));
      continue;
    }
    std::vector<std::int32_t> index;  // from this table's codes to ours
    for (const auto& category : column.categories)
      index.push_back(look_up(input.categories, category));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto code = column.codes[rows[i]];
      put_category(input, code < 0 ? -1 : index[code], code < 0, out.row(i));
    }
  }
  return out;
}

Status Preprocessor::transform_row(std::span<const Cell> cells, std::span<float> out) const {
  if (cells.size() != inputs_.size())
    return invalid("The row has " + std::to_string(cells.size()) + " values, " +
                       std::to_string(inputs_.size()) + " would be right.",
                   "row");
  if (out.size() != features())
    return invalid("The buffer holds " + std::to_string(out.size()) + " features, " +
                       std::to_string(features()) + " would be right.",
                   "features");
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Input& input = inputs_[i];
    const bool missing = std::holds_alternative<std::monostate>(cells[i]);
    if (input.kind == ColumnKind::numeric) {
      const auto* number = std::get_if<double>(&cells[i]);
      if (!missing && (number == nullptr || std::isinf(*number)))
        return invalid("The value of '" + input.name + "' must be a finite number or missing.",
                       input.name);
      put_number(input, missing ? std::nan("") : *number, out);
    } else {
      const auto* text = std::get_if<std::string_view>(&cells[i]);
      if (!missing && text == nullptr)
        return invalid("The value of '" + input.name + "' must be a text or missing.", input.name);
      put_category(input, missing ? -1 : look_up(input.categories, *text), missing, out);
    }
  }
  return std::nullopt;
}

}  // namespace mlforge::ml
