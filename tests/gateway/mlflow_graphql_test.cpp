// GraphQL as MLflow's web pages send it: documents, what is refused, answers made from REST
// answers.
#include <catch2/catch.hpp>

#include "gateway/mlflow/graphql_document.hpp"
#include "gateway/mlflow/graphql_query.hpp"

namespace mlforge::gateway::mlflow::graphql {
namespace {

Plan planned(std::string_view query, std::string_view variables = "",
             std::string_view operation = "") {
  auto out = plan_query(query, variables, operation);
  if (const auto* errors = std::get_if<Errors>(&out)) FAIL(errors->front());
  return std::get<Plan>(std::move(out));
}

Errors refused(std::string_view query, std::string_view variables = "",
               std::string_view operation = "") {
  auto out = plan_query(query, variables, operation);
  return std::holds_alternative<Errors>(out) ? std::get<Errors>(out) : Errors{};
}

std::string answered(const Plan& plan, std::string_view json, const Related& related = {}) {
  simdjson::dom::parser parser;
  std::string out;
  write_answer(out, plan.calls.at(0), parser.parse(simdjson::padded_string(json)), related);
  return out;
}

std::string syntax_error(std::string_view text) {
  const auto parsed = parse_document(text);
  return parsed ? "" : parsed.error().message;
}

constexpr const char* kGetRun = R"(
  # as the pages send it
  query GetRun($data: MlflowGetRunInput!) @component(name: "MLflow.ExperimentRunTracking") {
    mlflowGetRun(input: $data) { apiError { code } run { info { runName, endTime } } }
  })";

}  // namespace

TEST_CASE("mlflow graphql: a document becomes a request to the REST API") {
  const auto plan = planned(kGetRun, R"({"data": {"runId": "r1"}})");
  REQUIRE(plan.calls.size() == 1);
  CHECK(plan.calls[0].root->path == "runs/get");
  CHECK(plan.calls[0].body == R"({"runId":"r1"})");
  CHECK(answered(plan, R"({"run": {"info": {"run_name": "a \"b\"", "end_time": 12, "x": 1}}})") ==
        R"({"apiError":null,"run":{"info":{"runName":"a \"b\"","endTime":"12"}}})");
}

TEST_CASE("mlflow graphql: literals, lists, defaults and absent variables") {
  const char* query = R"(mutation M($n: Int = 7, $token: String, $ids: [String]) {
    mlflowSearchRuns(input: {experimentIds: $ids, maxResults: $n, pageToken: $token,
                             runViewType: ALL, orderBy: ["a", """b"""]}) { nextPageToken } })";
  CHECK(planned(query, R"({"ids": ["1", "2"]})").calls[0].body ==
        R"({"experimentIds":["1","2"],"maxResults":7,"runViewType":"ALL","orderBy":["a","b"]})");
  CHECK(planned(query, R"({"n": 3})").calls[0].body ==
        R"({"maxResults":3,"runViewType":"ALL","orderBy":["a","b"]})");
}

TEST_CASE("mlflow graphql: aliases, fragments, __typename, skip and include") {
  const char* query = R"(
    query Q($yes: Boolean!) {
      one: mlflowGetRun(input: {runId: "r"}) {
        __typename
        ...F
        ... on MlflowGetRunResponse { run { info { name: runName } } }
        run @skip(if: $yes) { outputs { __typename } }
        ... @include(if: $yes) { run { data { metrics { key value step } } } }
      }
    }
    fragment F on MlflowGetRunResponse { run { __typename info { runId } } })";
  const auto plan = planned(query, R"({"yes": true})");
  CHECK(plan.calls[0].node.key == "one");
  CHECK(
      answered(plan, R"({"run": {"info": {"run_id": "r", "run_name": "n"}, "data": {"metrics":
                           [{"key": "m", "value": "NaN", "step": -3},
                            {"key": "k", "value": 1.5, "step": 9007199254740993}]}}})") ==
      R"({"__typename":"MlflowGetRunResponse","run":{"__typename":"MlflowRunExtension",)"
      R"("info":{"runId":"r","name":"n"},"data":{"metrics":[{"key":"m","value":null,"step":"-3"},)"
      R"({"key":"k","value":1.5,"step":"9007199254740993"}]}}})");
}

