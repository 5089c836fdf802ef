#include "ml/validate.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "ml/text.hpp"

namespace mlforge::ml {
namespace {

using Results = std::vector<CheckResult>;

struct Range {
  std::optional<double> min, max;
};

Range range_of(const Column& column) {
  Range out;
  for (const double v : column.numbers) {
    if (std::isnan(v)) continue;
    if (!out.min || v < *out.min) out.min = v;
    if (!out.max || v > *out.max) out.max = v;
  }
  return out;
}

double null_fraction(const Column& column) {
  return column.size() == 0
             ? 0
             : static_cast<double>(column.count_missing()) / static_cast<double>(column.size());
}

// Categories that occur, by byte order.
std::set<std::string> occurring(const Column& column) {
  std::vector<bool> seen(column.categories.size(), false);
  for (const auto code : column.codes)
    if (code >= 0) seen[static_cast<std::size_t>(code)] = true;
  std::set<std::string> out;
  for (std::size_t i = 0; i < seen.size(); ++i)
    if (seen[i]) out.insert(column.categories[i]);
  return out;
}

std::string list(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 10;
  std::string out;
  for (std::size_t i = 0; i < names.size() && i < kShown; ++i)
    out += (i == 0 ? "'" : ", '") + names[i] + "'";
  if (names.size() > kShown) out += " and " + std::to_string(names.size() - kShown) + " more";
  return out.empty() ? "none" : out;
}

void check_range(const Column& column, const ColumnSchema& schema, Results& out) {
  const auto range = range_of(column);
  const auto text = [](const std::optional<double>& v) {
    return v ? format_number(*v) : std::string("no values");
  };
  if (schema.min)
    out.push_back({"min", schema.name, !range.min || *range.min >= *schema.min, text(range.min),
                   "at least " + format_number(*schema.min)});
  if (schema.max)
    out.push_back({"max", schema.name, !range.max || *range.max <= *schema.max, text(range.max),
                   "at most " + format_number(*schema.max)});
}

void check_allowed(const Column& column, const ColumnSchema& schema, Results& out) {
  if (!schema.allowed) return;
  const std::set<std::string> allowed(schema.allowed->begin(), schema.allowed->end());
  std::vector<std::string> others;
  for (const auto& category : occurring(column))
    if (!allowed.contains(category)) others.push_back(category);
  out.push_back({"allowed", schema.name, others.empty(),
                 others.empty() ? "only allowed categories" : "not allowed: " + list(others),
                 "one of " + list(*schema.allowed)});
}

void check_column(const Table& table, const ColumnSchema& schema, Results& out) {
  const auto index = table.find(schema.name);
  if (schema.required || index)
    out.push_back({"present", schema.name, index.has_value(), index ? "present" : "absent",
                   schema.required ? "present" : "may be absent"});
  if (!index) return;
  const Column& column = table.columns[*index];
  out.push_back({"kind", schema.name, column.kind == schema.kind,
                 std::string(to_string(column.kind)), std::string(to_string(schema.kind))});
  if (column.kind != schema.kind) return;
  const double nulls = null_fraction(column);
  out.push_back({"null_fraction", schema.name, nulls <= schema.max_null_fraction,
                 format_number(nulls), "at most " + format_number(schema.max_null_fraction)});
  if (column.kind == ColumnKind::numeric)
    check_range(column, schema, out);
  else
    check_allowed(column, schema, out);
}

}  // namespace

Results validate(const Table& table, const DataSchema& schema) {
  Results out;
  out.push_back({"min_rows", "", table.rows() >= schema.min_rows, std::to_string(table.rows()),
                 "at least " + std::to_string(schema.min_rows)});
  if (!schema.allow_other_columns) {
    std::vector<std::string> others;
    for (const auto& column : table.columns)
      if (std::none_of(schema.columns.begin(), schema.columns.end(),
                       [&](const auto& known) { return known.name == column.name; }))
        others.push_back(column.name);
    out.push_back({"other_columns", "", others.empty(), list(others), "none"});
  }
  for (const auto& column : schema.columns) check_column(table, column, out);
  return out;
}

bool all_passed(const Results& results) {
  return std::all_of(results.begin(), results.end(), [](const auto& r) { return r.passed; });
}

DataSchema infer_schema(const Table& table, std::size_t max_categories) {
  DataSchema out;
  for (const auto& column : table.columns) {
    ColumnSchema& schema = out.columns.emplace_back();
    schema.name = column.name;
    schema.kind = column.kind;
    schema.max_null_fraction = null_fraction(column);
    if (column.kind == ColumnKind::numeric) {
      const auto range = range_of(column);
      schema.min = range.min;
      schema.max = range.max;
      continue;
    }
    const auto categories = occurring(column);
    if (categories.size() <= max_categories)
      schema.allowed = std::vector<std::string>(categories.begin(), categories.end());
  }
  return out;
}

}  // namespace mlforge::ml
