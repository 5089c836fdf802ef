"""Copies of a log and travels in it: export, import, backup under load, restore, fork."""
import json
import os
import threading

import support
from support import Case, run_cli

V1 = "/api/v1"


class Appender:
    """Logs to a run until it is told to stop; counts the acknowledged positions."""

    def __init__(self, server, run):
        self.server, self.run, self.last, self.problem = server, run, 0, None
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        client, step = self.server.client(), 0
        while not self.enough.is_set():
            step += 1
            answer = client.post(f"{V1}/runs/{self.run}/metrics",
                                 {"metrics": [{"key": "loss", "value": 1 / step, "step": step}]})
            if answer.status != 200:
                self.problem = answer
                return
            self.last = answer["position"]
        client.close()

    def end(self):
        self.enough.set()
        self.thread.join(support.SLOW)


class Travel(Case):
    def setUp(self):
        super().setUp()
        self.data = self.path("data")
        self.s = self.server(data=self.data)

    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *arguments, code=0):
        done = run_cli(*arguments)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def start_run(self):
        experiment = self.ok(self.s.post(f"{V1}/experiments", {"name": "travel"}), 201)
        run = self.ok(self.s.post(f"{V1}/runs", {"experiment_id": experiment["experiment_id"]}), 201)
        return run["run_id"]

    def artifact(self, run, text):
        return self.ok(self.s.put(f"{V1}/runs/{run}/artifacts/note.txt", text), 201)

    def lines_of(self, folder):
        return self.cli("export", "--data", folder).stdout

    def test_backup_under_load(self):
        run = self.start_run()
        digest = self.artifact(run, "a file")["digest"]
        appender = Appender(self.s, run)
        support.until(lambda: appender.last > 30 or appender.problem, "some writes")
        acknowledged = appender.last
        made = json.loads(self.cli("backup", "--server", self.s.url, "-o", "monday",
                                   "--json").stdout)
        support.until(lambda: appender.last > made["position"] or appender.problem, "more writes")
        appender.end()
        self.assertIsNone(appender.problem)
        self.assertGreaterEqual(made["position"], acknowledged)
        self.assertLess(made["position"], appender.last, "the writer went on")
        self.assertEqual((made["blobs"], made["missing_blobs"]), (1, 0))
        self.assertEqual(made["folder"], os.path.join(self.data, "backups", "monday"))
        self.error(self.s.post(f"{V1}/backup", {"destination": "monday"}), "already_exists",
                   "destination")
        for name in ("", "..", ".a", "a/b", "/etc", "a b", "x" * 101):
            self.error(self.s.post(f"{V1}/backup", {"destination": name}), "invalid_argument",
                       "destination")
        self.error(self.s.get(f"{V1}/backups/nothing"), "not_found")
        self.assertEqual(self.ok(self.s.get(f"{V1}/backups/monday"))["state"], "done")
        self.cli("verify", "--data", made["folder"])

        restored = self.path("restored")
        self.cli("restore", made["folder"], "--data", restored)
        self.cli("verify", "--data", restored)
        self.cli("restore", made["folder"], "--data", restored, code=5)
        self.assertEqual(self.s.stop(), 0)
        whole = self.lines_of(self.data).splitlines()
        self.assertEqual(self.lines_of(restored).splitlines(), whole[:made["position"]])

        other = self.server(data=restored)
        self.assertEqual(other.get(f"{V1}/runs/{run}/artifacts/note.txt").body, b"a file")
        self.assertEqual(self.ok(other.get(f"{V1}/runs/{run}"))["run_id"], run)
        self.assertEqual(other.position(), made["position"])
        self.assertTrue(digest)

    def test_a_damaged_backup_is_not_restored(self):
        run = self.start_run()
        self.ok(self.s.post(f"{V1}/runs/{run}/params", {"params": {"depth": "unmistakable"}}))
        folder = json.loads(self.cli("backup", "--server", self.s.url, "-o", "a",
                                     "--json").stdout)["folder"]
        file = os.path.join(folder, "log", "data.mdb")
        with open(file, "rb") as source:
            text = source.read()
        with open(file, "wb") as target:
            target.write(text.replace(b"unmistakable", b"Unmistakable"))
        failed = self.cli("restore", folder, "--data", self.path("new"), code=6)
        self.assertIn("damaged", failed.stderr)
        self.assertFalse(os.path.exists(self.path("new")))

    def test_export_of_a_running_server(self):
        run = self.start_run()
        self.artifact(run, "a file")
        text = self.cli("export", "--server", self.s.url).stdout
        self.assertEqual([json.loads(line)["position"] for line in text.splitlines()],
                         list(range(1, self.s.position() + 1)))
        self.assertEqual(self.s.get(f"{V1}/events/export").body.decode(), text)
        part = self.s.get(f"{V1}/events/export?type=run.*&from=2").body.decode()
        self.assertEqual(part.splitlines(),
                         [line for line in text.splitlines() if '"type":"run.' in line])
        self.error(self.s.get(f"{V1}/events/export?to=99999"), "invalid_argument", "to")
        self.error(self.s.get(f"{V1}/events/export?from=x"), "invalid_argument", "from")
        self.error(self.s.get(f"{V1}/events/export?from=3&to=1"), "invalid_argument", "from")
        self.assertEqual(self.s.get(f"{V1}/events/export?from=2&to=1").body, b"")
        self.cli("export", "--server", self.s.url, "--from", "3", "--to", "1", code=2)
        self.cli("export", "--data", self.data, code=5)  # the server has it open
        with open(self.path("log.jsonl"), "w", encoding="utf-8") as out:
            out.write(text)
        self.cli("import", self.path("log.jsonl"), "--data", self.path("copy"))
        self.cli("verify", "--data", self.path("copy"))
        self.assertEqual(self.lines_of(self.path("copy")), text)
        other = self.server(data=self.path("copy"))
        self.assertEqual(self.ok(other.get(f"{V1}/runs/{run}"))["run_id"], run)

    def test_fork(self):
        self.cli("fork", "--data", self.data, "-o", "", code=2)
        run = self.start_run()
        self.artifact(run, "a file")
        at = self.s.position()
        self.ok(self.s.post(f"{V1}/runs/{run}/end", {"status": "finished"}))
        self.assertEqual(self.s.stop(), 0)
        fork = self.path("fork")
        made = json.loads(self.cli("fork", "--data", self.data, "--at", str(at), "-o", fork,
                                   "--json").stdout)
        self.assertEqual((made["position"], made["blobs"]), (at, 1))
        self.cli("verify", "--data", fork)
        self.assertEqual(self.lines_of(fork).splitlines(), self.lines_of(self.data).splitlines()[:at])
        other = self.server(data=fork)
        self.assertEqual(self.ok(other.get(f"{V1}/runs/{run}"))["status"], "running")
        self.assertEqual(other.get(f"{V1}/runs/{run}/artifacts/note.txt").body, b"a file")
        self.ok(other.post(f"{V1}/runs/{run}/end", {"status": "failed"}))



