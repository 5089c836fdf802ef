"""Nothing acknowledged is ever lost: kill -9, SIGTERM under load, a full disk, damaged files.

  test_durability.py [--rounds N] [NAME ...]    N rounds of kill -9 (4; with MLFORGE_LONG=1: 20)
"""
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import unittest

import support
from support import Case, Server, run_cli

V1 = "/api/v1"
V2 = "/api/2.0/mlflow"
ROUNDS = 20 if support.LONG else 4
WRITERS = 8


class Writer:
    """Writes to a run of its own until the server is gone, and remembers what was acknowledged."""

    def __init__(self, server, seed, number):
        self.server, self.name = server, f"{seed}-{number}"
        self.draw = random.Random(f"{seed}/{number}")
        self.run, self.count = None, 0
        self.tags, self.params, self.values, self.files, self.acked = {}, {}, [], {}, []
        self.pending = None  # (method, path, body, key, what it does) without an answer
        self.problem = None

    def next_write(self):
        i, kind = self.count, self.draw.random()
        base = f"{V1}/runs/{self.run}"
        if kind < 0.6:
            values = [self.draw.random() for _ in range(self.draw.randint(1, 20))]
            points = [{"key": "m", "value": v, "step": i} for v in values]
            return ("POST", base + "/metrics", {"metrics": points},
                    lambda: self.values.extend(values))
        if kind < 0.8:
            tag = {"n": str(i), "text": "x" * self.draw.randint(0, 3000)}
            return "POST", base + "/tags", {"tags": tag}, lambda: self.tags.update(tag)
        if kind < 0.9:
            param = {f"p{i}": str(self.draw.random())}
            return "POST", base + "/params", {"params": param}, lambda: self.params.update(param)
        name, content = f"a{i}", self.draw.randbytes(self.draw.randint(0, 20000))
        return ("PUT", f"{base}/artifacts/{name}", content,
                lambda: self.files.update({name: content}))

    def run_id(self, client):
        answer = client.post(V1 + "/runs", {"experiment_id": "1", "name": self.name})
        self.run = answer["run_id"]
        self.acked.append((answer["position"], self.run))

    def __call__(self):
        client = self.server.client()
        try:
            self.run_id(client)
            while True:
                method, path, body, done = self.next_write()
                key = f"{self.name}-{self.count}"
                self.pending = (method, path, body, key, done)
                answer = client.call(method, path, body, {"Idempotency-Key": key})
                if answer.status not in (200, 201):
                    self.problem = answer
                    return
                done()
                self.acked.append((answer["position"], self.run))
                self.pending = None
                self.count += 1
        except (OSError, support.http.client.HTTPException):
            pass  # the server is gone
        finally:
            client.close()