TEST_CASE("mlflow graphql: what a message lacks has protobuf's default") {
  const auto plan = planned(R"({ mlflowGetRun(input: {runId: "r"}) { run {
    info { userId endTime status } inputs { datasetInputs { dataset { name } } }
    modelVersions { version } experiment { name } } } })");
  CHECK(answered(plan, R"({"run": {"info": {}}})") ==
        R"({"run":{"info":{"userId":"","endTime":"0","status":"RUNNING"},)"
        R"("inputs":{"datasetInputs":[]},"modelVersions":[],"experiment":null}})");
}

TEST_CASE("mlflow graphql: experiments and versions of runs come from other requests") {
  const auto plan = planned(R"({ mlflowSearchRuns(input: {experimentIds: ["1"]}) { runs {
    info { runId } experiment { name } modelVersions { name version } } } })");
  const char* answer = R"({"runs": [{"info": {"run_id": "a", "experiment_id": "1"}},
                                    {"info": {"run_id": "b", "experiment_id": "1"}}]})";
  simdjson::dom::parser runs, experiment, version;
  Wanted wanted;
  add_wanted(wanted, plan.calls[0], runs.parse(simdjson::padded_string(std::string(answer))));
  CHECK(wanted.experiment_ids == std::vector<std::string>{"1"});
  CHECK(wanted.run_ids == std::vector<std::string>{"a", "b"});
  Related related;
  related.experiments.emplace("1", experiment.parse(std::string(R"({"name": "people"})")));
  related.versions["b"] = {version.parse(std::string(R"({"name": "m", "version": "2"})"))};
  CHECK(answered(plan, answer, related) ==
        R"({"runs":[{"info":{"runId":"a"},"experiment":{"name":"people"},"modelVersions":[]},)"
        R"({"info":{"runId":"b"},"experiment":{"name":"people"},)"
        R"("modelVersions":[{"name":"m","version":"2"}]}]})");
}

TEST_CASE("mlflow graphql: what does not fit the schema is named") {
  const auto first = [](std::string_view query, std::string_view variables = "") {
    const auto errors = refused(query, variables);
    return errors.empty() ? std::string("none") : errors.front();
  };
  CHECK(first("{ nope }") == "Cannot query field 'nope' on type 'Query'.");
  CHECK(first(R"({ mlflowGetRun(input: {runId: "r"}) { run { nope } } })") ==
        "Cannot query field 'nope' on type 'MlflowRunExtension'.");
  CHECK(first(R"({ mlflowGetRun(input: {runId: "r"}) { run } })") ==
        "Field 'run' of type 'MlflowRunExtension' must have a selection of subfields. Did you mean "
        "'run { ... }'?");
  CHECK(first(R"({ mlflowSearchRuns(input: {}) { nextPageToken { x } } })") ==
        "Field 'nextPageToken' must not have a selection since type 'String' has no subfields.");
  CHECK(first(R"({ mlflowGetRun(input: {run_id: "r"}) { apiError { code } } })") ==
        "Field 'run_id' is not defined by type 'MlflowGetRunInput'.");
  CHECK(first(R"({ mlflowGetRun(input: {runId: 5}) { apiError { code } } })") ==
        "Field 'runId' of type 'MlflowGetRunInput' must be of the type 'String'.");
  CHECK(first(R"({ mlflowGetRun(input: $x) { apiError { code } } })") ==
        "Variable '$x' is not defined by the operation.");
  CHECK(first(kGetRun) ==
        "Variable '$data' of required type 'MlflowGetRunInput!' was not provided.");
  CHECK(first(kGetRun, "[]") == "Variables must be a JSON object.");
  CHECK(first("{ mlflowGetRun { apiError { code } } }") ==
        "Field 'mlflowGetRun' needs the argument 'input'.");
  CHECK(first(R"({ mlflowGetRun(input: {runId: "r"}) { ...F } })") == "Unknown fragment 'F'.");
  CHECK(first(R"({ mlflowGetRun(input: {runId: "r"}) { ...F } } fragment F on MlflowRun { x })") ==
        "Fragment 'F' cannot be spread here as objects of type 'MlflowGetRunResponse' can never be "
        "of type 'MlflowRun'.");
  CHECK(first(R"(mutation { mlflowGetRun(input: {runId: "r"}) { apiError { code } } })") ==
        "Cannot query field 'mlflowGetRun' on type 'Mutation'.");
  const char* two = R"(query A { test(inputString: "a") { output } }
                       query B { test(inputString: "b") { output } })";
  CHECK(first(two) == "Must provide operation name if query contains multiple operations.");
  CHECK(planned(two, "", "B").calls[0].body == R"("b")");
  CHECK(refused(two, "", "C").at(0) == "Unknown operation named 'C'.");
}

