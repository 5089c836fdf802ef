// diff and whatif: what they ask a server, and what they say.
#include <catch2/catch.hpp>

#include "tests/gateway/cli_support.hpp"

namespace travel_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;

TEST_CASE("diff asks for the window and prints the words, one a line") {
  FakeServer server;
  server.on(http::Method::get, "/api/v1/diff", 200,
            R"({"position":9,"from":4,"to":9,"from_time":"2026-11-21T01:00:00.5Z","events":5,)"
            R"("words":["model m was registered","dataset d was created"]})");
  const auto env = server.start();
  const auto said = run({"diff", "--from", "4", "--to", "2026-11-21T02:00:00Z"}, env);
  CHECK(said.code == 0);
  CHECK(said.out == "model m was registered\ndataset d was created\n");
  CHECK(has(said.err, "5 events after position 4 (2026-11-21T01:00:00Z) up to 9"));
  CHECK(server.seen()[0].target == "/api/v1/diff?from=4&to=2026-11-21T02%3A00%3A00Z");
  CHECK(has(run({"diff", "--json"}, env).out, R"("words":["model m was registered",)"));
}

TEST_CASE("whatif sends the policy and shows what differs; --all the rest") {
  FakeServer server;
  server.on(
      http::Method::get, "/api/v1/whatif", 200,
      R"({"position":9,"from":0,"to":9,"policy":{"psi_threshold":0.3},"decisions":2,"different":1,)"
      R"("rows":[{"position":3,"kind":"gate","subject":"m version 1","decided":"passed",)"
      R"("would_be":"passed"},{"position":4,"kind":"promotion","subject":"m version 2",)"
      R"("decided":"promoted","would_be":"refused","why":"not enough","differs":true}],)"
      R"("champions":[{"model":"m","decided":[1,2,0],"would_be":[]}],)"
      R"("unknown":["what was never trained"]})");
  const auto env = server.start();
  const auto said = run(
      {"whatif", "--gate-min-improvement", "0.02", "--gate-min-auc", "0.9", "--gate-max-regression",
       "0.1", "--psi-threshold", "0.3", "--ks-pvalue-threshold", "0.01", "--from", "2"},
      env);
  CHECK(said.code == 0);
  CHECK(has(said.out, "promotion  m version 2  promoted  refused"));
  CHECK_FALSE(has(said.out, "gate"));
  CHECK(has(said.out, "m      1, 2, none      none"));
  CHECK(has(said.out, "What this cannot know:\n- what was never trained\n"));
  CHECK(has(said.err, "1 of 2 decisions differ"));
  CHECK(server.seen()[0].target ==
        "/api/v1/whatif?min_improvement=0.02&gate_minimum=0.9&gate_max_regression=0.1&"
        "psi_threshold=0.3&ks_pvalue_threshold=0.01&from=2");
  CHECK(has(run({"whatif", "--all"}, env).out, "gate "));
  CHECK(run({"whatif", "--psi-threshold", "high"}, env).code == 2);
}

}  // namespace travel_tests
