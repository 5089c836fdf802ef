"""The native API: the life of every object, reading one's own writes, as-of, paging."""
import datetime
import hashlib
import json
import os
import re

import support
from support import Case, UUID, adult_csv, schema_yaml

V1 = "/api/v1"


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace(
        "+00:00", "Z")


class Tracking(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server()
        self.experiment = self.ok(self.s.post(V1 + "/experiments", {"name": "fit"}), 201)

    def start(self, **fields):
        body = {"experiment_id": self.experiment["experiment_id"], **fields}
        made = self.ok(self.s.post(V1 + "/runs", body), 201)
        return made["run_id"], made["position"]

    def read(self, run_id, query=""):
        return self.ok(self.s.get(f"{V1}/runs/{run_id}{query}"))

    def test_the_life_of_a_run(self):
        run_id, position = self.start(name="first", params={"depth": "3"}, tags={"who": "me"})
        path = f"{V1}/runs/{run_id}"
        run = self.read(run_id)
        self.assertEqual((run["run_id"], run["name"], run["status"]), (run_id, "first", "running"))
        self.assertEqual((run["params"], run["tags"]), ({"depth": "3"}, {"who": "me"}))
        self.assertEqual(run["position"], position)

        # Every write is read at once, and the answer's position is at least the write's.
        for body, sub, seen in (
                ({"params": {"rate": "0.1"}}, "params",
                 lambda r: r["params"] == {"depth": "3", "rate": "0.1"}),
                ({"tags": {"who": "you", "why": "test"}}, "tags",
                 lambda r: r["tags"] == {"who": "you", "why": "test"}),
                ({"metrics": [{"key": "auc", "value": 0.5}]}, "metrics",
                 lambda r: [m["value"] for m in r["metrics"]] == [0.5]),
                ({"metrics": [{"key": "auc", "value": 0.75, "step": 1}]}, "metrics",
                 lambda r: [m["value"] for m in r["metrics"]] == [0.75]),
                ({"status": "finished"}, "end", lambda r: r["status"] == "finished")):
            written = self.ok(self.s.post(f"{path}/{sub}", body))
            self.assertGreater(written["position"], position)
            position = written["position"]
            run = self.read(run_id)
            self.assertTrue(seen(run), run)
            self.assertGreaterEqual(run["position"], position)
        self.assertTrue(run["end_time"] >= run["start_time"])

        # Nothing changes, so nothing is written.
        for body, sub in (({"params": {"rate": "0.1"}}, "params"),
                          ({"tags": {"who": "you"}}, "tags"), ({"status": "finished"}, "end")):
            self.ok(self.s.post(f"{path}/{sub}", body))
            self.assertEqual(self.s.position(), position)

    def test_params_never_change(self):
        run_id, _ = self.start(params={"depth": "3"})
        before = self.s.position()
        answer = self.s.post(f"{V1}/runs/{run_id}/params", {"params": {"depth": "4", "new": "x"}})
        self.error(answer, "conflict", "params.depth", ["depth", "3"])
        self.assertEqual(self.read(run_id)["params"], {"depth": "3"})
        self.assertEqual(self.s.position(), before)

    def test_metric_series(self):
        run_id, _ = self.start()
        path = f"{V1}/runs/{run_id}/metrics"
        points = [{"key": "train/loss", "value": 1.0 / (i + 1), "step": i, "timestamp": 1000 + i}
                  for i in range(500)]
        self.ok(self.s.post(path, {"metrics": points[:300]}))
        self.ok(self.s.post(path, {"metrics": points[300:]}))
        series = self.ok(self.s.get(path + "/train/loss"))
        self.assertEqual((series["key"], series["total"]), ("train/loss", 500))
        self.assertEqual(series["points"], [{k: p[k] for k in ("step", "timestamp", "value")}
                                            for p in points])
        few = self.ok(self.s.get(path + "/train/loss?max_points=20"))
        self.assertEqual(few["total"], 500)
        self.assertLessEqual(len(few["points"]), 20)
        self.assertTrue(all(p in series["points"] for p in few["points"]), few)
        self.assertEqual(few["points"][0], series["points"][0])
        self.assertEqual(few["points"][-1], series["points"][-1])

    def test_artifacts_and_ranges(self):
        run_id, _ = self.start()
        path = f"{V1}/runs/{run_id}/artifacts/"
        content = bytes(range(256)) * 1500  # larger than a piece
        digest = hashlib.sha256(content).hexdigest()
        put = self.ok(self.s.put(path + "plots/a b.bin".replace(" ", "%20"), content), 201)
        self.assertEqual((put["digest"], put["bytes"], put["stored"]), (digest, len(content), True))
        self.assertEqual(put["path"], "plots/a b.bin")
        again = self.ok(self.s.put(path + "copy.bin", content), 201)
        self.assertEqual((again["digest"], again["stored"]), (digest, False))
        self.assertEqual(self.read(run_id)["artifacts"],
                         [{"path": p, "digest": digest, "bytes": len(content)}
                          for p in ("copy.bin", "plots/a b.bin")])
        whole = self.s.get(path + "copy.bin")
        self.assertEqual((whole.status, whole.body), (200, content))
        self.assertEqual(whole.headers["ETag"], f'"{digest}"')
        size = len(content)
        for asked, first, last in (("bytes=0-0", 0, 0), ("bytes=100-70000", 100, 70000),
                                   (f"bytes={size - 5}-", size - 5, size - 1),
                                   (f"bytes=10-{size * 2}", 10, size - 1)):
            with self.subTest(range=asked):
                part = self.s.get(path + "copy.bin", Range=asked)
                self.assertEqual(part.status, 206, part.headers)
                self.assertEqual(part.body, content[first:last + 1])
                self.assertEqual(part.headers["Content-Range"], f"bytes {first}-{last}/{size}")
        for ignored in ("lines=1-2", "bytes=7-3", "bytes=x", "bytes=0-1,5-6"):
            self.assertEqual(self.s.get(path + "copy.bin", Range=ignored).body, content)
        beyond = self.s.get(path + "copy.bin", Range=f"bytes={size}-")
        self.assertEqual(beyond.status, 416, beyond)
        self.assertEqual(beyond.headers["Content-Range"], f"bytes */{size}")
        empty = self.ok(self.s.put(path + "empty", b""), 201)
        self.assertEqual(empty["bytes"], 0)
        self.assertEqual(self.s.get(path + "empty").body, b"")

    def test_conditions_on_streams(self):
        run, _ = self.start()
        stream = f"run/{run}"
        version = self.ok(self.s.get(f"/api/v1/streams/{stream}"))["version"]
        metrics = {"metrics": [{"key": "auc", "value": 0.9}]}
        path = f"/api/v1/runs/{run}/metrics"
        held = {"X-Mlforge-Expect": f"{stream}={version}, model/none=0"}
        first = self.s.post(path, metrics, **held)
        self.assertIn(first.status, (200, 201), first)
        again = self.s.post(path, metrics, **held)
        self.assertEqual(again.status, 409, again)
        self.assertEqual(again.json["error"]["field"], "X-Mlforge-Expect")
        self.assertIn(f"has {version + 1} events", again.json["error"]["message"])
        for bad in ("run", "run/a=x", "=1", "a/b=1,,"):
            answer = self.s.post(path, metrics, **{"X-Mlforge-Expect": bad})
            self.assertEqual(answer.status, 400, (bad, answer))
        self.assertEqual(self.s.get("/api/v1/streams/run/none").status, 404)
        earlier = self.ok(self.s.get(f"/api/v1/streams/{stream}?as_of={first.json['position'] - 1}"))
        self.assertEqual(earlier["version"], version)

    def test_the_best_run(self):
        values = {}
        for value in (0.7, 0.9, 0.8):
            run_id, _ = self.start()
            self.ok(self.s.post(f"{V1}/runs/{run_id}/metrics",
                                {"metrics": [{"key": "validation_auc", "value": value}]}))
            values[value] = run_id
        lost, _ = self.start()
        self.ok(self.s.post(f"{V1}/runs/{lost}/metrics",
                            {"metrics": [{"key": "validation_auc", "value": "NaN"}]}))
        base = f"{V1}/experiments/{self.experiment['experiment_id']}/best"
        best = self.ok(self.s.get(base))
        self.assertEqual((best["run"]["run_id"], best["metric"]["value"]), (values[0.9], 0.9))
        lowest = self.ok(self.s.get(base + "?metric=validation_auc&mode=min"))
        self.assertEqual(lowest["run"]["run_id"], values[0.7])

    def test_lists_and_paging(self):
        made = [self.start(name=f"run {i}")[0] for i in range(25)]
        other = self.ok(self.s.post(V1 + "/experiments", {"name": "other"}), 201)
        self.ok(self.s.post(V1 + "/runs", {"experiment_id": other["experiment_id"]}), 201)
        of = "&experiment_id=" + self.experiment["experiment_id"]
        for limit in (1, 7, 25, 1000):
            with self.subTest(limit=limit):
                found, token = [], ""
                while True:
                    page = self.ok(self.s.get(f"{V1}/runs?limit={limit}{of}{token}"))
                    self.assertLessEqual(len(page["items"]), limit)
                    found += [row["run_id"] for row in page["items"]]
                    if not page.get("next_page_token"):
                        break
                    token = "&page_token=" + page["next_page_token"]
                self.assertEqual(found, made[::-1], "newest first, each once")
        self.assertEqual(len(self.ok(self.s.get(V1 + "/runs"))["items"]), 26)
        names = [row["name"] for row in self.ok(self.s.get(V1 + "/experiments"))["items"]]
        self.assertEqual(sorted(names), ["fit", "other"])
        one = self.ok(self.s.get(f"{V1}/experiments/{other['experiment_id']}"))
        self.assertEqual(one["name"], "other")

    def test_paging_while_runs_are_added(self):
        made = [self.start()[0] for _ in range(10)]
        first = self.ok(self.s.get(V1 + "/runs?limit=4"))
        self.start()
        rest = self.ok(self.s.get(f"{V1}/runs?limit=100&page_token={first['next_page_token']}"))
        found = [row["run_id"] for row in first["items"] + rest["items"]]
        self.assertEqual(found, made[::-1])

    def test_as_of(self):
        run_id, started = self.start(params={"a": "1"})
        seen = [(started, now(), {}, "running")]
        for i in range(3):
            written = self.ok(self.s.post(f"{V1}/runs/{run_id}/tags", {"tags": {"n": str(i)}}))
            seen.append((written["position"], now(), {"n": str(i)}, "running"))
        ended = self.ok(self.s.post(f"{V1}/runs/{run_id}/end", {"status": "failed"}))
        seen.append((ended["position"], now(), {"n": "2"}, "failed"))
        for position, time, tags, status in seen:
            for as_of in (str(position), time):
                with self.subTest(as_of=as_of):
                    run = self.read(run_id, "?as_of=" + as_of)
                    self.assertEqual((run["tags"], run["status"]), (tags, status))
                    self.assertEqual(run["position"], position)
        before = f"?as_of={started - 2}"
        self.assertEqual(self.s.get(f"{V1}/runs/{run_id}{before}").status, 404)
        self.assertEqual(self.ok(self.s.get(V1 + "/runs" + before))["items"], [])
        self.assertEqual(self.ok(self.s.get(V1 + "/experiments?as_of=0"))["items"], [])
        self.assertEqual(len(self.ok(self.s.get(f"{V1}/runs?as_of={started}"))["items"]), 1)

    def test_metrics_as_of(self):
        run_id, _ = self.start()
        path = f"{V1}/runs/{run_id}"
        marks = []
        for i in range(4):
            body = {"metrics": [{"key": "auc", "value": float(i), "step": i}]}
            marks.append(self.ok(self.s.post(path + "/metrics", body))["position"])
        for i, mark in enumerate(marks):
            points = self.ok(self.s.get(f"{path}/metrics/auc?as_of={mark}"))["points"]
            self.assertEqual([p["value"] for p in points], [float(k) for k in range(i + 1)])
            self.assertEqual(self.read(run_id, f"?as_of={mark}")["metrics"][0]["value"], float(i))


class Data(Case):
    def test_datasets(self):
        s = self.server()
        base = V1 + "/datasets/people"
        rows = adult_csv(1200)
        put = self.ok(s.put(base + "/files/a.data?source=a%20generator", rows), 201)
        self.assertEqual((put["path"], put["stored"]), ("a.data", True))
        self.assertEqual(put["digest"], hashlib.sha256(rows.encode()).hexdigest())
        same = self.ok(s.put(base + "/files/a.data", rows), 201)
        self.assertFalse(same["stored"])
        self.ok(s.put(base + "/files/schema.yaml", schema_yaml()), 201)
        first = self.ok(s.post(base + "/commits", {"message": "first"}), 201)
        self.assertEqual((first["version"], first["rows"], first["columns"], first["valid"]),
                         (1, 1200, 15, True))
        self.assertTrue(first["checks"])

        # A version that fails its checks is a version, and says so.
        self.ok(s.put(base + "/files/a.data", adult_csv(10)), 201)
        failed = self.ok(s.post(base + "/commits", {"message": "few"}), 201)
        self.assertEqual((failed["version"], failed["valid"]), (2, False))
        self.assertTrue([c for c in failed["checks"] if not c["passed"]])
        self.ok(s.call("DELETE", base + "/files/schema.yaml"))
        third = self.ok(s.post(base + "/commits", {}), 201)
        one = self.ok(s.get(base + "/versions/1"))
        self.assertEqual([f["path"] for f in one["files"]], ["a.data", "schema.yaml"])
        self.assertEqual(one["digest"], first["digest"])
        three = self.ok(s.get(base + "/versions/3"))
        self.assertEqual([f["path"] for f in three["files"]], ["a.data"])
        self.assertEqual(s.get(base + "/versions/1/files/a.data").body.decode(), rows)
        self.assertEqual(s.get(base + "/versions/2/files/a.data").body.decode(), adult_csv(10))
        part = s.get(base + "/versions/1/files/a.data", Range="bytes=5-14")
        self.assertEqual((part.status, part.body.decode()), (206, rows[5:15]))

        row = self.ok(s.get(base))
        self.assertEqual(row["name"], "people")
        then = self.ok(s.get(f"{V1}/datasets/people?as_of={first['position']}"))
        self.assertIn('"version":1', json.dumps(then, separators=(",", ":")))
        self.assertNotIn(third["digest"], json.dumps(then))
        self.assertEqual(s.get(f"{base}/versions/2?as_of={first['position']}").status, 404)
        self.assertEqual(self.ok(s.get(V1 + "/datasets?as_of=0"))["items"], [])
        self.assertEqual(len(self.ok(s.get(V1 + "/datasets"))["items"]), 1)

    def test_models(self):
        s = self.server("--gate-min-auc", "0.5")
        support.add_people(self, s)
        run = support.train(self, s, "m", rounds=2)
        base = V1 + "/models/m"
        self.assertEqual(run["steps_cached"], 0)
        second = support.train(self, s, "m", rounds=20)
        self.assertEqual([x["step"] for x in second["steps"] if x["status"] == "cached"],
                         ["split", "features"])
        versions = self.ok(s.get(base + "/versions"))["items"]
        self.assertEqual([v["version"] for v in versions], [2, 1])
        self.assertLess(versions[1]["metrics"]["auc"], versions[0]["metrics"]["auc"])
        self.assertEqual([v["stage"] for v in versions], ["None", "None"])

        self.ok(s.post(base + "/versions/1/stage", {"stage": "Staging", "reason": "try"}))
        staged = self.ok(s.get(base))
        self.assertEqual(staged["aliases"], {"challenger": 1})
        gate = self.ok(s.post(base + "/versions/1/gate", {}))
        self.assertTrue(gate["passed"], gate)
        first = self.ok(s.post(base + "/versions/1/promote", {"reason": "first"}))
        self.assertEqual((first["promoted"], first["version"], first["champion"]), (True, 1, 0))
        self.assertEqual(self.ok(s.get(base))["aliases"], {"champion": 1})
        self.assertEqual(self.ok(s.get(base + "/versions/champion"))["version"], 1)

        self.ok(s.post(base + "/versions/2/stage", {"stage": "Staging"}))
        won = self.ok(s.post(base + "/versions/2/promote", {}))
        self.assertEqual((won["promoted"], won["champion"]), (True, 1))
        self.assertGreater(won["challenger_value"], won["champion_value"] + won["required_delta"])
        self.assertEqual(self.ok(s.get(base + "/versions/1"))["stage"], "Archived")
        self.assertEqual(self.ok(s.get(base + "/versions/2"))["stage"], "Production")

        third = support.train(self, s, "m", rounds=3)
        self.assertEqual(third["status"], "succeeded")
        self.ok(s.post(base + "/versions/3/stage", {"stage": "Staging"}))
        lost = s.post(base + "/versions/3/promote", {})
        details = self.error(lost, "refused")["details"]
        self.assertEqual((details["promoted"], details["version"], details["champion"]),
                         (False, 3, 2))
        self.assertLess(details["challenger_value"],
                        details["champion_value"] + details["required_delta"])
        self.assertEqual(self.ok(s.get(base + "/versions/3"))["stage"], "Archived")
        self.assertEqual(self.ok(s.get(base))["aliases"], {"champion": 2})

        named = self.ok(s.put(base + "/aliases/favourite", {"version": 3}))
        self.assertEqual(self.ok(s.get(base + "/versions/favourite"))["version"], 3)
        self.error(s.put(base + "/aliases/favourite", {"version": 1, "expected": 2}), "conflict")
        self.ok(s.call("DELETE", base + "/aliases/favourite"))
        self.assertEqual(s.get(base + "/versions/favourite").status, 404)
        self.assertEqual(
            self.ok(s.get(f"{base}/versions/favourite?as_of={named['position']}"))["version"], 3)

        then = f"?as_of={first['position']}"
        self.assertEqual(self.ok(s.get(base + then))["aliases"], {"champion": 1})
        self.assertEqual(self.ok(s.get(base + "/versions/1" + then))["stage"], "Production")
        self.assertEqual(self.ok(s.get(base + "/versions/2" + then))["stage"], "None")
        self.assertEqual(self.ok(s.get(base + "/versions" + then))["items"][0]["stage"], "None")
        self.assertEqual(s.get(base + "/versions/3" + then).status, 404)
        self.check_serving(s)

    def check_serving(self, s):
        person = support.features(next(support.adult_rows(1, 3)))
        self.error(s.post("/predict", {"features": person}), "not_found")
        self.ok(s.post(V1 + "/endpoints", {"name": "live", "model": "m", "canary_bp": 500,
                                             "drift_window": 50}), 201)
        made = self.ok(s.get(V1 + "/endpoints/live"))
        self.assertEqual((made["model"], made["canary_bp"]), ("m", 500))
        one = self.ok(s.post("/predict", {"features": person, "request_id": "r-1"}))
        self.assertEqual(set(one), {"prediction", "probability", "model_version", "routed_to",
                                    "request_id"})
        self.assertEqual((one["model_version"], one["routed_to"], one["request_id"]),
                         ("2", "champion", "r-1"))
        self.assertIn(one["prediction"], (0, 1))
        self.assertTrue(0 <= one["probability"] <= 1)
        same = self.ok(s.post(V1 + "/endpoints/live/predict",
                              {"features": person, "request_id": "r-1"}))
        self.assertEqual(same, one)
        drawn = self.ok(s.post("/predict", {"features": person}))
        self.assertTrue(drawn["request_id"])
        self.assertEqual(drawn["probability"], one["probability"])
        # Predictions are answered at once and written down in batches.
        support.until(lambda: self.logged(s) == ["r-1", "r-1", drawn["request_id"]],
                      "three logged predictions")
        self.ok(s.post(V1 + "/endpoints/live/split", {"canary_bp": 0, "reason": "stop"}))
        self.assertEqual(self.ok(s.get(V1 + "/endpoints/live"))["canary_bp"], 0)
        text = s.get("/metrics").body.decode()
        self.assertRegex(text, r'mlforge_predictions_total\{[^}]*endpoint="live"[^}]*\} 3\b')
        self.assertRegex(text, r'mlforge_canary_traffic_split\{[^}]*endpoint="live"[^}]*\} 0\b')
        self.check_drift(s)

    def check_drift(self, s):
        """A window of 50 predictions makes a report; drift alerts, and nothing retrains unasked."""
        self.error(s.get("/drift/latest"), "not_found")
        for i, row in enumerate(support.adult_rows(50, 4)):
            row[0] = 90  # everybody is older than anybody in the training data
            self.ok(s.post("/predict", {"features": support.features(row), "request_id": str(i)}))
        support.until(lambda: s.events(type="drift.alert_raised"), "an alert")
        report = self.ok(s.get("/drift/latest"))
        worst = {f["feature"]: f for f in report["features"]}["age"]
        self.assertEqual((report["triggered"], report["severity"], worst["severity"]),
                         (True, "alert", "alert"))
        self.assertGreater(worst["psi"], 0.2)
        self.assertEqual(report["model_version"], 2)
        listed = self.ok(s.get(V1 + "/endpoints/live/drift"))["items"]
        self.assertEqual(listed[0]["report_id"], report["report_id"])
        self.assertEqual(self.ok(s.get(V1 + "/endpoints/live/drift/latest"))["report_id"],
                         report["report_id"])
        self.assertEqual(s.events(type="drift.retraining_triggered"), [])
        text = s.get("/metrics").body.decode()
        for name, kind in (("mlforge_http_request_duration_seconds", "histogram"),
                           ("mlforge_predictions_total", "counter"),
                           ("mlforge_drift_score", "gauge"),
                           ("mlforge_canary_traffic_split", "gauge")):
            with self.subTest(name):
                self.assertRegex(text, rf"(?m)^# TYPE {name} {kind}$")
        self.assertRegex(text, r'(?m)^mlforge_drift_score\{[^}]*feature="age"[^}]*\} [0-9.]+$')

    @staticmethod
    def logged(s):
        return [r for e in s.events(type="prediction.logged") for r in e["payload"]["request_ids"]]


class Documents(Case):
    def test_openapi_covers_every_route_of_the_documentation(self):
        s = self.server()
        document = self.ok(s.get(V1 + "/openapi.json"))
        self.assertTrue(document["openapi"].startswith("3.1"), document["openapi"])
        described = {(method.upper(), re.sub(r"\{[^}]*\}", "{}", path))
                     for path, item in document["paths"].items() for method in item}
        with open(os.path.join(support.SOURCE, "docs", "api.md"), encoding="utf-8") as text:
            routes = documented_routes(text.read())
        self.assertGreater(len(routes), 50)
        missing = sorted(r for r in routes if r not in described and r != ("GET", "/"))
        self.assertEqual(missing, [])
        operations = [o for item in document["paths"].values() for o in item.values()]
        self.assertTrue(all(o["summary"] and o["responses"] for o in operations))
        for o in operations:
            for status, response in o["responses"].items():
                self.assertTrue("content" in response or status in ("101", "default"), o)
        paths = document["paths"]
        self.assertIn("201", paths[V1 + "/runs"]["post"]["responses"])
        self.assertIn("202", paths[V1 + "/pipelines/{name}/runs"]["post"]["responses"])

        def parameters(path, method="get"):
            return {p["name"] for p in paths[V1 + path][method]["parameters"]}

        self.assertIn("as_of", parameters("/experiments/{experiment_id}/best"))
        self.assertIn("tenant", parameters("/events"))
        self.assertIn("Last-Event-ID", parameters("/live/events"))
        self.assertLessEqual({"Idempotency-Key", "X-Mlforge-Expect"}, parameters("/runs", "post"))
        gate = paths[V1 + "/models/{name}/versions/{version}/promote"]["post"]["requestBody"]
        self.assertFalse(gate["required"])
        fields = gate["content"]["application/json"]["schema"]["properties"]
        self.assertEqual(fields["min_delta"], {"type": "number"})

    def test_metrics_are_prometheus_text(self):
        s = self.server()
        self.ok(s.get("/healthz"))
        answer = s.get("/metrics")
        self.assertIn("text/plain", answer.headers["Content-Type"])
        text = answer.body.decode()
        self.assertRegex(text, r"(?m)^mlforge_http_request_duration_seconds_bucket\{[^}]*le=")
        for line in text.splitlines():
            self.assertRegex(line,
                             r"^(#.*|[a-zA-Z_:][\w:]*(\{.*\})? [-+.\deE]+|.* (NaN|[+-]?Inf))$")
            if line and not line.startswith("#"):
                self.assertRegex(line, r"^(mlforge|exposer|process)_")

    def test_the_first_page(self):
        s = self.server()
        page = s.get("/")
        self.assertEqual(page.status, 200)
        self.assertIn("text/html", page.headers["Content-Type"])
        text = page.body.decode("utf-8")
        self.assertIn("<html", text)
        for path in re.findall(r'(?:<link[^>]* href|src)="(/[^"#]*)"', text):
            with self.subTest(path=path):
                self.assertEqual(s.get(path).status, 200)
        self.assertEqual(self.ok(s.get("/healthz")), {"status": "ok"})

    def test_ready_and_info(self):
        s = self.server()
        self.ok(s.post(V1 + "/experiments", {"name": "e"}), 201)
        ready = self.ok(s.get("/readyz"))
        self.assertEqual((ready["ready"], ready["writable"], ready["position"]), (True, True, 1))
        self.assertEqual({p["name"] for p in ready["projections"]},
                         {"runs", "metrics", "datasets", "models", "pipelines", "environments",
                          "deployments", "drift", "artifacts", "logged_models", "subscriptions", "traces",
                          "evaluation_datasets", "scorers", "issues", "label_schemas",
                          "audit"})
        self.assertEqual([p["error"] for p in ready["projections"] if p["error"]], [])
        info = self.ok(s.get(V1 + "/info"))
        self.assertEqual(info["defaults"], {
            "canary_traffic_split": 0.1, "psi_threshold": 0.2, "ks_pvalue_threshold": 0.05,
            "promotion_min_delta": 0.005, "gate_min_auc": 0.85})
        self.assertRegex(info["log_id"], UUID)

    def test_the_vocabulary(self):
        items = self.ok(self.server().get(V1 + "/event_types"))["items"]
        types = {row["type"]: row for row in items}
        for name in ("run.metrics_logged", "model.promotion_decided", "drift.alert_raised"):
            self.assertEqual(types[name]["schema"], 1)
            self.assertTrue(types[name]["fields"])

    def test_settings_reach_the_defaults(self):
        s = self.server(env={"CANARY_TRAFFIC_SPLIT": "0.25", "PSI_THRESHOLD": "0.3",
                             "KS_PVALUE_THRESHOLD": "0.01"})
        defaults = self.ok(s.get(V1 + "/info"))["defaults"]
        self.assertEqual((defaults["canary_traffic_split"], defaults["psi_threshold"],
                          defaults["ks_pvalue_threshold"]), (0.25, 0.3, 0.01))

    def test_environments(self):
        s = self.server()
        made = self.ok(s.post(V1 + "/environments", {"name": "here"}), 201)
        self.assertTrue(made["facts"]["cores"], made)
        self.assertEqual(self.ok(s.get(V1 + "/environments/here"))["digest"], made["digest"])
        self.assertEqual(len(self.ok(s.get(V1 + "/environments"))["items"]), 1)


def documented_routes(text):
    """(method, path with {} for parameters) of the first column of the tables in docs/api.md. A
    part that goes on from the path before it adds to it ("/{name}") or changes its end ("/tags").
    """
    found = set()
    for line in text.splitlines():
        cell = re.match(r"\| (`[A-Z]+ /[^|]*)\|", line)
        base = method = ""
        for part in re.findall(r"`([^`]*)`", cell[1]) if cell else ():
            named = re.match(r"([A-Z]+) (.*)", part)
            method, path = (named[1], named[2]) if named else (method, part)
            path = path.split("?")[0]
            if named and path == "...":
                path = base
            elif not path.startswith("/"):
                if not named or path:
                    continue
            elif not named:
                path = base + path if path.startswith("/{") else base.rsplit("/", 1)[0] + path
            if named:
                base = path or base
            found.add((method, re.sub(r"\{[^}]*\}", "{}", path or base)))
    return found


if __name__ == "__main__":
    support.main()
