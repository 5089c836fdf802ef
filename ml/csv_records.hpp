// Inside the CSV reader: from text to records of cells.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ml/csv.hpp"

namespace mlforge::ml {

class CsvRecords {
 public:
  CsvRecords(std::string_view text, const CsvOptions& options) : rest_(text), options_(options) {}

  // Reads the next record into cells (reused between calls); false at the end or after an error.
  bool next(std::vector<std::string>& cells);
  std::size_t line() const { return record_line_; }  // where the last record begins, from 1
  const Status& error() const { return error_; }

 private:
  bool skip_line();
  bool read_cell(std::string& cell);
  bool read_quoted(std::string& cell);
  bool read_bare(std::string& cell);
  bool at_end_of_field() const;
  bool take_line_end();
  bool fail(std::string message);

  std::string_view rest_;
  const CsvOptions& options_;
  std::size_t line_ = 1;
  std::size_t record_line_ = 1;
  std::size_t column_ = 1;
  Status error_;
};

}  // namespace mlforge::ml
