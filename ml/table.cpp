#include "ml/table.hpp"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "ml/text.hpp"

namespace mlforge::ml {
namespace {

Error bad_table(std::string message, std::string_view field) {
  return Error{ErrorCode::invalid_argument, std::move(message), std::string(field)};
}

void append_codes(Column& to, const Column& from) {
  std::unordered_map<std::string_view, std::int32_t> known;
  to.categories.reserve(to.categories.size() + from.categories.size());  // keeps the views valid
  for (std::size_t i = 0; i < to.categories.size(); ++i)
    known.emplace(to.categories[i], static_cast<std::int32_t>(i));
  std::vector<std::int32_t> renamed;
  for (const auto& category : from.categories) {
    const auto next = static_cast<std::int32_t>(to.categories.size());
    const auto [it, fresh] = known.emplace(category, next);
    if (fresh) to.categories.push_back(category);
    renamed.push_back(it->second);
  }
  for (const auto code : from.codes) to.codes.push_back(code < 0 ? -1 : renamed[code]);
}

}  // namespace

std::string_view to_string(ColumnKind kind) {
  return kind == ColumnKind::numeric ? "numeric" : "categorical";
}

bool Column::missing(std::size_t row) const {
  return kind == ColumnKind::numeric ? std::isnan(numbers[row]) : codes[row] < 0;
}

std::size_t Column::count_missing() const {
  std::size_t n = 0;
  for (std::size_t row = 0; row < size(); ++row) n += missing(row) ? 1 : 0;
  return n;
}

std::optional<std::size_t> Table::find(std::string_view name) const {
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (columns[i].name == name) return i;
  return std::nullopt;
}

Expected<Table> concatenate(const Table& a, const Table& b) {
  if (a.columns.size() != b.columns.size())
    return bad_table("The tables have " + std::to_string(a.columns.size()) + " and " +
                         std::to_string(b.columns.size()) + " columns; both must have the same.",
                     "columns");
  Table out = a;
  for (std::size_t i = 0; i < out.columns.size(); ++i) {
    Column& to = out.columns[i];
    const Column& from = b.columns[i];
    if (to.name != from.name)
      return bad_table("Column " + std::to_string(i + 1) + " is '" + to.name +
                           "' in one table and '" + from.name +
                           "' in the other; names and order must agree.",
                       to.name);
    if (to.kind != from.kind)
      return bad_table("Column '" + to.name + "' is " + std::string(to_string(to.kind)) +
                           " in one table and " + std::string(to_string(from.kind)) +
                           " in the other; the kinds must agree.",
                       to.name);
    to.numbers.insert(to.numbers.end(), from.numbers.begin(), from.numbers.end());
    if (to.kind == ColumnKind::categorical) append_codes(to, from);
  }
  return out;
}

Expected<Table> select_rows(const Table& table, std::span<const std::uint32_t> rows) {
  const auto count = table.rows();
  for (const auto row : rows)
    if (row >= count)
      return bad_table("Row " + std::to_string(row) + " does not exist; the table has rows 0 to " +
                           std::to_string(count) + " (exclusive).",
                       "rows");
  Table out;
  for (const auto& column : table.columns) {
    Column& to =
        out.columns.emplace_back(Column{column.name, column.kind, {}, {}, column.categories});
    if (column.kind == ColumnKind::numeric)
      for (const auto row : rows) to.numbers.push_back(column.numbers[row]);
    else
      for (const auto row : rows) to.codes.push_back(column.codes[row]);
  }
  return out;
}

Expected<std::vector<float>> binary_labels(const Table& table, std::string_view column,
                                           std::string_view positive) {
  const auto index = table.find(column);
  if (!index)
    return Error{ErrorCode::not_found,
                 "There is no label column '" + std::string(column) + "' in the table.",
                 std::string(column)};
  const Column& label = table.columns[*index];
  const auto number = parse_number(positive);
  if (label.kind == ColumnKind::numeric && !number)
    return bad_table("The label column is numeric, so the positive class '" +
                         std::string(positive) + "' must be a number.",
                     column);
  const auto found = std::find(label.categories.begin(), label.categories.end(), positive);
  const auto code = static_cast<std::int32_t>(found - label.categories.begin());
  std::vector<float> out(label.size());
  bool any = false;
  for (std::size_t row = 0; row < out.size(); ++row) {
    if (label.missing(row))
      return bad_table(
          "The label of row " + std::to_string(row) + " (from 0) is missing; every row needs one.",
          column);
    const bool yes = label.kind == ColumnKind::numeric ? label.numbers[row] == *number
                                                       : label.codes[row] == code;
    any |= yes;
    out[row] = yes ? 1.0f : 0.0f;
  }
  if (!any)
    return bad_table(
        "The positive class '" + std::string(positive) + "' never occurs in the label column.",
        column);
  return out;
}

}  // namespace mlforge::ml
