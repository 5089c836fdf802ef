#include "ml/csv.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <unordered_map>

#include "ml/csv_records.hpp"
#include "ml/text.hpp"

namespace mlforge::ml {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

// Collects one column's cells. Without a given kind, cells are kept as codes and turned into
// numbers at the end when all of them are numbers: each distinct text is parsed once.
class ColumnBuilder {
 public:
  ColumnBuilder(std::string name, std::optional<ColumnKind> kind, const CsvOptions& options)
      : kind_(kind), options_(options), strip_dot_(name == options.strip_dot_column) {
    column_.name = std::move(name);
    column_.kind = kind.value_or(ColumnKind::categorical);
  }

  // False when the cell is not a number and the column must be numeric.
  bool add(std::string& cell) {
    if (strip_dot_ && cell.ends_with('.')) cell.pop_back();
    const auto& markers = options_.missing_markers;
    const bool missing = std::find(markers.begin(), markers.end(), cell) != markers.end();
    if (kind_ == ColumnKind::numeric) {
      const auto number = missing ? std::optional(kMissing) : parse_number(cell);
      column_.numbers.push_back(number.value_or(0));
      return number.has_value();
    }
    column_.codes.push_back(missing ? -1 : code_of(cell));
    return true;
  }

  Column finish() {
    if (!kind_) become_numeric();
    return std::move(column_);
  }

 private:
  std::int32_t code_of(const std::string& cell) {
    const auto [it, fresh] = codes_.try_emplace(cell, static_cast<std::int32_t>(codes_.size()));
    if (fresh) column_.categories.push_back(cell);
    return it->second;
  }

  void become_numeric() {
    std::vector<double> values;
    for (const auto& category : column_.categories) {
      const auto number = parse_number(category);
      if (!number) return;
      values.push_back(*number);
    }
    for (const auto code : column_.codes)
      column_.numbers.push_back(code < 0 ? kMissing : values[code]);
    column_.kind = ColumnKind::numeric;
    column_.codes = {};
    column_.categories = {};
  }

  std::optional<ColumnKind> kind_;
  const CsvOptions& options_;
  bool strip_dot_;
  Column column_;
  std::unordered_map<std::string, std::int32_t> codes_;
};

Error malformed(std::size_t line, std::string_view column, std::string message) {
  std::string where = "Line " + std::to_string(line);
  if (!column.empty()) where += ", column '" + std::string(column) + "'";
  return Error{ErrorCode::malformed, where + ": " + message,
               column.empty() ? "csv" : std::string(column)};
}

Status check_bytes(std::string_view text) {
  const auto line_of = [&](std::size_t offset) {
    return 1 + static_cast<std::size_t>(std::count(text.begin(), text.begin() + offset, '\n'));
  };
  const auto column_of = [&](std::size_t offset) {
    const auto start = text.substr(0, offset).rfind('\n');
    return " at byte " +
           std::to_string(offset - (start == std::string_view::npos ? 0 : start + 1) + 1) +
           " of the line";
  };
  if (const auto nul = text.find('\0'); nul != std::string_view::npos)
    return malformed(line_of(nul), "", "a NUL byte" + column_of(nul) + "; CSV is text.");
  if (const auto bad = find_invalid_utf8(text))
    return malformed(line_of(*bad), "",
                     "invalid UTF-8" + column_of(*bad) + "; save the file as UTF-8.");
  return std::nullopt;
}

Status check_names(const std::vector<std::string>& names, const CsvOptions& options,
                   std::size_t line) {
  std::set<std::string_view> seen;
  for (const auto& name : names)
    if (!seen.insert(name).second)
      return malformed(line, name, "the name stands twice; column names must differ.");
  const auto unknown = [](std::string_view name) {
    return Error{
        ErrorCode::invalid_argument,
        "The options name a column '" + std::string(name) + "' that the file does not have.",
        std::string(name)};
  };
  for (const auto& [name, kind] : options.kinds)
    if (!seen.contains(name)) return unknown(name);
  if (!options.strip_dot_column.empty() && !seen.contains(options.strip_dot_column))
    return unknown(options.strip_dot_column);
  return std::nullopt;
}

Expected<std::vector<std::string>> read_names(CsvRecords& records, const CsvOptions& options) {
  std::vector<std::string> names;
  if (options.header) {
    if (!records.next(names)) {
      if (records.error()) return *records.error();
      return malformed(1, "", "the file is empty; a header and at least one row are needed.");
    }
    if (!options.column_names.empty() && options.column_names.size() != names.size())
      return malformed(records.line(), "",
                       "the header has " + std::to_string(names.size()) + " columns, " +
                           std::to_string(options.column_names.size()) + " names were given.");
  }
  if (!options.column_names.empty()) names = options.column_names;
  if (names.empty())
    return Error{ErrorCode::invalid_argument,
                 "Without a header, column_names must name the columns.", "column_names"};
  if (auto error = check_names(names, options, records.line())) return *error;
  return names;
}

Status read_rows(CsvRecords& records, const std::vector<std::string>& names,
                 std::vector<ColumnBuilder>& builders) {
  std::vector<std::string> cells;
  bool any = false;
  while (records.next(cells)) {
    any = true;
    if (cells.size() != names.size())
      return malformed(records.line(),
                       cells.size() < names.size() ? names[cells.size()] : names.back(),
                       "the record has " + std::to_string(cells.size()) + " fields, " +
                           std::to_string(names.size()) + " would be right.");
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (!builders[i].add(cells[i]))
        return malformed(records.line(), names[i], "'" + cells[i] + "' is not a finite number.");
  }
  if (records.error()) return records.error();
  if (!any) return malformed(records.line(), "", "the file has no rows; at least one is needed.");
  return std::nullopt;
}

}  // namespace

Expected<Table> read_csv(std::string_view text, const CsvOptions& options) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (auto error = check_bytes(text)) return *error;
  CsvRecords records(text, options);
  const auto names = read_names(records, options);
  if (!names) return names.error();
  std::vector<ColumnBuilder> builders;
  builders.reserve(names->size());
  for (const auto& name : *names) {
    const auto kind = options.kinds.find(name);
    builders.emplace_back(
        name, kind == options.kinds.end() ? std::nullopt : std::optional(kind->second), options);
  }
  if (auto error = read_rows(records, *names, builders)) return *error;
  Table table;
  for (auto& builder : builders) table.columns.push_back(builder.finish());
  return table;
}

std::string csv_cell(std::string_view text, char delimiter) {
  const bool plain = text.find_first_of("\"\r\n") == std::string_view::npos &&
                     text.find(delimiter) == std::string_view::npos &&
                     (text.empty() || (text.front() != ' ' && text.front() != '\t'));
  if (plain) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + '"';
}

CsvOptions adult_csv_options() {
  CsvOptions options;
  options.header = false;
  options.column_names = {"age",
                          "workclass",
                          "fnlwgt",
                          "education",
                          "education-num",
                          "marital-status",
                          "occupation",
                          "relationship",
                          "race",
                          "sex",
                          "capital-gain",
                          "capital-loss",
                          "hours-per-week",
                          "native-country",
                          "income"};
  for (const auto& name : options.column_names) options.kinds[name] = ColumnKind::categorical;
  for (const auto* name :
       {"age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week"})
    options.kinds[name] = ColumnKind::numeric;
  options.skip_prefix = "|";
  options.trim_leading_blanks = true;
  options.strip_dot_column = "income";
  return options;
}

}  // namespace mlforge::ml
