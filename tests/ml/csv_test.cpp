#include "ml/csv.hpp"

#include <cmath>

#include "ml/text.hpp"
#include "tests/ml/data.hpp"

namespace csv_tests {

using namespace mlforge;
using namespace mlforge::ml;
using namespace mlforge::ml::test;

namespace {

std::string text_at(const Table& table, const std::string& column, std::size_t row) {
  const auto& c = table.columns.at(table.find(column).value());
  return c.codes[row] < 0 ? "<missing>" : c.categories[static_cast<std::size_t>(c.codes[row])];
}

// The error must hold all of the parts.
void refuses(std::string_view text, const CsvOptions& options,
             const std::vector<std::string>& parts) {
  const auto table = read_csv(text, options);
  REQUIRE_FALSE(table);
  for (const auto& part : parts) CHECK_THAT(table.error().message, Catch::Contains(part));
}

}  // namespace

TEST_CASE("quotes, CRLF, missing cells and inferred kinds") {
  const auto table = must(read_csv("a,b,c\r\n1,\"x, \"\"y\"\"\",\r\n\r\n-2.5e1,\"two\nlines\",7"));
  REQUIRE(table.rows() == 2);
  CHECK(table.columns[0].kind == ColumnKind::numeric);
  CHECK(table.columns[0].numbers == std::vector<double>{1, -25});
  CHECK(text_at(table, "b", 0) == "x, \"y\"");
  CHECK(text_at(table, "b", 1) == "two\nlines");
  CHECK(std::isnan(table.columns[2].numbers[0]));
  CHECK(table.columns[2].numbers[1] == 7);
  CHECK(table.columns[2].count_missing() == 1);
}

TEST_CASE("a marker can be missing or an ordinary category") {
  CsvOptions options;
  CHECK(must(read_csv("a\n1\n?\n", options)).columns[0].kind == ColumnKind::categorical);
  options.missing_markers = {"?"};
  const auto table = must(read_csv("a\n1\n?\n", options));
  CHECK(table.columns[0].kind == ColumnKind::numeric);
  CHECK(table.columns[0].missing(1));
}

TEST_CASE("CSV errors name line and column") {
  CsvOptions numeric;
  numeric.kinds["b"] = ColumnKind::numeric;
  refuses("a,b\n1,2\n3\n", {}, {"Line 3", "'b'", "1 fields", "2 would be right"});
  refuses("a,b\n1,2\n3,4,5\n", {}, {"Line 3", "3 fields"});
  refuses("a,b\n1,2\n\n3,x\n", numeric, {"Line 4", "'b'", "'x' is not a finite number"});
  refuses("a,b\n1,nan\n", numeric, {"Line 2", "'nan'"});
  refuses("a,b\n1,inf\n", numeric, {"Line 2", "'inf'"});
  refuses("a,b\n1,\"open\nmore\n", {}, {"Line 2", "column 2", "never closed"});
  refuses("a,b\n1,\"x\"y\n", {}, {"Line 2", "column 2", "closing quote"});
  refuses("a,b\n1,x\"y\n", {}, {"Line 2", "quote inside"});
  refuses("a,b\n1,2\r3,4\n", {}, {"Line 2", "carriage return"});
  refuses(std::string_view("a,b\n1,\0\n", 8), {}, {"Line 2", "NUL", "byte 3"});
  refuses("a,b\n1,\xC3(\n", {}, {"Line 2", "UTF-8", "byte 3"});
  refuses("a,b\n1,\xED\xA0\x80\n", {}, {"Line 2", "UTF-8"});
  refuses("", {}, {"empty"});
  refuses("a,b\n", {}, {"no rows"});
  refuses("a,a\n1,2\n", {}, {"'a'", "twice"});
  refuses("a\n1\n", numeric, {"'b'", "does not have"});
  CsvOptions nameless;
  nameless.header = false;
  refuses("1,2\n", nameless, {"column_names"});
}

TEST_CASE("cells survive writing and reading") {
  for (const std::string cell : {"plain", "a,b", "say \"hi\"", "two\nlines", " blank", "日本語"}) {
    CsvOptions options;
    options.trim_leading_blanks = true;
    const auto table = must(read_csv("x,y\n" + csv_cell(cell) + ",1\n", options));
    CHECK(text_at(table, "x", 0) == cell);
  }
}

TEST_CASE("UCI Adult: both files, '?' as a category, labels without full stop") {
  const Table* table = adult();
  if (table == nullptr) return;
  REQUIRE(table->rows() == 48842);
  REQUIRE(table->columns.size() == 15);
  const auto& income = table->columns[14];
  CHECK(income.categories == std::vector<std::string>{"<=50K", ">50K"});
  const auto labels = must(binary_labels(*table, "income", ">50K"));
  CHECK(std::accumulate(labels.begin(), labels.end(), 0.0) == 11687);
  for (const auto& [name, count] :
       {std::pair{"workclass", 2799}, {"occupation", 2809}, {"native-country", 857}}) {
    int unknown = 0;
    for (std::size_t row = 0; row < table->rows(); ++row)
      unknown += text_at(*table, name, row) == "?" ? 1 : 0;
    CHECK(unknown == count);
  }
  CHECK(table->columns[0].numbers[0] == 39);
  CHECK(table->columns[0].numbers[48841] == 35);
  CHECK(text_at(*table, "education", 32561) == "11th");
}

TEST_CASE("Titanic: quoted commas and empty cells") {
  const auto text = data_file("titanic/titanic.csv");
  if (!text) return;
  const auto table = must(read_csv(*text));
  REQUIRE(table.rows() == 891);
  CHECK(text_at(table, "Name", 0) == "Braund, Mr. Owen Harris");
  CHECK(table.columns[*table.find("Age")].kind == ColumnKind::numeric);
  CHECK(table.columns[*table.find("Age")].count_missing() == 177);
  CHECK(table.columns[*table.find("Cabin")].count_missing() == 687);
  CHECK(table.columns[*table.find("Ticket")].kind == ColumnKind::categorical);
  const auto survived = must(binary_labels(table, "Survived", "1"));
  CHECK(std::accumulate(survived.begin(), survived.end(), 0.0) == 342);
}

TEST_CASE("ELEC2: all numeric") {
  const auto text = data_file("elec2/elec.csv");
  if (!text) return;
  const auto table = must(read_csv(*text));
  REQUIRE(table.rows() == 45312);
  REQUIRE(table.columns.size() == 7);
  for (const auto& column : table.columns) CHECK(column.kind == ColumnKind::numeric);
}

TEST_CASE("tables concatenate by meaning, not by code") {
  const auto a = must(read_csv("k,n\nx,1\ny,2\n")), b = must(read_csv("k,n\nz,3\ny,4\n"));
  const auto both = must(concatenate(a, b));
  CHECK(text_at(both, "k", 2) == "z");
  CHECK(text_at(both, "k", 3) == "y");
  CHECK(both.columns[1].numbers == std::vector<double>{1, 2, 3, 4});
  const auto other = must(read_csv("k,n\nx,one\n"));
  const auto refused = concatenate(a, other);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().field == "n");
  const auto picked = must(select_rows(both, std::vector<std::uint32_t>{3, 0, 3}));
  CHECK(picked.columns[1].numbers == std::vector<double>{4, 1, 4});
  CHECK(text_at(picked, "k", 0) == "y");
  CHECK_FALSE(select_rows(both, std::vector<std::uint32_t>{4}));
}

