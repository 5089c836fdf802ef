"""Old bodies in segments: archived under load and killed, read, proven, copied; and dropped."""
import base64
import json
import os
import threading

import support
from support import Case, run_cli

V1 = "/api/v1"
ARCHIVE = V1 + "/admin/archive"


class Appender:
    """Logs metrics to a run until it is told to stop or the server is gone."""

    def __init__(self, server, run):
        self.server, self.run, self.last = server, run, 0
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        client, step = self.server.client(), 0
        try:
            while not self.enough.is_set():
                step += 1
                answer = client.post(f"{V1}/runs/{self.run}/metrics",
                                     {"metrics": [{"key": "loss", "value": 1 / step, "step": step}]})
                if answer.status == 200:
                    self.last = answer["position"]
        except OSError:
            pass  # the server was killed
        except Exception as gone:  # http.client's, for the same reason
            if not type(gone).__module__.startswith("http"):
                raise

    def end(self):
        self.enough.set()
        self.thread.join(support.SLOW)


class Archive(Case):
    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *arguments, code=0):
        done = run_cli(*arguments)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return done

    def json_of(self, *arguments):
        return json.loads(self.cli(*arguments, "--json").stdout)

    def start_run(self, server):
        experiment = self.ok(server.post(f"{V1}/experiments", {"name": "archive"}), 201)
        run = self.ok(server.post(f"{V1}/runs", {"experiment_id": experiment["experiment_id"]}), 201)
        return run["run_id"]

    def write(self, server, run, count):
        client = server.client()
        for step in range(count):
            self.ok(client.post(f"{V1}/runs/{run}/metrics",
                                {"metrics": [{"key": "loss", "value": step / 7, "step": step}]}))
        client.close()

    def idle(self, server):
        def done():
            state = self.ok(server.get(ARCHIVE))
            self.assertEqual(state["error"], "")
            return state if state["state"] == "idle" else None
        return support.until(done, "the archive being idle")

    def lines(self, folder):
        return self.cli("export", "--data", folder).stdout

    def test_a_server_archives_and_everything_reads_the_same(self):
        data = self.path("data")
        s = self.server(data=data)
        run = self.start_run(s)
        self.write(s, run, 60)
        before = s.events()
        as_of = self.ok(s.get(f"{V1}/runs/{run}?as_of=20"))
        started = self.ok(s.post(ARCHIVE, {"keep": 10}), 202)
        head = started["position"]
        self.assertEqual(started["target"], head - 10)
        state = self.idle(s)
        self.assertEqual(state["archived"], head - 10)
        self.assertEqual(state["segments"], 1)
        self.assertGreater(state["segment_bytes"], 0)
        self.assertEqual(s.events(), before)
        self.assertEqual(self.ok(s.get(f"{V1}/runs/{run}?as_of=20")), as_of)
        diff = self.json_of("diff", "--server", s.url, "--from", "5", "--to", "40")
        self.cli("proof", "event", "7", "--server", s.url, "-o", self.path("proof.json"))
        self.cli("verify", self.path("proof.json"))
        backup = self.json_of("backup", "--server", s.url, "-o", "monday")
        self.assertEqual(s.stop(), 0)
        self.assertTrue(diff)
        self.assertEqual(self.json_of("verify", data)["ok"], True)
        self.assertEqual(self.lines(backup["folder"]),
                         "".join(self.lines(data).splitlines(True)[:backup["position"]]))
        self.cli("restore", backup["folder"], "--data", self.path("restored"))
        self.assertEqual(self.lines(self.path("restored")), self.lines(backup["folder"]))
        self.cli("fork", "--data", data, "--at", "30", "-o", self.path("fork"))
        self.assertEqual(self.json_of("verify", self.path("fork"))["events"], 30)
        for row in self.json_of("rebuild", "--data", data)["projections"]:
            self.assertTrue(row["equal"], row)

    def test_a_folder_is_archived_and_compacted(self):
        data = self.path("data")
        s = self.server(data=data)
        run = self.start_run(s)
        self.write(s, run, 120)
        self.assertEqual(s.stop(), 0)
        lines = self.lines(data)
        row = self.json_of("archive", "--data", data, "--before", "100")
        self.assertEqual(row["archived"], 99)
        self.assertLess(row["file_bytes"], row["raw_bytes"])
        self.assertEqual(self.lines(data), lines)
        again = self.json_of("archive", "--data", data, "--before", "100")
        self.assertEqual(again["events"], 0)
        sizes = self.json_of("compact", "--data", data)
        self.assertLessEqual(sizes["bytes_after"], sizes["bytes_before"])
        self.assertEqual(self.lines(data), lines)
        self.assertTrue(self.json_of("verify", data)["ok"])
        self.cli("archive", "--data", data, "--before", "tomorrow", code=2)

    def test_killed_while_it_archives_under_load(self):
        data = self.path("data")
        s = self.server(data=data)
        run = self.start_run(s)
        self.write(s, run, 50)
        for _ in range(3):
            appender = Appender(s, run)
            support.until(lambda: appender.last > 0, "a write")
            self.ok(s.post(ARCHIVE, {}), 202)
            s.kill()
            s.wait()
            appender.end()
            acknowledged = appender.last
            s = self.server(data=data)
            self.assertGreaterEqual(s.position(), acknowledged)
            self.ok(s.post(ARCHIVE, {"keep": 3}), 202)
            self.idle(s)
        self.assertEqual(s.stop(), 0)
        self.assertTrue(self.json_of("verify", data)["ok"])
        for row in self.json_of("rebuild", "--data", data)["projections"]:
            self.assertTrue(row["equal"], row)

    def import_predictions(self, data, count):
        """A log of old predictions, of one endpoint."""
        golden = os.path.join(support.SOURCE, "tests/events/golden/prediction.logged.v1.hex")
        with open(golden, encoding="ascii") as file:
            payload = base64.b64encode(bytes.fromhex("".join(file.read().split()))).decode()
        with open(self.path("lines"), "w", encoding="ascii") as out:
            for i in range(1, count + 1):
                out.write(json.dumps({
                    "position": i, "id": f"01900000-0000-7000-8000-{i:012x}", "tenant": "default",
                    "stream": "predictions/adult", "version": i, "type": "prediction.logged",
                    "schema": 1, "actor": "endpoint:adult",
                    "time": f"2025-03-01T00:00:{i:02d}.000000Z", "content_type": "columns",
                    "salt": f"{i:032x}", "payload_base64": payload}) + "\n")
        self.cli("import", self.path("lines"), "--data", data)

    def test_retention_drops_payloads_and_the_read_models_stay(self):
        data = self.path("data")
        self.import_predictions(data, 50)
        s = self.server(data=data)  # whose read models see the events whole
        self.assertEqual(len(s.events()), 50)
        self.assertEqual(s.stop(), 0)
        row = self.json_of("retention", "predictions", "30d", "--data", data)
        self.assertEqual((row["events"], row["dropped"], row["up_to"]), (49, 49, 49))
        verified = self.json_of("verify", data)
        self.assertTrue(verified["ok"], verified)
        self.assertEqual(verified["expired"], 49)
        for row in self.json_of("rebuild", "--data", data)["projections"]:
            self.assertTrue(row["equal"], row)
        again = self.json_of("retention", "predictions", "30d", "--data", data)
        self.assertEqual((again["events"], again["dropped"]), (1, 1))  # no longer the last event
        s = self.server("--retention", "predictions=1s", data=data)
        support.until(lambda: s.get(ARCHIVE)["state"] == "idle", "nothing more to drop")
        events = s.events()
        self.assertEqual([e.get("expired", False) for e in events[:50]], [True] * 50)
        self.assertTrue(all(e["payload"] is None for e in events[:50]))
        applied = [e for e in events if e["type"] == "log.retention_applied"]
        self.assertEqual([(e["payload"]["kind"], e["payload"]["up_to"]) for e in applied],
                         [("predictions", 49), ("predictions", 50)])
        audit = self.ok(s.get(f"{V1}/audit"))
        self.assertIn("are dropped", json.dumps(audit))
        self.assertEqual(s.stop(), 0)
        # Exports carry what is left, and a log can be made of them again.
        lines = self.lines(data)
        with open(self.path("lines"), "w", encoding="utf-8") as out:
            out.write(lines)
        self.cli("import", self.path("lines"), "--data", self.path("copy"))
        self.assertEqual(self.lines(self.path("copy")), lines)
        self.assertTrue(self.json_of("verify", self.path("copy"))["ok"])

    def test_retention_by_rule(self):
        data = self.path("data")
        self.import_predictions(data, 20)
        s = self.server("--retention", "predictions=30d", "--archive-after-events", "5", data=data)
        state = support.until(
            lambda: self.ok(s.get(ARCHIVE))["retained_up_to"].get("predictions"), "the rule")
        self.assertEqual(state, 19)
        self.idle(s)
        self.assertEqual(sum(e.get("expired", False) for e in s.events()), 19)
        self.assertEqual(s.stop(), 0)
        self.assertTrue(self.json_of("verify", data)["ok"])

    def test_bad_requests(self):
        s = self.server()
        self.error(s.post(ARCHIVE, {"before": "noon"}), "invalid_argument", "before")
        self.error(s.post(ARCHIVE, {"until": "5"}), "unknown_field", "until")
        retention = V1 + "/admin/retention"
        self.error(s.post(retention, {"kind": "model", "keep": "30d"}), "refused", "kind",
                   words=["predictions"])
        self.error(s.post(retention, {"kind": "predictions", "keep": "soon"}), "invalid_argument",
                   "keep")
        done = run_cli("serve", "--data", self.path("x"), "--retention", "model=30d")
        self.assertEqual(done.returncode, 2)
        self.assertIn("predictions", done.stderr)


if __name__ == "__main__":
    support.main()
