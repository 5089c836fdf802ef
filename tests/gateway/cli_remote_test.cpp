// Commands that ask a server: what they send, what they print, how they end.
#include <catch2/catch.hpp>

#include "tests/gateway/cli_support.hpp"

namespace cli_remote_tests {

using namespace mlforge;
using namespace mlforge::gateway;
using namespace mlforge::gateway::test;
using http::Method;

namespace {

const std::string kModel =
    R"({"position":9,"name":"adult","description":"income","created_time":)"
    R"("2026-11-21T01:38:00.123456Z","actor":"ann","aliases":{"champion":3},)"
    R"("latest_version":4})";

}  // namespace

TEST_CASE("the exit code is that of the server's error") {
  const std::vector<std::tuple<int, std::string, int>> cases{
      {404, "not_found", 3}, {403, "forbidden", 4},        {401, "unauthorized", 4},
      {409, "conflict", 5},  {409, "already_exists", 5},   {400, "invalid_argument", 2},
      {503, "read_only", 1}, {500, "internal", 1},         {500, "corrupt", 6},
      {504, "timeout", 1},   {429, "too_many_requests", 1}};
  for (const auto& [status, code, exit_code] : cases) {
    CAPTURE(code);
    FakeServer server;
    server.on(Method::get, "/api/v1/models/{name}", status, error_body(code, "so it is"));
    const auto env = server.start();
    const auto plain = run({"models", "show", "adult"}, env);
    CHECK(plain.code == exit_code);
    CHECK(plain.out.empty());
    CHECK(plain.err == "mlforge: so it is\n");
    const auto json = run({"models", "show", "adult", "--json"}, env);
    CHECK(json.code == exit_code);
    CHECK(json.err ==
          "{\"error\":{\"code\":\"" + code +
              "\",\"message\":\"so it is\",\"field\":\"\",\"correlation_id\":\"c\"}}\n");
  }
}

TEST_CASE("no server: code 1, and the URL") {
  std::string url;
  {
    FakeServer gone;
    url = gone.start().at("MLFORGE_URL");
  }
  const auto nobody = run({"models", "list", "--server", url});
  CHECK(nobody.code == 1);
  CHECK(has(nobody.err, url));
}

TEST_CASE(
    "cli: --json prints the answer as it came, else a table; --server wins over MLFORGE_URL") {
  FakeServer server;
  const std::string page = "{\"items\":[" + kModel + "],\"next_page_token\":\"t\",\"position\":9}";
  server.on(Method::get, "/api/v1/models", 200, page);
  const auto env = server.start({{"MLFORGE_ACTOR", "ann"}});
  CHECK(run({"models", "list", "--json"}, env).out == page + "\n");
  const auto table = run({"models", "list", "--limit", "7", "--as-of", "5"}, env);
  CHECK(table.code == 0);
  CHECK(table.out ==
        "NAME   VERSION  ALIASES     CREATED               BY   DESCRIPTION\n"
        "adult        4  champion=3  2026-11-21T01:38:00Z  ann  income\n");
  CHECK(table.err == "mlforge: there is more: --page-token 't'\n");
  const auto wrong = run({"models", "list", "--server", "http://127.0.0.1:1"}, env);
  CHECK(wrong.code == 1);
  const auto seen = server.seen();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].actor == "ann");
  CHECK(seen[1].target == "/api/v1/models?limit=7&as_of=5");
}

TEST_CASE("without MLFORGE_ACTOR the login name says who asks") {
  FakeServer server;
  server.on(Method::get, "/api/v1/models", 200, "{\"items\":[],\"position\":0}");
  const auto none = run({"models", "list"}, server.start());
  CHECK(none.code == 0);
  CHECK(none.out.empty());
  CHECK(none.err == "mlforge: there are no registered models\n");
  REQUIRE(server.seen().size() == 1);
  CHECK_FALSE(server.seen()[0].actor.empty());
}

