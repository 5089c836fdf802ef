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
        appender.end()
        self.assertIsNone(appender.problem)
        self.assertGreaterEqual(made["position"], acknowledged)
        self.assertLess(made["position"], appender.last, "the writer went on meanwhile")
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
        self.cli("export", "--data", self.data, code=5)  # the server has it open
        with open(self.path("log.jsonl"), "w", encoding="utf-8") as out:
            out.write(text)
        self.cli("import", self.path("log.jsonl"), "--data", self.path("copy"))
        self.cli("verify", "--data", self.path("copy"))
        self.assertEqual(self.lines_of(self.path("copy")), text)
        other = self.server(data=self.path("copy"))
        self.assertEqual(self.ok(other.get(f"{V1}/runs/{run}"))["run_id"], run)

    def test_fork(self):
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


if __name__ == "__main__":
    support.main()
