#include "gateway/cli/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mlforge::gateway::cli {
namespace {

std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](unsigned char c) {
    return (c & 0xC0) != 0x80;  // continuation bytes of UTF-8 take no room
  }));
}

constexpr std::string_view kRed = "31", kGreen = "32", kYellow = "33";

std::string_view color_of(std::string_view word) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 17> kWords{
      {{"succeeded", kGreen},
       {"completed", kGreen},
       {"finished", kGreen},
       {"ok", kGreen},
       {"passed", kGreen},
       {"Production", kGreen},
       {"stable", kGreen},
       {"yes", kGreen},
       {"running", kYellow},
       {"cached", kYellow},
       {"investigate", kYellow},
       {"Staging", kYellow},
       {"note", kYellow},
       {"failed", kRed},
       {"alert", kRed},
       {"finding", kRed},
       {"killed", kRed}}};
  for (const auto& [each, color] : kWords)
    if (each == word) return color;
  return {};
}

// Pads first, so that colour codes do not count as width.
std::string cell_text(std::string_view text, std::size_t width, bool right, bool last,
                      std::string_view color) {
  const std::string pad(width - width_of(text), ' ');
  std::string shown(text);
  if (!color.empty()) shown = fmt::format("\x1b[{}m{}\x1b[0m", color, text);
  if (right) return pad + shown;
  return last ? shown : shown + pad;
}

}  // namespace

void Table::row(std::vector<std::string> cells) {
  cells.resize(columns_.size());
  for (auto& cell : cells)
    for (auto& c : cell)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  rows_.push_back(std::move(cells));
}

std::string Table::text(bool color) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    for (const auto& each : rows_) width = std::max(width, width_of(each[i]));
    widths.push_back(width);
  }
  std::string out;
  const auto line = [&](auto&& cell, auto&& color_for) {
    std::string text;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i) text += "  ";
      text += cell_text(cell(i), widths[i], columns_[i].right, i + 1 == columns_.size(),
                        color ? color_for(cell(i)) : std::string_view());
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + '\n';
  };
  line([&](std::size_t i) -> const std::string& { return columns_[i].title; },
       [](std::string_view) -> std::string_view { return "1"; });
  for (const auto& each : rows_)
    line([&](std::size_t i) -> const std::string& { return each[i]; }, color_of);
  return out;
}

std::string facts_text(const std::vector<std::pair<std::string, std::string>>& facts) {
  std::size_t width = 0;
  for (const auto& [name, value] : facts)
    if (!value.empty()) width = std::max(width, width_of(name));
  std::string out;
  for (const auto& [name, value] : facts)
    if (!value.empty())
      out += name + ":" + std::string(width - width_of(name) + 2, ' ') + value + "\n";
  return out;
}

std::string number_text(double value) { return fmt::format("{:.6g}", value); }

std::string share_text(std::uint64_t basis) {
  return fmt::format("{:g} %", static_cast<double>(basis) / 100);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string time_text(std::string_view time) {
  const auto dot = time.find('.');
  if (dot == std::string_view::npos || !time.ends_with('Z')) return std::string(time);
  return std::string(time.substr(0, dot)) + "Z";
}

std::string join_text(const std::vector<std::string>& parts, std::string_view between) {
  return fmt::format("{}", fmt::join(parts, between));
}

}  // namespace mlforge::gateway::cli
