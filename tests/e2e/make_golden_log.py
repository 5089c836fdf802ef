"""Makes tests/e2e/golden/<name>.tar.gz, a small log as the program of today writes it, and <name>.json with
what it answers about it. test_golden_log.py opens all of them for ever; none is ever made anew.

    MLFORGE_BIN=build/release/mlforge python3 tests/e2e/make_golden_log.py format-1a
"""
import json
import os
import sys
import tarfile
import tempfile

import support
from support import Case, add_people, adult_rows, features, run_cli, train

V1 = "/api/v1"
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
KEPT = ["FORMAT", "checkpoint", os.path.join("log", "data.mdb")]
QUESTIONS = ["/experiments", "/runs", "/models", "/models/small/versions", "/endpoints",
             "/pipelines", "/datasets", "/audit?limit=1000", "/experiments/1/best?metric=auc"]


class Maker(Case):
    def make(self, name):
        self.setUp()
        self.s = self.server()
        self.write()
        answers = {q: self.ok(self.s.get(V1 + q)) for q in QUESTIONS}
        series = self.ok(self.s.get(f"{V1}/runs/{self.run_id}/metrics/auc"))
        answers[f"/runs/{self.run_id}/metrics/auc"] = series
        self.ok(self.s.get(V1 + "/log/keys"))
        self.s.get("/checkpoint")
        self.assertEqual(self.s.stop(), 0)
        data = os.path.join(self.folder, "data")
        done = run_cli("verify", "--data", data, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        verified = json.loads(done.stdout)
        types = {}
        for line in run_cli("export", "--data", data).stdout.splitlines():
            kind = json.loads(line)["type"]
            types[kind] = types.get(kind, 0) + 1
        path = os.path.join(FOLDER, name)
        if os.path.exists(path + ".tar.gz"):
            sys.exit(f"{path}.tar.gz is there: what was written once is never changed")
        with tarfile.open(path + ".tar.gz", "w:gz") as tar:
            for each in KEPT:
                tar.add(os.path.join(data, each), each)
        with open(path + ".json", "w", encoding="utf-8") as out:
            json.dump({"events": verified["events"], "root": verified["root"], "types": types,
                       "predictions": 12, "answers": answers}, out, indent=1, sort_keys=True)
            out.write("\n")
        print(path, os.path.getsize(path + ".tar.gz"), "bytes,", verified["events"], "events")

    def write(self):
        s = self.s
        self.ok(s.post(V1 + "/experiments", {"name": "gold"}), 201)
        self.run_id = self.ok(s.post(V1 + "/runs", {
            "experiment_id": "1", "name": "first", "params": {"depth": "6"},
            "tags": {"who": "Zoë \"Z\""}}), 201)["run_id"]
        run = f"{V1}/runs/{self.run_id}"
        values = [0.5, "NaN", 0.75, "Infinity", -0.0, 1e300, 5e-324]
        self.ok(s.post(run + "/metrics", {"metrics": [
            {"key": "auc", "value": v, "step": i, "timestamp": 1000 + i}
            for i, v in enumerate(values)]}))
        self.ok(s.put(run + "/artifacts/note.txt", "a note"), 201)
        self.ok(s.post(run + "/end", {"status": "finished"}))
        self.ok(s.post(V1 + "/environments", {"name": "here"}), 201)
        add_people(self, s, rows=1000)
        train(self, s, rounds=2)
        self.ok(s.post(V1 + "/models/small/versions/1/stage", {"stage": "Staging"}))
        self.ok(s.post(V1 + "/endpoints", {"name": "live", "model": "small",
                                           "drift_window": 1000}), 201)
        self.ok(s.post("/promote", {"version": "1", "reason": "the first"}))
        for i, row in enumerate(adult_rows(12, seed=3)):
            self.ok(s.post("/predict", {"features": features(row), "request_id": f"r-{i}"}))
        support.until(lambda: sum(len(e["payload"]["versions"])
                                  for e in s.events(type="prediction.logged")) == 12,
                      "the predictions in the log")


if __name__ == "__main__":
    case = Maker()
    try:
        case.make(sys.argv[1])
    finally:
        case.doCleanups()
