"""MLflow's REST API as bytes on the wire: shapes, errors, edges. MLflow's own client is not needed."""
import json
import os
import urllib.parse

import support
from support import Case

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


class Rest(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"))

    def post(self, path, body, status=200, method="POST"):
        return self.ok(self.s.call(method, API + path, body), status)

    def get(self, route, **query):
        query = urllib.parse.urlencode(query, doseq=True)
        return self.ok(self.s.get(f"{API}{route}?{query}"))

    def refused(self, answer, code, status, words=()):
        self.assertEqual(answer.status, status, answer)
        more = set() if code in ("NOT_IMPLEMENTED", "RESOURCE_CONFLICT") else {"sqlstate", "error_class"}
        self.assertEqual(set(answer.json), {"error_code", "message"} | more, answer)
        self.assertEqual(answer["error_code"], code, answer)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, answer["message"])

    def experiment(self, name):
        return self.post("/experiments/create", {"name": name})["experiment_id"]

    def run_in(self, experiment, **more):
        body = {"experiment_id": experiment, "start_time": 1700000000000, **more}
        return self.post("/runs/create", body)["run"]

    # ------------------------------------------------------------ experiments

    def test_the_default_experiment_is_there_from_the_start(self):
        server = self.server()
        got = self.ok(server.get(API + "/experiments/get?experiment_id=0"))["experiment"]
        self.assertEqual((got["name"], got["lifecycle_stage"]), ("Default", "active"))
        self.assertEqual(got["artifact_location"], "mlflow-artifacts:/0")
        by_name = self.ok(server.get(API + "/experiments/get-by-name?experiment_name=Default"))
        self.assertEqual(by_name["experiment"], got)
        found = self.ok(server.post(API + "/experiments/search", {"max_results": 5}))
        self.assertEqual([e["experiment_id"] for e in found["experiments"]], ["0"])
        self.assertEqual(server.position(), 0, "reading wrote nothing")
        run = self.ok(server.post(API + "/runs/create", {"experiment_id": "0"}))["run"]
        self.assertEqual(run["info"]["experiment_id"], "0")
        self.assertEqual([e["type"] for e in server.events()],
                         ["experiment.created", "run.started", "run.tags_set"])

    def test_experiments_live_die_and_come_back(self):
        made = self.experiment("life/of an experiment")
        self.refused(self.s.post(API + "/experiments/create", {"name": "life/of an experiment"}),
                     "RESOURCE_ALREADY_EXISTS", 400, "already exists")
        self.post("/experiments/set-experiment-tag",
                  {"experiment_id": made, "key": "team", "value": "a"})
        self.post("/experiments/update", {"experiment_id": made, "new_name": "renamed"})
        got = self.get("/experiments/get", experiment_id=made)["experiment"]
        self.assertEqual(got["name"], "renamed")
        self.assertEqual(got["tags"], [{"key": "team", "value": "a"}])
        self.assertIsInstance(got["creation_time"], int)
        self.refused(self.s.get(API + "/experiments/get-by-name?experiment_name=life/of%20an%20experiment"),
                     "RESOURCE_DOES_NOT_EXIST", 404, "Could not find experiment with name")
        run = self.run_in(made)["info"]["run_id"]
        self.post("/experiments/delete", {"experiment_id": made})
        self.assertEqual(self.get("/runs/get", run_id=run)["run"]["info"]["lifecycle_stage"],
                         "deleted")
        self.refused(self.s.post(API + "/runs/create", {"experiment_id": made}),
                     "INVALID_PARAMETER_VALUE", 400, "must be in the 'active' state")
        self.refused(self.s.post(API + "/runs/set-tag", {"run_id": run, "key": "k", "value": "v"}),
                     "INVALID_PARAMETER_VALUE", 400, "must be in the 'active' state")
        self.post("/experiments/restore", {"experiment_id": made})
        self.assertEqual(self.get("/runs/get", run_id=run)["run"]["info"]["lifecycle_stage"],
                         "active")
        self.post("/experiments/delete-experiment-tag", {"experiment_id": made, "key": "team"})
        self.refused(self.s.post(API + "/experiments/delete-experiment-tag",
                                 {"experiment_id": made, "key": "team"}),
                     "RESOURCE_DOES_NOT_EXIST", 404, "No tag with name: team")

    def test_experiments_are_searched_and_paged(self):
        ids = [self.experiment(f"search-{i}") for i in range(5)]
        self.post("/experiments/set-experiment-tag",
                  {"experiment_id": ids[2], "key": "x y", "value": "one"})
        found = self.post("/experiments/search",
                          {"filter": "name LIKE 'search-%'", "order_by": ["name DESC"],
                           "max_results": 2})
        self.assertEqual([e["name"] for e in found["experiments"]], ["search-4", "search-3"])
        more = self.post("/experiments/search",
                         {"filter": "name LIKE 'search-%'", "order_by": ["name DESC"],
                          "max_results": 3, "page_token": found["next_page_token"]})
        self.assertEqual([e["name"] for e in more["experiments"]],
                         ["search-2", "search-1", "search-0"])
        self.assertNotIn("next_page_token", more)
        tagged = self.post("/experiments/search", {"filter": "tags.`x y` = 'one'"})
        self.assertEqual([e["experiment_id"] for e in tagged["experiments"]], [ids[2]])
        self.refused(self.s.post(API + "/experiments/search", {"page_token": "nonsense"}),
                     "INVALID_PARAMETER_VALUE", 400, "page token")
        self.refused(self.s.post(API + "/experiments/search", {"max_results": 0}),
                     "INVALID_PARAMETER_VALUE", 400, "'max_results'")

    # ------------------------------------------------------------ messages

    def test_what_is_wrong_with_a_message_is_named(self):
        post = lambda path, body: self.s.post(API + path, body)
        self.refused(post("/experiments/create", {}), "INVALID_PARAMETER_VALUE", 400,
                     "Missing value for required parameter 'name'")
        self.refused(post("/experiments/create", {"name": 123}), "INVALID_PARAMETER_VALUE", 400,
                     "Invalid value 123 for parameter 'name' supplied")
        self.refused(post("/experiments/create", "{"), "INVALID_PARAMETER_VALUE", 400)
        self.refused(post("/experiments/create", b'{"name": "\xff"}'), "INVALID_PARAMETER_VALUE", 400)
        self.refused(post("/runs/create", {"experiment_id": "999999"}), "RESOURCE_DOES_NOT_EXIST",
                     404, "No Experiment with id=999999 exists")
        self.refused(self.s.get(API + "/runs/get?run_id=deadbeef"), "RESOURCE_DOES_NOT_EXIST", 404,
                     "Run with id=deadbeef not found")
        self.refused(self.s.get(API + "/runs/get"), "INVALID_PARAMETER_VALUE", 400, "'run_id'")
        self.refused(self.s.get(API + "/no/such/thing"), "ENDPOINT_NOT_FOUND", 404)
        self.refused(self.s.get("/api/3.0/mlflow/workspaces"), "NOT_IMPLEMENTED", 501)
        made = self.post("/experiments/create", {"name": "with unknown", "colour": {"a": [1]}})
        self.assertTrue(made["experiment_id"])

    def test_the_same_is_served_to_browsers_and_health_and_version(self):
        got = self.ok(self.s.get("/ajax-api/2.0/mlflow/experiments/get?experiment_id=0"))
        self.assertEqual(got["experiment"]["experiment_id"], "0")
        self.assertEqual(self.s.get("/health").body, b"OK")
        self.assertRegex(self.s.get("/version").body.decode(), r"^\d+\.\d+\.\d+$")
        refused = self.s.get(API + "/experiments/get?experiment_id=0", Host="evil.example")
        self.assertEqual(refused.status, 403, "the Host check holds here too")

    # ------------------------------------------------------------ runs

    def test_a_run_from_start_to_end(self):
        experiment = self.experiment("a run")
        run = self.run_in(experiment, run_name="first", user_id="ann",
                          tags=[{"key": "t", "value": "1"}])
        info, id = run["info"], run["info"]["run_id"]
        self.assertRegex(id, "^[0-9a-f]{32}$")
        self.assertEqual(info["run_uuid"], id)
        self.assertEqual((info["status"], info["run_name"], info["user_id"]),
                         ("RUNNING", "first", "ann"))
        self.assertEqual(info["start_time"], 1700000000000)
        self.assertNotIn("end_time", info)
        self.assertEqual(info["artifact_uri"], f"mlflow-artifacts:/{experiment}/{id}/artifacts")
        self.post("/runs/log-parameter", {"run_id": id, "key": "p", "value": "1"})
        self.post("/runs/log-parameter", {"run_id": id, "key": "p", "value": "1"})
        self.refused(self.s.post(API + "/runs/log-parameter",
                                 {"run_id": id, "key": "p", "value": "2"}),
                     "INVALID_PARAMETER_VALUE", 400,
                     f"Changing param values is not allowed. Param with key='p' was already logged "
                     f"with value='1' for run ID='{id}'. Attempted logging new value '2'.")
        for step, value in ((0, 0.5), (2, 0.7), (1, 0.9)):
            self.post("/runs/log-metric", {"run_id": id, "key": "m", "value": value,
                                           "timestamp": str(1000 + step), "step": step})
        self.post("/runs/set-tag", {"run_id": id, "key": "mlflow.runName", "value": "second"})
        self.post("/runs/delete-tag", {"run_id": id, "key": "t"})
        ended = self.post("/runs/update", {"run_id": id, "status": "FINISHED", "end_time": 1700000001234})
        self.assertEqual(ended["run_info"]["end_time"], 1700000001234)
        data = self.get("/runs/get", run_id=id)["run"]
        self.assertEqual(data["info"]["status"], "FINISHED")
        self.assertEqual(data["info"]["run_name"], "second")
        self.assertEqual(data["data"]["params"], [{"key": "p", "value": "1"}])
        self.assertEqual(data["data"]["tags"], [{"key": "mlflow.runName", "value": "second"}])
        self.assertEqual(data["data"]["metrics"],
                         [{"key": "m", "value": 0.7, "timestamp": 1002, "step": 2}])

    def test_a_batch_is_stored_whole_or_not_at_all(self):
        id = self.run_in(self.experiment("batches"))["info"]["run_id"]
        before = self.s.position()
        metric = {"key": "m", "value": 1.0, "timestamp": 1, "step": 0}
        for body in ({"metrics": [metric], "params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]},
                     {"metrics": [metric] * 1001},
                     {"metrics": [metric], "tags": [{"key": "../x", "value": "1"}]},
                     {"metrics": [metric, {"key": "n", "value": "abc", "timestamp": 1}]},
                     {"metrics": [metric, {"key": "n", "timestamp": 1}]},
                     {"params": [{"key": f"p{i}", "value": "1"} for i in range(101)]}):
            self.refused(self.s.post(API + "/runs/log-batch", {"run_id": id, **body}),
                         "INVALID_PARAMETER_VALUE", 400)
        self.assertEqual(self.s.position(), before)
        self.refused(self.s.post(API + "/runs/log-batch",
                                 {"run_id": id, "tags": [{"key": "t", "value": "x" * 1000001}]}),
                     "INVALID_PARAMETER_VALUE", 400, "at most 1000000 bytes")
        self.post("/runs/log-batch", {"run_id": id, "metrics": [metric] * 500,
                                      "params": [{"key": "a", "value": "1"}],
                                      "tags": [{"key": "t", "value": "x" * 9000}]})
        data = self.get("/runs/get", run_id=id)["run"]["data"]
        self.assertEqual(data["params"], [{"key": "a", "value": "1"}])
        self.assertEqual([len(t["value"]) for t in data["tags"] if t["key"] == "t"], [8000])
        history = self.get("/metrics/get-history", run_id=id, metric_key="m")
        self.assertEqual(len(history["metrics"]), 1, "the same point is one point")

    def test_nan_and_infinities(self):
        id = self.run_in(self.experiment("numbers"))["info"]["run_id"]
        for key, value in (("nan", "NaN"), ("up", "Infinity"), ("down", "-Infinity")):
            self.post("/runs/log-metric", {"run_id": id, "key": key, "value": value, "timestamp": 1})
        metrics = self.get("/runs/get", run_id=id)["run"]["data"]["metrics"]
        values = {m["key"]: m["value"] for m in metrics}
        self.assertEqual(values, {"nan": "NaN", "up": 1.7976931348623157e308,
                                  "down": -1.7976931348623157e308})

    def test_history_is_paged_and_thinned_out(self):
        id = self.run_in(self.experiment("history"))["info"]["run_id"]
        for start in (0, 1000):
            self.post("/runs/log-batch", {"run_id": id, "metrics": [
                {"key": "m", "value": i / 2, "timestamp": 5000 - i, "step": i}
                for i in range(start, start + 1000)]})
        first = self.get("/metrics/get-history", run_id=id, metric_key="m", max_results=1500)
        self.assertEqual(len(first["metrics"]), 1500)
        self.assertEqual(first["metrics"][0]["step"], 1999, "by timestamp")
        rest = self.get("/metrics/get-history", run_id=id, metric_key="m", max_results=1500,
                        page_token=first["next_page_token"])
        self.assertEqual(len(rest["metrics"]), 500)
        self.assertNotIn("next_page_token", rest)
        every = {m["step"] for m in first["metrics"] + rest["metrics"]}
        self.assertEqual(every, set(range(2000)))
        thin = self.get("/metrics/get-history-bulk-interval", run_ids=[id], metric_key="m",
                        max_results=320)["metrics"]
        self.assertEqual(len(thin), 320)
        self.assertEqual((thin[0]["step"], thin[-1]["step"]), (0, 1999))
        self.assertEqual({m["run_id"] for m in thin}, {id})
        part = self.get("/metrics/get-history-bulk-interval", run_ids=[id], metric_key="m",
                        start_step=10, end_step=12)["metrics"]
        self.assertEqual([m["step"] for m in part], [10, 11, 12])
        for run in (id, "nobody"):
            self.assertEqual(self.get("/metrics/get-history", run_id=run, metric_key="none"), {})

    def test_runs_are_searched(self):
        experiment = self.experiment("searched")
        ids = []
        for i in range(4):
            run = self.run_in(experiment, start_time=1700000000000 + i, run_name=f"run-{i}")
            ids.append(run["info"]["run_id"])
            metrics = [{"key": "auc", "value": "NaN" if i == 2 else i / 10, "timestamp": 1, "step": 0}]
            self.post("/runs/log-batch", {"run_id": ids[i], "metrics": metrics if i != 3 else [],
                                          "params": [{"key": "depth", "value": str(i % 2)}]})

        def search(filter="", **more):
            found = self.post("/runs/search", {"experiment_ids": [experiment], "filter": filter, **more})
            return [ids.index(r["info"]["run_id"]) for r in found["runs"]]

        self.assertEqual(search(), [3, 2, 1, 0])
        self.assertEqual(search("metrics.auc >= 0"), [1, 0])
        self.assertEqual(search("params.depth = '1'"), [3, 1])
        self.assertEqual(search("metrics.auc > 0.05 AND params.depth = '1'"), [1])
        self.assertEqual(search("metrics.auc > 0.05 OR attributes.run_name = 'run-0'"), [1, 0])
        self.assertEqual(search(order_by=["metrics.auc ASC"]), [0, 1, 2, 3])
        self.assertEqual(search(order_by=["metrics.auc DESC"]), [1, 0, 2, 3])
        self.assertEqual(search(f"run_id IN ('{ids[0]}', '{ids[3]}')"), [3, 0])
        self.assertEqual(search("start_time < 1700000000002"), [1, 0])
        self.post("/runs/delete", {"run_id": ids[0]})
        self.assertEqual(search(), [3, 2, 1])
        self.assertEqual(search(run_view_type="DELETED_ONLY"), [0])
        self.assertEqual(search(run_view_type="ALL", max_results=2), [3, 2])
        position = self.s.position()
        self.post("/runs/restore", {"run_id": ids[0]})
        self.assertEqual(search(), [3, 2, 1, 0])
        self.assertEqual(search(as_of=str(position)), [3, 2, 1], "as it stood before")
        self.refused(self.s.post(API + "/runs/search", {"experiment_ids": [experiment],
                                                        "filter": "foo.x = 'a'"}),
                     "INVALID_PARAMETER_VALUE", 400, "Invalid entity type 'foo'")

    # ------------------------------------------------------------ artifacts

    def test_artifacts_go_in_and_out(self):
        experiment = self.experiment("files")
        id = self.run_in(experiment)["info"]["run_id"]
        root = f"{experiment}/{id}/artifacts"
        body = bytes(range(256)) * 5000
        self.ok(self.s.put(f"{FILES}/{root}/model/weights.bin", body))
        self.ok(self.s.put(f"{FILES}/{root}/note%20one.txt", b"hello"))
        got = self.s.get(f"{FILES}/{root}/model/weights.bin")
        self.assertEqual((got.status, got.body), (200, body))
        self.assertEqual(got.headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("weights.bin", got.headers["Content-Disposition"])
        behind = self.s.get(f"{FILES}/{root}/model/weights.bin", Range="bytes=999999999-")
        self.refused(behind, "INVALID_PARAMETER_VALUE", 416, "Range begins behind the end")
        self.assertRegex(behind.headers["Content-Range"], r"^bytes \*/\d+$")
        self.refused(self.s.get(f"{FILES}/{root}/model/weights.bin?as_of=never"),
                     "INVALID_PARAMETER_VALUE", 400, "as_of")
        part = self.s.get(f"{FILES}/{root}/model/weights.bin", Range="bytes=256-259")
        self.assertEqual((part.status, part.body), (206, bytes([0, 1, 2, 3])))
        listed = self.ok(self.s.get(f"{FILES}?path={root}"))["files"]
        self.assertEqual(listed, [{"path": "model", "is_dir": True},
                                  {"path": "note one.txt", "is_dir": False, "file_size": 5}])
        of_run = self.get("/artifacts/list", run_id=id, path="model")
        self.assertEqual(of_run["root_uri"], f"mlflow-artifacts:/{root}")
        self.assertEqual(of_run["files"], [{"path": "model/weights.bin", "is_dir": False,
                                            "file_size": len(body)}])
        native = self.ok(self.s.get(f"/api/v1/runs/{id}"))
        self.assertEqual([f["path"] for f in native["artifacts"]],
                         ["model/weights.bin", "note one.txt"])
        self.ok(self.s.call("DELETE", f"{FILES}/{root}/model"))
        self.assertEqual(self.s.get(f"{FILES}/{root}/model/weights.bin").status, 404)
        self.assertEqual([f["path"] for f in self.ok(self.s.get(f"{FILES}?path={root}"))["files"]],
                         ["note one.txt"])
        self.ok(self.s.call("DELETE", f"{FILES}/{root}/model"))  # again

    def test_artifacts_of_no_run_and_paths_that_lead_out(self):
        self.ok(self.s.put(f"{FILES}/7/models/m-1/artifacts/MLmodel", b"x"))
        self.assertEqual(self.s.get(f"{FILES}/7/models/m-1/artifacts/MLmodel").body, b"x")
        self.assertEqual(self.ok(self.s.get(f"{FILES}?path=7/models"))["files"],
                         [{"path": "m-1", "is_dir": True}])
        for path in ("../x", "a/../../x", "%2e%2e/x", "a//b", "a/./b", "/etc/passwd", "a%5Cb"):
            for method in ("PUT", "GET", "DELETE"):
                answer = self.s.call(method, f"{FILES}/{path}", b"x" if method == "PUT" else None)
                self.assertEqual(answer.status, 400, (method, path, answer))
        self.assertEqual(self.s.get(f"{FILES}?path=../..").status, 400)

    def test_the_datasets_of_experiments(self):
        ids = [self.experiment(f"datasets {i}") for i in range(2)]
        for i, id in enumerate(ids):
            for context in ("train", "eval") if i == 0 else (None,):
                tags = [{"key": "mlflow.data.context", "value": context}] if context else []
                self.post("/runs/log-inputs", {
                    "run_id": self.run_in(id)["info"]["run_id"],
                    "datasets": [{"tags": tags, "dataset": {
                        "name": f"d{i}", "digest": "x", "source_type": "code", "source": "{}"}}]})
        for path in ("/api/2.0mlflow", "/ajax-api/2.0mlflow", API):
            found = self.ok(self.s.post(path + "/experiments/search-datasets",
                                        {"experiment_ids": ids}))["dataset_summaries"]
            self.assertEqual(
                [(d["experiment_id"], d["name"], d["digest"], d.get("context")) for d in found],
                [(ids[0], "d0", "x", "eval"), (ids[0], "d0", "x", "train"),
                 (ids[1], "d1", "x", None)])
        search = lambda ids: self.s.post(API + "/experiments/search-datasets",
                                         {"experiment_ids": ids})
        self.refused(search([]), "INVALID_PARAMETER_VALUE", 400,
                     "SearchDatasets request must specify at least one experiment_id.")
        self.refused(search([str(i) for i in range(21)]), "INVALID_PARAMETER_VALUE", 400,
                     "cannot specify more than 20 experiment_ids. Received 21 experiment_ids.")

    def test_histories_of_many_runs(self):
        experiment = self.experiment("many histories")
        runs = sorted(self.run_in(experiment)["info"]["run_id"] for _ in range(2))
        for run in runs:
            self.post("/runs/log-batch", {"run_id": run, "metrics": [
                {"key": "m", "value": s, "timestamp": s, "step": s} for s in range(5)]})
        bulk = self.ok(self.s.get("/ajax-api/2.0/mlflow/metrics/get-history-bulk?metric_key=m&"
                                  f"run_id={runs[1]}&run_id={runs[0]}&max_results=7"))["metrics"]
        self.assertEqual([(m["run_id"], m["step"]) for m in bulk],
                         [(runs[0], s) for s in range(5)] + [(runs[1], 0), (runs[1], 1)])
        path = "/ajax-api/2.0/mlflow/metrics/"
        for query, words in (
                ("get-history-bulk?metric_key=m", "must specify at least one run_id."),
                ("get-history-bulk?run_id=x", "must specify a metric_key."),
                ("get-history-bulk?metric_key=m" + "&run_id=x" * 101,
                 "cannot specify more than 100 run_ids. Received 101 run_ids."),
                ("get-history-bulk-interval?metric_key=m", "required parameter 'run_ids'"),
                ("get-history-bulk-interval?metric_key=m" + "&run_ids=x" * 101,
                 "must specify at most 100 run_ids. Received 101 run_ids."),
                ("get-history-bulk-interval?metric_key=m&run_ids=x&max_results=2501",
                 "max_results must be between 1 and 2500."),
                ("get-history-bulk-interval?metric_key=m&run_ids=x&start_step=1",
                 "both must be specified"),
                ("get-history-bulk-interval?metric_key=m&run_ids=x&start_step=2&end_step=1",
                 "end_step must be greater than start_step. Found start_step=2 and end_step=1.")):
            self.refused(self.s.get(path + query), "INVALID_PARAMETER_VALUE", 400, words)
        self.assertEqual(self.ok(self.s.get(path + "get-history-bulk-interval?metric_key=m&run_ids=x")),
                         {})

    def test_files_for_the_web_interface(self):
        experiment = self.experiment("web files")
        run = self.run_in(experiment)["info"]["run_id"]
        upload = "/ajax-api/2.0/mlflow/upload-artifact"
        self.ok(self.s.post(f"{upload}?run_uuid={run}&path=a/b.txt", b"hello"))
        got = self.s.get(f"/get-artifact?run_uuid={run}&path=a/b.txt")
        self.assertEqual((got.status, got.body), (200, b"hello"))
        self.assertIn("b.txt", got.headers["Content-Disposition"])
        self.post("/registered-models/create", {"name": "web"})
        self.post("/model-versions/create", {"name": "web", "run_id": run,
                                             "source": f"mlflow-artifacts:/{experiment}/{run}/artifacts/a"})
        of_version = self.s.get("/model-versions/get-artifact?name=web&version=1&path=b.txt")
        self.assertEqual((of_version.status, of_version.body), (200, b"hello"))
        for query, words in (("path=x", "run_uuid"), (f"run_uuid={run}", "path"),
                             (f"run_uuid={run}&path=../x", "Invalid path")):
            self.refused(self.s.post(f"{upload}?{query}", b"x"), "INVALID_PARAMETER_VALUE", 400, words)
        self.refused(self.s.post(f"{upload}?run_uuid={run}&path=x", b""), "INVALID_PARAMETER_VALUE",
                     400, "must specify data")
        self.refused(self.s.get(f"/get-artifact?run_uuid={run}&path=nothing"),
                     "RESOURCE_DOES_NOT_EXIST", 404)

    # ------------------------------------------------------------ registry

    def test_models_versions_aliases_and_stages(self):
        made = self.post("/registered-models/create", {"name": "m", "description": "d",
                                                       "tags": [{"key": "a", "value": "b"}]})
        self.assertEqual(made["registered_model"]["tags"], [{"key": "a", "value": "b"}])
        self.refused(self.s.post(API + "/registered-models/create", {"name": "m"}),
                     "RESOURCE_ALREADY_EXISTS", 400)
        self.refused(self.s.post(API + "/registered-models/create", {"name": "a/b"}),
                     "INVALID_PARAMETER_VALUE", 400, "Names cannot contain '/' or ':'")
        for source in ("s3://a/x", "s3://b/x"):
            version = self.post("/model-versions/create", {"name": "m", "source": source})
            self.assertEqual(version["model_version"]["status"], "READY")
        self.assertEqual(version["model_version"]["version"], "2")
        self.post("/registered-models/alias", {"name": "m", "alias": "best", "version": "1",
                                               "reason": "because"})
        by_alias = self.get("/registered-models/alias", name="m", alias="best")["model_version"]
        self.assertEqual((by_alias["version"], by_alias["aliases"]), ("1", ["best"]))
        event = [e for e in self.s.events(stream="model/m") if e["type"] == "model.alias_set"][-1]
        self.assertEqual(event["payload"]["reason"], "because")
        self.refused(self.s.post(API + "/registered-models/alias",
                                 {"name": "m", "alias": "best", "version": "2", "expected": 2}),
                     "RESOURCE_CONFLICT", 409)
        self.post("/model-versions/transition-stage", {"name": "m", "version": "1", "stage": "Production"})
        self.post("/model-versions/transition-stage",
                  {"name": "m", "version": "2", "stage": "production", "archive_existing_versions": True})
        latest = self.post("/registered-models/get-latest-versions", {"name": "m"})["model_versions"]
        self.assertEqual({v["version"]: v["current_stage"] for v in latest},
                         {"1": "Archived", "2": "Production"})
        uri = self.get("/model-versions/get-download-uri", name="m", version="2")
        self.assertEqual(uri, {"artifact_uri": "s3://b/x"})
        self.post("/model-versions/set-tag", {"name": "m", "version": "2", "key": "k", "value": "v"})
        found = self.get("/model-versions/search", filter="name='m' and tags.k = 'v'")
        self.assertEqual([v["version"] for v in found["model_versions"]], ["2"])
        self.assertEqual([m["name"] for m in self.get("/registered-models/search",
                                                      filter="name LIKE 'm%'")["registered_models"]], ["m"])
        self.post("/model-versions/delete", {"name": "m", "version": "2"}, method="DELETE")
        self.refused(self.s.get(API + "/model-versions/get?name=m&version=2"),
                     "RESOURCE_DOES_NOT_EXIST", 404, "Model Version (name=m, version=2) not found")
        third = self.post("/model-versions/create", {"name": "m", "source": "s3://c/x"})
        self.assertEqual(third["model_version"]["version"], "3", "numbers are not given again")
        self.post("/registered-models/delete", {"name": "m"}, method="DELETE")
        self.refused(self.s.get(API + "/registered-models/get?name=m"), "RESOURCE_DOES_NOT_EXIST",
                     404, "Registered Model with name=m not found")
        again = self.post("/registered-models/create", {"name": "m"})["registered_model"]
        self.assertNotIn("description", again)

    def test_a_model_is_renamed(self):
        for name in ("old", "other"):
            self.post("/registered-models/create", {"name": name, "description": "d"})
        self.post("/model-versions/create", {"name": "old", "source": "s3://a/x"})
        self.post("/registered-models/alias", {"name": "old", "alias": "best", "version": "1"})
        before = self.get("/model-versions/get", name="old", version="1")["model_version"]
        position = self.s.position()
        renamed = self.post("/registered-models/rename", {"name": "old", "new_name": "new"})
        self.assertEqual(renamed["registered_model"]["name"], "new")
        self.assertEqual(renamed["registered_model"]["aliases"], [{"alias": "best", "version": "1"}])
        version = self.get("/model-versions/get", name="new", version="1")["model_version"]
        self.assertEqual(version, {**before, "name": "new",
                                   "last_updated_timestamp": version["last_updated_timestamp"]})
        self.refused(self.s.get(API + "/registered-models/get?name=old"),
                     "RESOURCE_DOES_NOT_EXIST", 404)
        self.refused(self.s.post(API + "/registered-models/rename",
                                 {"name": "new", "new_name": "other"}),
                     "RESOURCE_ALREADY_EXISTS", 400)
        then = self.get("/registered-models/get", name="old", as_of=position)["registered_model"]
        self.assertEqual(then["name"], "old", "as it stood before")
        made = self.post("/model-versions/create", {"name": "new", "source": "s3://a/x"})
        self.assertEqual(made["model_version"]["version"], "2")
        self.post("/registered-models/create", {"name": "old"})
        first = self.post("/model-versions/create", {"name": "old", "source": "s3://a/x"})
        self.assertEqual(first["model_version"]["version"], "1", "a name that is free again")

    def test_where_versions_may_come_from(self):
        experiment = self.experiment("sources")
        run = self.run_in(experiment)["info"]
        self.post("/registered-models/create", {"name": "sourced"})
        create = lambda source, **more: self.s.post(
            API + "/model-versions/create", {"name": "sourced", "source": source, **more})
        inside = run["artifact_uri"] + "/model"
        self.ok(create(inside, run_id=run["run_id"]))
        self.ok(create(f"runs:/{run['run_id']}/model", run_id=run["run_id"]))
        self.ok(create("s3://bucket/models/artifact/x"))
        copied = self.ok(create("models:/sourced/1"))["model_version"]
        self.assertEqual(copied["run_id"], run["run_id"], "of the version that it names")
        for source, words in ((inside, "The run_id request parameter must identify"),
                              (f"runs:/{run['run_id']}/model", "must identify the resource"),
                              ("models:/m-0123456789abcdef0123456789abcdef", "The model_id request"),
                              ("/tmp/model", "To use a local path as a model version source"),
                              ("file:///tmp/model", "To use a local path as a model version source"),
                              ("s3://bucket/../x", "relative path references"),
                              ("mlflow-artifacts:/%2e%2e/%252e%252e/x", "relative path references"),
                              ("s3://bucket/a/b%00", "relative path references")):
            self.refused(create(source), "INVALID_PARAMETER_VALUE", 400,
                         ["Invalid model version source", words])
        self.refused(create("models:/nobody/1"), "RESOURCE_DOES_NOT_EXIST", 404)
        self.refused(create("s3://a/x", tags=[{"key": "mlflow.prompt.is_prompt", "value": "true"}]),
                     "INVALID_PARAMETER_VALUE", 400, "Invalid prompt source")

    # ------------------------------------------------------------ logged models

    def test_models_of_clients_before_three(self):
        run = self.run_in(self.experiment("older clients"))["info"]["run_id"]
        model = {"artifact_path": "m", "run_id": run, "utc_time_created": "2026-01-01",
                 "flavors": {"sklearn": {"code": None, "config": {"secret": 1}}}, "other": 1}
        for _ in range(2):
            self.post("/runs/log-model", {"run_id": run, "model_json": json.dumps(model)})
        tags = self.get("/runs/get", run_id=run)["run"]["data"]["tags"]
        kept = [json.loads(t["value"]) for t in tags if t["key"] == "mlflow.log-model.history"][0]
        summary = {k: v for k, v in model.items() if k != "other"}
        summary["flavors"] = {"sklearn": {"code": None}}
        self.assertEqual(kept, [summary, summary])
        log = lambda text: self.s.post(API + "/runs/log-model", {"run_id": run, "model_json": text})
        self.refused(log("{"), "INVALID_PARAMETER_VALUE", 400, "Malformed model info")
        self.refused(log("{}"), "INVALID_PARAMETER_VALUE", 400, "missing mandatory fields")
        self.refused(log(""), "INVALID_PARAMETER_VALUE", 400, "'model_json'")

    def test_logged_models(self):
        experiment = self.experiment("logged")
        run = self.run_in(experiment)["info"]["run_id"]
        model = self.post("/logged-models", {"experiment_id": experiment, "name": "net",
                                             "source_run_id": run,
                                             "params": [{"key": "p", "value": "1"}]})["model"]
        id = model["info"]["model_id"]
        self.assertRegex(id, "^m-[0-9a-f]{32}$")
        self.assertEqual(model["info"]["status"], "LOGGED_MODEL_PENDING")
        self.assertEqual(model["info"]["artifact_uri"],
                         f"mlflow-artifacts:/{experiment}/models/{id}/artifacts")
        self.post("/runs/outputs", {"run_id": run, "models": [{"model_id": id, "step": 3}]})
        outputs = self.get("/runs/get", run_id=run)["run"]["outputs"]
        self.assertEqual(outputs, {"model_outputs": [{"model_id": id, "step": 3}]})
        self.post("/runs/log-metric", {"run_id": run, "key": "auc", "value": 0.8, "timestamp": 1,
                                       "model_id": id, "dataset_name": "d", "dataset_digest": "x"})
        ready = self.post(f"/logged-models/{id}", {"status": "LOGGED_MODEL_READY"}, method="PATCH")
        self.assertEqual(ready["model"]["info"]["status"], "LOGGED_MODEL_READY")
        self.post(f"/logged-models/{id}/tags", {"tags": [{"key": "a b", "value": "1"}]}, method="PATCH")
        got = self.ok(self.s.get(f"{API}/logged-models/{id}"))["model"]
        self.assertEqual(got["data"]["metrics"][0]["value"], 0.8)
        self.assertEqual(got["info"]["tags"], [{"key": "a b", "value": "1"}])
        found = self.post("/logged-models/search", {
            "experiment_ids": [experiment], "filter": "metrics.auc > 0.5 AND params.p = '1'",
            "order_by": [{"field_name": "metrics.auc", "ascending": False}]})
        self.assertEqual([m["info"]["model_id"] for m in found["models"]], [id])
        self.post(f"/logged-models/{id}/tags/a%20b", None, method="DELETE")
        self.post(f"/logged-models/{id}", None, method="DELETE")
        self.refused(self.s.get(f"{API}/logged-models/{id}"), "RESOURCE_DOES_NOT_EXIST", 404)
        self.ok(self.s.get(f"{API}/logged-models/{id}?allow_deleted=true"))

    def test_inputs_are_kept_once(self):
        run = self.run_in(self.experiment("inputs"))["info"]["run_id"]
        dataset = {"tags": [{"key": "mlflow.data.context", "value": "train"}],
                   "dataset": {"name": "iris", "digest": "abc", "source_type": "code",
                               "source": "{}", "schema": "s", "profile": "p"}}
        for _ in range(2):
            self.post("/runs/log-inputs", {"run_id": run, "datasets": [dataset]})
        inputs = self.get("/runs/get", run_id=run)["run"]["inputs"]["dataset_inputs"]
        self.assertEqual(inputs, [dataset])
        found = self.post("/runs/search", {"experiment_ids": [
            self.get("/runs/get", run_id=run)["run"]["info"]["experiment_id"]],
            "filter": "datasets.name = 'iris' AND dataset.context = 'train'"})
        self.assertEqual(len(found["runs"]), 1)

    def test_what_was_written_is_there_after_a_crash(self):
        data = os.path.join(self.folder, "crash")
        server = self.server(data=data)
        run = self.ok(server.post(API + "/runs/create", {"experiment_id": "0"}))["run"]["info"]["run_id"]
        self.ok(server.post(API + "/runs/log-metric", {"run_id": run, "key": "m", "value": 1.5,
                                                       "timestamp": 1}))
        server.kill()
        server = self.server(data=data)
        got = self.ok(server.get(f"{API}/runs/get?run_id={run}"))["run"]
        self.assertEqual(got["data"]["metrics"][0]["value"], 1.5)
        self.ok(server.post(API + "/runs/delete-tag", {"run_id": run, "key": "mlflow.runName"}))


if __name__ == "__main__":
    support.main()
