#include "ml/preprocess.hpp"

#include <cmath>

#include "tests/ml/data.hpp"

namespace preprocess_tests {

using namespace mlforge;
using namespace mlforge::ml;
using namespace mlforge::ml::test;

namespace {

Table small() { return must(read_csv("n,c,y\n1,b,0\n3,a,1\n,b,0\n8,,1\n100,zebra,0\n")); }

const std::vector<std::uint32_t> kTrain{0, 1, 2, 3};

std::vector<Cell> cells_of(const Table& table, const Preprocessor& p, std::size_t row) {
  std::vector<Cell> out;
  for (const auto& input : p.inputs()) {
    const auto& column = table.columns[*table.find(input.name)];
    if (column.missing(row))
      out.emplace_back();
    else if (column.kind == ColumnKind::numeric)
      out.emplace_back(column.numbers[row]);
    else
      out.emplace_back(
          std::string_view(column.categories[static_cast<std::size_t>(column.codes[row])]));
  }
  return out;
}

}  // namespace

TEST_CASE("one-hot with mean and mode, fitted on training rows only") {
  const auto table = small();
  PreprocessOptions options{NumericImpute::mean, true, CategoryImpute::mode, Encoding::one_hot};
  const auto p = must(Preprocessor::fit(table, kTrain, options, "y"));
  CHECK(p.feature_names() == std::vector<std::string>{"n", "c=a", "c=b"});
  const auto x = must(p.transform(table, all_rows(5)));
  REQUIRE(x.cols == 3);
  const double sd = std::sqrt((9.0 + 1 + 0 + 16) / 4);  // mean 4, the missing one becomes 4
  const std::vector<float> expected{
      static_cast<float>(-3 / sd), 0, 1, static_cast<float>(-1 / sd), 1, 0, 0, 0, 1,
      static_cast<float>(4 / sd),  0, 1, static_cast<float>(96 / sd), 0, 0};
  CHECK(x.data == expected);
}

TEST_CASE("ordinal, median, no imputing, no scaling") {
  const auto table = small();
  const auto median = must(Preprocessor::fit(
      table, kTrain, {NumericImpute::median, false, CategoryImpute::none, Encoding::ordinal}, "y"));
  CHECK(median.feature_names() == std::vector<std::string>{"n", "c"});
  CHECK(must(median.transform(table, all_rows(5))).data ==
        std::vector<float>{1, 1, 3, 0, 3, 1, 8, -1, 100, -1});
  const auto none = must(Preprocessor::fit(
      table, kTrain, {NumericImpute::none, false, CategoryImpute::none, Encoding::ordinal}, "y"));
  CHECK(std::isnan(must(none.transform(table, all_rows(5))).data[4]));
}

TEST_CASE("a constant column is divided by one") {
  const auto table = must(read_csv("a,b\n0.1,1\n0.1,2\n0.1,3\n"));
  const auto p = must(Preprocessor::fit(table, all_rows(3), {}));
  const auto x = must(p.transform(table, all_rows(3)));
  for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(x.row(i)[0]) < 1e-15f);
  CHECK(p.inputs()[0].scale == 1);
  CHECK(p.inputs()[1].scale == Approx(std::sqrt(2.0 / 3)));
}

TEST_CASE("a single row is transformed as the table is, whatever the options") {
  const auto table = synthetic(300);
  for (const auto encoding : {Encoding::one_hot, Encoding::ordinal})
    for (const auto impute : {CategoryImpute::none, CategoryImpute::mode}) {
      const auto p =
          must(Preprocessor::fit(table, std::vector<std::uint32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
                                 {NumericImpute::mean, true, impute, encoding}, "income"));
      const auto x = must(p.transform(table, all_rows(300)));
      std::vector<float> row(p.features());
      for (std::size_t i = 0; i < 300; ++i) {
        const auto cells = cells_of(table, p, i);
        REQUIRE_FALSE(p.transform_row(cells, row));
        REQUIRE(std::equal(row.begin(), row.end(), x.row(i).begin()));
      }
    }
}

TEST_CASE("a row for serving is refused with the field's name") {
  const auto p = must(Preprocessor::fit(small(), kTrain, {}, "y"));
  std::vector<float> out(p.features());
  using namespace std::string_view_literals;
  CHECK(p.transform_row(std::vector<Cell>{"text"sv, "a"sv}, out)->field == "n");
  CHECK(p.transform_row(std::vector<Cell>{INFINITY, "a"sv}, out)->field == "n");
  CHECK(p.transform_row(std::vector<Cell>{1.0, 2.0}, out)->field == "c");
  CHECK(p.transform_row(std::vector<Cell>{1.0}, out)->field == "row");
  std::vector<float> narrow(1);
  CHECK(p.transform_row(std::vector<Cell>{1.0, "a"sv}, narrow)->field == "features");
  CHECK_FALSE(p.transform_row(std::vector<Cell>{Cell{}, Cell{}}, out));
  CHECK(std::isnan(out[0]));
}

TEST_CASE("fitting and transforming refuse what does not fit") {
  const auto table = small();
  CHECK_FALSE(Preprocessor::fit(table, {}, {}));
  CHECK_FALSE(Preprocessor::fit(table, std::vector<std::uint32_t>{9}, {}));
  CHECK(Preprocessor::fit(table, kTrain, {}, "", {"nope"}).error().code == ErrorCode::not_found);
  CHECK_FALSE(Preprocessor::fit(table, kTrain, {}, "", {"n", "n"}));
  const auto p = must(Preprocessor::fit(table, kTrain, {}, "y"));
  CHECK(p.transform(must(read_csv("n\n1\n")), all_rows(1)).error().field == "c");
  CHECK(p.transform(must(read_csv("n,c\nx,a\n")), all_rows(1)).error().field == "n");
  CHECK_FALSE(p.transform(table, std::vector<std::uint32_t>{5}));
}

TEST_CASE("a preprocessor survives as bytes; damaged bytes are refused") {
  const auto table = synthetic(200);
  for (const auto encoding : {Encoding::one_hot, Encoding::ordinal}) {
    const auto p = must(
        Preprocessor::fit(table, all_rows(200),
                          {NumericImpute::median, true, CategoryImpute::mode, encoding}, "income"));
    const auto bytes = p.serialize();
    const auto back = must(Preprocessor::parse(bytes));
    CHECK(back.serialize() == bytes);
    CHECK(back.inputs() == p.inputs());
    CHECK(must(back.transform(table, all_rows(200))).data ==
          must(p.transform(table, all_rows(200))).data);
    for (std::size_t n = 0; n < bytes.size(); n += 11) {
      CHECK_FALSE(Preprocessor::parse(bytes.substr(0, n)));
      auto damaged = bytes;
      damaged[n] = static_cast<char>(damaged[n] ^ 0x55);
      const auto parsed =
          Preprocessor::parse(damaged);  // a changed digit may still be a preprocessor
      if (parsed) CHECK(parsed->serialize() == damaged);
    }
  }
}

TEST_CASE("Adult: the reference split gives the reference's number of features") {
  const Table* table = adult();
  const auto split = data_file("reference/adult_split_seed42.txt");
  if (table == nullptr || !split) return;
  std::vector<std::uint32_t> train;
  std::uint32_t row = 0;
  for (const char c : *split)
    if (c != '\n') {
      if (c == 'T') train.push_back(row);
      ++row;
    }
  CHECK(must(Preprocessor::fit(*table, train, {}, "income")).features() == 107);
}

}  // namespace preprocess_tests