TEST_CASE("a refused promotion: the figures on stdout, code 5") {
  FakeServer server;
  const std::string figures =
      R"({"promoted":false,"version":4,"champion":3,"metric":"auc","challenger_value":0.92,)"
      R"("champion_value":0.927,"required_delta":0.005,"reason":"worse"})";
  server.on(Method::get, "/api/v1/models/{name}/versions/{version}", 200,
            R"({"model":"adult","version":4,"stage":"Staging"})");
  server.on(Method::post, "/api/v1/models/{name}/versions/{version}/promote", 409,
            R"({"error":{"code":"refused","message":"it lost","details":)" + figures + "}}");
  const auto env = server.start();
  const auto refused =
      run({"models", "promote", "adult", "--min-delta", "0.005", "--reason", "try"}, env);
  CHECK(refused.code == 5);
  CHECK(has(refused.out, "decision:    refused\n"));
  CHECK(has(refused.out, "difference:  -0.007, required 0.005\n"));
  CHECK(refused.err == "mlforge: it lost\n");
  CHECK(run({"models", "promote", "adult", "--json"}, env).out == figures + "\n");
  const auto seen = server.seen();
  REQUIRE(seen.size() == 4);
  CHECK(seen[0].target == "/api/v1/models/adult/versions/challenger");
  CHECK(seen[1].target == "/api/v1/models/adult/versions/4/promote");
  CHECK(seen[1].body == R"({"metric":"auc","reason":"try","min_delta":0.005})");
}

TEST_CASE("findings end with code 6: a gate, a dataset's checks, drift") {
  FakeServer server;
  const std::string check =
      R"({"name":"metric_minimum","column":"auc","passed":false,"observed":"0.7","expected":"0.85"})";
  server.on(Method::post, "/api/v1/models/{name}/versions/{version}/gate", 200,
            "{\"position\":1,\"version\":4,\"passed\":false,\"checks\":[" + check + "]}");
  server.on(
      Method::post, "/api/v1/datasets/{name}/commits", 201,
      "{\"version\":1,\"digest\":\"d\",\"rows\":2,\"columns\":1,\"valid\":false,\"checks\":[" +
          check + "]}");
  server.on(Method::get, "/drift/latest", 200,
            R"({"endpoint":"income","report_id":"r","severity":"alert","triggered":true,)"
            R"("features":[{"feature":"age","kind":"numeric","psi":0.31,"test":"ks",)"
            R"("statistic":0.2,"p_value":1e-9,"severity":"alert"}]})");
  const auto env = server.start();
  const auto gate = run({"models", "gate", "adult", "4"}, env);
  CHECK(gate.code == 6);
  CHECK(has(gate.out, "metric_minimum  auc  0.7       0.85      failed"));
  CHECK(run({"dataset", "commit", "adult", "-m", "all"}, env).code == 6);
  const auto drift = run({"drift", "check"}, env);
  CHECK(drift.code == 6);
  CHECK(has(drift.out, "age      numeric  0.31  ks          0.2    1e-09  alert"));
  CHECK(run({"drift", "latest"}, env).code == 0);
  CHECK(server.seen()[1].body == R"({"message":"all"})");
}

TEST_CASE("register makes one version of a run's model files, however often it is told") {
  const auto file = [](const std::string& path) {
    return "{\"path\":\"" + path + "\",\"digest\":\"d\",\"bytes\":1}";
  };
  const std::string bundle = file("model.ubj") + "," + file("preprocessor.txt") + "," +
                             file("reference.bin") + "," + file("manifest.json");
  const std::string run_row =
      R"({"run_id":"r1","params":{"max_depth":"3"},"metrics":[{"key":"auc","value":0.9}],)"
      R"("inputs":[{"dataset":"toy","version":2,"digest":"d"}],"artifacts":[)" +
      file("importances.json") + "," + file("manifest.json") + "," + file("model.ubj") + "," +
      file("preprocessor.txt") + "," + file("reference.bin") + "]}";
  for (const bool known : {false, true}) {
    FakeServer server;
    server.on(Method::get, "/api/v1/runs/{id}", 200, run_row);
    server.on(Method::get, "/api/v1/models/{name}/versions", 200,
              known ? R"({"items":[{"version":5,"run_id":"r1","artifacts":[)" + bundle + "]}]}"
                    : R"({"items":[]})");
    server.on(Method::get, "/api/v1/models/{name}/versions/{version}", 200, R"({"version":5})");
    server.on(Method::post, "/api/v1/models/{name}/versions", 201, R"({"version":6})");
    const auto done = run({"register", "adult", "--run", "r1"}, server.start());
    CHECK(done.code == 0);
    CHECK(has(done.out, known ? "version:  5\n" : "version:  6\n"));
    const auto last = server.seen().back();
    CHECK(last.method == (known ? "GET" : "POST"));
    if (!known)
      CHECK(last.body == R"({"run_id":"r1","dataset":"toy","dataset_version":2,"artifacts":[)" +
                             bundle + R"(],"metrics":{"auc":0.9},"params":{"max_depth":"3"}})");
  }
}

