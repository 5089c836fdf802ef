// Tables and the forms of numbers.
#include <catch2/catch.hpp>

#include "gateway/cli/api.hpp"
#include "gateway/cli/table.hpp"

namespace cli_table_tests {

using namespace mlforge::gateway::cli;

TEST_CASE("columns are aligned, numbers on the right, nothing is left at the end of a line") {
  Table table({{"NAME"}, {"N", true}, {"NOTE"}});
  CHECK(table.empty());
  table.row({"a", "1", "first"});
  table.row({"longer", "1000", ""});
  CHECK_FALSE(table.empty());
  CHECK(table.text(false) ==
        "NAME       N  NOTE\n"
        "a          1  first\n"
        "longer  1000\n");
}

TEST_CASE("width is counted in characters, not bytes") {
  Table table({{"A"}, {"B"}});
  table.row({"\xC3\xA9\xC3\xA9", "x"});
  table.row({"abc", "y"});
  CHECK(table.text(false) == "A    B\n\xC3\xA9\xC3\xA9   x\nabc  y\n");
}

TEST_CASE("a cell cannot break its line or send codes to the terminal") {
  Table table({{"A"}, {"B"}});
  table.row({"x\ny", "\x1b[31mred"});
  CHECK(table.text(false) == "A    B\nx y   [31mred\n");
}

TEST_CASE("colours are for status words, and do not count as width") {
  Table table({{"STATUS"}, {"X"}});
  table.row({"failed", "1"});
  table.row({"other", "2"});
  CHECK(table.text(true) ==
        "\x1b[1mSTATUS\x1b[0m  \x1b[1mX\x1b[0m\n"
        "\x1b[31mfailed\x1b[0m  1\n"
        "other   2\n");
}

TEST_CASE("facts: values stand below each other, empty ones are left out") {
  CHECK(facts_text({{"a", "1"}, {"longer", "2"}, {"much longer", ""}}) ==
        "a:       1\nlonger:  2\n");
}

TEST_CASE("numbers, shares, sizes, times") {
  CHECK(number_text(0.92712345) == "0.927123");
  CHECK(number_text(1e-116) == "1e-116");
  CHECK(share_text(1250) == "12.5 %");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(3984588) == "3.8 MiB");
  CHECK(time_text("2026-11-21T01:38:00.123456Z") == "2026-11-21T01:38:00Z");
  CHECK(time_text("") == "");
  CHECK(pairs_text(std::map<std::string, std::uint64_t>{{"a", 1}, {"b", 2}}) == "a=1, b=2");
}

TEST_CASE("paths and queries are escaped") {
  CHECK(escape("a/b c%") == "a%2Fb%20c%25");
  CHECK(escape_path("a/b c") == "a/b%20c");
  CHECK(Query().add("a", "").add("b", "x&y").add("c", "run/*").text() == "?b=x%26y&c=run%2F%2A");
}

}  // namespace cli_table_tests