class Load:
    """Eight writers; `total` counts what was acknowledged."""

    def __init__(self, server, seed):
        self.writers = [Writer(server, seed, i) for i in range(WRITERS)]
        self.threads = [threading.Thread(target=w, daemon=True) for w in self.writers]
        for thread in self.threads:
            thread.start()

    def wait_for(self, acknowledged):
        support.until(lambda: sum(len(w.acked) for w in self.writers) >= acknowledged
                      or not any(t.is_alive() for t in self.threads),
                      f"{acknowledged} acknowledged writes", every=0.002)

    def end(self):
        for thread in self.threads:
            thread.join(support.SLOW)
            assert not thread.is_alive(), "a writer hangs"


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Durability(Case):
    def data(self):
        return os.path.join(self.folder, "data")

    def cli(self, *arguments, code=0):
        done = run_cli(*arguments)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        return done

    def verified(self):
        report = support.strict_json(self.cli("verify", "--data", self.data(), "--json").stdout)
        self.assertTrue(report["ok"], report)
        return report

    def check_events(self, server, acked):
        events = server.events()
        self.assertEqual([e["position"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual(server.position(), len(events))
        for position, run in acked:
            self.assertLessEqual(position, len(events), "an acknowledged write is gone")
            self.assertEqual(events[position - 1]["stream"], f"run/{run}")
        return events

    def check_run(self, client, writer):
        base = f"{V1}/runs/{writer.run}"
        run = self.ok(client.get(base))
        self.assertEqual(run["params"], writer.params)
        self.assertEqual(run["tags"], writer.tags)
        points = client.get(base + "/metrics/m?max_points=1000000")
        if writer.values:
            self.assertEqual([p["value"] for p in self.ok(points)["points"]], writer.values)
        self.assertEqual({f["path"]: f["bytes"] for f in run["artifacts"]},
                         {name: len(content) for name, content in writer.files.items()})
        for name, content in writer.files.items():
            self.assertEqual(client.get(f"{base}/artifacts/{name}").body, content)

    def finish(self, client, writer):
        """Repeats the write that had no answer, with its key: then it is there exactly once."""
        if writer.run and writer.pending:
            method, path, body, key, done = writer.pending
            answer = client.call(method, path, body, {"Idempotency-Key": key})
            self.assertIn(answer.status, (200, 201), answer)
            done()

    def check_all(self, server, load):
        """Everything acknowledged is there with the right values, and nothing else."""
        self.check_events(server, [a for w in load.writers for a in w.acked])
        client = server.client()
        for writer in load.writers:
            self.finish(client, writer)
            if writer.run:
                self.check_run(client, writer)
        client.close()


class Crash(Durability):
    def test_kill_9_in_mid_load_loses_nothing_acknowledged(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        loads = []
        for seed in range(1, ROUNDS + 1):
            with self.subTest(seed=seed):
                load = Load(server, seed)
                load.wait_for(random.Random(seed).randint(10, 1500 if support.LONG else 250))
                server.kill(signal.SIGKILL)
                load.end()
                self.assertEqual([w.problem for w in load.writers if w.problem], [])
                self.verified()
                server.start()
                loads.append(load)
                self.check_all(server, load)
        client = server.client()
        for load in loads:
            for writer in load.writers:
                if writer.run:
                    self.check_run(client, writer)
        self.assertEqual(server.stop(), 0)
        self.assertTrue(self.verified()["index_checked"])
        print(f"{ROUNDS} rounds, {sum(len(w.acked) for x in loads for w in x.writers)} "
              "acknowledged writes", flush=True)

    def test_killed_while_it_starts(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        load = Load(server, "start")
        load.wait_for(60)
        server.kill()
        load.end()
        draw = random.Random(5)
        for _ in range(5):
            server.launch()
            try:
                server.process.wait(draw.random() * 0.2)
            except subprocess.TimeoutExpired:
                pass
            server.kill()
        self.verified()
        server.start()
        self.check_all(server, load)


class Ending(Durability):
    def test_sigterm_under_load(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        for seed in ("term 1", "term 2"):
            load = Load(server, seed)
            load.wait_for(120)
            self.assertEqual(server.stop(), 0, server.messages()[-2000:])
            load.end()
            for writer in load.writers:
                if writer.problem is not None:
                    self.error(writer.problem, writer.problem["error"]["code"])
                    self.assertEqual(writer.problem.status, 503)
            with open(os.path.join(self.data(), "views", "state"), encoding="utf-8") as state:
                self.assertIn(" clean", state.read())
            self.verified()
            server.start()
            ready = self.ok(server.get("/readyz"))
            self.assertEqual({p["position"] for p in ready["projections"]}, {ready["position"]})
            self.check_all(server, load)

    def test_a_second_signal_aborts(self):
        server = self.server("--drain-seconds", "3000", "--idle-timeout-seconds", "3000")
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        # A request that never ends: the drain waits for it.
        upload = support.socket.create_connection((server.host, server.port))
        self.addCleanup(upload.close)
        upload.sendall(f"PUT {V1}/runs/{run}/artifacts/a HTTP/1.1\r\nHost: localhost\r\n"
                       "Content-Length: 100000000\r\n\r\nonly this".encode())
        self.ok(server.get("/healthz"))
        server.process.send_signal(signal.SIGTERM)
        support.until(lambda: "stopping" in server.messages(), "the word that it stops")
        self.assertIsNone(server.process.poll())
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(), 128 + signal.SIGTERM)
        self.assertIn("second signal", server.messages())
        server.start()
        self.assertEqual(server.position(), 2)

    def test_sigint_ends_as_sigterm_does(self):
        server = self.server()
        self.assertEqual(server.kill(signal.SIGINT), 0)

    def test_streams_do_not_hold_up_the_end(self):
        server = self.server("--drain-seconds", "3000")
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        sse = support.Sse(server, V1 + "/live/events?from=1")
        watcher = support.WebSocket(server, V1 + "/live?from=1")
        self.assertEqual((sse.next()[0], json.loads(watcher.next())["position"]), ("1", 1))
        idle = server.client()
        self.ok(idle.get("/healthz"))
        server.process.send_signal(signal.SIGTERM)
        self.assertIsNone(sse.next())
        self.assertIsNone(watcher.next())
        watcher.close()
        self.assertEqual(server.wait(), 0)


class Folder(Durability):
    def test_a_second_server_on_the_same_folder(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        for command in (["serve", "--listen", "127.0.0.1:0", "--nats", "off"], ["verify"],
                        ["rebuild"]):
            with self.subTest(command=command[0]):
                done = self.cli(*command, "--data", self.data(), code=5)
                self.assertRegex(done.stderr, rf"\b{server.process.pid}\b")
                self.assertEqual(done.stdout, "")
        self.ok(server.post(V1 + "/experiments", {"name": "f"}), 201)
        self.assertEqual(server.position(), 2)

    def format_file(self, change):
        path = os.path.join(self.data(), "FORMAT")
        with open(path, encoding="ascii") as text:
            before = text.read()
        lines = change(before[:before.index("crc32c: ")])
        with open(path, "w", encoding="ascii") as out:
            out.write(lines + f"crc32c: {crc32c(lines.encode()):08x}\n")
        return before

    def contents(self):
        found = {}
        for folder, _, names in os.walk(self.data()):
            for name in names:
                path = os.path.join(folder, name)
                if name not in ("LOCK", "lock.mdb"):
                    with open(path, "rb") as file:
                        found[os.path.relpath(path, self.data())] = file.read()
        return found

    def test_a_folder_from_a_newer_format(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        self.assertEqual(server.stop(), 0)
        before = self.format_file(lambda lines: lines)
        after = self.format_file(lambda lines: lines.replace("format: 1\n", "format: 3\n"))
        self.assertEqual(before, after, "the checksum is not the documented one")
        files = self.contents()
        for command in (["serve", "--listen", "127.0.0.1:0", "--nats", "off"], ["verify"],
                        ["rebuild"]):
            with self.subTest(command=command[0]):
                done = self.cli(*command, "--data", self.data(), code=5)
                self.assertRegex(done.stderr, r"version 3\b.*newer mlforge")
                self.assertEqual(self.contents(), files, "something was changed")
        self.format_file(lambda lines: lines.replace("format: 3\n", "format: 1\n"))
        server.start()
        self.assertEqual(server.position(), 1)

    def test_a_damaged_header(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        self.assertEqual(server.stop(), 0)
        path = os.path.join(self.data(), "FORMAT")
        with open(path, encoding="ascii") as text:
            whole = text.read()
        for text in (whole.replace("format: 1", "format: 3"), whole[:-4], "", "something else\n",
                     None):
            with self.subTest(text=text):
                if text is None:
                    os.remove(path)
                else:
                    with open(path, "w", encoding="ascii") as out:
                        out.write(text)
                done = self.cli("serve", "--listen", "127.0.0.1:0", "--nats", "off", "--data",
                                self.data(), code=6)
                self.assertIn("FORMAT", done.stderr)
        with open(path, "w", encoding="ascii") as out:
            out.write(whole)
        server.start()
        self.assertEqual(server.position(), 1)

    def test_a_folder_of_somebody_else(self):
        os.makedirs(self.data())
        with open(os.path.join(self.data(), "thesis.txt"), "w", encoding="utf-8") as out:
            out.write("mine")
        done = self.cli("serve", "--listen", "127.0.0.1:0", "--nats", "off", "--data", self.data(),
                        code=2)
        self.assertIn("thesis.txt", done.stderr)
        self.assertEqual(os.listdir(self.data()), ["thesis.txt"])
        self.cli("verify", "--data", os.path.join(self.folder, "nothing"), code=3)


class Damage(Durability):
    def damaged(self):
        """A log of 60 events whose 30th has one bit wrong, wherever it lies in the file."""
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        for i in range(3, 61):
            tag = {"tags": {"mark": f"<mark of event {i}>" + "x" * 500}}
            self.assertEqual(self.ok(server.post(f"{V1}/runs/{run}/tags", tag))["position"], i)
        self.assertEqual(server.stop(), 0)
        self.verified()
        path = os.path.join(self.data(), "log", "data.mdb")
        with open(path, "r+b") as file:
            content = file.read()
            places = [m.start() for m in re.finditer(b"<mark of event 30>", content)]
            self.assertTrue(places)
            for place in places:
                file.seek(place + 3)
                file.write(bytes([content[place + 3] ^ 0x10]))
        return server, run

    def test_verify_names_the_position(self):
        self.damaged()
        done = self.cli("verify", "--data", self.data(), "--json", code=6)
        report = support.strict_json(done.stdout)
        self.assertEqual((report["ok"], report["first_bad_position"]), (False, 30))
        self.assertIn("30", report["what"])
        self.assertIn("30", self.cli("verify", "--data", self.data(), code=6).stdout)

    def test_the_rest_is_read(self):
        server, run = self.damaged()
        server.start()
        before = self.ok(server.get(f"{V1}/events?from=1&limit=29"))["items"]
        self.assertEqual([e["position"] for e in before], list(range(1, 30)))
        self.error(server.get(V1 + "/events/30"), "corrupt", None, "30")
        page = self.ok(server.get(V1 + "/events?from=1"))
        self.assertEqual((page["items"], page["next_from"]), (before, 30))
        self.error(server.get(V1 + "/events?from=30"), "corrupt", None, "30")
        after = self.ok(server.get(V1 + "/events?from=31"))["items"]
        self.assertEqual([e["position"] for e in after], list(range(31, 61)))
        self.assertTrue(self.ok(server.get(f"{V1}/runs/{run}"))["tags"]["mark"].startswith(
            "<mark of event 60>"))
        # Whether it goes on writing is its own to decide; if not, it names the reason.
        for path, body in ((f"{V1}/runs/{run}/tags", {"tags": {"more": "yes"}}),
                           (V1 + "/experiments", {"name": "other"})):
            more = server.post(path, body)
            if more.status not in (200, 201):
                self.assertIn(more["error"]["code"], ("corrupt", "read_only"))
                self.error(more, more["error"]["code"], None, "30")
        again = self.ok(server.get(V1 + "/events?from=31&limit=30"))["items"]
        self.assertEqual(again, after)
        self.assertEqual(server.stop(), 0)

    def test_views_are_not_built_from_a_damaged_record(self):
        server, run = self.damaged()
        done = self.cli("rebuild", "--data", self.data(), code=6)
        self.assertIn("30", done.stderr)
        # The views that there were are left alone, and served.
        server.start()
        self.assertTrue(self.ok(server.get(f"{V1}/runs/{run}"))["tags"]["mark"].startswith(
            "<mark of event 60>"))
        self.assertEqual(server.stop(), 0)
        # Without them, there is what can be read of the log.
        shutil.rmtree(os.path.join(self.data(), "views"))
        server.start()
        ready = server.get("/readyz")
        self.assertEqual((ready.status, ready["ready"], ready["writable"]), (503, False, False))
        self.assertIn("position 30 is damaged", ready["reason"])
        answer = self.ok(server.get(f"{V1}/runs/{run}"))
        self.assertEqual(answer["position"], 29)
        self.assertTrue(answer["tags"]["mark"].startswith("<mark of event 29>"))
        self.error(server.get(f"{V1}/runs/{run}?as_of=40"), "unavailable", None, "29")
        more = server.post(f"{V1}/runs/{run}/tags", {"tags": {"a": "b"}})
        self.assertIn(more["error"]["code"], ("corrupt", "read_only"))
        self.assertEqual(server.stop(), 0)

    def test_rebuild_gives_the_same_digests(self):
        server = self.server("--gate-min-auc", "0.5")
        support.add_people(self, server)
        support.train(self, server, "m", rounds=2)
        self.ok(server.post(V1 + "/models/m/versions/1/stage", {"stage": "Staging"}))
        self.ok(server.post(V1 + "/endpoints", {"name": "m", "model": "m"}), 201)
        self.ok(server.post("/promote", {"version": "1"}))
        for row in support.adult_rows(20, 2):
            self.ok(server.post("/predict", {"features": support.features(row)}))
        self.assertEqual(server.stop(), 0)
        digests = []
        for _ in range(2):
            done = self.cli("rebuild", "--data", self.data(), "--json")
            rows = support.strict_json(done.stdout)["projections"]
            self.assertEqual(len(rows), 17)
            for r in rows:
                self.assertTrue(r["equal"], r)
                self.assertEqual(r["digest_before"], r["digest_after"])
                self.assertRegex(r["digest_after"], "^[0-9a-f]{64}$")
            digests.append({r["name"]: r["digest_after"] for r in rows})
        self.assertEqual(digests[0], digests[1])
        shutil.rmtree(os.path.join(self.data(), "views"))
        rows = support.strict_json(self.cli("rebuild", "--data", self.data(), "--json").stdout)
        self.assertEqual({r["name"]: r["digest_after"] for r in rows["projections"]}, digests[0])
        self.assertEqual(len(set(digests[0].values())), 10, "views of nothing are equal, no others")
        only = self.cli("rebuild", "--data", self.data(), "--projection", "runs", "--json")
        self.assertEqual([r["name"] for r in support.strict_json(only.stdout)["projections"]],
                         ["runs"])
        self.cli("rebuild", "--data", self.data(), "--projection", "nothing", code=3)


class FullDisk(Durability):
    SIZE = 24 << 20

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("mounting a small tmpfs needs root")
        self.disk = tempfile.mkdtemp(prefix="mlforge-e2e-disk-")
        self.addCleanup(os.rmdir, self.disk)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.SIZE}", "tmpfs",
                                  self.disk], capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"a tmpfs cannot be mounted: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=False)

    def data(self):
        return os.path.join(self.disk, "data")

    def test_a_full_disk(self):
        server = self.server(data=self.data())
        server.errors = os.path.join(self.folder, "stderr")
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        base, written, position, refused = f"{V1}/runs/{run}", [], 0, None
        for i in range(2000):
            values = [float(i * 1000 + k) for k in range(1000)]
            answer = server.post(base + "/metrics", {
                "metrics": [{"key": "m", "value": v, "step": i} for v in values]})
            if answer.status != 200:
                refused = answer
                break
            written += values
            position = answer["position"]
        self.assertIsNotNone(refused, "the disk never filled up")
        self.error(refused, "read_only")
        self.error(server.post(base + "/tags", {"tags": {"a": "b"}}), "read_only")
        self.error(server.put(base + "/artifacts/a", b"bytes"), "read_only")
        ready = server.get("/readyz")
        self.assertEqual(ready.status, 503, ready)
        self.assertEqual((ready["ready"], ready["writable"]), (False, False))
        self.assertGreater(len(ready["reason"]), 10)
        self.ok(server.get("/healthz"))
        self.assertRegex(server.get("/metrics").body.decode(), r"(?m)^mlforge_log_read_only 1$")
        # Reads go on.
        self.assertEqual(self.ok(server.get(f"{V1}/events/{position}"))["position"], position)
        self.assertEqual(self.ok(server.get(base))["name"], "")
        self.assertEqual(self.ok(server.get(V1 + "/runs"))["items"][0]["run_id"], run)
        self.values(server, base, written)
        self.assertEqual(server.stop(), 0)

        # Without room it says so, or serves what there is; with room all is well.
        subprocess.run(["mount", "-o", f"remount,size={4 * self.SIZE}", self.disk], check=True)
        self.verified()
        server.start()
        self.assertEqual(self.ok(server.get("/readyz"))["writable"], True)
        self.check_events(server, [(position, run)])
        self.values(server, base, written)
        self.ok(server.post(base + "/tags", {"tags": {"a": "b"}}))
        self.assertEqual(self.ok(server.get(base))["tags"], {"a": "b"})
        self.assertEqual(server.stop(), 0)
        self.verified()

    def values(self, server, base, written):
        points = self.ok(server.get(base + "/metrics/m?max_points=1000000"))["points"]
        found = [p["value"] for p in points]
        self.assertEqual(found[:len(written)], written)
        self.assertEqual(len(found), len(written), "a refused write was written")


class ManyPoints(FullDisk):
    """Points of logged models, which take far more in the read models than in the log."""
    WRITERS, POINTS = 4, 1000

    def test_a_full_disk(self):
        server = self.server(data=self.data())
        server.errors = os.path.join(self.folder, "stderr")
        models = [self.ok(server.post(V2 + "/logged-models", {"experiment_id": "0"}))["model"]["info"]["model_id"]
                  for _ in range(self.WRITERS)]
        run = self.ok(server.post(V2 + "/runs/create", {"experiment_id": "0"}))["run"]["info"]["run_id"]
        refused, written = [], [0] * self.WRITERS

        def write(n):
            for i in range(2000):
                points = [{"key": f"k{n}", "value": k, "timestamp": i, "step": i * self.POINTS + k,
                           "model_id": models[n]} for k in range(self.POINTS)]
                answer = server.post(V2 + "/runs/log-batch", {"run_id": run, "metrics": points})
                if answer.status != 200:
                    return refused.append(answer)
                written[n] += self.POINTS

        writers = [threading.Thread(target=write, args=(n,)) for n in range(self.WRITERS)]
        for each in writers:
            each.start()
        for each in writers:
            each.join()
        self.assertEqual(len(refused), self.WRITERS, "the disk never filled up")
        for answer in refused:
            self.assertEqual((answer.status, "stopped writing" in answer["message"]), (503, True), answer)
        # Reads go on, of all that was written.
        for n, model in enumerate(models):
            found = self.ok(server.get(f"{V2}/logged-models/{model}"))["model"]["data"]["metrics"]
            self.assertEqual(max(int(m["step"]) for m in found), written[n] - 1, "the last point")
        self.assertEqual(server.stop(), 0)
        self.verified()


def take_rounds():
    global ROUNDS
    if "--rounds" in sys.argv:
        at = sys.argv.index("--rounds")
        ROUNDS = int(sys.argv[at + 1])
        del sys.argv[at:at + 2]


if __name__ == "__main__":
    take_rounds()
    support.main()