TEST_CASE("register alone takes the only model and the best run of the only experiment") {
  FakeServer server;
  server.on(Method::get, "/api/v1/models", 200, R"({"items":[{"name":"adult"}]})");
  server.on(Method::get, "/api/v1/experiments", 200,
            R"({"items":[{"experiment_id":"7","name":"e"}]})");
  server.on(Method::get, "/api/v1/experiments/{id}/best", 200,
            R"({"run":{"run_id":"r1"},"metric":{"key":"validation_auc","value":0.9}})");
  server.on(Method::get, "/api/v1/runs/{id}", 200,
            R"({"run_id":"r1","artifacts":[{"path":"m","digest":"d","bytes":1}]})");
  server.on(Method::get, "/api/v1/models/{name}/versions", 404, error_body("not_found", "none"));
  server.on(Method::post, "/api/v1/models/{name}/versions", 201, R"({"version":1})");
  const auto done = run({"register"}, server.start());
  CHECK(done.code == 0);
  const auto seen = server.seen();
  REQUIRE(seen.size() == 6);
  CHECK(seen[1].target == "/api/v1/experiments/7/best?metric=validation_auc");
  CHECK(seen[5].target == "/api/v1/models/adult/versions");
}

TEST_CASE("run train defines the pipeline of a file, starts it and follows it to its end") {
  const TempFolder folder;
  const auto file = folder.write("toy.yaml", "pipeline: toy\nsteps: {}\n");
  FakeServer server;
  server.on(Method::put, "/api/v1/pipelines/{name}", 200,
            R"({"position":1,"name":"toy","changed":true,"version":1})");
  server.on(Method::post, "/api/v1/pipelines/{name}/runs", 202,
            R"({"position":2,"pipeline_run_id":"p1"})");
  const std::string run_row =
      R"({"pipeline_run_id":"p1","pipeline":"toy","pipeline_version":1,"status":"failed","steps":[)"
      R"({"step":"train","kind":"train","status":"failed","seconds":1.5,"error":"no rows"}]})";
  server.on(Method::get, "/api/v1/pipeline_runs/{id}", 200, run_row);
  const auto env = server.start();
  const auto failed =
      run({"run", "train", "--pipeline", file, "--set", "steps.train.rounds=3", "--json"}, env);
  CHECK(failed.code == 1);
  CHECK(failed.out == run_row + "\n");
  CHECK(has(failed.err, "train            failed: no rows"));
  auto seen = server.seen();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].method == "PUT");
  CHECK(seen[0].target == "/api/v1/pipelines/toy");
  CHECK(seen[0].content_type == "application/yaml");
  CHECK(seen[0].body == "pipeline: toy\nsteps: {}\n");
  CHECK(seen[1].body == R"({"overrides":{"steps.train.rounds":"3"}})");
  CHECK(seen[2].target == "/api/v1/pipeline_runs/p1?wait=1");
  const auto started = run({"pipeline", "run", "toy", "--no-watch"}, env);
  CHECK(started.code == 0);
  CHECK(started.out == "p1\n");
  CHECK(server.seen().size() == 4);
  CHECK(run({"pipeline", "run", "toy", "--set", "nonsense"}, env).code == 2);
  const auto bad = run({"run", "train", "--pipeline", folder.write("bad.yaml", "a: [")}, env);
  CHECK(bad.code == 2);
  CHECK(has(bad.err, "bad.yaml: line "));
}

