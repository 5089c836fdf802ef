"""MLflow's stock web pages: what they ask for besides the REST API, and the folder that they lie in."""
import glob
import os
import unittest

import support
from support import Case
from test_page import CHROMIUM, Browser

API = "/ajax-api/2.0/mlflow/"
VENV = os.environ.get("MLFORGE_MLFLOW") or os.path.join(support.SOURCE, "build", "mlflow")
STOCK = glob.glob(os.path.join(VENV, "lib", "python3*", "site-packages", "mlflow", "server", "js",
                               "build", "index.html"))


def pages(folder):
    """A made-up build of the pages."""
    os.makedirs(os.path.join(folder, "static", "js"))
    for path, text in (("index.html", "<!doctype html><p>pages</p>"), ("static/js/main.1.js", "1;"),
                       ("static/main.css", "p{}"), ("favicon.ico", "i"), ("data.bin", "b")):
        with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
            file.write(text)
    return folder


class Pages(Case):
    def test_a_folder_of_pages_is_served_with_types(self):
        folder = pages(os.path.join(self.folder, "build"))
        with open(os.path.join(self.folder, "secret"), "w", encoding="utf-8") as file:
            file.write("no")
        os.symlink(os.path.join(self.folder, "secret"), os.path.join(folder, "link"))
        s = self.server("--mlflow-ui", folder)
        first = s.get("/")
        self.assertEqual((first.status, first.body), (200, b"<!doctype html><p>pages</p>"))
        self.assertIn("text/html", first.headers["Content-Type"])
        self.assertEqual(first.headers["Cache-Control"], "no-cache")
        for path, kind in (("static/js/main.1.js", "text/javascript"),
                           ("static/main.css", "text/css"), ("favicon.ico", "image/"),
                           ("data.bin", "application/octet-stream")):
            answer = s.get("/static-files/" + path)
            self.assertEqual(answer.status, 200, answer)
            self.assertIn(kind, answer.headers["Content-Type"])
            self.assertIn("max-age", answer.headers["Cache-Control"])
            self.assertEqual(answer.headers.get_all("X-Content-Type-Options"), ["nosniff"])
        head = s.call("HEAD", "/static-files/static/main.css")
        self.assertEqual((head.status, head.body, head.headers["Content-Length"]), (200, b"", "3"))
        for path in ("../secret", "..%2fsecret", "static/%2e%2e/%2e%2e/secret", "%2fetc%2fpasswd",
                     "link", "static", "", "nothing.js", "a%00b"):
            answer = s.get("/static-files/" + path)
            self.assertIn(answer.status, (400, 404), (path, answer))
        # mlforge's own page has moved.
        own = s.get("/mlforge")
        self.assertEqual(own.status, 200)
        self.assertIn(b"<title>mlforge</title>", own.body)
        self.assertEqual(s.get("/app.js").status, 200)

    def test_an_installed_package_is_found_and_anything_else_is_refused(self):
        venv = os.path.join(self.folder, "venv")
        pages(os.path.join(venv, "lib", "python3.12", "site-packages", "mlflow", "server", "js",
                           "build"))
        self.assertEqual(self.server("--mlflow-ui", venv).get("/").body,
                         b"<!doctype html><p>pages</p>")
        empty = os.path.join(self.folder, "empty")
        os.makedirs(empty)
        for folder in (empty, os.path.join(self.folder, "nowhere")):
            refused = support.run_cli("serve", "--data", os.path.join(self.folder, "d"), "--listen",
                                      "127.0.0.1:0", "--nats", "off", "--mlflow-ui", folder)
            self.assertEqual(refused.returncode, 2, refused)
            self.assertIn("index.html", refused.stderr)
            self.assertIn(folder, refused.stderr)

    def test_without_the_setting_the_first_page_is_mlforges(self):
        s = self.server()
        self.assertIn(b"<title>mlforge</title>", s.get("/").body)
        self.assertEqual(s.get("/static-files/main.js").status, 404)
        self.assertEqual(s.get("/mlforge").status, 404)

    def test_lists_of_what_is_not_there_are_empty(self):
        s = self.server()
        for method, path, field in (
                ("GET", "/ajax-api/3.0/mlflow/assistant/providers", "providers"),
                ("GET", "/ajax-api/3.0/mlflow/gateway/endpoints/list", "endpoints"),
                ("GET", "/ajax-api/3.0/mlflow/mcp-servers?max_results=5", "mcp_servers"),
                ("GET", "/ajax-api/3.0/mlflow/review-queues/list?experiment_id=0", "review_queues"),
                ("GET", API + "gateway-proxy?gateway_path=api%2F2.0%2Fendpoints%2F", "endpoints")):
            answer = self.ok(s.call(method, path, {} if method == "POST" else None))
            self.assertEqual(answer[field], [], path)
        # Lists of what could be there are left out while they are empty, as in all of MLflow's messages.
        self.assertEqual(self.ok(s.get("/ajax-api/3.0/mlflow/scorers/list?experiment_id=0")), {})
        self.assertEqual(self.ok(s.post("/ajax-api/3.0/mlflow/datasets/search", {})), {})


