#include "events/checks.hpp"

#include <catch2/catch.hpp>
#include <set>

namespace mlforge::test {

TEST_CASE("checks: names that become part of a stream") {
  for (const std::string& good :
       {std::string("a"), std::string("adult census"), std::string("日本"), std::string("..."),
        std::string(".hidden"), std::string("a:b|c*"), std::string(200, 'x')})
    CHECK_FALSE(check_name("name", good));
  for (const std::string& bad :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("a\nb"), std::string("\x7f"), std::string("a\0b", 3), std::string(201, 'x')}) {
    const auto error = check_name("dataset", bad);
    INFO(bad);
    REQUIRE(error);
    CHECK(error->code == ErrorCode::invalid_argument);
    CHECK(error->field == "dataset");
    CHECK_THAT(error->message, Catch::Matchers::StartsWith("field 'dataset' must"));
  }
}

TEST_CASE("checks: relative paths") {
  for (const std::string& good : {std::string("a"), std::string("a/b.csv"), std::string(".a/..b"),
                                  std::string("a b/c"), std::string(1000, 'x')})
    CHECK_FALSE(check_path("path", good));
  for (const std::string& bad :
       {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
        std::string("./a"), std::string("a/.."), std::string("../a"), std::string("a/./b"),
        std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3), std::string(1001, 'x')}) {
    const auto error = check_path("path", bad);
    INFO(bad);
    REQUIRE(error);
    CHECK(error->code == ErrorCode::invalid_argument);
    CHECK(error->field == "path");
  }
}

TEST_CASE("checks: digests") {
  CHECK_FALSE(check_digest("digest", std::string(32, '0') + std::string(32, 'f')));
  for (const std::string& bad :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'),
        std::string(64, 'g'), std::string(64, ' ')}) {
    const auto error = check_digest("digest", bad);
    REQUIRE(error);
    CHECK(error->field == "digest");
  }
}

TEST_CASE("errors: one row for each code, in the table's terms") {
  std::set<ErrorCode> codes;
  std::set<std::string_view> names;
  for (const auto& row : kErrorTable) {
    CHECK(codes.insert(row.code).second);
    CHECK(names.insert(row.name).second);
    CHECK(&error_row(row.code) == &row);
    CHECK((row.http_status >= 400 && row.http_status < 600));
    CHECK((row.exit_code >= 1 && row.exit_code <= 6));
  }
  CHECK(codes.size() == static_cast<std::size_t>(ErrorCode::upgrade_required) + 1);
  CHECK(error_row(static_cast<ErrorCode>(999)).code == ErrorCode::internal);
  CHECK(not_found("run", "r1").message == "there is no run 'r1'");
  CHECK(conflict("no").code == ErrorCode::conflict);
}

}  // namespace mlforge::test
