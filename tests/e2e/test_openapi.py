"""The OpenAPI document tells the truth: every answer has the status, type and schema that it says."""
import re
import urllib.parse

import support
from support import Case

V1 = "/api/v1"
STREAMS = {"/api/v1/live/events", "/api/v1/live"}
NUMBER = (int, float)
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
         "number": NUMBER, "null": type(None)}


def faults(value, schema, where="answer"):
    """What is wrong with the value by the schema: the part of JSON Schema that the document uses."""
    found = []
    kinds = schema.get("type")
    if kinds:
        kinds = kinds if isinstance(kinds, list) else [kinds]
        fits = any(isinstance(value, TYPES[k]) and (k == "boolean" or not isinstance(value, bool))
                   for k in kinds)
        if not fits:
            return [f"{where} is {value!r:.60}, not {kinds}"]
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where} is {value!r:.60}, not one of {schema['enum']}")
    for each in schema.get("allOf", []):
        found += faults(value, each, where)
    if "oneOf" in schema and sum(not faults(value, each) for each in schema["oneOf"]) != 1:
        found.append(f"{where} is {value!r:.60}, not one of {schema['oneOf']}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
        for name, each in value.items():
            more = schema.get("additionalProperties", True)
            if name in known:
                found += faults(each, known[name], f"{where}.{name}")
            elif more is False:
                found.append(f"{where}.{name} is not in the schema")
            elif isinstance(more, dict):
                found += faults(each, more, f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for i, each in enumerate(value):
            found += faults(each, schema["items"], f"{where}[{i}]")
    return found


def names_in(schema):
    """All properties that the schema names for the object itself."""
    out = set(schema.get("properties", {}))
    for each in schema.get("allOf", []):
        out |= names_in(each)
    return out


class OpenApi(Case):
    @classmethod
    def setUpClass(cls):
        folder = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, folder + "/data", "--gate-min-auc", "0.5")
        cls.said = []  # (method, pattern, answer) of what was asked to make the data
        case = cls("test_every_get_answers_as_described")
        cls.fill(case)
        cls.document = cls.s.get(V1 + "/openapi.json").json

    @classmethod
    def ask(cls, case, method, pattern, body, status, **values):
        path = pattern.format(**values)
        answer = cls.s.call(method, path, body)
        case.assertEqual(answer.status, status, (path, answer))
        cls.said.append((method.lower(), pattern.split("?")[0], answer))
        return answer.json

    @classmethod
    def fill(cls, case):
        ask = cls.ask
        support.add_people(case, cls.s)
        ended = support.train(case, cls.s)
        ask(case, "POST", V1 + "/models/{name}/versions/{version}/stage", {"stage": "Staging"}, 200,
            name="small", version=1)
        ask(case, "POST", V1 + "/endpoints",
            {"name": "small", "model": "small", "drift_window": 50}, 201)
        ask(case, "POST", V1 + "/models/{name}/versions/{version}/gate", {}, 200, name="small",
            version=1)
        ask(case, "POST", "/promote", {"version": "1"}, 200)
        for i, row in enumerate(support.adult_rows(60, 3)):
            ask(case, "POST", "/predict",
                {"features": support.features(row), "request_id": f"r{i}"}, 200)
        support.until(lambda: cls.s.get("/drift/latest").status == 200, "a drift report")
        run = ask(case, "POST", V1 + "/runs", {"experiment_id": "1", "name": "by hand", "params": {"a": "1"}}, 201)["run_id"]
        ask(case, "POST", V1 + "/runs/{run_id}/metrics",
            {"metrics": [{"key": "loss", "value": 0.5, "step": 1}]}, 200, run_id=run)
        ask(case, "POST", V1 + "/runs/{run_id}/tags", {"tags": {"b": "2"}}, 200, run_id=run)
        ask(case, "PUT", V1 + "/runs/{run_id}/artifacts/{path}", "text", 201, run_id=run,
            path="note.txt")
        ask(case, "POST", V1 + "/environments", {"name": "local"}, 201)
        ask(case, "POST", V1 + "/experiments", {"name": "another"}, 201)
        ask(case, "POST", V1 + "/models", {"name": "empty"}, 201)
        ask(case, "POST", V1 + "/subscriptions", {"name": "all", "from": 1}, 201)
        ask(case, "POST", V1 + "/subscriptions/{name}/fetch", {"max": 3}, 200, name="all")
        ask(case, "POST", V1 + "/subscriptions/{name}/ack", {"positions": [1]}, 200, name="all")
        ask(case, "POST", V1 + "/subscriptions/{name}/nack",
            {"positions": [2], "error": "no", "park": True}, 200, name="all")
        support.until(lambda: cls.s.get(V1 + "/subscriptions/all/parked")["items"], "a parked event")
        case.ok(cls.s.post(V1 + "/runs", {"experiment_id": "1", "name": "of somebody"},
                           X_Mlforge_Subject="person/1"), 201)
        ask(case, "POST", V1 + "/admin/archive", {"keep": 10}, 202)
        ask(case, "POST", V1 + "/backup", {"destination": "one"}, 202)
        ask(case, "POST", V1 + "/log/keys/rotate", {"reason": "a test"}, 200)
        support.until(lambda: cls.s.get(V1 + "/backups/one")["state"] == "done", "the backup")
        cls.run_id, cls.pipeline_run = run, ended["pipeline_run_id"]

    def parameters(self):
        """Values for the parameters of a path, by the path's beginning."""
        return {
            f"{V1}/runs/{{run_id}}/metrics": {"run_id": self.run_id, "key": "loss"},
            f"{V1}/runs/{{run_id}}": {"run_id": self.run_id, "path": "note.txt"},
            f"{V1}/pipeline_runs": {"pipeline_run_id": self.pipeline_run},
            f"{V1}/pipelines": {"name": "small"},
            f"{V1}/datasets": {"name": "people", "version": 1, "path": "people.data"},
            f"{V1}/experiments": {"experiment_id": 1},
            f"{V1}/models": {"name": "small", "version": 1},
            f"{V1}/endpoints": {"name": "small"},
            f"{V1}/environments": {"name": "local"},
            f"{V1}/events/{{id}}": {"id": 3},
            f"{V1}/streams": {"kind": "model", "name": "small"},
            f"{V1}/states": {"stream": "model/small"},
            f"{V1}/subscriptions": {"name": "all"},
            f"{V1}/subjects": {"subject": "person/1"},
            f"{V1}/backups": {"name": "one"},
            "/tile/entries": {"index": "000.p/5"},
            "/tile": {"level": 0, "index": "000.p/5"},
        }

    def path_of(self, pattern, operation):
        names = re.findall(r"{(\w+)}", pattern)
        values = {}
        if names:
            start = max((p for p in self.parameters() if pattern.startswith(p)), key=len)
            values = self.parameters()[start]
        path = pattern.format(**{n: urllib.parse.quote(str(values[n])) for n in names})
        needed = {"position": 3, "from": 2, "stream": "model/small", "metric": "loss"}
        query = {p["name"]: needed[p["name"]] for p in operation.get("parameters", [])
                 if p["in"] == "query" and (p.get("required") or p["name"] == "metric")}
        return path + ("?" + urllib.parse.urlencode(query) if query else "")

    def check(self, pattern, operation, answer):
        self.assertIn(str(answer.status), operation["responses"], (pattern, answer))
        described = operation["responses"][str(answer.status)]["content"]
        media = answer.headers.get("Content-Type", "").split(";")[0]
        self.assertEqual([media], list(described), pattern)
        if media != "application/json":
            return
        schema = described[media]["schema"]
        self.assertEqual(faults(answer.json, schema), [], pattern)
        if isinstance(answer.json, dict) and names_in(schema):
            self.assertLessEqual(set(answer.json), names_in(schema), f"{pattern} names all that it answers")

    def test_every_get_answers_as_described(self):
        asked = 0
        for pattern, methods in self.document["paths"].items():
            if "get" not in methods or pattern in STREAMS:
                continue
            with self.subTest(pattern):
                answer = self.s.get(self.path_of(pattern, methods["get"]))
                self.assertIn(answer.status, (200, 206), (pattern, answer))
                self.check(pattern, methods["get"], answer)
                asked += 1
        self.assertGreater(asked, 45)

    def test_writes_answer_as_described(self):
        for method, pattern, answer in self.said:
            with self.subTest(pattern):
                path = next(p for p in self.document["paths"]
                            if p == pattern or re.sub("{.*?}", "{}", p) == re.sub("{.*?}", "{}", pattern))
                self.check(path, self.document["paths"][path][method], answer)

    def test_every_json_answer_has_a_schema(self):
        for pattern, methods in self.document["paths"].items():
            for method, operation in methods.items():
                for status, response in operation["responses"].items():
                    content = response.get("content", {})
                    if "application/json" in content:
                        self.assertIn("schema", content["application/json"], (pattern, method, status))

    def test_a_part_of_a_file(self):
        pattern = f"{V1}/runs/{{run_id}}/artifacts/{{path}}"
        answer = self.s.call("GET", pattern.format(run_id=self.run_id, path="note.txt"),
                             headers={"Range": "bytes=1-2"})
        self.assertEqual((answer.status, answer.body), (206, b"ex"))
        self.check(pattern, self.document["paths"][pattern]["get"], answer)

    def test_predict_names_only_the_headers_that_it_reads(self):
        for pattern in ("/predict", V1 + "/endpoints/{name}/predict"):
            headers = {p["name"] for p in self.document["paths"][pattern]["post"]["parameters"]
                       if p["in"] == "header"}
            self.assertEqual(headers, {"X-Mlforge-Subject", "X-Correlation-Id"})

    def test_a_query_key_that_is_not_known_is_refused(self):
        for path, known in ((V1 + "/runs?as-of=5", "as_of"), (V1 + "/events?limt=1", "limit"),
                            ("/drift/latest?endpoint=x", "as_of"),
                            (V1 + "/live/events?form=1", "from")):
            answer = self.s.get(path)
            key = path.split("?")[1].split("=")[0]
            self.error(answer, "invalid_argument", key, [key, known])
        self.error(self.s.post("/predict?model=1", {"features": {}}), "invalid_argument", "model",
                   "takes none")
        self.error(self.s.put(V1 + "/datasets/people/files/x?from=me", "1"), "invalid_argument",
                   "from", "source")
        for path in ("/healthz?verbose=1", "/metrics?x=1", "/?x=1"):
            self.assertEqual(self.s.get(path).status, 200, path)

    def test_a_moment_that_is_not_there_yet_is_refused(self):
        for moment in (10 ** 9, "2999-01-01T00:00:00Z", "2999-01-01"):
            self.error(self.s.get(f"{V1}/runs?as_of={moment}"), "invalid_argument", "as_of")
        self.assertEqual(self.s.get(f"{V1}/events?since=2026-01-01").status, 200)


if __name__ == "__main__":
    support.main()