class GraphQL(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server()
        post = lambda path, body: self.ok(self.s.post(API + path, body))
        self.experiment = post("experiments/create", {"name": "people"})["experiment_id"]
        self.runs = []
        for i in range(3):
            run = post("runs/create", {"experiment_id": self.experiment, "run_name": f"r{i}",
                                       "start_time": 10 + i})["run"]["info"]["run_id"]
            post("runs/log-batch", {"run_id": run, "params": [{"key": "p", "value": str(i)}],
                                    "metrics": [{"key": "m", "value": i / 4, "timestamp": 5, "step": 2},
                                                {"key": "n", "value": "NaN", "timestamp": 5}]})
            self.runs.append(run)
        post("registered-models/create", {"name": "model"})
        for run in self.runs[:2]:
            post("model-versions/create", {"name": "model", "run_id": run,
                                           "source": f"runs:/{run}/model"})

    def ask(self, query, variables=None, status=200, **more):
        answer = self.s.post("/graphql", {"query": query, "variables": variables, **more})
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(set(answer.json), {"data", "errors"})
        return answer.json

    def data(self, *arguments, **more):
        answer = self.ask(*arguments, **more)
        self.assertIsNone(answer["errors"], answer)
        return answer["data"]

    def test_a_run_with_its_experiment_and_versions(self):
        query = """query GetRun($data: MlflowGetRunInput!) @component(name: "MLflow.X") {
            mlflowGetRun(input: $data) { apiError { code } run {
              info { runUuid runName startTime endTime status }
              experiment { experimentId name } modelVersions { name version status }
              data { metrics { key value step timestamp } params { key value } } } } }"""
        run = self.data(query, {"data": {"runId": self.runs[1]}})["mlflowGetRun"]["run"]
        self.assertEqual(run["info"], {"runUuid": self.runs[1], "runName": "r1", "startTime": "11",
                                       "endTime": "0", "status": "RUNNING"})
        self.assertEqual(run["experiment"], {"experimentId": self.experiment, "name": "people"})
        self.assertEqual(run["modelVersions"], [{"name": "model", "version": "2", "status": "READY"}])
        self.assertEqual(sorted(run["data"]["metrics"], key=lambda m: m["key"]),
                         [{"key": "m", "value": 0.25, "step": "2", "timestamp": "5"},
                          {"key": "n", "value": None, "step": "0", "timestamp": "5"}])
        self.assertEqual(run["data"]["params"], [{"key": "p", "value": "1"}])

    def test_searches_histories_files_and_experiments(self):
        for kind in ("query", "mutation"):
            found = self.data(kind + """ S($in: MlflowSearchRunsInput) { mlflowSearchRuns(input: $in) {
                runs { info { runName } experiment { name } modelVersions { version } }
                nextPageToken } }""", {"in": {"experimentIds": [self.experiment], "maxResults": 2,
                                              "filter": "metrics.m < 0.5",
                                              "orderBy": ["metrics.m ASC"]}})
            runs = found["mlflowSearchRuns"]["runs"]
            self.assertEqual([(r["info"]["runName"], r["experiment"]["name"],
                               [v["version"] for v in r["modelVersions"]]) for r in runs],
                             [("r0", "people", ["1"]), ("r1", "people", ["2"])])
        both = self.data("""query ($id: MlflowGetExperimentInput!, $r: String) {
            a: mlflowGetExperiment(input: $id) { experiment { name lifecycleStage } }
            b: mlflowGetMetricHistoryBulkInterval(input: {runIds: [$r], metricKey: "m",
                 maxResults: 10}) { __typename metrics { runId key value step } }
            c: mlflowListArtifacts(input: {runId: $r}) { rootUri files { path } }
            d: mlflowSearchModelVersions(input: {filter: "name = 'model'"}) {
                 modelVersions { version } }
            __typename }""", {"id": {"experimentId": self.experiment}, "r": self.runs[2]})
        self.assertEqual(list(both), ["a", "b", "c", "d", "__typename"])
        self.assertEqual(both["a"], {"experiment": {"name": "people", "lifecycleStage": "active"}})
        self.assertEqual(both["b"]["metrics"], [{"runId": self.runs[2], "key": "m", "value": 0.5,
                                                 "step": "2"}])
        self.assertEqual(both["c"]["files"], [])
        self.assertTrue(both["c"]["rootUri"].endswith(self.runs[2] + "/artifacts"))
        self.assertEqual({v["version"] for v in both["d"]["modelVersions"]}, {"1", "2"})
        self.assertEqual(both["__typename"], "Query")

    def test_errors_are_texts_and_what_else_was_asked_is_answered(self):
        answer = self.ask("""{ lost: mlflowGetRun(input: {runId: "ffff"}) { run { info { runId } } }
                               there: mlflowGetExperiment(input: {experimentId: "0"}) {
                                 experiment { name } } }""")
        self.assertEqual(answer["data"], {"lost": None,
                                          "there": {"experiment": {"name": "Default"}}})
        self.assertEqual(answer["errors"], ["Run with id=ffff not found"])
        self.assertIsNone(self.ask("{ nothing }")["data"])
        self.assertIn("Syntax Error", self.ask("{ ", status=400)["errors"][0])
        self.assertIn("query", self.ask(None, status=400)["errors"][0])
        self.assertEqual(self.s.post("/graphql", "no JSON").status, 400)
        self.assertIn("root fields", self.ask("{" + " ".join(
            f'a{i}: test(inputString: "x") {{ output }}' for i in range(11)) + "}")["errors"][0])
        self.assertEqual(self.data('query A { test(inputString: "a") { output } } '
                                   'query B { test(inputString: "b") { output } }',
                                   operationName="B"), {"test": {"output": "b"}})
        got = self.s.get("/graphql?query=%7B%20__typename%20%7D")
        self.assertEqual(self.ok(got)["data"], {"__typename": "Query"})


@unittest.skipUnless(STOCK, "no package mlflow: ops/install-deps --mlflow build/mlflow")
@unittest.skipUnless(CHROMIUM, "chromium is not installed")
class StockPages(Case):
    """The pages of the installed package in a browser: what they show, and that nothing is refused."""

    REFUSED = """performance.getEntriesByType('resource').filter((e) => e.responseStatus >= 400)
                 .map((e) => e.responseStatus + ' ' + e.name).join()"""

    def show(self, path, *texts):
        self.browser.call("Page.navigate", url="about:blank")
        self.browser.call("Page.navigate", url=self.s.url + path)
        for text in texts:
            support.until(lambda: text in (self.browser.value("document.body?.innerText") or ""),
                          f"'{text}' on {path}")
        refused = (self.browser.value(self.REFUSED) or "").split(",")
        # Accounts are another application of MLflow's, which is not there by default.
        self.assertEqual([r for r in refused if r and "users/current" not in r], [], path)

    def test_what_is_stored_is_shown(self):
        self.s = self.server("--mlflow-ui", VENV)
        post = lambda path, body: self.ok(self.s.post(API + path, body))
        experiment = post("experiments/create", {"name": "people here"})["experiment_id"]
        run = post("runs/create", {"experiment_id": experiment, "run_name": "first-run",
                                   "start_time": 1795255200000})["run"]["info"]["run_id"]
        post("runs/log-batch", {"run_id": run, "params": [{"key": "depth", "value": "17"}],
                                "metrics": [{"key": "auc", "value": 0.5 + i / 100, "step": i,
                                             "timestamp": 1795255200000 + i} for i in range(9)]})
        post("runs/update", {"run_id": run, "status": "FINISHED", "end_time": 1795255260000})
        post("registered-models/create", {"name": "a-model", "description": "what it is for"})
        post("model-versions/create", {"name": "a-model", "run_id": run, "source": f"runs:/{run}/m"})
        self.ok(self.s.put(f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run}/artifacts/a.txt",
                           "inside"))
        self.browser = Browser(self, self.s.url + "/")
        here = f"/#/experiments/{experiment}"
        self.show("/#/experiments", "people here")
        self.show(here + "/runs", "first-run")
        self.show(f"{here}/runs/{run}", "first-run", "depth", "17", "auc", "Finished", "a-model")
        self.show(f"{here}/runs/{run}/model-metrics", "auc")
        self.show(f"{here}/runs/{run}/artifacts/a.txt", "inside")
        self.show("/#/models", "a-model")
        self.show("/#/models/a-model", "what it is for", "Version 1")
        self.show(here + "/traces", "Traces")
        self.show(f"{here}/runs/{'0' * 32}", "does not exist")


if __name__ == "__main__":
    support.main()
