#include "ml/validate.hpp"

#include <algorithm>

#include "tests/ml/data.hpp"

namespace validate_tests {

using namespace mlforge::ml;
using namespace mlforge::ml::test;

namespace {

const CheckResult& find(const std::vector<CheckResult>& results, const std::string& name,
                        const std::string& column) {
  const auto it = std::find_if(results.begin(), results.end(),
                               [&](const auto& r) { return r.name == name && r.column == column; });
  if (it == results.end()) FAIL("no check " << name << " of " << column);
  return *it;
}

}  // namespace

TEST_CASE("every kind of check can pass and fail") {
  const auto table = must(read_csv("n,c,extra\n1,a,1\n5,b,1\n,z,1\n,,1\n"));
  DataSchema schema;
  schema.min_rows = 5;
  schema.allow_other_columns = false;
  schema.columns = {
      {"n", ColumnKind::numeric, true, 0.25, 2.0, 5.0, {}},
      {"c", ColumnKind::categorical, true, 0.25, {}, {}, std::vector<std::string>{"a", "b"}},
      {"gone", ColumnKind::numeric, true, 1, {}, {}, {}},
      {"maybe", ColumnKind::numeric, false, 1, {}, {}, {}}};
  const auto results = validate(table, schema);
  CHECK_FALSE(all_passed(results));
  CHECK_FALSE(find(results, "min_rows", "").passed);
  CHECK(find(results, "min_rows", "").observed == "4");
  CHECK_FALSE(find(results, "other_columns", "").passed);
  CHECK(find(results, "other_columns", "").observed == "'extra'");
  CHECK(find(results, "kind", "n").passed);
  CHECK_FALSE(find(results, "null_fraction", "n").passed);
  CHECK(find(results, "null_fraction", "n").observed == "0.5");
  CHECK(find(results, "null_fraction", "n").expected == "at most 0.25");
  CHECK_FALSE(find(results, "min", "n").passed);
  CHECK(find(results, "min", "n").observed == "1");
  CHECK(find(results, "max", "n").passed);
  CHECK(find(results, "null_fraction", "c").passed);
  CHECK_FALSE(find(results, "allowed", "c").passed);
  CHECK(find(results, "allowed", "c").observed == "not allowed: 'z'");
  CHECK_FALSE(find(results, "present", "gone").passed);
  CHECK(std::none_of(results.begin(), results.end(),
                     [](const auto& r) { return r.column == "maybe"; }));
}

TEST_CASE("a column of the other kind has no further checks") {
  const auto table = must(read_csv("n\nx\n"));
  DataSchema schema;
  schema.columns = {{"n", ColumnKind::numeric, true, 0, 0.0, 1.0, {}}};
  const auto results = validate(table, schema);
  CHECK(results.size() == 3);
  CHECK_FALSE(find(results, "kind", "n").passed);
}

TEST_CASE("a table passes its own schema; a damaged one does not") {
  const auto table = synthetic(1000);
  const auto schema = infer_schema(table);
  CHECK(all_passed(validate(table, schema)));
  auto damaged = table;
  damaged.columns[0].numbers[17] = -3;
  const auto results = validate(damaged, schema);
  CHECK(std::count_if(results.begin(), results.end(), [](const auto& r) { return !r.passed; }) ==
        1);
  CHECK_FALSE(find(results, "min", "age").passed);
  CHECK_FALSE(infer_schema(table, 3).columns[1].allowed);
}

TEST_CASE("Adult passes the schema of its first part except for what is new in the second") {
  const Table* table = adult();
  if (table == nullptr) return;
  CHECK(all_passed(validate(*table, infer_schema(*table))));
}

}  // namespace validate_tests
