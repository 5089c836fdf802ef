#include "ml/csv_records.hpp"

#include <algorithm>

namespace mlforge::ml {

bool CsvRecords::fail(std::string message) {
  error_ = Error{
      ErrorCode::malformed,
      "Line " + std::to_string(line_) + ", column " + std::to_string(column_) + ": " + message,
      "line " + std::to_string(line_)};
  return false;
}

bool CsvRecords::take_line_end() {
  if (rest_.starts_with("\r\n"))
    rest_.remove_prefix(2);
  else if (rest_.starts_with('\n'))
    rest_.remove_prefix(1);
  else
    return false;
  ++line_;
  return true;
}

// Empty lines and comment lines.
bool CsvRecords::skip_line() {
  if (take_line_end()) return true;
  if (options_.skip_prefix.empty() || !rest_.starts_with(options_.skip_prefix)) return false;
  const auto end = rest_.find('\n');
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  ++line_;
  return true;
}

bool CsvRecords::at_end_of_field() const {
  return rest_.empty() || rest_.front() == options_.delimiter || rest_.front() == '\n' ||
         rest_.starts_with("\r\n");
}

bool CsvRecords::read_quoted(std::string& cell) {
  const auto opened = line_;
  rest_.remove_prefix(1);
  for (;;) {
    const auto quote = rest_.find('"');
    if (quote == std::string_view::npos) {
      line_ = opened;
      return fail("a quoted field is never closed; it needs a '\"' at its end.");
    }
    const auto part = rest_.substr(0, quote);
    line_ += static_cast<std::size_t>(std::count(part.begin(), part.end(), '\n'));
    cell += part;
    rest_.remove_prefix(quote + 1);
    if (!rest_.starts_with('"')) break;
    cell += '"';  // doubled: stands for one
    rest_.remove_prefix(1);
  }
  if (!at_end_of_field())
    return fail("text follows a closing quote; a delimiter or a line end would be right.");
  return true;
}

bool CsvRecords::read_bare(std::string& cell) {
  std::size_t end = 0;
  for (; end < rest_.size(); ++end) {
    const char c = rest_[end];
    if (c == options_.delimiter || c == '\n') break;
    if (c == '"')
      return fail("a quote inside an unquoted field; quote the whole field and double the quote.");
    if (c != '\r') continue;
    if (end + 1 < rest_.size() && rest_[end + 1] == '\n') break;
    return fail("a carriage return without a line feed; lines end in LF or CRLF.");
  }
  cell.assign(rest_.substr(0, end));
  rest_.remove_prefix(end);
  return true;
}

bool CsvRecords::read_cell(std::string& cell) {
  cell.clear();
  if (options_.trim_leading_blanks) {
    const auto first = rest_.find_first_not_of(" \t");
    rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
  }
  return rest_.starts_with('"') ? read_quoted(cell) : read_bare(cell);
}

bool CsvRecords::next(std::vector<std::string>& cells) {
  while (!rest_.empty() && skip_line()) {
  }
  if (rest_.empty()) return false;
  record_line_ = line_;
  column_ = 1;
  for (;; ++column_) {
    if (cells.size() < column_) cells.emplace_back();
    if (!read_cell(cells[column_ - 1])) return false;
    if (rest_.empty() || rest_.front() != options_.delimiter) break;
    rest_.remove_prefix(1);
  }
  cells.resize(column_);
  take_line_end();
  return true;
}

}  // namespace mlforge::ml
