#include <catch2/catch.hpp>
#include <random>

#include "projections/view_version.hpp"

namespace mlforge::projections {
namespace {

std::string stored(const std::string& former, const std::string& next, Position from = 1) {
  std::string out;
  append_version(out, {true, former, from}, next);
  return out;
}

std::string restored(const std::string& row, const std::string& next) {
  if (!is_difference(row)) return row.substr(1);
  const auto value = restore_version(next, {row});
  return value ? *value : "error: " + value.error().message;
}

std::string tags(int count, int left_out, const std::string& time, bool time_last) {
  std::string out = time_last ? "{" : "{\"updated_time\":\"" + time + "\",";
  for (int i = 0; i < count; ++i)
    if (i != left_out) out += "\"key" + std::to_string(i) + "\":\"a value of some length\",";
  return out + (time_last ? "\"updated_time\":\"" + time + "\"}" : "}");
}

}  // namespace

TEST_CASE("view version: a tag that came in and a time take the room of the change") {
  for (const bool time_last : {false, true})
    for (const int at : {0, 1, 500, 998, 999}) {
      const auto former = tags(1000, at, "2026-11-22T10:00:00.000000Z", time_last);
      const auto next = tags(1000, -1, "2026-11-22T11:30:12.345678Z", time_last);
      Position from = 1;  // one that is not stored whole
      while (!is_difference(stored(former, next, from)) && from < 100) ++from;
      const auto row = stored(former, next, from);
      CHECK(row.size() < 160);
      CHECK(restored(row, next) == former);
      CHECK(restored(stored(next, former, from), former) == next);
    }
}

TEST_CASE("view version: whatever was changed, the former comes back") {
  std::mt19937 random(11);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  std::string value(3000, 'a');
  for (char& c : value) c = static_cast<char>('a' + below(3));
  std::size_t differences = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string next = value;
    for (std::size_t change = below(5); change > 0; --change) {
      const std::string piece(below(40), static_cast<char>('a' + below(4)));
      const std::size_t at = below(next.size() + 1);
      next.replace(at, below(2) ? piece.size() : below(60), piece);
    }
    if (next.size() < 1100 || next.size() > 9000)
      next = std::string(2000, 'b') + next.substr(0, 900);
    const auto row = stored(value, next, static_cast<Position>(round) + 1);
    differences += is_difference(row);
    REQUIRE(restored(row, next) == value);
    value = next;
  }
  CHECK(differences > 3000);
}

TEST_CASE("view version: damaged edits are refused, never followed out of the row") {
  const auto former = tags(100, 50, "a", false), next = tags(100, -1, "b", false);
  Position from = 1;
  while (!is_difference(stored(former, next, from)) && from < 100) ++from;
  const auto row = stored(former, next, from);
  REQUIRE(is_difference(row));
  for (std::size_t cut = 1; cut < row.size(); ++cut)
    (void)restore_version(next, {std::string_view(row).substr(0, cut)});
  for (std::size_t at = 1; at < row.size(); ++at)
    for (const char c : {'\0', '\x7f', '\xff'}) {
      auto damaged = row;
      damaged[at] = c;
      const auto value = restore_version(next, {damaged});
      if (!value) CHECK(value.error().code == ErrorCode::corrupt);
    }
  CHECK_FALSE(restore_version("short", {row}));
}

}  // namespace mlforge::projections