TEST_CASE("mlflow graphql: the limits are MLflow's, and fragments cannot get around them") {
  std::string roots = "{ ", aliases = R"({ test(inputString: "x") { )", many = aliases;
  for (int i = 0; i < 11; ++i) {
    roots += "a" + std::to_string(i) + R"(: test(inputString: "x") { output } )";
    aliases += "a" + std::to_string(i) + ": output ";
  }
  for (int i = 0; i < 1001; ++i) many += "output ";
  CHECK(refused(roots + "}").at(0) ==
        "GraphQL queries should have at most 10 root fields, got 11 root fields.");
  CHECK(refused(aliases + "} }").at(0) ==
        "GraphQL queries should have at most 10 aliases, got 11 aliases.");
  CHECK(refused(many + "} }").at(0) == "Query exceeds maximum total selections of 1000");
  // A fragment that spreads itself ends, and one that doubles at each level is bounded.
  CHECK(planned(R"({ ...A } fragment A on Query { ...A test(inputString: "x") { output } })")
            .calls.size() == 1);
  std::string bomb = "{ ...F0 ";
  for (int i = 0; i < 40; ++i) {
    const auto next = "...F" + std::to_string(i + 1) + " ";
    bomb += "} fragment F" + std::to_string(i) + " on Query { " + next + next;
  }
  CHECK(refused(bomb + "} fragment F40 on Query { nope }").at(0) ==
        "Cannot query field 'nope' on type 'Query'.");
  CHECK(syntax_error(std::string(5000, '{')).find("Syntax Error: ") == 0);
  CHECK(syntax_error("{ a(b: " + std::string(5000, '[')).find("Too many levels.") !=
        std::string::npos);
}

TEST_CASE("mlflow graphql: text that is no document is a syntax error with its place") {
  CHECK(syntax_error("") == "Syntax Error: Unexpected <EOF>. (line 1, column 1)");
  CHECK(syntax_error("{ a\n  b ") == "Syntax Error: Unexpected <EOF>. (line 2, column 5)");
  for (const char* bad : {"{ }", "{ a( }", "{ a(b: ) }", "query ($x) { a }", "{ a(b: \"x) }",
                          "{ a(b: \"\\u12\") }", "{ a(b: \"\\ud800\") }", "{ a(b: 01) }",
                          "{ a(b: 1.) }", "{ a(b: 1x) }", "subscription { a }", "{ a ... }",
                          "fragment on on A { b }", "{ a % }", "fragment A on B { c }"})
    CHECK(syntax_error(bad).find("Syntax Error: ") == 0);
  const auto parsed = parse_document(
      "\xEF\xBB\xBF{ a(b: \"\\u00e9\\ud83d\\ude00\\n\", c: \"\"\"\n   x\n     \\\"\"\"y\n  \"\"\", "
      "d: -1.5e3, e: null, f: ENUM, g: [true, $v], h: {i: 0}) }");
  REQUIRE(parsed);
  const auto& arguments = parsed->operations[0].selections[0].arguments;
  REQUIRE(arguments.size() == 7);
  CHECK(arguments[0].second.text == "\xC3\xA9\xF0\x9F\x98\x80\n");
  CHECK(arguments[1].second.text == "x\n  \"\"\"y");
  CHECK(arguments[2].second.kind == Value::Kind::floating);
  CHECK(arguments[3].second.kind == Value::Kind::null);
  CHECK(arguments[4].second.kind == Value::Kind::name);
  CHECK(arguments[5].second.items.size() == 2);
  CHECK(arguments[6].second.members.size() == 1);
}

}  // namespace mlforge::gateway::mlflow::graphql
