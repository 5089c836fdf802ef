// A table by columns: what a CSV file becomes and what everything else in ml/ reads.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.hpp"

namespace mlforge::ml {

enum class ColumnKind { numeric, categorical };
std::string_view to_string(ColumnKind kind);

// Exactly one of `numbers` (numeric) and `codes` (categorical) holds the cells, one a row.
struct Column {
  std::string name;
  ColumnKind kind = ColumnKind::numeric;
  std::vector<double> numbers;          // NaN: missing
  std::vector<std::int32_t> codes;      // index into `categories`; -1: missing
  std::vector<std::string> categories;  // distinct, in order of first appearance

  std::size_t size() const { return kind == ColumnKind::numeric ? numbers.size() : codes.size(); }
  bool missing(std::size_t row) const;
  std::size_t count_missing() const;
};

// All columns have the same size and different names.
struct Table {
  std::vector<Column> columns;

  std::size_t rows() const { return columns.empty() ? 0 : columns.front().size(); }
  std::optional<std::size_t> find(std::string_view name) const;
};

// The rows of `a`, then those of `b`. invalid_argument when names, order or kinds of the columns
// differ. Categories of `b` that `a` does not know come last.
Expected<Table> concatenate(const Table& a, const Table& b);

// The named rows in the given order (rows may repeat); dictionaries stay as they are, so codes keep
// their meaning. invalid_argument when a row is out of range.
Expected<Table> select_rows(const Table& table, std::span<const std::uint32_t> rows);

// 1 where the label column holds `positive`, else 0; shape (rows). For a numeric label column
// `positive` is read as a number. not_found when there is no such column, invalid_argument when a
// label is missing or when `positive` never occurs.
Expected<std::vector<float>> binary_labels(const Table& table, std::string_view column,
                                           std::string_view positive);

}  // namespace mlforge::ml
