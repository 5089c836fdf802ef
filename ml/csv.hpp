// A strict CSV reader (RFC 4180) into a Table.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ml/table.hpp"

namespace mlforge::ml {

struct CsvOptions {
  char delimiter = ',';
  bool header = true;  // the first record names the columns
  std::vector<std::string>
      column_names;  // when there is no header; with one, they replace its names
  std::map<std::string, ColumnKind, std::less<>> kinds;  // columns not named here: see below
  std::string skip_prefix;           // lines that begin so are skipped ("|"); empty: none
  bool trim_leading_blanks = false;  // blanks and tabs in front of each field
  std::vector<std::string> missing_markers{
      ""};  // cells that mean "missing"; without "?", it is a category
  std::string
      strip_dot_column;  // one '.' at the end of this column's cells is dropped; empty: no column
};

// Line ends are LF or CRLF; empty lines are skipped; a byte order mark in front is skipped. Fields
// in quotes may hold delimiters, line ends and doubled quotes; quoted and bare cells mean the same,
// also for missing markers. A column without a given kind is numeric when every cell is a finite
// number or missing (also when all are missing), else categorical. malformed, naming line (from 1)
// and column: no rows, ragged record, text in a numeric column, a quote that is not closed or
// stands inside a bare field, a bare carriage return, NUL, invalid UTF-8, a column named twice.
// invalid_argument: options that name an unknown column. Pure; any thread.
Expected<Table> read_csv(std::string_view text, const CsvOptions& options = {});

// A cell as CSV text: in quotes only where it has to be.
std::string csv_cell(std::string_view text, char delimiter = ',');

// The layout of the UCI Adult files: names, kinds, leading blanks, "|" lines, labels that may end
// in '.'.
// '?' stays an ordinary category.
CsvOptions adult_csv_options();

}  // namespace mlforge::ml
