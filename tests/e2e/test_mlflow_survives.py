"""What MLflow's API must survive: odd and huge requests, many writers, clients that die, flags."""
import concurrent.futures
import hashlib
import os
import socket

import support
from support import Case

API = "/api/2.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
MANY = 1_000_000 if support.LONG else 100_000  # params of one run; tags are a tenth


class Survives(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"))

    def post(self, path, body, status=200):
        return self.ok(self.s.post(API + path, body), status)

    def run_id(self, name="0"):
        if name != "0":
            name = self.post("/experiments/create", {"name": name})["experiment_id"]
        run = self.post("/runs/create", {"experiment_id": name, "start_time": 1})
        return run["run"]["info"]["run_id"]

    def data(self, run):
        return self.ok(self.s.get(f"{API}/runs/get?run_id={run}"))["run"]["data"]

    def refused(self, answer, code="INVALID_PARAMETER_VALUE", status=400):
        self.assertEqual((answer.status, answer["error_code"]), (status, code), answer)

    # ------------------------------------------------------------ messages

    def test_unknown_fields_are_passed_over(self):
        run = self.run_id()
        self.post("/runs/log-batch", {"run_id": run, "later": {"x": [1, {"y": None}]},
                                      "params": [{"key": "a", "value": "1", "new": True}]})
        self.assertEqual(self.data(run)["params"], [{"key": "a", "value": "1"}])

    def test_wrong_types_are_refused_and_change_nothing(self):
        run = self.run_id()
        before = self.s.position()
        metric = {"key": "m", "value": 1, "timestamp": 1}
        wrong = [None, 1, "x", [], [1], {"a": 1}, True, 1.5]
        sent = 0
        for value in wrong:
            for path, body in (
                    ("/runs/log-metric", {"run_id": run, **metric, "key": value}),
                    ("/runs/log-metric", {"run_id": run, **metric, "value": value}),
                    ("/runs/log-metric", {"run_id": run, **metric, "timestamp": value}),
                    ("/runs/log-metric", {"run_id": value, **metric}),
                    ("/runs/log-parameter", {"run_id": run, "key": value, "value": "1"}),
                    ("/runs/set-tag", {"run_id": run, "key": value, "value": "1"}),
                    ("/runs/log-batch", {"run_id": run, "metrics": value}),
                    ("/runs/log-batch", {"run_id": run, "metrics": [value]}),
                    ("/runs/log-batch", {"run_id": run, "params": [value]}),
                    ("/runs/update", {"run_id": run, "end_time": value}),
                    ("/runs/search", {"experiment_ids": value}),
                    ("/runs/search", {"experiment_ids": ["0"], "max_results": value}),
                    ("/experiments/create", {"name": value})):
                answer = self.s.post(API + path, body)
                self.assertIn(answer.status, (200, 400, 404), (path, body, answer))
                if answer.status != 200:
                    self.assertIn(answer["error_code"], ("INVALID_PARAMETER_VALUE",
                                                         "RESOURCE_DOES_NOT_EXIST"))
                    sent += 1
        self.assertGreater(sent, 60)
        kinds = {e["type"] for e in self.s.events(start=before + 1)}
        self.assertLessEqual(kinds, {"run.metrics_logged", "run.params_logged", "run.tags_set",
                                     "experiment.created", "run.ended"})
        for body in (b"", b"{", b"[]", b"7", b"null", b'"x"', b'{"run_id": "\xff"}', b"\xff\xfe",
                     b'{"run_id": "\\ud800"}', b'{"a":' * 2000):
            answer = self.s.post(API + "/runs/log-batch", body)
            self.assertIn(answer.status, (400, 413), (body[:20], answer))

    def test_huge_keys_and_values(self):
        run = self.run_id()
        for key in ("k" * 251, "k" * 300_000, "a/" * 100 + "b" * 100, "\u0000"):
            self.refused(self.s.post(API + "/runs/log-parameter",
                                     {"run_id": run, "key": key, "value": "1"}))
        self.post("/runs/log-parameter", {"run_id": run, "key": "k" * 250, "value": "v" * 100_000})
        self.post("/runs/set-tag", {"run_id": run, "key": "t", "value": "ü" * 500_000})
        data = self.data(run)
        self.assertEqual([len(p["value"]) for p in data["params"]], [6000])
        self.assertEqual([t["value"] for t in data["tags"] if t["key"] == "t"], ["ü" * 8000])
        self.refused(self.s.post(API + "/experiments/set-experiment-tag",
                                 {"experiment_id": "0", "key": "t", "value": "v" * 20001}))
        self.refused(self.s.post(API + "/experiments/create", {"name": "n" * 501}))
        self.post("/registered-models/create", {"name": "big", "tags": [
            {"key": "t", "value": "v" * 100_000}]})
        self.refused(self.s.post(API + "/registered-models/set-tag",
                                 {"name": "big", "key": "t", "value": "v" * 100_001}))

    def test_a_run_with_very_many_params_and_tags(self):
        run, client = self.run_id("very many"), self.s.client()
        for start in range(0, MANY, 100):
            answer = client.post(API + "/runs/log-batch", {
                "run_id": run,
                "params": [{"key": f"p{i}", "value": str(i)} for i in range(start, start + 100)],
                "tags": [{"key": f"t{i}", "value": "x"} for i in range(start, start + 100)]
                        if start < MANY // 10 else []})
            self.assertEqual(answer.status, 200, answer)
        data = self.data(run)
        self.assertEqual((len(data["params"]), len(data["tags"])), (MANY, MANY // 10 + 1))
        found = self.post("/runs/search", {"experiment_ids": [self.ok(self.s.get(
            f"{API}/runs/get?run_id={run}"))["run"]["info"]["experiment_id"]],
            "filter": f"params.p{MANY - 1} = '{MANY - 1}'"})
        self.assertEqual(len(found["runs"]), 1)
        self.refused(client.post(API + "/runs/log-parameter",
                                 {"run_id": run, "key": "p7", "value": "other"}))
        client.close()

    def test_a_batch_with_a_param_twice_stores_nothing(self):
        run = self.run_id()
        before = self.s.position()
        self.refused(self.s.post(API + "/runs/log-batch", {
            "run_id": run, "metrics": [{"key": "m", "value": 1, "timestamp": 1}],
            "params": [{"key": "a", "value": "1"}, {"key": "a", "value": "1"}],
            "tags": [{"key": "t", "value": "1"}]}))
        self.assertEqual(self.s.position(), before)

    # ------------------------------------------------------------ clients

    def test_many_writers_on_one_run(self):
        run = self.run_id()

        def write(worker):
            client, took = self.s.client(), 0
            for i in range(40):
                self.ok(client.post(API + "/runs/log-metric", {
                    "run_id": run, "key": "m", "value": i, "timestamp": worker, "step": i}))
                self.ok(client.post(API + "/runs/set-tag",
                                    {"run_id": run, "key": f"w{worker}", "value": str(i)}))
                answer = client.post(API + "/runs/log-parameter",
                                     {"run_id": run, "key": f"p{i}", "value": str(worker)})
                took += answer.status == 200
            client.close()
            return took

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            took = sum(pool.map(write, range(8)))
        data = self.data(run)
        self.assertEqual(took, 40, "of each param the first writer's value stays")
        self.assertEqual(len(data["params"]), 40)
        self.assertEqual({t["value"] for t in data["tags"] if t["key"][0] == "w"}, {"39"})
        history = self.ok(self.s.get(f"{API}/metrics/get-history?run_id={run}&metric_key=m"))
        self.assertEqual(len(history["metrics"]), 320)

    def test_the_same_request_again_changes_nothing(self):
        run = self.run_id()
        batch = {"run_id": run, "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 2}],
                 "params": [{"key": "a", "value": "1"}], "tags": [{"key": "t", "value": "1"}]}
        self.post("/runs/log-batch", batch)
        first = self.data(run)
        for _ in range(3):
            self.post("/runs/log-batch", batch)
        self.assertEqual(self.data(run), first)
        history = self.ok(self.s.get(f"{API}/metrics/get-history?run_id={run}&metric_key=m"))
        self.assertEqual(len(history["metrics"]), 1)
        made = [self.run_id() for _ in range(2)]
        self.assertNotEqual(*made, "creates are not idempotent: the client sends no id")

    def test_a_client_that_dies_in_mid_upload_leaves_nothing(self):
        run = self.run_id("half uploads")
        info = self.ok(self.s.get(f"{API}/runs/get?run_id={run}"))["run"]["info"]
        path = f"{FILES}/{info['artifact_uri'].split(':/', 1)[1]}/big.bin"
        position = self.s.position()
        blobs = os.path.join(self.s.data, "blobs")
        files = lambda: {os.path.join(at, name) for at, _, names in os.walk(blobs) for name in names}
        before = files()
        for head in (f"Content-Length: {1 << 30}\r\n", "Transfer-Encoding: chunked\r\n"):
            with socket.create_connection((self.s.host, self.s.port)) as s:
                s.sendall(f"PUT {path} HTTP/1.1\r\nHost: {self.s.host}\r\n{head}\r\n".encode())
                piece = b"x" * 65536
                s.sendall(b"10000\r\n" + piece + b"\r\n" if "chunked" in head else piece * 40)
        support.until(lambda: files() == before, "the half files to go")
        self.assertEqual(self.s.get(path).status, 404)
        self.assertEqual(self.s.position(), position)
        body = os.urandom(3 << 20)
        self.ok(self.s.put(path, body))
        got = self.s.get(path)
        self.assertEqual(hashlib.sha256(got.body).digest(), hashlib.sha256(body).digest())

    def test_the_same_bytes_are_stored_once_and_damage_is_noticed(self):
        run = self.run_id("same bytes")
        info = self.ok(self.s.get(f"{API}/runs/get?run_id={run}"))["run"]["info"]
        root = FILES + "/" + info["artifact_uri"].split(":/", 1)[1]
        body = os.urandom(100_000)
        for name in ("one.bin", "two/three.bin"):
            self.ok(self.s.put(f"{root}/{name}", body))
        digest = hashlib.sha256(body).hexdigest()
        stored = [os.path.join(at, name) for at, _, names in os.walk(os.path.join(self.s.data, "blobs"))
                  for name in names if digest[2:] in name or digest in name]
        self.assertEqual(len(stored), 1)
        kinds = [e for e in self.s.events(stream=f"run/{run}") if e["type"] == "run.artifact_logged"]
        self.assertEqual([e["payload"]["digest"] for e in kinds], [digest, digest])
        os.chmod(stored[0], 0o600)
        with open(stored[0], "r+b") as blob:
            blob.write(b"damaged")
        self.assertEqual(self.s.get(f"{root}/one.bin").status, 500)

    # ------------------------------------------------------------ what people want forgotten

    def test_a_subject_is_erased_from_runs_and_models(self):
        about = {"X-Mlforge-Subject": "person/7"}
        post = lambda path, body: self.ok(self.s.call("POST", API + path, body, about))
        run = post("/runs/create", {"experiment_id": "0", "run_name": "of ann",
                                    "user_id": "ann"})["run"]["info"]
        self.assertEqual((run["run_name"], run["user_id"]), ("of ann", "ann"))
        id = run["run_id"]
        post("/runs/log-batch", {"run_id": id, "params": [{"key": "p", "value": "secret one"}],
                                 "tags": [{"key": "t", "value": "w" * 9000}]})
        post("/registered-models/create", {"name": "hers", "description": "secret two"})
        data = self.data(id)
        self.assertEqual(data["params"], [{"key": "p", "value": "secret one"}])
        self.assertIn("w" * 8000, [t["value"][:8000] for t in data["tags"]])
        raw = "".join(str(e["payload"]) for e in self.s.events())
        for text in ("of ann", "secret one", "secret two", "wwww"):
            self.assertNotIn(text, raw)
        refused = self.s.call("POST", API + "/runs/delete", {"run_id": id}, about)
        self.refused(refused)
        self.ok(self.s.call("DELETE", "/api/v1/subjects/person%2F7?reason=asked"))
        data = self.data(id)
        self.assertEqual(data["params"], [{"key": "p", "value": "[erased]"}])
        model = self.ok(self.s.get(f"{API}/registered-models/get?name=hers"))["registered_model"]
        self.assertEqual(model["description"], "[erased]")

    # ------------------------------------------------------------ MLflow's flags about artifacts

    def test_files_that_clients_keep_elsewhere(self):
        folder = os.path.join(self.folder, "files")
        server = self.server("--default-artifact-root", "file://" + folder)
        default = self.ok(server.get(API + "/experiments/get?experiment_id=0"))["experiment"]
        self.assertEqual(default["artifact_location"], f"file://{folder}/0")
        made = self.ok(server.post(API + "/experiments/create", {"name": "a"}))["experiment_id"]
        run = self.ok(server.post(API + "/runs/create", {"experiment_id": made}))["run"]["info"]
        self.assertEqual(run["artifact_uri"], f"file://{folder}/{made}/{run['run_id']}/artifacts")
        own = run["artifact_uri"][len("file://"):]
        os.makedirs(own + "/model")
        with open(own + "/model/MLmodel", "w", encoding="utf-8") as text:
            text.write("flavors: {}")
        os.symlink("/etc", own + "/out")
        listed = self.ok(server.get(f"{API}/artifacts/list?run_id={run['run_id']}&path=model"))
        self.assertEqual(listed["files"], [{"path": "model/MLmodel", "is_dir": False,
                                            "file_size": 11}])
        get = lambda path: server.get(f"/get-artifact?run_id={run['run_id']}&path={path}")
        self.assertEqual(get("model/MLmodel").body, b"flavors: {}")
        self.assertEqual(get("out/passwd").status, 404, "links that lead out are not followed")
        self.assertEqual(get("../../x").status, 400)
        made = self.ok(server.post(API + "/registered-models/create", {"name": "m"}))
        create = lambda source, **more: server.post(
            API + "/model-versions/create", {"name": "m", "source": source, **more})
        self.ok(create(own + "/model", run_id=run["run_id"]))
        self.ok(create("file://" + own + "/model", run_id=run["run_id"]))
        self.refused(create(own + "/model"))
        self.refused(create(own + "/../../x", run_id=run["run_id"]))

    def test_where_the_bytes_lie_and_a_server_without_artifacts(self):
        place = os.path.join(self.folder, "bytes")
        server = self.server("--artifacts-destination", place)
        run = self.ok(server.post(API + "/runs/create", {"experiment_id": "0"}))["run"]["info"]
        path = FILES + "/" + run["artifact_uri"].split(":/", 1)[1] + "/x.txt"
        self.ok(server.put(path, b"hello"))
        self.assertEqual(server.get(path).body, b"hello")
        self.assertTrue(any(names for _, _, names in os.walk(place)))
        other = support.run_cli("serve", "--data", os.path.join(self.folder, "other"),
                                "--no-serve-artifacts")
        self.assertNotEqual(other.returncode, 0)
        self.assertIn("default_artifact_root must say", other.stderr)
        without = self.server("--no-serve-artifacts", "--default-artifact-root", "s3://bucket/x",
                              data=os.path.join(self.folder, "without"))
        refused = without.put(FILES + "/0/x/artifacts/y", b"z")
        self.assertEqual(refused.status, 503)
        self.assertIn(b"--no-serve-artifacts", refused.body)


if __name__ == "__main__":
    support.main()
