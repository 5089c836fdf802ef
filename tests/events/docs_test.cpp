// docs/events.md says what the code says.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "events/event_codec.hpp"

namespace mlforge::test {
namespace {

constexpr std::string_view kBegin = "<!-- generated from events/vocabulary.hpp -->\n";
constexpr std::string_view kEnd = "<!-- end of the generated table -->\n";

std::filesystem::path document() {
  if (const char* source = std::getenv("MLFORGE_SOURCE"))
    return std::filesystem::path(source) / "docs/events.md";
  return std::filesystem::path(__FILE__).parent_path() / "../../docs/events.md";
}

std::string table() {
  std::string out = "| event | version | stored as | fields |\n|---|---|---|---|\n";
  for_each_event_type([&](std::string_view type, std::uint16_t schema, ContentType content,
                          const std::vector<std::string_view>& fields) {
    out += "| `";
    out.append(type).append("` | ").append(std::to_string(schema)).append(" | ");
    out += content == ContentType::columns ? "columns" : "JSON";
    out += " | ";
    for (std::size_t i = 0; i < fields.size(); ++i)
      out.append(i == 0 ? "`" : ", `").append(fields[i]).append("`");
    out += " |\n";
  });
  return out;
}

}  // namespace

TEST_CASE("docs: the table of events is the one of the code") {
  std::ifstream in(document(), std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const auto begin = text.find(kBegin), end = text.find(kEnd);
  REQUIRE(begin != text.npos);
  REQUIRE(end != text.npos);
  const auto from = begin + kBegin.size();
  const bool same = text.substr(from, end - from) == table();
  if (!same)
    std::cout << "put this between the two markers in docs/events.md:\n" << table() << std::flush;
  CHECK(same);
}

}  // namespace mlforge::test
