#include "actors/dataset_table.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "ml/synthetic.hpp"
#include "pipeline_test_effects.hpp"

namespace mlforge::actors {
namespace {

std::string schema_error(const std::string& yaml) {
  const auto schema = read_dataset_schema(yaml);
  return schema ? "no error" : schema.error().message;
}

Error load_error(const std::vector<FileRef>& files, const StepBlobs& blobs) {
  const auto table = load_dataset_table(files, blobs);
  return table ? Error{ErrorCode::internal, "no error", ""} : table.error();
}

std::vector<std::string> failed_checks(const DatasetCheck& check) {
  std::vector<std::string> out;
  for (const auto& each : check.checks)
    if (!each.passed) out.push_back(each.name + " " + each.column + ": " + each.observed);
  return out;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("Without a schema the header names the columns and kinds are inferred", "[dataset]") {
  TestBlobs store;
  const auto table =
      load_dataset_table({store.put("b.csv", "x,y\n3,c\n"), store.put("a.csv", "x,y\n1,a\n2,b\n"),
                          store.put("notes.txt", "no table")},
                         store.blobs);
  REQUIRE(table);
  REQUIRE(table->rows() == 3);
  CHECK(table->columns[0].kind == ml::ColumnKind::numeric);
  CHECK(table->columns[0].numbers == std::vector<double>{1, 2, 3});
  CHECK(table->columns[1].kind == ml::ColumnKind::categorical);
  const auto check = check_dataset({store.put("a.csv", "x,y\n1,a\n2,b\n")}, store.blobs);
  REQUIRE(check);
  CHECK(check->rows == 2);
  CHECK(check->columns == 2);
  CHECK_FALSE(check->checks.empty());
  CHECK(failed_checks(*check).empty());
}

TEST_CASE("A schema judges the columns", "[dataset]") {
  TestBlobs store;
  const auto schema = store.put("schema.yaml",
                                "columns:\n"
                                "  - {name: x, kind: numeric, max_null_fraction: 0.1, max: 5}\n"
                                "  - {name: y, kind: categorical, allowed: [a, b]}\n"
                                "  - {name: z, kind: numeric}\n"
                                "  - {name: w, kind: numeric, required: false}\n");
  const auto check =
      check_dataset({store.put("a.csv", "x,y\n1,a\n,c\n9,b\n"), schema}, store.blobs);
  REQUIRE(check);
  const auto failed = failed_checks(*check);
  REQUIRE(failed.size() == 4);
  CHECK(failed[0].find("null_fraction x") == 0);
  CHECK(failed[1] == "max x: 9");
  CHECK(failed[2].find("allowed y: not allowed: 'c'") == 0);
  CHECK(failed[3].find("present z") == 0);
}

TEST_CASE("A corrupt CSV is malformed with file, line and column", "[dataset]") {
  TestBlobs store;
  const auto schema =
      store.put("schema.yaml", "columns: [{name: x, kind: numeric}, {name: y, kind: numeric}]");
  const auto bad = load_error({store.put("a.csv", "x,y\n1,2\n3,oops\n"), schema}, store.blobs);
  CHECK(bad.code == ErrorCode::malformed);
  CHECK(bad.message.find("file 'a.csv': Line 3, column 'y'") == 0);
  const auto ragged = check_dataset({store.put("r.csv", "x,y\n1\n")}, store.blobs);
  REQUIRE_FALSE(ragged);
  CHECK(ragged.error().code == ErrorCode::malformed);
  CHECK(ragged.error().message.find("file 'r.csv': Line 2") == 0);
}

TEST_CASE("Files that are missing or do not fit are named", "[dataset]") {
  TestBlobs store;
  const auto a = store.put("a.csv", "x\n1\n");
  CHECK(load_error({store.put("notes.txt", "x")}, store.blobs).message ==
        "the version holds no table: no file ends with .csv, .data or .test");
  CHECK(load_error({a, store.put("schema.yaml", "csv: {files: [b.csv]}")}, store.blobs).code ==
        ErrorCode::not_found);
  CHECK(load_error({{"a.csv", std::string(64, '0'), 3}}, store.blobs).code == ErrorCode::not_found);
  const auto other = load_error({a, store.put("b.csv", "y\n1\n")}, store.blobs);
  CHECK(other.code == ErrorCode::invalid_argument);
  CHECK(other.message.find("file 'b.csv'") == 0);
  CHECK(load_error({a, store.put("schema.yaml", "columns: 3")}, store.blobs).message ==
        "file 'schema.yaml': line 1, column 10: columns must be a list, not '3'");
}

TEST_CASE("Only the named files are read, without a header where there is none", "[dataset]") {
  TestBlobs store;
  const auto table = load_dataset_table(
      {store.put("a.csv", "1;u\n"), store.put("b.csv", "broken"),
       store.put("schema.yaml",
                 "csv: {files: [a.csv], header: false, delimiter: ';'}\n"
                 "columns: [{name: n, kind: numeric}, {name: c, kind: categorical}]\n")},
      store.blobs);
  REQUIRE(table);
  CHECK(table->columns[1].name == "c");
  CHECK(table->rows() == 1);
}

TEST_CASE("Checks count a marker as missing that models see as a category", "[dataset]") {
  TestBlobs store;
  const std::string yaml =
      "csv: {missing: ['?'], missing_as_category: true}\n"
      "columns: [{name: c, kind: categorical, max_null_fraction: 0.4, allowed: [a]}]\n";
  const std::vector<FileRef> files{store.put("a.csv", "c\na\n?\n"), store.put("schema.yaml", yaml)};
  const auto check = check_dataset(files, store.blobs);
  REQUIRE(check);
  REQUIRE(failed_checks(*check).size() == 1);
  CHECK(failed_checks(*check)[0].find("null_fraction c") == 0);
  const auto table = load_dataset_table(files, store.blobs);
  REQUIRE(table);
  CHECK(table->columns[0].count_missing() == 0);
  CHECK(table->columns[0].categories == std::vector<std::string>{"a", "?"});
  CHECK(table->columns[0].codes == std::vector<std::int32_t>{0, 1});
  CHECK(*missing_category(files, store.blobs) == "?");
  CHECK_FALSE(*missing_category({files[0]}, store.blobs));
  CHECK_FALSE(
      *missing_category({store.put("schema.yaml", "csv: {missing: ['?']}\n")}, store.blobs));
}

TEST_CASE("A schema with mistakes names line, column and key", "[dataset]") {
  CHECK(schema_error("columns:\n  - {name: x, kind: number}\n") ==
        "line 2, column 21: columns[0].kind must be numeric or categorical, not 'number'");
  CHECK(schema_error("columns:\n  - {name: x}\n") ==
        "line 2, column 5: columns[0].kind is missing");
  CHECK(schema_error("columns:\n  - {name: x, kind: numeric, allowed: [a]}\n") ==
        "line 2, column 39: columns[0].allowed has no meaning for a numeric column");
  CHECK(schema_error("columns:\n  - {name: x, kind: categorical, max: 3}\n")
            .find("columns[0].max has no meaning") != std::string::npos);
  CHECK(schema_error("columns:\n  - {name: x, kind: numeric, max_null_fraction: 2}\n")
            .find("must be from 0 to 1") != std::string::npos);
  CHECK(schema_error("columns:\n  - {name: x, kind: numeric, min: 2, max: 1}\n")
            .find("columns[0].min must not be above max") != std::string::npos);
  CHECK(schema_error("csv: {header: false}\n").find("must name all columns in order") !=
        std::string::npos);
  CHECK(schema_error("csv: {delimiter: ';;'}\n").find("csv.delimiter must be one character") !=
        std::string::npos);
  CHECK(schema_error("cvs: {}\n").find("line 1, column 1: cvs is not a key") == 0);
}

TEST_CASE("The demonstration schema fits made-up and real census data", "[dataset]") {
  const char* source = std::getenv("MLFORGE_SOURCE");
  if (!source) {
    WARN("skipped: MLFORGE_SOURCE does not name the source tree");
    return;
  }
  TestBlobs store;
  const auto schema =
      store.put("schema.yaml", read_file(std::string(source) + "/ops/demo/schema.yaml"));
  const auto made_up = check_dataset(
      {schema, store.put("adult.data", ml::synthetic_adult({.rows = 2000, .seed = 3}))},
      store.blobs);
  REQUIRE(made_up);
  CHECK(failed_checks(*made_up) == std::vector<std::string>{});

  const char* folder = std::getenv("MLFORGE_DATA");
  const auto data = folder ? std::string(folder) : std::string(source) + "/../shared/data";
  const auto train = read_file(data + "/adult/adult.data");
  if (train.empty()) {
    WARN("skipped: no UCI Adult in MLFORGE_DATA");
    return;
  }
  const auto real = check_dataset({schema, store.put("adult.data", train),
                                   store.put("adult.test", read_file(data + "/adult/adult.test"))},
                                  store.blobs);
  REQUIRE(real);
  CHECK(real->rows == 48842);
  CHECK(real->columns == 15);
  CHECK(failed_checks(*real) == std::vector<std::string>{});
}

}  // namespace mlforge::actors