TEST_CASE("labels: absent column, missing cell, class that never occurs") {
  const auto table = must(read_csv("y,n\na,0\nb,1\n,1\n"));
  CHECK(binary_labels(table, "z", "a").error().code == ErrorCode::not_found);
  CHECK_THAT(binary_labels(table, "y", "a").error().message, Catch::Contains("row 2"));
  CHECK_THAT(binary_labels(table, "n", "7").error().message, Catch::Contains("never occurs"));
  CHECK_THAT(binary_labels(table, "n", "x").error().message, Catch::Contains("must be a number"));
  CHECK(must(binary_labels(table, "n", "1")) == std::vector<float>{0, 1, 1});
}

TEST_CASE("the text format gives back what it was given, and never reads past its end") {
  TextWriter out;
  out.word("head")
      .text("a b\n:c")
      .number(0.1)
      .number(-INFINITY)
      .integer(18446744073709551615ULL)
      .end_line();
  const auto bytes = out.take();
  TextReader in(bytes);
  in.expect("head");
  CHECK(in.text() == "a b\n:c");
  CHECK(in.number() == 0.1);
  CHECK(in.number() == -INFINITY);
  CHECK(in.integer() == 18446744073709551615ULL);
  in.end_line();
  CHECK(in.finished());
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    TextReader cut(std::string_view(bytes).substr(0, n));
    cut.expect("head");
    cut.text();
    cut.number();
    cut.number();
    cut.integer();
    cut.end_line();
    CHECK_FALSE(cut.finished());
  }
}

}  // namespace csv_tests
