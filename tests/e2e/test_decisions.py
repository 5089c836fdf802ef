"""Decisions about models and endpoints: what is refused writes nothing, and the same again is one.

One small model is trained for all tests, on rows whose missing cells say something.
"""
import os

import support
from support import Case, features

V1 = "/api/v1"
MODEL = V1 + "/models/small"


def rows_with_missing_cells(count=1500):
    """Every thirteenth person has no workclass, and earns much."""
    for i, row in enumerate(support.adult_rows(count, 7)):
        if i % 13 == 0:
            row[1], row[14] = "?", ">50K"
        yield row


class Decisions(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"),
                                     "--gate-min-auc", "0.5")
        cls().set_up_objects()

    def set_up_objects(self):
        """Version 1 is champion, 2 is in Staging and challenger, 3 is archived, 4 in no stage."""
        s = self.s
        base = V1 + "/datasets/people"
        text = "".join(", ".join(map(str, row)) + "\n" for row in rows_with_missing_cells())
        self.ok(s.put(base + "/files/people.data", text), 201)
        self.ok(s.put(base + "/files/schema.yaml", support.schema_yaml()), 201)
        self.assertTrue(self.ok(s.post(base + "/commits", {}), 201)["valid"])
        support.train(self, s, "small", rounds=8)
        self.ok(s.post(MODEL + "/versions/1/stage", {"stage": "Staging"}))
        self.ok(s.post(V1 + "/endpoints", {"name": "default", "model": "small",
                                           "retrain_pipeline": "small"}), 201)
        self.ok(s.post("/promote", {"version": "1"}))
        for auc in (0.91, 0.92, 0.93):
            self.ok(s.post(MODEL + "/versions", self.command(metrics={"auc": auc})), 201)
        self.ok(s.post(MODEL + "/versions/2/stage", {"stage": "Staging"}))
        self.ok(s.post(MODEL + "/versions/3/stage", {"stage": "Archived"}))

    def command(self, **changes):
        """A version of the trained files, as a person registers one."""
        row = self.ok(self.s.get(MODEL + "/versions/1"))
        return {"run_id": row["run_id"], "dataset": "people", "dataset_version": 1,
                "artifacts": row["artifacts"], "metrics": {"auc": 0.9}, **changes}

    def refused(self, rows):
        """Rows of (method, path, body, code, field, words); nothing is written."""
        before = self.s.position()
        for method, path, body, code, field, words in rows:
            with self.subTest(path=path, body=str(body)[:80]):
                self.error(self.s.call(method, path, body), code, field, words)
        self.assertEqual(self.s.position(), before, "something was written")

    def test_a_promotion_that_cannot_be_weighed(self):
        one, two, three = (f"{MODEL}/versions/{n}/promote" for n in (1, 2, 3))
        self.refused([
            ("POST", one, {}, "conflict", None, "already in Production"),
            ("POST", one, {"metric": "nope"}, "conflict", None, "Production"),
            ("POST", two, {"metric": "nope"}, "conflict", "metric", "nope"),
            ("POST", three, {}, "conflict", None, "Staging first"),
            ("POST", MODEL + "/versions/4/promote", {}, "conflict", None, "Staging first"),
            ("POST", "/promote", {"version": "2", "metric": "nope"}, "conflict", "metric", "nope"),
            ("POST", "/promote", {"version": "2", "min_delta": -1}, "invalid_argument",
             "min_delta", "0 to 1")] + [
            ("POST", path, {"min_delta": delta}, "invalid_argument", "min_delta", "0 to 1")
            for path in (one, two, three) for delta in ("NaN", "Infinity", "-Infinity", -1, 1.5)])

    def test_a_gate_with_figures_out_of_range(self):
        for field in ("minimum", "max_regression"):
            self.refused(("POST", MODEL + "/versions/2/gate", {field: value}, "invalid_argument",
                          field, "0 to 1")
                         for value in ("NaN", "Infinity", "-Infinity", -5, -0.01, 1.01))

    def test_a_promotion_repeated_is_told_again(self):
        body = {"artifacts": self.command()["artifacts"], "metrics": {"auc": 0.1}}
        version = self.ok(self.s.post(MODEL + "/versions", body), 201)["version"]
        path = f"{MODEL}/versions/{version}"
        self.ok(self.s.post(path + "/stage", {"stage": "Staging"}))
        first = self.s.post(path + "/promote", {}, Idempotency_Key="once")
        self.error(first, "refused")
        head = self.s.position()
        again = self.s.post(path + "/promote", {}, Idempotency_Key="once")
        self.error(again, "refused")
        self.assertEqual(self.s.position(), head)
        self.error(self.s.post(path + "/promote", {}), "conflict", None, "Archived")
        self.ok(self.s.post(MODEL + "/versions/2/stage", {"stage": "Staging"}))
        self.ok(self.s.put(MODEL + "/aliases/challenger", {"version": 2}))

    def test_an_endpoint_with_a_pipeline_that_is_not_there(self):
        self.refused([("POST", V1 + "/endpoints", {"name": "new", "model": "small",
                                                   "retrain_pipeline": "nope"},
                       "not_found", "retrain_pipeline", "nope")])

    def test_aliases(self):
        self.refused(
            [("PUT", MODEL + "/aliases/challenger", {"version": n}, "refused", "alias", "Staging")
             for n in (1, 3, 4)] +
            [("PUT", f"{MODEL}/aliases/{name}", {"version": 1}, "invalid_argument", "alias",
              "digits") for name in ("3", "0", "12345678901234567890123")])
        self.ok(self.s.put(MODEL + "/aliases/shadow", {"version": 3}))

    def test_a_version_of_what_is_not_there(self):
        artifacts = self.command()["artifacts"]
        longer = [{**artifacts[0], "bytes": artifacts[0]["bytes"] + 1}] + artifacts[1:]
        absent = [{"path": "model.ubj", "digest": "0" * 64, "bytes": 1}]
        path = MODEL + "/versions"
        self.refused([
            ("POST", path, self.command(run_id="nope"), "not_found", "run_id", "nope"),
            ("POST", path, self.command(dataset="nope"), "not_found", "dataset", "nope"),
            ("POST", path, self.command(dataset_version=7), "not_found", "dataset_version", "7"),
            ("POST", path, self.command(dataset=""), "invalid_argument", "dataset", "missing"),
            ("POST", path, self.command(artifacts=longer), "invalid_argument", "artifacts.bytes",
             artifacts[0]["path"]),
            ("POST", path, self.command(artifacts=absent), "invalid_argument", "artifacts",
             "upload"),
        ])

    def test_the_same_version_again(self):
        first = self.ok(self.s.post(MODEL + "/versions", self.command(params={"a": "1"})), 201)
        head = self.s.position()
        again = self.ok(self.s.post(MODEL + "/versions", self.command(params={"a": "1"})), 201)
        self.assertEqual(again["version"], first["version"])
        self.assertEqual(self.s.position(), head)
        other = self.ok(self.s.post(MODEL + "/versions", self.command(params={"a": "2"})), 201)
        self.assertGreater(other["version"], first["version"])

    def test_a_missing_cell_is_scored_as_it_was_trained(self):
        person = features(next(support.adult_rows(1, 3)))

        def score(workclass):
            body = {"features": {**person, "workclass": workclass}}
            return self.ok(self.s.post("/predict", body))["probability"]

        self.assertEqual(score(None), score("?"))
        self.assertGreater(score(None), score("Private"))

    def test_as_of(self):
        run = self.ok(self.s.get(V1 + "/pipeline_runs"))["items"][0]["pipeline_run_id"]
        run = f"{V1}/pipeline_runs/{run}"
        started = self.s.events(type="pipeline_run.started")[0]["position"]
        self.ok(self.s.get(V1 + "/events/7?as_of=7"))
        event = self.ok(self.s.get(V1 + "/events/7"))
        self.refused([
            ("GET", V1 + "/events/7?as_of=3", None, "not_found", None, "7"),
            ("GET", f"{V1}/events/{event['id']}?as_of=3", None, "not_found", None, event["id"]),
            ("GET", V1 + "/events/7?as_of=abc", None, "invalid_argument", "as_of", ()),
            ("GET", run + "?wait=5&as_of=abc", None, "invalid_argument", "as_of", ()),
            ("GET", f"{run}?wait=1&as_of={started - 1}", None, "not_found", None, ()),
        ])
        then = self.ok(self.s.get(f"{run}?wait=1&as_of={started}"))
        self.assertEqual((then["status"], then["position"]), ("running", started))
        self.assertEqual(self.ok(self.s.get(run + "?wait=1"))["status"], "succeeded")

    def test_bytes_carry_their_position(self):
        path = V1 + "/datasets/people/versions/1/files/schema.yaml"
        head = self.s.position()
        now = self.s.get(path)
        self.assertEqual(now.status, 200)
        self.assertGreaterEqual(int(now.headers["X-Mlforge-Position"]), head)
        committed = self.s.events(type="dataset.committed")[0]["position"]
        then = self.s.get(f"{path}?as_of={committed}", Range="bytes=0-3")
        self.assertEqual((then.status, then.headers["X-Mlforge-Position"]), (206, str(committed)))

    def test_the_first_moment(self):
        self.assertEqual(
            self.ok(self.s.get(V1 + "/audit?until=1970-01-01T00:00:00Z"))["items"], [])
        self.assertTrue(self.ok(self.s.get(V1 + "/audit?since=1970-01-01T00:00:00Z"))["items"])

    def test_small_figures_and_names(self):
        run = V1 + "/runs/" + self.command()["run_id"]
        answer = self.s.call("GET", V1 + "/live/events", None,
                             {"Last-Event-ID": "18446744073709551615"})
        self.error(answer, "invalid_argument", "Last-Event-ID")
        step = '{"metrics":[{"key":"a","value":1,"step":9223372036854775808}]}'
        self.refused([
            ("GET", run + "/metrics/validation_auc?max_points=2", None, "invalid_argument",
             "max_points", "4"),
            ("POST", V1 + "/runs/a%2Fb/metrics", {"metrics": [{"key": "a", "value": 1}]},
             "invalid_argument", "run_id", "slash"),
            ("POST", run + "/metrics", step, "invalid_argument", "metrics[0].step", "out of range"),
            ("PUT", V1 + "/pipelines/p", "", "invalid_argument", None,
             "line 1, column 1: the document must be a map, not nothing"),
            ("PUT", V1 + "/pipelines/p", "\0\1\2", "malformed", None, "line 1"),
        ])

    def test_correlation(self):
        name = {"name": "correlated"}
        made = self.s.post(V1 + "/experiments", name, X_Correlation_Id="abc")
        event = self.ok(self.s.get(f"{V1}/events/{self.ok(made, 201)['position']}"))
        self.assertRegex(event["correlation_id"], support.UUID)
        self.assertEqual(made.headers["X-Correlation-Id"], event["correlation_id"])
        again = self.s.post(V1 + "/experiments", name, X_Correlation_Id="abc")
        self.assertEqual(self.error(again, "already_exists")["correlation_id"],
                         event["correlation_id"])


if __name__ == "__main__":
    support.main()
