"""Random calls of MLflow's API, each compared with a simple model of MLflow's rules in memory."""
import math
import os
import random
import urllib.parse

import support
from mlflow_rules import Refused, Registry, Tracking
from support import Case

API = "/api/2.0/mlflow"
KEYS = ["a", "b/c", "x y", "é", "..", "a#", "/abs", "k" * 250, "k" * 251, "", "a:b"]
WEIGHTS = [9, 6, 4, 3, 1, 1, 1, 1, 1, 1, 3]


class Rules(Case):
    calls = 900 if support.LONG else 350

    def setUp(self):
        super().setUp()
        self.at = ""

    def _formatMessage(self, msg, standardMsg):
        return super()._formatMessage(f"{self.at} {msg or ''}", standardMsg)

    def call(self, method, path, body=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        return self.http.call(method, API + path, body)

    def both(self, expected, method, path, body=None, **query):
        """Calls the API; `expected` gives the model's answer or raises Refused. Answers the JSON."""
        answer = self.call(method, path, body, **query)
        try:
            self.wanted = expected()
        except Refused as refused:
            self.assertEqual((answer.status >= 400, answer.json.get("error_code")),
                             (True, refused.code), (path, body, answer))
            return None
        self.assertEqual(answer.status, 200, (path, body, answer))
        return answer.json

    def key(self):
        return self.draw.choices(KEYS, WEIGHTS)[0]

    # ------------------------------------------------------------ tracking

    def experiment_id(self):
        return self.draw.choice(list(self.model.experiments) + ["777"])

    def run_id(self):
        return self.draw.choice(list(self.model.runs) + ["f" * 32])

    def create_experiment(self):
        name = self.draw.choice([f"e{self.draw.randrange(12)}", "", "é/1", "n" * 501])
        made = self.both(lambda: self.model.create_experiment(name), "POST", "/experiments/create",
                         {"name": name})
        if made:
            self.model.created_experiment(made["experiment_id"], name)

    def change_experiment(self):
        id = self.experiment_id()
        action = self.draw.choice(["delete", "restore", "restore"])
        expected = getattr(self.model, action + "_experiment")
        self.both(lambda: expected(id), "POST", f"/experiments/{action}", {"experiment_id": id})

    def tag_experiment(self):
        id, key = self.experiment_id(), self.key()
        self.both(lambda: self.model.tag_experiment(id, key, "v"), "POST",
                  "/experiments/set-experiment-tag",
                  {"experiment_id": id, "key": key, "value": "v"})

    def create_run(self):
        id, start = self.experiment_id(), self.draw.randrange(1, 5) * 1000
        name = self.draw.choice(["one", "two", "drei é"])
        made = self.both(lambda: self.model.create_run(id), "POST", "/runs/create",
                         {"experiment_id": id, "start_time": start, "run_name": name,
                          "tags": [{"key": "t", "value": name}]})
        if made:
            self.model.created_run(made["run"]["info"]["run_id"], id, start, name, {"t": name})

    def batch(self):
        id = self.run_id()
        few = lambda most: range(self.draw.choice([0, 1, 1, 2, most]))
        metrics = [(self.key(), self.draw.choice([0, 1, -2.5, "NaN", "Infinity", 1e300]),
                    self.draw.choice([0, 5, 5, 9, -1] if i == 9 else [0, 5, 9]),
                    self.draw.choice([0, 1, 7, -3])) for i in few(10)]
        params = [(self.key(), self.draw.choice(["1", "2", "", "w" * 6500])) for _ in few(3)]
        tags = [(self.key(), self.draw.choice(["x", "", "ü" * 8100])) for _ in few(3)]
        body = {"run_id": id,
                "metrics": [{"key": k, "value": v, "timestamp": t, "step": s}
                            for k, v, t, s in metrics],
                "params": [{"key": k, "value": v} for k, v in params],
                "tags": [{"key": k, "value": v} for k, v in tags]}
        self.both(lambda: self.model.batch(id, metrics, params, tags), "POST", "/runs/log-batch",
                  body)

    def log_one(self):
        id, key = self.run_id(), self.key()
        what = self.draw.randrange(3)
        if what == 0:
            value, time, step = self.draw.choice([1, "NaN", 3.5]), self.draw.randrange(4), 2
            self.both(lambda: self.model.batch(id, [(key, value, time, step)], [], []), "POST",
                      "/runs/log-metric", {"run_id": id, "key": key, "value": value,
                                           "timestamp": time, "step": str(step)})
        elif what == 1:
            value = self.draw.choice(["1", "2"])
            self.both(lambda: self.model.batch(id, [], [(key, value)], []), "POST",
                      "/runs/log-parameter", {"run_id": id, "key": key, "value": value})
        else:
            key = self.draw.choice([key, "mlflow.runName"])
            self.both(lambda: self.model.batch(id, [], [], [(key, "named")]), "POST",
                      "/runs/set-tag", {"run_id": id, "key": key, "value": "named"})

    def change_run(self):
        id = self.run_id()
        action = self.draw.choice(["delete", "restore", "update", "delete-tag"])
        body = {"run_id": id}
        if action == "update":
            status = self.draw.choice(["FINISHED", "RUNNING", "KILLED", None])
            end, name = self.draw.choice([None, 5000, 6000]), self.draw.choice(["", "new name"])
            body.update({k: v for k, v in (("status", status), ("end_time", end),
                                           ("run_name", name)) if v})
            expected = lambda: self.model.update(id, status, end, name)
        elif action == "delete-tag":
            body["key"] = self.draw.choice(["t", "a", "none"])
            expected = lambda: self.model.delete_tag(id, body["key"])
        else:
            expected = lambda: getattr(self.model, action + "_run")(id)
        self.both(expected, "POST", f"/runs/{action}", body)

    def see_run(self):
        id = self.run_id()
        got = self.both(lambda: self.model.run(id), "GET", "/runs/get", run_id=id)
        if not got:
            return
        run, info, data = self.model.runs[id], got["run"]["info"], got["run"].get("data", {})
        pairs = lambda name: {p["key"]: p["value"] for p in data.get(name, [])}
        self.assertEqual((info["experiment_id"], info["run_name"], info["status"],
                          info["start_time"], info.get("end_time"), info["lifecycle_stage"]),
                         (run.experiment, run.name, run.status, run.start, run.end,
                          "deleted" if run.deleted else "active"))
        self.assertEqual(pairs("params"), run.params)
        self.assertEqual(pairs("tags"), run.tags)
        shown = {m["key"]: (m["timestamp"], m.get("step", 0), float(m["value"]))
                 for m in data.get("metrics", [])}
        self.assertEqual(repr(sorted(shown.items())), repr(sorted(
            (k, (t, s, float(v))) for k, (t, s, v) in run.latest().items())))
        if run.points:
            self.see_history(run, self.draw.choice(list(run.points)))

    def see_history(self, run, key):
        points, token = [], ""
        while token is not None:
            page = self.ok(self.call("GET", "/metrics/get-history", run_id=run.id, metric_key=key,
                                     max_results=3, page_token=token))
            points += [(m["timestamp"], m.get("step", 0), float(m["value"]))
                       for m in page.get("metrics", [])]
            token = page.get("next_page_token")
        self.assertEqual([p[:2] for p in points], sorted(p[:2] for p in points))
        order = lambda p: (p[0], p[1], math.isnan(p[2]), 0 if math.isnan(p[2]) else p[2])
        self.assertEqual(repr(sorted(points, key=order)), repr(sorted(run.points[key], key=order)))

    CLAUSES = [("metrics", "a", ">", 0.5), ("metrics", "a", "<=", 1.0), ("metrics", "b/c", "!=", 1.0),
               ("params", "a", "=", "1"), ("params", "x y", "!=", "1"), ("params", "é", "IS NULL", None),
               ("tags", "t", "LIKE", "t%"), ("tags", "a", "IS NOT NULL", None),
               ("attributes", "status", "=", "FINISHED"), ("attributes", "start_time", ">=", 2000),
               ("attributes", "run_name", "LIKE", "dr%"), ("attributes", "end_time", "<", 6000)]
    ORDERS = [None, ("metrics", "a", False), ("metrics", "a", True), ("params", "a", True),
              ("tags", "t", False), ("attributes", "start_time", False),
              ("attributes", "run_name", True)]

    def search(self):
        clauses = self.draw.sample(self.CLAUSES, self.draw.randrange(3))
        order, view = self.draw.choice(self.ORDERS), self.draw.choice(
            ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"])
        experiments = self.draw.sample(list(self.model.experiments),
                                       min(3, len(self.model.experiments)))
        text = lambda v: "" if v is None else f" '{v}'" if isinstance(v, str) else f" {v}"
        body = {"experiment_ids": experiments, "run_view_type": view, "max_results": 4,
                "filter": " AND ".join(f"{e}.`{k}` {o}{text(v)}" for e, k, o, v in clauses)}
        if order:
            body["order_by"] = [f"{order[0]}.`{order[1]}` {'DESC' if order[2] else 'ASC'}"]
        found, token = [], ""
        while token is not None:
            page = self.ok(self.call("POST", "/runs/search", {**body, "page_token": token}))
            found += [r["info"]["run_id"] for r in page.get("runs", [])]
            token = page.get("next_page_token")
        self.assertEqual(found, self.model.search(experiments, clauses, order, view), body)

    def see_experiments(self):
        found = self.ok(self.call("POST", "/experiments/search",
                                  {"view_type": "ALL", "max_results": 1000}))["experiments"]
        seen = {e["experiment_id"]: (e["name"], e["lifecycle_stage"] == "deleted",
                                     {t["key"]: t["value"] for t in e.get("tags", [])})
                for e in found}
        self.assertEqual(seen, {id: (e["name"], e["deleted"], e["tags"])
                                for id, e in self.model.experiments.items()})

    def tracking(self, seed):
        self.draw, self.model = random.Random(seed), Tracking()
        actions = [(self.create_experiment, 2), (self.change_experiment, 1),
                   (self.tag_experiment, 1), (self.create_run, 4), (self.batch, 10),
                   (self.log_one, 6), (self.change_run, 5), (self.see_run, 5), (self.search, 6),
                   (self.see_experiments, 1)]
        for i in range(self.calls):
            self.at = f"seed {seed}, call {i}"
            self.draw.choices([a for a, _ in actions], [w for _, w in actions])[0]()

    def test_experiments_and_runs(self):
        for seed in (1, 2) if not support.LONG else range(20):
            self.http = self.server(data=os.path.join(self.folder, str(seed))).client()
            self.tracking(seed)

    # ------------------------------------------------------------ the registry

    def registry_call(self):
        draw, model = self.draw, self.model
        name = draw.choice(["m1", "m2", "m 3", "é", "a/b", "none"])
        version = draw.randrange(1, 5)
        kind = draw.choice(["create", "create", "version", "version", "rename", "delete", "tag",
                            "describe", "alias", "alias", "stage", "stage", "delete-version"])
        if kind == "create":
            tags = draw.choice([[], [{"key": "t", "value": "1"}]])
            self.both(lambda: model.create(name, {t["key"]: t["value"] for t in tags}), "POST",
                      "/registered-models/create", {"name": name, "tags": tags})
        elif kind == "rename":
            to = draw.choice(["m1", "m2", "new", "a:b"])
            self.both(lambda: model.rename(name, to), "POST", "/registered-models/rename",
                      {"name": name, "new_name": to})
        elif kind == "delete":
            self.both(lambda: model.delete(name), "DELETE", "/registered-models/delete",
                      {"name": name})
        elif kind == "describe":
            self.both(lambda: model.describe(name, "d"), "PATCH", "/registered-models/update",
                      {"name": name, "description": "d"})
        elif kind == "tag":
            self.both(lambda: model.tag(name, "k", "v"), "POST", "/registered-models/set-tag",
                      {"name": name, "key": "k", "value": "v"})
        elif kind == "version":
            made = self.both(lambda: model.create_version(name), "POST", "/model-versions/create",
                             {"name": name, "source": "s3://bucket/files"})
            if made:
                self.assertEqual(made["model_version"]["version"], str(self.wanted))
        elif kind == "delete-version":
            self.both(lambda: model.delete_version(name, version), "DELETE",
                      "/model-versions/delete", {"name": name, "version": str(version)})
        elif kind == "alias":
            alias = draw.choice(["best", "prod", "latest", "v7"])
            self.both(lambda: model.alias(name, alias, version), "POST",
                      "/registered-models/alias",
                      {"name": name, "alias": alias, "version": str(version)})
        else:
            stage = draw.choice(["None", "Staging", "Production", "Archived"])
            archive = draw.random() < 0.5
            self.both(lambda: model.stage(name, version, stage, archive), "POST",
                      "/model-versions/transition-stage",
                      {"name": name, "version": str(version), "stage": stage,
                       "archive_existing_versions": archive})

    def see_models(self):
        found = self.ok(self.call("GET", "/registered-models/search")).get("registered_models", [])
        self.assertEqual({m["name"] for m in found}, set(self.model.models))
        versions = self.ok(self.call("GET", "/model-versions/search")).get("model_versions", [])
        self.assertEqual({(v["name"], int(v["version"]), v["current_stage"]) for v in versions},
                         {(name, number, v["stage"]) for name, m in self.model.models.items()
                          for number, v in m["versions"].items()})
        for row in found:
            model = self.model.models[row["name"]]
            self.assertEqual(
                ({a["alias"]: int(a["version"]) for a in row.get("aliases", [])},
                 {t["key"]: t["value"] for t in row.get("tags", [])}, row.get("description")),
                (model["aliases"], model["tags"], model["description"]))

    def test_registered_models(self):
        for seed in (1, 2) if not support.LONG else range(20):
            self.http = self.server(data=os.path.join(self.folder, str(seed))).client()
            self.draw, self.model = random.Random(seed), Registry()
            for i in range(self.calls):
                self.at = f"seed {seed}, call {i}"
                self.registry_call()
                if i % 8 == 0:
                    self.see_models()


if __name__ == "__main__":
    support.main()