TEST_CASE("predict wraps bare features, takes whole requests, and lines from stdin") {
  FakeServer server;
  const std::string answer =
      R"({"prediction":1,"probability":0.75,"model_version":"3","routed_to":"champion","request_id":"r"})";
  server.on(Method::post, "/predict", 200, answer);
  server.on(Method::post, "/api/v1/endpoints/{name}/predict", 200, answer);
  const auto env = server.start();
  CHECK(has(run({"deploy", "predict", "{\"age\":39}", "--request-id", "r"}, env).out,
            "probability:    0.75\n"));
  const auto lines = run({"deploy", "predict", "--endpoint", "income", "-"}, env,
                         "{\"features\":{\"age\":1}}\n\n{\"age\":2}\n");
  CHECK(lines.out == answer + "\n" + answer + "\n");
  const auto seen = server.seen();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].body == R"({"features":{"age":39},"request_id":"r"})");
  CHECK(seen[1].target == "/api/v1/endpoints/income/predict");
  CHECK(seen[1].body == R"({"features":{"age":1}})");
  CHECK(seen[2].body == R"({"features":{"age":2}})");
  CHECK(run({"deploy", "predict", "not json"}, env).code == 2);
}

TEST_CASE("events: pages until the limit, one JSON event a line") {
  FakeServer server;
  const std::string event =
      R"({"position":7,"type":"run.started","stream":"run/a","time":"2026-11-21T01:38:00.5Z",)"
      R"("actor":"ann","payload":{"x":1}})";
  server.on(Method::get, "/api/v1/events", 200,
            "{\"position\":7,\"next_from\":8,\"items\":[" + event + "]}");
  server.on(Method::get, "/api/v1/info", 200, R"({"position":7})");
  const auto env = server.start();
  CHECK(run({"events", "--json", "--type", "run.*"}, env).out == event + "\n");
  const auto plain = run({"events", "--from", "-1", "--payload"}, env);
  CHECK(plain.code == 0);
  CHECK(plain.out.starts_with("       7  2026-11-21T01:38:00Z  run.started "));
  CHECK(plain.out.ends_with("ann  {\"x\":1}\n"));
  const auto seen = server.seen();
  REQUIRE(seen.size() == 3);
  CHECK(seen[0].target == "/api/v1/events?type=run.%2A&from=1&limit=100");
  CHECK(seen[2].target == "/api/v1/events?from=7&limit=100");
  CHECK(run({"events", "--from", "x"}, env).code == 2);
}

TEST_CASE("deploy predict: --request-id goes into bare features and into a whole request") {
  FakeServer server;
  server.on(Method::post, "/predict", 200,
            R"({"prediction":1,"probability":0.5,"model_version":"1","routed_to":"champion",)"
            R"("request_id":"x"})");
  const auto env = server.start();
  CHECK(run({"deploy", "predict", "--request-id", "x", R"({"age":39})"}, env).code == 0);
  CHECK(run({"deploy", "predict", "--request-id", "x", R"({"features":{"age":39}} )"}, env).code ==
        0);
  const auto seen = server.seen();
  REQUIRE(seen.size() == 2);
  for (const auto& each : seen) CHECK(each.body == R"({"features":{"age":39},"request_id":"x"})");
  const auto twice =
      run({"deploy", "predict", "--request-id", "x", R"({"features":{"age":39},"request_id":"y"})"},
          env);
  CHECK(twice.code == 2);
  CHECK(has(twice.err, "--request-id"));
  CHECK(run({"deploy", "predict", "--request-id", "x", "-"}, env, "{\"age\":39}\n").code == 2);
  CHECK(server.seen().size() == 2);
}

TEST_CASE("events: --follow and --as-of exclude each other") {
  const auto both = run({"events", "--follow", "--as-of", "5"});
  CHECK(both.code == 2);
  CHECK(has(both.err, "--as-of"));
}

}  // namespace cli_remote_tests
