// Does a table look as it should? Schema and quality checks, each with what was seen and what was
// wanted.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ml/table.hpp"

namespace mlforge::ml {

struct ColumnSchema {
  std::string name;
  ColumnKind kind = ColumnKind::numeric;
  bool required = true;            // false: the column may be absent
  double max_null_fraction = 1;    // 0..1
  std::optional<double> min, max;  // numeric, both inclusive
  std::optional<std::vector<std::string>>
      allowed;  // categorical; missing cells are not judged by it
};

struct DataSchema {
  std::vector<ColumnSchema> columns;
  std::uint64_t min_rows = 1;
  bool allow_other_columns = true;
};

// One judgement. `name` is one of min_rows, other_columns, present, kind, null_fraction, min, max,
// allowed.
struct CheckResult {
  std::string name;
  std::string column;  // empty for checks of the whole table
  bool passed = false;
  std::string observed;
  std::string expected;
};

// In the order of the schema; every check that applies is answered, passed or not. An absent or
// wrongly typed column has no further checks. min and max without a single value pass. Pure; any
// thread.
std::vector<CheckResult> validate(const Table& table, const DataSchema& schema);

bool all_passed(const std::vector<CheckResult>& results);

// The narrowest schema that the table passes: kinds, null fractions, smallest and largest value,
// all categories (by byte order) where there are at most max_categories of them.
DataSchema infer_schema(const Table& table, std::size_t max_categories = 100);

}  // namespace mlforge::ml