class Moments(Case):
    """A small life of a model; then questions about earlier moments of it."""

    def setUp(self):
        super().setUp()
        self.s = self.server("--gate-min-auc", "0.5", "--promotion-min-delta", "0.0001")
        support.add_people(self, self.s)
        self.run = support.train(self, self.s, "m", rounds=2)
        self.decide(1)

    def decide(self, version, status=200):
        base = f"{V1}/models/m/versions/{version}"
        self.ok(self.s.post(base + "/stage", {"stage": "Staging"}))
        self.ok(self.s.post(base + "/promote", {}), status)

    def live_on(self):
        """Changes something of every kind."""
        s = self.s
        self.second = support.train(self, s, "m", rounds=20)
        self.decide(2)
        self.ok(s.post(f"{V1}/endpoints/m/split", {"canary_bp": 500, "reason": "less"}))
        self.ok(s.call("PATCH", f"{V1}/subscriptions/m", {"active": False}))
        self.ok(s.put(f"{V1}/datasets/people/files/b.csv", "x"), 201)
        experiment = self.ok(s.post(f"{V1}/experiments", {"name": "later"}), 201)
        run = self.ok(s.post(f"{V1}/runs", {"experiment_id": experiment["experiment_id"]}), 201)
        self.ok(s.post(f"{V1}/runs/{self.started}/tags", {"tags": {"later": "yes"}}))
        self.ok(s.post(f"{V1}/runs/{self.started}/metrics",
                       {"metrics": [{"key": "auc", "value": 0.9, "step": 9}]}))
        self.ok(s.put(f"{V1}/runs/{self.started}/artifacts/note.txt", "second"), 201)
        self.ok(s.post(f"{V1}/runs/{run['run_id']}/end", {"status": "finished"}))

    def prepare(self):
        self.ok(self.s.post(f"{V1}/endpoints", {"name": "m", "model": "m", "canary_bp": 1000}), 201)
        self.ok(self.s.post(f"{V1}/subscriptions", {"name": "m"}), 201)
        self.ok(self.s.get(f"{V1}/log/keys"))  # the first answer writes the key into the log
        experiment = self.ok(self.s.post(f"{V1}/experiments", {"name": "own"}), 201)
        self.experiment = experiment["experiment_id"]
        self.started = self.ok(self.s.post(f"{V1}/runs", {"experiment_id": self.experiment}),
                               201)["run_id"]
        self.ok(self.s.post(f"{V1}/runs", {"experiment_id": self.experiment, "name": "ann's"},
                            X_Mlforge_Subject="person/1"), 201)
        self.ok(self.s.post(f"{V1}/runs/{self.started}/metrics",
                            {"metrics": [{"key": "auc", "value": 0.7, "step": 1}]}))
        self.ok(self.s.put(f"{V1}/runs/{self.started}/artifacts/note.txt", "first"), 201)
        # The endpoint serves in the background; what it has activated is an event, too.
        support.until(lambda: self.s.events(type="deployment.version_activated"), "an activation")

    def queries(self):
        """Every GET of the API document that takes as_of, with names that exist."""
        names = {"experiment_id": self.experiment, "run_id": self.started, "key": "auc",
                 "pipeline_run_id": self.run["pipeline_run_id"], "version": "1", "id": "1",
                 "kind": "model", "subject": "person/1"}
        found = []
        for path, methods in self.ok(self.s.get(f"{V1}/openapi.json"))["paths"].items():
            parameters = methods.get("get", {}).get("parameters", [])
            if "as_of" not in [p["name"] for p in parameters]:
                continue
            if "/drift" in path or path == f"{V1}/states/{{stream}}":
                continue  # no report here; states have a test of their own
            own = {"name": "people" if "/datasets/" in path else
                   "local" if "/environments/" in path else "m",
                   "path": "note.txt" if "/runs/" in path else "schema.yaml"}
            for part in [p.strip("{}*") for p in path.split("/") if p.startswith("{")]:
                path = path.replace("{" + part + "}", {**names, **own}[part])
            if path.endswith("/best"):
                path += "?metric=auc"
            found.append(path)
        self.assertGreater(len(found), 18, found)
        return found

    def body(self, path):
        answer = self.s.get(path)
        self.assertEqual(answer.status, 200, path)
        return answer.body

    def test_every_query_answers_as_of(self):
        self.prepare()
        queries = self.queries()
        at = self.s.position()
        time = self.s.events()[-1]["time"]
        before = {path: self.body(path) for path in queries}
        self.live_on()
        after = {path: self.body(path) for path in queries}
        changed = [path for path in queries if before[path] != after[path]]
        self.assertGreater(len(changed), len(queries) * 2 // 3)
        for path in queries:
            for moment in (str(at), time):
                with self.subTest(path=path, moment=moment):
                    then = self.body(path + ("&" if "?" in path else "?") + "as_of=" + moment)
                    self.assertEqual(then, before[path])

    def test_diff(self):
        self.prepare()
        at, time = self.s.position(), self.s.events()[-1]["time"]
        self.live_on()
        diff = self.ok(self.s.get(f"{V1}/diff?from={at}"))
        self.assertEqual((diff["from"], diff["to"]), (at, self.s.position()))
        self.assertEqual(diff["from_time"], time)
        model, = diff["models"]
        self.assertEqual(model["versions"], [2])
        self.assertIn({"name": "champion", "from": 1, "to": 2}, model["aliases"])
        self.assertIn({"version": 1, "from": "Production", "to": "Archived"}, model["stages"])
        endpoint, = diff["endpoints"]
        self.assertEqual(endpoint["split"], {"from_bp": 1000, "to_bp": 500})
        words = run_cli("diff", "--server", self.s.url, "--from", time)
        self.assertEqual(words.returncode, 0, words.stderr)
        self.assertEqual(words.stdout.splitlines(), diff["words"])
        self.assertIn("version 1 of model m went from Production to Archived", diff["words"])
        self.error(self.s.get(f"{V1}/diff?from=5&to=4"), "invalid_argument", "from")
        self.error(self.s.get(f"{V1}/diff?to=999999"), "invalid_argument", "to")
        self.error(self.s.get(f"{V1}/diff?from=x"), "invalid_argument", "from")

    def test_whatif(self):
        self.second = support.train(self, self.s, "m", rounds=20)
        self.decide(2)
        same = self.ok(self.s.get(f"{V1}/whatif"))
        self.assertEqual(same["different"], 0, same["rows"])
        self.assertEqual(same["champions"], [{"model": "m", "decided": [1, 2], "would_be": [1, 2]}])
        other = self.ok(self.s.get(f"{V1}/whatif?min_improvement=0.9"))
        self.assertEqual([(r["kind"], r["decided"], r["would_be"])
                          for r in other["rows"] if r["differs"]],
                         [("promotion", "promoted", "refused")])
        self.assertEqual(other["champions"][0]["would_be"], [1])
        self.error(self.s.get(f"{V1}/whatif?psi_threshold=high"), "invalid_argument",
                   "psi_threshold")
        for name in ("min_improvement", "gate_minimum", "gate_max_regression", "psi_threshold",
                     "ks_pvalue_threshold"):
            self.error(self.s.get(f"{V1}/whatif?{name}=-0.1"), "invalid_argument", name, "must be")
        # A fork of the stopped folder gives the same answers.
        self.assertEqual(self.s.stop(), 0)
        fork = os.path.join(self.folder, "fork")
        self.assertEqual(run_cli("fork", "--data", self.s.data, "-o", fork).returncode, 0)
        table = run_cli("whatif", "--data", fork, "--gate-min-improvement", "0.9")
        self.assertEqual(table.returncode, 0, table.stderr)
        self.assertIn("would have been", table.stdout.lower())
        self.assertRegex(table.stdout, r"promotion +m version 2 +promoted +refused")
        self.assertIn("1 of 4 decisions differ", table.stderr)
        refused = run_cli("whatif", "--data", fork, "--gate-min-improvement", "-0.9")
        self.assertEqual(refused.returncode, 2, refused.stderr)
        self.assertIn("min_improvement", refused.stderr)
        again = json.loads(run_cli("whatif", "--data", fork, "--gate-min-improvement", "0.9",
                                   "--json").stdout)
        del other["position"]
        self.assertEqual(again, other)

    def test_states(self):
        self.prepare()
        at = self.s.position()
        state = f"{V1}/states/run/{self.started}"
        before = self.ok(self.s.get(state))
        self.assertEqual([e["type"] for e in before["state"]],
                         ["run.started", "run.artifact_logged"])
        self.live_on()
        self.assertEqual(self.ok(self.s.get(f"{state}?as_of={at}")), before)
        after = self.ok(self.s.get(state))
        self.assertGreater(after["version"], before["version"])
        self.assertIn("run.tags_set", [e["type"] for e in after["state"]])
        self.error(self.s.get(f"{V1}/states/run/none"), "not_found")
        self.error(self.s.get(f"{V1}/states/cloud/none"), "invalid_argument", "stream")


if __name__ == "__main__":
    support.main()
