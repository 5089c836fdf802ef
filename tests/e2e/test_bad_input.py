"""Bad input, of every kind: a clear error, the right status, and nothing is written."""
import json
import os

import support
from support import Case, SMALL_PIPELINE, adult_csv, adult_rows, features, schema_yaml

YAML = SMALL_PIPELINE.format(name="bad", rounds=3)
V1 = "/api/v1"


class BadInput(Case):
    """One server for all; each test proves that the log's position has not moved."""

    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"),
                                     "--max-body-bytes", "65536", "--gate-min-auc", "0.5")
        case = cls()
        case.set_up_objects()

    def set_up_objects(self):
        s = self.s
        made = self.ok(s.post(V1 + "/experiments", {"name": "exists"}), 201)
        started = self.ok(s.post(V1 + "/runs", {"experiment_id": made["experiment_id"],
                                                "params": {"depth": "3"}}), 201)
        type(self).a_run = V1 + "/runs/" + started["run_id"]
        support.add_people(self, s)
        support.train(self, s, "small", rounds=3)
        self.ok(s.post(V1 + "/models/small/versions/1/stage", {"stage": "Staging"}))
        self.ok(s.post(V1 + "/endpoints", {"name": "default", "model": "small"}), 201)
        self.ok(s.post("/promote", {"version": "1"}))

    def setUp(self):
        super().setUp()
        self.before = self.s.position()

    def tearDown(self):
        self.assertEqual(self.s.position(), self.before, "something was written")
        self.assertEqual(self.s.get("/readyz").status, 200)

    def refused(self, rows):
        """Rows of (method, path, body, headers, code, field, words)."""
        for method, path, body, headers, code, field, words in rows:
            with self.subTest(method=method, path=path, body=str(body)[:80], headers=headers):
                answer = self.s.call(method, path, body, headers)
                self.error(answer, code, field, words)

    # ------------------------------------------------------------ JSON

    def test_malformed_json(self):
        bodies = ['{"name": ', '{"name": "a"} x', "{'name': 'a'}", '{"name": "a",}', '{"name"}',
                  "name", '"name', b'{"name": "\xff\xfe"}', '{"name": "a\nb"}', '{"name": "\\x"}',
                  '{"name": "\\ud800"}', "\0", '{"name": 01}', '{"name": "a"}{"name": "b"}']
        self.refused(("POST", V1 + "/experiments", body, None, "malformed", None, "JSON")
                     for body in bodies)

    def test_very_deep_json(self):
        deep = "[" * 20000 + "]" * 20000
        objects = '{"a":' * 9000 + "1" + "}" * 9000
        self.refused([
            ("POST", V1 + "/experiments", '{"name": ' + deep + "}", None, "malformed", None,
             "deep"),
            ("POST", V1 + "/experiments", objects, None, "malformed", None, "deep"),
            ("POST", "/predict", '{"features": ' + objects + "}", None, "malformed", None, "deep"),
        ])

    def test_not_an_object(self):
        self.refused(("POST", V1 + "/experiments", body, None, "invalid_argument", None, "object")
                     for body in ("[]", "null", '"exists"', "5", "true", "[{}]"))

    def test_empty_bodies(self):
        self.refused([
            ("POST", V1 + "/experiments", "", None, "invalid_argument", "name", "missing"),
            ("POST", V1 + "/runs", "", None, "invalid_argument", "experiment_id", "missing"),
            ("POST", self.a_run + "/metrics", "", None, "invalid_argument", "metrics", "missing"),
            ("POST", self.a_run + "/metrics", "{}", None, "invalid_argument", "metrics", "missing"),
            ("POST", self.a_run + "/metrics", {"metrics": []}, None, "invalid_argument", "metrics",
             "at least one"),
            ("POST", self.a_run + "/params", {"params": {}}, None, "invalid_argument", "params",
             "at least one"),
            ("POST", self.a_run + "/end", "", None, "invalid_argument", "status", "missing"),
            ("POST", V1 + "/endpoints", "{}", None, "invalid_argument", "name", "missing"),
            ("POST", "/promote", "", None, "invalid_argument", "version", "missing"),
        ])
        for method, path in (("PUT", V1 + "/pipelines/bad"), ("POST", "/predict")):
            answer = self.s.call(method, path, "")
            self.error(answer, answer["error"]["code"])
            self.assertEqual(answer.status, 400, answer)

    def test_wrong_types(self):
        run = self.a_run
        self.refused([
            ("POST", V1 + "/experiments", {"name": 5}, None, "invalid_argument", "name", "string"),
            ("POST", V1 + "/experiments", {"name": None}, None, "invalid_argument", "name",
             "string"),
            ("POST", V1 + "/experiments", {"name": ["a"]}, None, "invalid_argument", "name",
             "string"),
            ("POST", V1 + "/runs", {"experiment_id": 1}, None, "invalid_argument",
             "experiment_id", "string"),
            ("POST", V1 + "/runs", {"experiment_id": "1", "params": ["a"]}, None,
             "invalid_argument", "params", "object"),
            ("POST", V1 + "/runs", {"experiment_id": "1", "params": {"a": 1}}, None,
             "invalid_argument", "params.a", "string"),
            ("POST", run + "/metrics", {"metrics": {"key": "a", "value": 1}}, None,
             "invalid_argument", "metrics", "array"),
            ("POST", run + "/metrics", {"metrics": [1]}, None, "invalid_argument", "metrics[0]",
             "object"),
            ("POST", run + "/metrics", {"metrics": [{"key": "a", "value": "much"}]}, None,
             "invalid_argument", "metrics[0].value", "number"),
            ("POST", run + "/metrics", {"metrics": [{"key": "a", "value": True}]}, None,
             "invalid_argument", "metrics[0].value", "number"),
            ("POST", run + "/metrics",
             {"metrics": [{"key": "a", "value": 1}, {"key": "a", "value": 1, "step": 1.5}]}, None,
             "invalid_argument", "metrics[1].step", "integer"),
            ("POST", run + "/metrics", '{"metrics":[{"key":"a","value":1,"step":1e30}]}', None,
             "invalid_argument", "metrics[0].step", ()),
            ("POST", run + "/metrics",
             '{"metrics":[{"key":"a","value":1,"step":9223372036854775808}]}', None,
             "invalid_argument", "metrics[0].step", ()),
            ("POST", run + "/metrics", {"metrics": [{"key": "", "value": 1}]}, None,
             "invalid_argument", "metrics[0].key", "empty"),
            ("POST", run + "/metrics", {"metrics": [{"key": "a" * 251, "value": 1}]}, None,
             "invalid_argument", "metrics[0].key", "250"),
            ("POST", run + "/metrics", {"metrics": [{"value": 1}]}, None, "invalid_argument",
             "metrics[0].key", "missing"),
            ("POST", run + "/end", {"status": "done"}, None, "invalid_argument", "status",
             "finished"),
            ("POST", V1 + "/models/small/versions/1/stage", {"stage": "Live"}, None,
             "invalid_argument", "stage", ()),
            ("POST", V1 + "/models/small/versions", {"artifacts": "x"}, None, "invalid_argument",
             "artifacts", "array"),
            ("POST", V1 + "/endpoints/default/split", {"canary_bp": 10001}, None,
             "invalid_argument", "canary_bp", "10000"),
            ("POST", V1 + "/endpoints/default/split", {"canary_bp": -1}, None, "invalid_argument",
             "canary_bp", ()),
            ("POST", "/promote", {"version": "latest"}, None, "invalid_argument", "version",
             "version"),
            ("POST", "/promote", {"version": 0}, None, "invalid_argument", "version", ()),
            ("POST", "/predict", {"features": []}, None, "invalid_argument", "features", "object"),
            ("POST", "/predict", {"features": {}, "request_id": 5}, None, "invalid_argument",
             "request_id", "string"),
            ("POST", V1 + "/pipelines/small/runs", {"overrides": {"rounds": 5}}, None,
             "invalid_argument", "overrides.rounds", "string"),
        ])

    def test_unknown_and_doubled_fields(self):
        person = features(next(adult_rows(1, 1)))
        self.refused([
            ("POST", V1 + "/experiments", {"name": "a", "nmae": "b"}, None, "unknown_field", "nmae",
             "nmae"),
            ("POST", self.a_run + "/metrics", {"metrics": [{"key": "a", "value": 1, "setp": 2}]},
             None, "unknown_field", "metrics[0].setp", "setp"),
            ("POST", "/predict", {"features": person, "model": "small"}, None, "unknown_field",
             "model", "model"),
            ("POST", "/predict", {"features": {**person, "shoe-size": 44}}, None, "unknown_field",
             "features.shoe-size", "shoe-size"),
            ("POST", "/promote", {"version": "1", "force": True}, None, "unknown_field", "force",
             "force"),
            ("POST", V1 + "/experiments", '{"name":"a","name":"b"}', None, "invalid_argument",
             "name", "twice"),
            ("POST", self.a_run + "/params", '{"params":{"a":"1","a":"2"}}', None,
             "invalid_argument", "params.a", "twice"),
            ("POST", self.a_run + "/metrics", '{"metrics":[{"key":"a","value":1,"value":2}]}', None,
             "invalid_argument", "metrics[0].value", "twice"),
            ("POST", "/predict", '{"features":%s,"features":%s}' % ((json.dumps(person),) * 2),
             None, "invalid_argument", "features", "twice"),
            ("POST", "/predict", '{"features":%s,"request_id":"a","request_id":"b"}'
             % json.dumps(person), None, "invalid_argument", "request_id", "twice"),
            ("POST", "/predict", '{"features":{"age":1,"age":2}}', None, "invalid_argument",
             "features.age", "twice"),
        ])

    # ------------------------------------------------------------ NaN and infinities

    def test_nan_and_infinities_that_json_has_not(self):
        literals = ("NaN", "Infinity", "-Infinity", "nan", "inf", "+1", "1e999", "-1e999")
        for literal in literals:
            with self.subTest(literal=literal):
                metrics = self.s.post(self.a_run + "/metrics",
                                      '{"metrics":[{"key":"a","value":%s}]}' % literal)
                self.error(metrics, "malformed")
                predict = self.s.post("/predict", '{"features":{"age":%s}}' % literal)
                self.error(predict, "malformed")

    def test_features_that_are_no_numbers(self):
        person = features(next(adult_rows(1, 1)))
        for value in ("NaN", "Infinity", "-Infinity", "old", [40], {"years": 40}, True):
            with self.subTest(value=value):
                answer = self.s.post("/predict", {"features": {**person, "age": value}})
                self.error(answer, "invalid_argument", "features.age", "age")

    # ------------------------------------------------------------ sizes

    def test_oversized_body(self):
        big = json.dumps({"name": "a" * 70000})
        self.refused([
            ("POST", V1 + "/experiments", big, None, "payload_too_large", None, "65536"),
            ("POST", "/predict", big, None, "payload_too_large", None, ()),
            ("PUT", V1 + "/pipelines/bad", "#" * 70000, None, "payload_too_large", None, ()),
        ])

    def test_oversized_body_that_is_only_announced(self):
        head = "POST /api/v1/experiments HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"
        for length in (65537, 10**12, 2**63):
            with self.subTest(length=length):
                self.error(self.s.exchange(head.format(length).encode()), "payload_too_large")

    def test_oversized_chunked_body(self):
        raw = (b"POST /api/v1/experiments HTTP/1.1\r\nHost: localhost\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n" +
               (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 5 + b"0\r\n\r\n")
        self.error(self.s.exchange(raw), "payload_too_large")

    def test_oversized_header(self):
        for name, value in (("X-Much", "a" * 17000), ("Cookie", "b" * 100000)):
            with self.subTest(name=name):
                self.error(self.s.call("GET", V1 + "/info", None, {name: value}),
                           "headers_too_large")
        self.error(self.s.call("GET", V1 + "/info?x=" + "y" * 17000), "headers_too_large")

    def test_what_is_no_http(self):
        for raw in (b"HELLO\r\n\r\n", b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
                    b"GET /api/v1/info HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
                    b"GET /api/v1/info HTTP/1.1\r\n\r\n",
                    b"POST /api/v1/experiments HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                    b"Content-Length: 6\r\n\r\n{}   "):
            with self.subTest(raw=raw):
                answer = self.s.exchange(raw)
                self.assertEqual(answer.status, 400, answer)
                self.error(answer, answer["error"]["code"])

    # ------------------------------------------------------------ what is not there, and who asks

    def test_unknown_things(self):
        nobody = "0" * 32
        self.refused([
            ("GET", f"{V1}/runs/{nobody}", None, None, "not_found", None, nobody),
            ("POST", f"{V1}/runs/{nobody}/metrics", {"metrics": [{"key": "a", "value": 1}]}, None,
             "not_found", None, nobody),
            ("POST", f"{V1}/runs/{nobody}/params", {"params": {"a": "b"}}, None, "not_found", None,
             nobody),
            ("POST", f"{V1}/runs/{nobody}/tags", {"tags": {"a": "b"}}, None, "not_found", None,
             nobody),
            ("POST", f"{V1}/runs/{nobody}/end", {"status": "finished"}, None, "not_found", None,
             nobody),
            ("GET", f"{V1}/runs/{nobody}/metrics/a", None, None, "not_found", None, ()),
            ("GET", f"{V1}/runs/{nobody}/artifacts/a", None, None, "not_found", None, ()),
            ("PUT", f"{V1}/runs/{nobody}/artifacts/a", "bytes", None, "not_found", None, nobody),
            ("GET", self.a_run + "/metrics/nothing", None, None, "not_found", None, "nothing"),
            ("GET", self.a_run + "/artifacts/nothing", None, None, "not_found", None, "nothing"),
            ("POST", V1 + "/runs", {"experiment_id": "77"}, None, "not_found", "experiment_id",
             "77"),
            ("GET", V1 + "/experiments/77", None, None, "not_found", None, "77"),
            ("GET", V1 + "/experiments/77/best", None, None, "not_found", None, ()),
            ("GET", V1 + "/models/nobody", None, None, "not_found", None, "nobody"),
            ("GET", V1 + "/models/nobody/versions", None, None, "not_found", None, "nobody"),
            ("GET", V1 + "/models/small/versions/9", None, None, "not_found", None, "9"),
            ("GET", V1 + "/models/small/versions/unheard", None, None, "not_found", None,
             "unheard"),
            ("POST", V1 + "/models/small/versions/9/promote", {}, None, "not_found", None, "9"),
            ("POST", V1 + "/models/small/versions/9/gate", {}, None, "not_found", None, "9"),
            ("POST", V1 + "/models/small/versions/9/stage", {"stage": "Staging"}, None,
             "not_found", None, "9"),
            ("PUT", V1 + "/models/small/aliases/best", {"version": 9}, None, "not_found", None,
             "9"),
            ("GET", V1 + "/datasets/nobody", None, None, "not_found", None, "nobody"),
            ("GET", V1 + "/datasets/people/versions/9", None, None, "not_found", None, "9"),
            ("GET", V1 + "/datasets/people/versions/1/files/x", None, None, "not_found", None,
             "x"),
            ("POST", V1 + "/datasets/nobody/commits", {}, None, "not_found", None, "nobody"),
            ("DELETE", V1 + "/datasets/nobody/files/x", None, None, "not_found", None, ()),
            ("DELETE", V1 + "/datasets/people/files/x", None, None, "not_found", None, "x"),
            ("GET", V1 + "/pipelines/nobody", None, None, "not_found", None, "nobody"),
            ("POST", V1 + "/pipelines/nobody/runs", {}, None, "not_found", None, "nobody"),
            ("GET", f"{V1}/pipeline_runs/{nobody}", None, None, "not_found", None, nobody),
            ("GET", f"{V1}/pipeline_runs/{nobody}?wait=1", None, None, "not_found", None, nobody),
            ("GET", V1 + "/environments/nobody", None, None, "not_found", None, "nobody"),
            ("GET", V1 + "/endpoints/nobody", None, None, "not_found", None, "nobody"),
            ("GET", V1 + "/endpoints/nobody/drift", None, None, "not_found", None, "nobody"),
            ("GET", V1 + "/endpoints/nobody/drift/latest", None, None, "not_found", None, ()),
            ("GET", "/drift/latest", None, None, "not_found", None, ()),
            ("POST", V1 + "/endpoints/nobody/predict", {"features": {}}, None, "not_found", None,
             "nobody"),
            ("POST", V1 + "/endpoints/nobody/split", {"canary_bp": 1}, None, "not_found", None,
             "nobody"),
            ("GET", V1 + "/events/0", None, None, "not_found", None, "0"),
            ("GET", V1 + "/events/999999", None, None, "not_found", None, "999999"),
            ("GET", V1 + "/events/01a1fc23-6699-7778-8057-5516e1063c49", None, None, "not_found",
             None, ()),
            ("GET", V1 + "/nothing", None, None, "not_found", None, "/nothing"),
            ("GET", "/api/v2/runs", None, None, "not_found", None, ()),
            ("POST", "/promote", {"version": "9"}, None, "not_found", None, "9"),
        ])

    def test_an_endpoint_for_a_model_that_is_not_there(self):
        answer = self.s.post(V1 + "/endpoints", {"name": "new", "model": "nobody"})
        self.error(answer, "not_found", "model", "nobody")

    def test_host_and_origin(self):
        for host in ("evil.example", "evil.example:80", "localhost.evil.example", "10.0.0.1",
                     "127.0.0.1.evil.example"):
            with self.subTest(host=host):
                raw = f"GET /api/v1/info HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
                self.error(self.s.exchange(raw), "forbidden", "Host", host)
        for origin in ("http://evil.example", "https://localhost.evil.example", "null",
                       "http://127.0.0.1:1"):
            for method, path, body in (("GET", V1 + "/info", None),
                                       ("POST", V1 + "/experiments", {"name": "foreign"})):
                with self.subTest(origin=origin, method=method):
                    answer = self.s.call(method, path, body, {"Origin": origin})
                    self.error(answer, "forbidden", "Origin", origin)
                    self.assertIsNone(answer.headers.get("Access-Control-Allow-Origin"))
        watcher = support.WebSocket(self.s, V1 + "/live", {"Origin": "http://evil.example"})
        self.assertEqual(watcher.status, 403)
        self.assertEqual(self.s.call("GET", V1 + "/info", None, {"Origin": self.s.url}).status, 200)

    def test_wrong_method(self):
        for method, path, allowed in (
                ("DELETE", V1 + "/runs", "POST"), ("PUT", V1 + "/experiments", "POST"),
                ("POST", V1 + "/info", "GET"), ("GET", "/predict", "POST"),
                ("PATCH", self.a_run, "GET"), ("POST", "/metrics", "GET"),
                ("DELETE", V1 + "/events/1", "GET"), ("PUT", V1 + "/events", "GET"),
                ("BREW", V1 + "/info", "GET")):
            with self.subTest(method=method, path=path):
                answer = self.s.call(method, path, "{}" if method != "GET" else None)
                self.error(answer, "method_not_allowed", None, allowed)
                self.assertIn(allowed, answer.headers.get("Allow", ""), answer)

    # ------------------------------------------------------------ parameters, names, paths

    def test_bad_parameters(self):
        head = self.before
        rows = [(f"{V1}/{path}?as_of={value}", "as_of")
                for path in ("runs", "events", "models", "datasets", "audit", "experiments/1",
                             "pipelines", "endpoints/default")
                for value in ("yesterday", "-1", "1.5", str(head + 1), "2026-13-01T00:00:00Z",
                              "2026-11-21T25:00:00Z", "", "99999999999999999999")]
        rows += [(f"{V1}/{path}?page_token={value}", "page_token")
                 for path in ("runs", "models", "datasets", "audit", "experiments",
                              "models/small/versions", "pipeline_runs")
                 for value in ("zzz", "abc", "..%2F..", "AAAA", "a" * 3000)]
        rows += [(f"{V1}/{path}?limit={value}", "limit") for path in ("runs", "events", "audit")
                 for value in ("0", "1001", "-1", "ten", "1e2", "")]
        rows += [(V1 + "/events?since=noon", "since"), (V1 + "/events?until=2026", "until"),
                 (V1 + "/events?from=first", "from"), (V1 + "/events?from=-1", "from"),
                 (V1 + "/live/events?from=x", "from"), (V1 + "/live/events?since=x", "since"),
                 (V1 + "/events/first", "id"), (V1 + "/events/-1", "id"),
                 (self.a_run + "/metrics/a?max_points=0", "max_points"),
                 (V1 + "/experiments/1/best?mode=most", "mode"),
                 (V1 + "/datasets/people/versions/one", "version"),
                 (V1 + "/datasets/people/versions/0", "version"),
                 (V1 + "/pipeline_runs/x?wait=61", "wait"),
                 (V1 + "/pipeline_runs/x?wait=x", "wait")]
        client = self.s.client()
        for path, field in rows:
            with self.subTest(path=path):
                self.error(client.get(path), "invalid_argument", field)
        client.close()

    def test_bad_last_event_id(self):
        answer = self.s.call("GET", V1 + "/live/events", None, {"Last-Event-ID": "last"})
        self.error(answer, "invalid_argument", "Last-Event-ID")

    def test_broken_percent_escapes(self):
        for path in ("/runs/%zz", "/runs/%", "/runs/%4", "/runs/%00", "/runs?experiment_id=%g1",
                     "/runs?page_token=%00"):
            with self.subTest(path=path):
                answer = self.s.get(V1 + path)
                self.assertEqual(answer.status, 400, answer)
                self.error(answer, answer["error"]["code"])

    def test_invalid_names(self):
        for name in ("", "a/b", "..", ".", "a" * 201, "a\tb", "a\u0000b"):
            with self.subTest(name=name[:10]):
                for path, body in ((V1 + "/experiments", {"name": name}),
                                   (V1 + "/models", {"name": name if len(name) < 200 else "a" * 1025}),
                                   (V1 + "/endpoints", {"name": name, "model": "small"}),
                                   (V1 + "/environments", {"name": name})):
                    self.error(self.s.post(path, body), "invalid_argument", "name")
        for name in ("a%2Fb", "%2e%2e", "a%00b", "a%0Ab"):
            with self.subTest(name=name):
                answer = self.s.put(f"{V1}/datasets/{name}/files/x", "bytes")
                self.assertEqual(answer.status, 400, answer)

    def test_paths_that_leave_the_folder(self):
        outside = ("../x", "a/../../x", "%2e%2e/x", "a/%2e%2e/%2e%2e/x", "..%2Fx", "%2Fetc%2Fx",
                   "a//b", "a/./b", "a/", "a%5C..%5Cx", "a%0a", "x" * 1001)
        for path in outside:
            for base in (V1 + "/datasets/people/files/", self.a_run + "/artifacts/"):
                with self.subTest(base=base[:16], path=path[:30]):
                    answer = self.s.put(base + path, "bytes")
                    self.error(answer, "invalid_argument", "path")
        bundle = [{"path": "../model.ubj", "digest": "0" * 64, "bytes": 1}]
        answer = self.s.post(V1 + "/models/small/versions", {"artifacts": bundle})
        self.assertEqual(answer.status, 400, answer)

    def test_bad_idempotency_keys_and_actors(self):
        long = "k" * 129
        self.refused([
            ("POST", V1 + "/experiments", {"name": "n"}, {"Idempotency-Key": long},
             "invalid_argument", "Idempotency-Key", "128"),
            ("POST", V1 + "/experiments", {"name": "n"}, {"Idempotency-Key": "a\tb"},
             "invalid_argument", "Idempotency-Key", "control"),
            ("POST", V1 + "/experiments", {"name": "n"}, {"X-Mlforge-Actor": "a" * 201},
             "invalid_argument", "X-Mlforge-Actor", "200"),
            ("PUT", V1 + "/datasets/people/files/x", "bytes", {"Idempotency-Key": long},
             "invalid_argument", "Idempotency-Key", "128"),
            ("POST", V1 + "/pipelines/small/runs", "{}", {"Idempotency-Key": long},
             "invalid_argument", "Idempotency-Key", "128"),
        ])

    def test_what_the_state_does_not_allow(self):
        self.refused([
            ("POST", V1 + "/experiments", {"name": "exists"}, None, "already_exists", "name",
             "exists"),
            ("POST", V1 + "/models", {"name": "small"}, None, "already_exists", "name", "small"),
            ("POST", V1 + "/endpoints", {"name": "default", "model": "small"}, None,
             "already_exists", "name", "default"),
            ("POST", self.a_run + "/params", {"params": {"depth": "4", "fresh": "1"}}, None,
             "conflict", "params.depth", "depth"),
            ("PUT", V1 + "/models/small/aliases/best", {"version": 1, "expected": 7}, None,
             "conflict", "expected", "7"),
            ("PUT", V1 + "/models/small/aliases/champion", {"version": 1}, None, "refused",
             "alias", "promotion"),
            ("POST", V1 + "/datasets/people/commits", {"message": "nothing new"}, None, "conflict",
             None, ()),
        ])

    # ------------------------------------------------------------ YAML

    def define(self, text):
        return self.s.call("PUT", V1 + "/pipelines/bad", text, {"Content-Type": "application/yaml"})

    def test_cycle_in_the_yaml(self):
        text = YAML.replace("evaluate: {kind: evaluate, needs: [train]}",
                            "evaluate: {kind: evaluate, needs: [train, register]}")
        error = self.error(self.define(text), self.code(text))
        self.assertRegex(error["message"],
                         "evaluate -> register -> evaluate|register -> evaluate -> register")
        own = YAML.replace("needs: [train]", "needs: [evaluate]")
        self.assertIn("evaluate", self.error(self.define(own), self.code(own))["message"])

    def code(self, text):
        """Which of the three codes of 400 a bad YAML has is the server's to say."""
        answer = self.define(text)
        self.assertEqual(answer.status, 400, answer)
        return answer["error"]["code"]

    def test_duplicate_key_in_the_yaml(self):
        text = YAML + "  split: {kind: split}\n"
        line = len(YAML.splitlines()) + 1
        error = self.error(self.define(text), self.code(text), None, "split")
        self.assertIn(f"line {line}", error["message"])
        self.assertIn("column 3", error["message"])
        text = YAML.replace("seed: 1\n", "seed: 1\nseed: 2\n")
        line = YAML.splitlines().index("seed: 1") + 2
        error = self.error(self.define(text), self.code(text), None, "seed")
        self.assertIn(f"line {line}", error["message"])
        self.assertIn("column 1", error["message"])

    def test_other_bad_yaml(self):
        for change, words in (
                (("seed: 1", "sede: 1"), ["sede", "line 7"]),
                (("seed: 1", "seed: one"), ["seed", "line 7"]),
                (("seed: 1", 'seed: "1"'), ["seed", "line 7"]),
                (("kind: train", "kind: bake"), ["bake", "line"]),
                (("needs: [split]", "needs: [splot]"), ["splot", "line"]),
                (("rounds: 3", "rounds: 0"), ["rounds", "line"]),
                (("max_depth: 3", "max_dept: 3"), ["max_dept", "line"]),
                (("test: 0.2", "test: .nan"), ["test", "line"]),
                (("test: 0.2", "test: 2"), ["test", "line"]),
                (("pipeline: bad", "pipeline: other"), ["other"]),
                (("pipeline: bad\n", ""), ["pipeline"]),
                (("seed: 1", "seed: [1"), ["line"]),
                (("seed: 1", "seed: !!python/object:os.system x"), ["line"]),
                (("seed: 1", "<<: {seed: 1}"), ["line"]),
                (("seed: 1", "\tseed: 1"), ["line"]),
                (("register: {", "register: {stage: Production, "), ["Production", "line"])):
            with self.subTest(change=change):
                text = YAML.replace(*change)
                self.assertNotEqual(text, YAML)
                self.error(self.define(text), self.code(text), None, words)

    def test_bad_overrides(self):
        for key, value, word in (("steps.train.roundz", "3", "roundz"), ("seed", "x", "seed"),
                                 ("steps.nothing.rounds", "3", "nothing"),
                                 ("steps.train.params.max_depth", "deep", "max_depth"),
                                 ("steps.evaluate.needs", "[register]", "register")):
            with self.subTest(key=key):
                answer = self.s.post(V1 + "/pipelines/small/runs", {"overrides": {key: value}})
                self.assertEqual(answer.status, 400, answer)
                self.error(answer, answer["error"]["code"], None, word)


class CorruptCsv(Case):
    """A commit that is refused leaves the staged files and no version."""

    def test_corrupt_csv(self):
        s = self.server()
        base = V1 + "/datasets/people"
        good = adult_csv(1200).splitlines(keepends=True)
        self.ok(s.put(base + "/files/schema.yaml", schema_yaml()), 201)

        def changed(line, cell, text):
            cells = good[line - 1].rstrip("\n").split(", ")
            cells[cell - 1] = text
            return "".join(good[:line - 1] + [", ".join(cells) + "\n"] + good[line:])

        def short(line, count):
            cells = good[line - 1].rstrip("\n").split(", ")[:count]
            return "".join(good[:line - 1] + [", ".join(cells) + "\n"] + good[line:])

        for name, text, words in (
                ("not a number", changed(17, 1, "forty"), ["people.data", "Line 17", "age"]),
                ("not finite", changed(21, 1, "inf"), ["people.data", "Line 21", "age"]),
                ("too few cells", short(900, 7), ["people.data", "Line 900"]),
                ("too many cells", changed(33, 2, "Private, Private"), ["people.data", "Line 33"]),
                ("an open quote", changed(1200, 2, '"Private'), ["people.data", "Line 1200"]),
                ("a NUL", changed(50, 2, "Pri\0vate"), ["people.data", "Line 50"]),
                ("empty", "", ["people.data"])):
            with self.subTest(name):
                self.ok(s.put(base + "/files/people.data", text), 201)
                before = s.position()
                answer = s.post(base + "/commits", {"message": name})
                self.assertEqual(answer.status, 400, answer)
                self.error(answer, answer["error"]["code"], None, words)
                self.assertEqual(s.position(), before, "something was committed")
        self.assertEqual(s.get(base + "/versions/1").status, 404)
        self.ok(s.put(base + "/files/people.data", "".join(good)), 201)
        commit = self.ok(s.post(base + "/commits", {"message": "good"}), 201)
        self.assertEqual((commit["version"], commit["rows"], commit["valid"]), (1, 1200, True))

    def test_a_schema_that_does_not_parse(self):
        s = self.server()
        base = V1 + "/datasets/people"
        self.ok(s.put(base + "/files/people.data", adult_csv(20)), 201)
        for text, words in (("columns: [", ["schema.yaml", "line"]),
                            ("colums: []\n", ["schema.yaml", "colums", "line 1"]),
                            ("min_rows: 5\nmin_rows: 6\n", ["schema.yaml", "min_rows", "line 2"])):
            with self.subTest(text=text):
                self.ok(s.put(base + "/files/schema.yaml", text), 201)
                before = s.position()
                answer = s.post(base + "/commits", {})
                self.assertEqual(answer.status, 400, answer)
                self.error(answer, answer["error"]["code"], None, words)
                self.assertEqual(s.position(), before)


class NotFinite(Case):
    """Metrics are where NaN and infinities are facts: as texts they come and go."""

    def test_metrics_that_are_not_finite(self):
        s = self.server()
        self.ok(s.post(V1 + "/experiments", {"name": "e"}), 201)
        run = V1 + "/runs/" + self.ok(s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        values = ["NaN", 1.5, "Infinity", -0.0, "-Infinity", 5e-324, 1.7976931348623157e308]
        metrics = [{"key": "loss", "value": v, "step": i} for i, v in enumerate(values)]
        logged = self.ok(s.post(run + "/metrics", {"metrics": metrics}))
        points = self.ok(s.get(run + "/metrics/loss"))["points"]
        self.assertEqual([p["value"] for p in points], values)
        self.assertEqual(self.ok(s.get(run))["metrics"][0]["value"], values[-1])
        event = self.ok(s.get(f"{V1}/events/{logged['position']}"))
        self.assertEqual(event["payload"]["values"], values)


if __name__ == "__main__":
    support.main()
