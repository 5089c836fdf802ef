// What the demo calls its data: by its bytes, not by its place.
#include <catch2/catch.hpp>

#include "gateway/demo_data.hpp"
#include "ml/synthetic.hpp"
#include "tests/gateway/cli_support.hpp"

namespace demo_data_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;

TEST_CASE("demo data: what the generator made is synthetic wherever it lies") {
  const TempFolder folder;
  folder.write("adult.data", ml::synthetic_adult({.rows = 32561, .seed = 42}));
  const auto made = find_demo_data(folder.path.string(), folder.path / "scratch");
  REQUIRE_FALSE(made);  // adult.test is not there
  CHECK(made.error().code == ErrorCode::not_found);
  folder.write("adult.test", ml::synthetic_adult({.rows = 16281, .seed = 43}));
  const auto found = find_demo_data(folder.path.string(), folder.path / "scratch");
  REQUIRE(found);
  CHECK(found->synthetic);
  CHECK(found->mark == "SYNTHETIC data");
  CHECK(has(found->source, "synthetic"));
  CHECK_FALSE(has(found->source, "UCI"));
}

TEST_CASE("demo data: other files are not called UCI's, and the differing ones are named") {
  const TempFolder folder;
  folder.write("adult.data", "39, State-gov\n");
  folder.write("adult.test", "25, Private\n");
  const auto found = find_demo_data(folder.path.string(), folder.path / "scratch");
  REQUIRE(found);
  CHECK_FALSE(found->synthetic);
  CHECK(found->mark == "not UCI's data");
  CHECK(has(found->source, "not UCI's data"));
  CHECK(has(found->source, (folder.path / "adult.data").string()));
  CHECK(has(found->source, (folder.path / "adult.test").string()));
}

}  // namespace demo_data_tests
