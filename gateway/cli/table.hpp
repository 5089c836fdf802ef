// Aligned tables and lists of facts for people, and the forms of numbers and times in them.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mlforge::gateway::cli {

struct Column {
  std::string title;
  bool right = false;  // numbers stand on the right
};

// Columns are as wide as their widest cell, counted in code points; the last one is not padded.
class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}
  // As many cells as there are columns. Control characters in a cell become spaces.
  void row(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  // With `color` the titles are bold, and words that are a status have its colour.
  std::string text(bool color) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "name:     value" lines, values aligned; pairs with an empty value are left out.
std::string facts_text(const std::vector<std::pair<std::string, std::string>>& facts);

std::string number_text(double value);         // six significant digits
std::string share_text(std::uint64_t basis);   // basis points as "12.5 %"
std::string bytes_text(std::uint64_t bytes);   // "3.8 MiB"
std::string time_text(std::string_view time);  // RFC 3339 without the fraction
std::string join_text(const std::vector<std::string>& parts, std::string_view between = ", ");
// "a=1, b=2" of any map from texts to texts or numbers.
template <class Map>
std::string pairs_text(const Map& map) {
  std::string out;
  for (const auto& [key, value] : map) {
    if (!out.empty()) out += ", ";
    out += key + "=";
    if constexpr (std::is_convertible_v<decltype(value), std::string_view>)
      out += value;
    else
      out += number_text(static_cast<double>(value));
  }
  return out;
}

}  // namespace mlforge::gateway::cli
