"""What MLflow's server answers to the letter: what it leaves out, in which order, in which words."""
import base64
import os
import threading
import urllib.parse

import support
from support import Case

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
INVALID, ABSENT = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"


class Exact(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"))

    def post(self, route, body, method="POST"):
        answer = self.s.call(method, API + route, body)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def get(self, route, **query):
        answer = self.s.get(f"{API}{route}?{urllib.parse.urlencode(query, doseq=True)}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def refused(self, answer, code, words, status=None):
        self.assertEqual((answer.status, answer["error_code"]),
                         (status or (404 if code == ABSENT else 400), code), answer)
        self.assertIn(words, answer["message"])

    def refused_post(self, route, body, code, words):
        self.refused(self.s.post(API + route, body), code, words)

    def experiment(self, name):
        return self.post("/experiments/create", {"name": name})["experiment_id"]

    def run_of(self, experiment):
        return self.post("/runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]

    # ------------------------------------------------------------ shapes

    def test_lists_without_items_are_left_out(self):
        experiment = self.experiment("empty")
        run = self.run_of(experiment)
        self.assertNotIn("tags", self.get("/experiments/get", experiment_id=experiment)["experiment"])
        self.assertEqual(self.get("/experiments/get", experiment_id=experiment)["experiment"]["workspace"],
                         "default")
        data = self.get("/runs/get", run_id=run)["run"]
        self.assertEqual([set(data["data"]), data["inputs"], data["outputs"]], [{"tags"}, {}, {}])
        self.assertEqual(self.post("/runs/search", {"experiment_ids": ["999"]}), {})
        self.assertEqual(self.post("/experiments/search", {"filter": "name = 'none'"}), {})
        self.post("/registered-models/create", {"name": "empty"})
        model = self.get("/registered-models/get", name="empty")["registered_model"]
        self.assertEqual(set(model), {"name", "creation_timestamp", "last_updated_timestamp"})
        self.assertEqual(self.get("/model-versions/search", filter="name = 'none'"), {})
        made = self.post("/logged-models", {"experiment_id": experiment})["model"]
        self.assertEqual(made["data"], {})
        self.assertEqual((made["info"]["model_type"], made["info"]["source_run_id"]), ("", ""))

    def test_enums_may_be_numbers(self):
        experiment = self.experiment("enums")
        run = self.run_of(experiment)
        gone = self.run_of(experiment)
        self.post("/runs/delete", {"run_id": gone})
        for view, wanted in ((1, [run]), (2, [gone]), (3, sorted([run, gone]))):
            found = self.post("/runs/search", {"experiment_ids": [experiment], "run_view_type": view})
            self.assertEqual(sorted(r["info"]["run_id"] for r in found["runs"]), wanted)
        self.assertIn("experiments", self.post("/experiments/search", {"view_type": 3}))
        self.assertEqual(self.post("/runs/update", {"run_id": run, "status": 3})["run_info"]["status"],
                         "FINISHED")
        model = self.post("/logged-models", {"experiment_id": experiment})["model"]["info"]["model_id"]
        done = self.post(f"/logged-models/{model}", {"model_id": model, "status": 2}, "PATCH")
        self.assertEqual(done["model"]["info"]["status"], "LOGGED_MODEL_READY")

    # ------------------------------------------------------------ what is no message

    def test_bodies_that_do_not_say_that_they_are_json(self):
        for headers in ({}, {"Content-Type": "text/plain"},
                        {"Content-Type": "application/x-www-form-urlencoded"}):
            answer = self.s.call("POST", API + "/experiments/create", '{"name": "typed"}', headers)
            self.refused(answer, INVALID, "Content-Type")
        answer = self.s.call("POST", API + "/experiments/create", '{"name": "typed"}',
                             {"Content-Type": "application/json; charset=utf-8"})
        self.assertEqual(answer.status, 200, answer)

    def test_ids_that_cannot_be(self):
        run = self.run_of("0")
        for bad in ("a/b", "../x", "x" * 300):
            for route, more in (("set-tag", {"key": "k", "value": "v"}), ("delete", {}),
                                ("log-metric", {"key": "k", "value": 1, "timestamp": 1}),
                                ("update", {"status": "FINISHED"})):
                self.refused_post(f"/runs/{route}", {"run_id": bad, **more}, ABSENT, "not found")
        for bad in ("a/b", "a:b", " "):
            self.refused_post("/runs/log-batch", {"run_id": bad}, INVALID, "for parameter 'run_id'")
        self.refused(self.s.get(API + "/metrics/get-history?metric_key=k"), INVALID, "'run_id'")
        self.assertEqual(self.get("/metrics/get-history", run_id="nobody", metric_key="k"), {})
        self.assertEqual(self.get("/metrics/get-history-bulk-interval", run_ids=["nobody", run],
                                  metric_key="k"), {})
        for bad in ("foo", "1e3", "a/b"):
            self.refused_post("/runs/create", {"experiment_id": bad}, INVALID, "valid integer")
            self.refused_post("/logged-models", {"experiment_id": bad}, INVALID, "valid integer")
        self.refused(self.s.get(API + "/experiments/get?experiment_id=-1"), ABSENT, "id=-1 exists")
        self.assertEqual(self.get("/experiments/get", experiment_id="00")["experiment"]["name"],
                         "Default")

    def test_versions_and_names_of_models(self):
        self.post("/registered-models/create", {"name": "v"})
        self.post("/model-versions/create", {"name": "v", "source": "s3://b/m"})
        get = lambda **query: self.s.get(f"{API}/model-versions/get?{urllib.parse.urlencode(query)}")
        self.refused(get(name="v", version="something else"), INVALID,
                     "Parameter 'version' must be an integer, got 'something else'.")
        self.refused(get(name="v", version=""), INVALID, "Missing value for required parameter 'version'")
        self.refused(get(name="a/b", version=1), INVALID, "Names cannot contain '/' or ':'")
        self.refused_post("/registered-models/get-latest-versions", {"name": "a:b"}, INVALID,
                          "Invalid model name 'a:b'")
        self.refused_post("/model-versions/create", {"name": "a/b", "source": "s3://b/m"}, INVALID,
                          "Invalid model name 'a/b'")
        self.refused_post("/model-versions/create", {"name": "v", "source": "s3://b/m", "model_id": "m-x"},
                          ABSENT, "Logged model with ID 'm-x' not found")
        for method in ("GET", "DELETE"):
            body = None if method == "GET" else {"name": "v", "alias": "a/b"}
            self.refused(self.s.call(method, API + "/registered-models/alias?name=v&alias=a%2Fb", body),
                         INVALID, "Invalid alias name: 'a/b'")
        self.refused(self.s.call("DELETE", API + "/registered-models/delete-tag",
                                 {"name": "v", "key": "../x"}), INVALID, "parameter 'key'")

    def test_latest_versions_stand_in_the_order_of_their_stages(self):
        self.post("/registered-models/create", {"name": "order"})
        for i in range(4):
            self.post("/model-versions/create", {"name": "order", "source": f"s3://b/{i}"})
        for version, stage in (("1", "Archived"), ("2", "Staging")):
            self.post("/model-versions/transition-stage",
                      {"name": "order", "version": version, "stage": stage})
        latest = self.post("/registered-models/get-latest-versions", {"name": "order"})
        self.assertEqual([(v["current_stage"], v["version"]) for v in latest["model_versions"]],
                         [("Archived", "1"), ("Staging", "2"), ("None", "4")])

    def test_the_newest_version_is_named_latest(self):
        get = lambda alias: self.s.get(f"{API}/registered-models/alias?name=newest&alias={alias}")
        self.post("/registered-models/create", {"name": "newest"})
        self.refused(get("latest"), ABSENT, "Latest version not found for model newest")
        for i in range(3):
            self.post("/model-versions/create", {"name": "newest", "source": f"s3://b/{i}"})
        self.post("/model-versions/transition-stage",
                  {"name": "newest", "version": "3", "stage": "Archived"})
        for word in ("latest", "Latest"):
            self.assertEqual(get(word)["model_version"]["version"], "3")
        self.refused(get("v1"), INVALID, "Registered model alias v1 not found")
        self.refused_post("/registered-models/alias", {"name": "newest", "alias": "latest",
                                                       "version": "1"}, INVALID, "is reserved")

    def test_a_version_is_of_its_models_run(self):
        run = self.run_of("0")
        model = self.post("/logged-models", {"experiment_id": "0", "source_run_id": run})
        id = model["model"]["info"]["model_id"]
        self.post("/registered-models/create", {"name": "followed"})
        made = self.post("/model-versions/create", {"name": "followed", "source": f"models:/{id}",
                                                    "model_id": id})["model_version"]
        self.assertEqual(made["run_id"], run)
        copied = self.post("/model-versions/create", {"name": "followed", "source": "models:/followed/1"})
        self.assertEqual(copied["model_version"]["run_id"], run)

    def test_keys_are_words(self):
        run = self.run_of("0")
        for key, good in (("héllo", True), ("中文", True), ("a☃", False), ("😀", False), ("a,b", False)):
            body = {"run_id": run, "key": key, "value": "v"}
            answer = self.s.post(API + "/runs/set-tag", body)
            self.assertEqual(answer.status, 200 if good else 400, (key, answer))
        self.refused_post("/runs/set-tag", {"run_id": run, "key": "//", "value": ""}, INVALID,
                          "resolve to '//'")
        self.refused_post("/runs/log-metric", {"run_id": run, "key": "k", "value": 1, "timestamp": 1,
                                               "dataset_name": "d"}, INVALID, "Both dataset_name")
        self.refused_post("/runs/log-metric", {"run_id": run, "key": "k", "value": "", "timestamp": 1},
                          INVALID, "Missing value for required parameter 'value'")
        self.refused_post("/runs/outputs", {"run_id": run}, INVALID, "parameter 'models'")

    def test_a_run_keeps_its_name_where_it_is_given_none(self):
        run = self.run_of("0")
        self.post("/runs/update", {"run_id": run, "run_name": "named"})
        self.post("/runs/set-tag", {"run_id": run, "key": "mlflow.runName", "value": ""})
        found = self.get("/runs/get", run_id=run)["run"]
        self.assertEqual(found["info"]["run_name"], "named")
        self.assertIn({"key": "mlflow.runName", "value": "named"}, found["data"]["tags"])

    # ------------------------------------------------------------ searches

    def test_filters_and_orders(self):
        experiment = self.experiment("filters")
        search = lambda **more: self.s.post(API + "/runs/search",
                                            {"experiment_ids": [experiment], **more})
        self.refused(search(filter="  "), INVALID, "Could not be parsed")
        self.refused(search(filter="params.p = x"), INVALID, "either not quoted")
        self.refused(search(order_by=["start_time, run_name"]), INVALID, "Could not be parsed")
        self.refused(search(order_by=["foo"]), INVALID, "Invalid attribute key 'foo'")
        self.refused(search(max_results=0), INVALID, "It must be a positive integer")
        run = self.run_of(experiment)
        self.assertEqual(len(search(filter=f"run_id IN ('{run}',)")["runs"]), 1)
        found = self.post("/experiments/search", {"filter": f"experiment_id IN ('{experiment}')"})
        self.assertEqual([e["name"] for e in found["experiments"]], ["filters"])
        self.post("/registered-models/create", {"name": "listed"})
        models = self.get("/registered-models/search", filter="name IN ('listed', 'x')")
        self.assertEqual([m["name"] for m in models["registered_models"]], ["listed"])
        self.refused(self.s.get(API + "/registered-models/search?order_by=foo"), INVALID,
                     "Invalid order by key 'foo'")

    def logged_models(self, name):
        experiment = self.experiment(name)
        run = self.run_of(experiment)
        ids = []
        for i, accuracy in enumerate((0.1, 0.9, 0.5)):
            ids.append(self.post("/logged-models", {"experiment_id": experiment, "name": f"n{i}"})
                       ["model"]["info"]["model_id"])
            self.post("/runs/log-metric", {
                "run_id": run, "key": "acc", "value": accuracy, "timestamp": 1, "step": 0,
                "model_id": ids[i], "dataset_name": f"d{i % 2}", "dataset_digest": "g"})
        self.post("/runs/log-metric", {"run_id": run, "key": "acc", "value": 0.95, "timestamp": 2,
                                       "model_id": ids[0]})
        return experiment, ids

    def test_a_copied_version_keeps_its_files(self):
        model = self.post("/logged-models", {"experiment_id": "0"})["model"]["info"]
        for name in ("origin", "copy"):
            self.post("/registered-models/create", {"name": name})
        self.post("/model-versions/create", {"name": "origin", "source": "s3://b/first"})
        self.post("/model-versions/create", {"name": "origin", "source": f"models:/{model['model_id']}",
                                             "model_id": model["model_id"]})
        for version in "12":
            self.post("/model-versions/create", {"name": "copy", "source": f"models:/origin/{version}"})
        self.post("/model-versions/create", {"name": "copy", "source": "models:/copy/1"})
        self.ok(self.s.call("DELETE", API + "/model-versions/delete", {"name": "copy", "version": "1"}))
        files = lambda name, version: self.s.get(
            f"{API}/model-versions/get-download-uri?name={name}&version={version}")["artifact_uri"]
        moment = self.s.position()
        self.post("/registered-models/rename", {"name": "origin", "new_name": "renamed"})
        self.post("/registered-models/create", {"name": "origin"})
        self.post("/model-versions/create", {"name": "origin", "source": "s3://b/another"})
        self.ok(self.s.call("DELETE", f"{API}/logged-models/{model['model_id']}"))
        self.assertEqual([files("copy", 2), files("copy", 3), files("renamed", 2), files("origin", 1)],
                         [model["artifact_uri"], "s3://b/first", model["artifact_uri"], "s3://b/another"])
        self.assertGreater(self.s.position(), moment)

    def test_who_it_was_is_the_user_of_basic_authentication(self):
        self.post("/registered-models/create", {"name": "audited"})
        self.post("/model-versions/create", {"name": "audited", "source": "s3://b/m"})
        set = {"name": "audited", "alias": "now", "version": "1"}
        user = "Basic " + base64.b64encode("ann é:secret".encode()).decode()
        self.ok(self.s.call("POST", API + "/registered-models/alias", set, headers={"Authorization": user}))
        named = {"Authorization": user, "X-Mlforge-Actor": "ben"}
        self.ok(self.s.call("POST", API + "/registered-models/alias", {**set, "alias": "then"}, headers=named))
        for i, odd in enumerate(("Basic", "Basic !!", "Bearer x", "basic " + base64.b64encode(b"a\nb:c").decode())):
            self.ok(self.s.call("POST", API + "/registered-models/alias", {**set, "alias": f"odd{i}"},
                                headers={"Authorization": odd}))
        rows = self.ok(self.s.get("/api/v1/audit?stream=model/audited&type=model.alias"))["items"]
        self.assertEqual([r["actor"] for r in reversed(rows)], ["ann é", "ben"] + 4 * ["anonymous"])
        told = support.run_cli("audit", "--stream", "model/audited", "--actor", "ann é", "--server", self.s.url)
        self.assertIn("now", told.stdout)
        self.assertNotIn("ben", told.stdout)

    def test_writers_are_answered_what_they_wrote(self):
        run = self.run_of(self.experiment("many writers"))
        self.post("/registered-models/create", {"name": "shared"})
        self.post("/model-versions/create", {"name": "shared", "source": "s3://b/m"})
        wrong = []

        def write(n):
            client = support.Client(self.s.host, self.s.port)
            for i in range(30):
                text = f"{n}-{i}"
                version = client.call("PATCH", API + "/model-versions/update",
                                      {"name": "shared", "version": "1", "description": text})
                updated = client.post(API + "/runs/update", {"run_id": run, "run_name": text})
                for found in (version["model_version"]["description"], updated["run_info"]["run_name"]):
                    if found != text:
                        wrong.append((text, found))

        writers = [threading.Thread(target=write, args=(n,)) for n in range(6)]
        for each in writers:
            each.start()
        for each in writers:
            each.join()
        self.assertEqual(wrong, [])

    def test_a_metric_is_of_a_logged_model_that_is_there(self):
        experiment, ids = self.logged_models("of models")
        run = self.run_of(experiment)
        metric = {"key": "acc", "value": 1, "timestamp": 1, "step": 0}
        self.refused_post("/runs/log-metric", {"run_id": run, **metric, "model_id": "m-none"}, INVALID,
                          "Logged model with ID 'm-none' not found")
        self.refused_post("/runs/log-batch", {"run_id": run, "metrics": [
            {**metric, "model_id": ids[0]}, {**metric, "key": "other", "model_id": "m-none"}]}, INVALID,
            "Logged model with ID 'm-none' not found")
        self.assertNotIn("metrics", self.post_run(run), "nothing of it is kept")
        self.refused_post("/runs/log-metric", {"run_id": "f" * 32, **metric, "model_id": "m-none"}, ABSENT,
                          "f" * 32)
        self.assertEqual(self.s.call("DELETE", f"{API}/logged-models/{ids[0]}").status, 200)
        self.post("/runs/log-batch", {"run_id": run, "metrics": [{**metric, "model_id": ids[0]}]})
        self.assertEqual([m["key"] for m in self.post_run(run)["metrics"]], ["acc"])

    def post_run(self, run):
        return self.s.get(f"{API}/runs/get?run_id={run}")["run"]["data"]

    def test_params_of_a_logged_model_are_given_once(self):
        twice = [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}]
        self.refused_post("/logged-models", {"experiment_id": "0", "params": twice}, INVALID, "['a']")
        model = self.post("/logged-models", {"experiment_id": "0"})["model"]["info"]["model_id"]
        self.refused_post(f"/logged-models/{model}/params", {"params": twice}, INVALID, "['a']")

    def test_what_searches_forgive(self):
        self.post("/registered-models/create", {"name": "forgiving"})
        for _ in range(2):
            self.post("/model-versions/create", {"name": "forgiving", "source": "s3://b/m"})
        ask = lambda text: self.s.get(API + "/model-versions/search?filter=" + urllib.parse.quote(
            f"name = 'forgiving' and {text}"))
        self.assertEqual([v["version"] for v in ask("version_number = '2'")["model_versions"]], ["2"])
        self.assertEqual([v["version"] for v in ask("version_number < '2'")["model_versions"]], ["1"])
        found = self.post("/experiments/search", {"max_results": 5, "order_by": ["name DESC", "name ASC"]})
        names = [e["name"] for e in found["experiments"]]
        self.assertEqual(names, sorted(names, reverse=True))
        experiment = self.experiment("quotes")
        run = self.run_of(experiment)
        self.post("/runs/set-tag", {"run_id": run, "key": "q", "value": "it\\'s"})
        found = self.post("/runs/search", {"experiment_ids": [experiment], "filter": "tags.q = 'it\\'s'"})
        self.assertEqual([r["info"]["run_id"] for r in found["runs"]], [run])

    def test_logged_models_are_searched_by_any_of_their_values(self):
        experiment, ids = self.logged_models("any value")

        def search(**more):
            body = {"experiment_ids": [experiment], **more}
            if "order_by" not in more:
                body["order_by"] = [{"field_name": "name", "ascending": True}]
            found = self.post("/logged-models/search", body)
            return [ids.index(m["info"]["model_id"]) for m in found.get("models", [])]

        self.assertEqual(search(filter="metrics.acc < 0.2"), [0], "an older value counts too")
        self.assertEqual(search(filter="metrics.acc > 0.9"), [0])
        on = lambda name: [{"dataset_name": name}]
        self.assertEqual(search(datasets=on("d0")), [0, 2], "measured on it")
        self.assertEqual(search(datasets=on("none")), [])
        self.assertEqual(search(filter="metrics.acc > 0.4", datasets=on("d0")), [2])
        order = lambda **more: [{"field_name": "metrics.acc", "ascending": False, **more}]
        self.assertEqual(search(order_by=order()), [0, 1, 2], "by the newest value")
        self.assertEqual(search(order_by=order(dataset_name="d0"))[:2], [2, 0])
        self.refused_post("/logged-models/search", {"experiment_ids": [experiment], "datasets": [{}]},
                          INVALID, "`dataset_name` in the `datasets` clause must be specified")
        self.refused_post("/logged-models/search", {}, INVALID, "'experiment_ids'")
        self.refused_post("/logged-models/search", {"experiment_ids": ["x"]}, INVALID, "valid integer")
        self.refused_post("/logged-models/search", {
            "experiment_ids": [experiment], "order_by": [{"field_name": "params.p"}]}, INVALID,
            "Only metrics are supported")

    def test_a_page_token_belongs_to_its_search(self):
        experiment, ids = self.logged_models("page tokens")
        body = {"experiment_ids": [experiment], "max_results": 2, "filter": "name LIKE 'n%'"}
        first = self.post("/logged-models/search", body)
        body["page_token"] = first["next_page_token"]
        rest = self.post("/logged-models/search", body)
        self.assertEqual(len(first["models"]) + len(rest["models"]), len(ids))
        for change, words in (({"filter": ""}, "Filter string in the page token"),
                              ({"experiment_ids": ["0"]}, "Experiment IDs in the page token"),
                              ({"order_by": [{"field_name": "name"}]}, "Order by in the page token")):
            self.refused_post("/logged-models/search", {**body, **change}, INVALID, words)
        self.refused_post("/logged-models/search", {**body, "page_token": "x"}, INVALID, "page token")

    def test_the_default_experiment_is_as_old_as_the_server(self):
        default = lambda: self.get("/experiments/get", experiment_id="0")["experiment"]
        before = default()
        self.assertGreater(before["creation_time"], 1.6e12)
        other = self.get("/experiments/get", experiment_id=self.experiment("younger"))["experiment"]
        self.run_of("0")
        self.assertEqual(default()["creation_time"], before["creation_time"])
        self.assertLess(before["creation_time"], other["creation_time"])
        found = self.post("/experiments/search", {"filter": f"creation_time < {other['creation_time']}"})
        self.assertIn("Default", [e["name"] for e in found["experiments"]])
        self.assertEqual(self.post("/experiments/search", {})["experiments"][-1]["name"], "Default")

    # ------------------------------------------------------------ files

    def test_files_have_the_type_that_their_name_says(self):
        run = self.run_of("0")
        for name, kind in (("a.txt", "text/plain"), ("b.pkl", "application/octet-stream"),
                           ("c.png", "image/png"), ("d.pdf", "application/pdf"),
                           ("MLmodel", "text/plain"), ("e.json", "text/plain"), ("f", None)):
            path = f"{FILES}/0/{run}/artifacts/{name}"
            self.assertEqual(self.s.put(path, b"x").status, 200)
            for got in (self.s.get(path), self.s.get(f"/get-artifact?run_id={run}&path={name}")):
                self.assertEqual(got.headers["Content-Type"], kind or "application/octet-stream")
                self.assertEqual(got.headers["Content-Disposition"], f"attachment; filename={name}")
                self.assertEqual(got.headers["X-Content-Type-Options"], "nosniff")
        self.refused(self.s.get(f"{FILES}/0/{run}"), INVALID, "refers to a directory")
        self.s.put(f"{FILES}/0/{run}/artifacts/empty", b"")
        listed = self.get("/artifacts/list", run_id=run)["files"]
        self.assertIn({"path": "empty", "is_dir": False}, listed)

    def test_paths_that_lead_out(self):
        run = self.run_of("0")
        for bad in ("../a", "..%252fa", "c:/x", "a%23b", "%2fetc/passwd", "a%5C..%5Cb"):
            for answer in (self.s.get(f"{FILES}/{bad}"), self.s.put(f"{FILES}/{bad}", b"x"),
                           self.s.get(f"{FILES}?path={bad}"),
                           self.s.get(f"{API}/artifacts/list?run_id={run}&path={bad}")):
                self.assertEqual((answer.status, answer["error_code"], answer["message"]),
                                 (400, INVALID, "Invalid path"), bad)

    def test_what_is_gone_may_be_deleted_again(self):
        self.assertEqual(self.s.call("DELETE", FILES + "/no/such/file").status, 200)
        model = self.post("/logged-models", {"experiment_id": "0"})["model"]["info"]["model_id"]
        for _ in range(2):
            self.assertEqual(self.s.call("DELETE", f"{API}/logged-models/{model}").status, 200)
        self.refused(self.s.call("DELETE", API + "/logged-models/m-none"), ABSENT, "m-none")

    # ------------------------------------------------------------ names of the server

    def test_health_is_told_under_any_name(self):
        for path in ("/health", "/version"):
            self.assertEqual(self.s.get(path, Host="evil.example").status, 200)
        bad = self.s.get(API + "/experiments/get?experiment_id=0", Host="evil.example")
        self.assertEqual(bad.status, 403)
        self.assertIn(b"Invalid Host header", bad.body)
        bad = self.s.post(API + "/experiments/search", {}, Origin="http://evil.example")
        self.assertEqual(bad.status, 403)
        self.assertIn(b"Cross-origin request blocked", bad.body)


if __name__ == "__main__":
    support.main()
