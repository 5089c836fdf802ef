"""Starting and resting: how soon it is ready, how little it needs, and what the exit codes say."""
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import support
from support import BINARY, Case, run_cli

V1 = "/api/v1"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_kib(pid, name):
    with open(f"/proc/{pid}/status", encoding="ascii") as text:
        return int(next(line for line in text if line.startswith(name + ":")).split()[1])


def drift_scores(server):
    """The lines of the metric, as texts."""
    lines = server.get("/metrics").body.decode().splitlines()
    return "\n".join(sorted(line for line in lines if line.startswith("mlforge_drift_score{")))


def takes_signals(pid):
    """Whether it has SIGTERM blocked, to take it by itself."""
    with open(f"/proc/{pid}/status", encoding="ascii") as text:
        blocked = next(line for line in text if line.startswith("SigBlk:"))
    return int(blocked.split()[1], 16) >> (signal.SIGTERM - 1) & 1


class Start(Case):
    def test_ready_on_an_empty_folder(self):
        started = time.monotonic()
        server = self.server()
        listening = time.monotonic()
        self.ok(server.get("/readyz"))
        ready = time.monotonic()
        print(f"listening after {1000 * (listening - started):.0f} ms, /readyz answered after "
              f"{1000 * (ready - started):.0f} ms", flush=True)

    def rest(self, server, what):
        """What an idle server needs, over a few seconds of wall time."""
        pid = server.process.pid
        self.ok(server.get("/readyz"))
        cpu, begin = cpu_seconds(pid), time.monotonic()
        support.until(lambda: time.monotonic() - begin >= 4, "4 s", every=0.5)
        share = (cpu_seconds(pid) - cpu) / (time.monotonic() - begin)
        anonymous = status_kib(pid, "RssAnon")
        print(f"{what}: RssAnon {anonymous / 1024:.1f} MiB, CPU {100 * share:.2f} %, "
              f"{status_kib(pid, 'Threads')} threads", flush=True)
        self.assertLess(anonymous, 60 << 10)
        self.assertLess(share, 0.05)

    def test_idle(self):
        self.rest(self.server(), "idle")

    def test_idle_with_a_broker(self):
        if not shutil.which("nats-server", path=os.environ.get("PATH", "") + ":/usr/sbin"):
            self.skipTest("nats-server is not installed")
        server = self.server(nats="managed")
        support.until(lambda: server.get("/readyz")["nats"]["state"] == "connected", "the broker")
        self.rest(server, "idle with a broker")

    def test_idle_with_watchers_and_a_model(self):
        server = self.server("--gate-min-auc", "0.5")
        support.add_people(self, server, rows=1200)
        support.train(self, server, "m", rounds=2)
        self.ok(server.post(V1 + "/models/m/versions/1/stage", {"stage": "Staging"}))
        self.ok(server.post(V1 + "/endpoints", {"name": "m", "model": "m"}), 201)
        self.ok(server.post("/promote", {"version": "1"}))
        watchers = [support.Sse(server, V1 + "/live/events") for _ in range(10)]
        self.rest(server, "idle with a model and 10 watchers")
        for watcher in watchers:
            watcher.close()

    def test_the_drift_score_is_there_after_a_restart(self):
        server = self.server("--gate-min-auc", "0.5")
        support.add_people(self, server, rows=1200)
        support.train(self, server, "m", rounds=2)
        self.ok(server.post(V1 + "/models/m/versions/1/stage", {"stage": "Staging"}))
        self.ok(server.post(V1 + "/endpoints", {"name": "m", "model": "m", "drift_window": 50}), 201)
        self.ok(server.post("/promote", {"version": "1"}))
        for row in support.adult_rows(50, 5):
            self.ok(server.post("/predict", {"features": support.features(row)}))
        support.until(lambda: server.get("/drift/latest").status == 200, "a drift report")
        scores = drift_scores(server)
        self.assertIn('mlforge_drift_score{endpoint="m",feature="age"}', scores)
        self.assertEqual(server.stop(), 0)
        server.start()
        self.assertEqual(drift_scores(server), scores)

    def test_a_signal_while_it_starts_is_taken_at_once(self):
        """The read models are made anew from 100,000 events, in five batches."""
        data, lines = os.path.join(self.folder, "data"), os.path.join(self.folder, "lines")
        with open(lines, "w", encoding="ascii") as out:
            for i in range(1, 100001):
                payload = {"experiment_id": str(i), "name": f"e{i}"}
                out.write(json.dumps({
                    "position": i, "id": f"01900000-0000-7000-8000-{i:012x}", "tenant": "default",
                    "stream": f"experiment/{i}", "version": 1, "type": "experiment.created",
                    "schema": 1, "actor": "ann", "time": "2025-03-01T00:00:00.000000Z",
                    "content_type": "json", "salt": f"{i:032x}", "payload": payload}) + "\n")
        done = run_cli("import", lines, "--data", data)
        self.assertEqual(done.returncode, 0, done.stderr)
        server = support.Server(data, start=False)
        self.addCleanup(support.end, server)
        for _ in range(2):
            shutil.rmtree(os.path.join(data, "views"), ignore_errors=True)
            server.launch()
            support.until(lambda: takes_signals(server.process.pid), "the handling of signals",
                          every=0)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.process.stdout.read(), b"", "it never listened")
            self.assertEqual(server.wait(timeout=60), 0, server.messages())
        self.assertIn("before the start was over", server.messages())
        server.start()
        self.ok(server.get(V1 + "/experiments/100000"))
        self.assertEqual(server.stop(), 0)

    def test_the_port_that_was_asked_for(self):
        server = self.server()
        taken = f"127.0.0.1:{server.port}"
        done = run_cli("serve", "--data", os.path.join(self.folder, "other"), "--nats", "off",
                       "--listen", taken)
        self.assertNotIn(done.returncode, (0, -11, -6))
        self.assertIn(str(server.port), done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(server.stop(), 0)
        again = support.start_server(self.addCleanup, server.data, listen=taken)
        self.assertEqual(again.port, server.port)

    def test_api_port(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        done = run_cli("serve", "--print-config", "--json", env={"API_PORT": str(port)})
        settings = {s["name"]: s for s in support.strict_json(done.stdout)["settings"]}
        self.assertEqual(settings["listen"]["value"], f"127.0.0.1:{port}")


class Settings(Case):
    def file(self, text):
        path = os.path.join(self.folder, "mlforge.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def settings(self, *arguments, env=None):
        done = run_cli("serve", *arguments, "--print-config", "--json", env=env)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {s["name"]: s["value"] for s in support.strict_json(done.stdout)["settings"]}

    def test_file_then_environment_then_flags(self):
        path = self.file("psi_threshold: 0.3\ndrift_window: 500\ncanary_traffic_split: 0.2\n")
        env = {"PSI_THRESHOLD": "0.4", "CANARY_TRAFFIC_SPLIT": "0.3"}
        found = self.settings("--config", path, "--canary-traffic-split", "0.4", env=env)
        self.assertEqual((found["drift_window"], found["psi_threshold"],
                          found["canary_traffic_split"], found["ks_pvalue_threshold"]),
                         (500, 0.4, 0.4, 0.05))
        found = self.settings(env={"MLFORGE_PSI_THRESHOLD": "0.5", **env})
        self.assertEqual(found["psi_threshold"], 0.5)

    def test_what_is_refused(self):
        for text, words in (("psi_treshold: 0.3\n", ["line 1", "psi_treshold"]),
                            ("drift_window: 500\npsi_threshold: much\n", ["line 2",
                                                                          "psi_threshold"]),
                            ("drift_window: 500\ndrift_window: 600\n", ["line 2", "drift_window"]),
                            ("drift_window: [\n", ["line"])):
            with self.subTest(text=text):
                path = self.file(text)
                done = run_cli("serve", "--config", path, "--print-config")
                self.assertEqual(done.returncode, 2, done.stderr)
                for word in [path] + words:
                    self.assertIn(word, done.stderr)
        done = run_cli("serve", "--print-config", env={"PSI_THRESHOLD": "much"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("PSI_THRESHOLD", done.stderr)
        done = run_cli("serve", "--config", os.path.join(self.folder, "none.yaml"))
        self.assertEqual(done.returncode, 2, done.stderr)


class Command(Case):
    def cli(self, *arguments, code=0, env=None):
        done = run_cli(*arguments, env=env)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        if code not in (0, 6):
            self.assertEqual(done.stdout, "", "messages belong on stderr")
            self.assertTrue(done.stderr)
        return done

    def remote(self, *arguments, code=0):
        return self.cli(*arguments, code=code, env={"MLFORGE_URL": self.s.url})

    def setUp(self):
        super().setUp()
        self.s = self.server("--gate-min-auc", "0.5")

    def test_0_ok(self):
        self.assertRegex(self.cli("--version").stdout, r"^mlforge \d+\.\d+\.\d+\n$")
        self.assertIn("serve", self.cli("--help").stdout)
        self.assertTrue(support.strict_json(self.cli("version", "--json").stdout))
        for name in ("serve", "demo", "events", "verify", "rebuild", "dataset", "run", "models",
                     "deploy", "drift", "doctor", "pipeline"):
            self.assertIn("Usage: mlforge " + name, self.cli(name, "--help").stdout)

    def test_1_failed(self):
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # bound and not listening
            url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            done = self.cli("events", "--server", url, code=1)
            self.assertIn(url, done.stderr)
            self.cli("models", "list", "--json", "--server", url, code=1)
        done = self.cli("serve", "--data", "/proc/nothing", "--listen", "127.0.0.1:0", code=1)
        self.assertIn("/proc/nothing", done.stderr)

    def test_2_usage(self):
        for arguments in (["nothing"], ["serve", "--nothing"], ["events", "--limit", "0"],
                          ["events", "--limit", "x"], ["models"], ["models", "show"], [],
                          ["serve", "--listen", "nowhere", "--print-config"],
                          ["serve", "--psi-threshold", "-1", "--print-config"],
                          ["serve", "--nats", "maybe", "--print-config"],
                          ["reference", "nothing"]):
            with self.subTest(arguments=arguments):
                self.cli(*arguments, code=2)
        self.remote("events", "--from", "x", code=2)
        self.remote("events", "--since", "noon", code=2)

    def test_3_not_found(self):
        for arguments in (["models", "show", "nobody"], ["run", "show", "nobody"],
                          ["dataset", "show", "nobody"], ["deploy", "show", "nobody"],
                          ["run", "train", "--pipeline", "nobody"], ["drift", "latest"]):
            with self.subTest(arguments=arguments):
                self.remote(*arguments, code=3)
        self.cli("verify", "--data", os.path.join(self.folder, "nothing"), code=3)

    def test_5_conflict(self):
        self.remote("models", "register", "m")
        self.assertIn("m", self.remote("models", "register", "m", code=5).stderr)
        self.cli("verify", "--data", self.s.data, code=5)

    def test_6_findings(self):
        path = os.path.join(self.folder, "people.data")
        with open(path, "w", encoding="utf-8") as out:
            out.write(support.adult_csv(20))
        schema = os.path.join(support.SOURCE, "ops", "demo", "schema.yaml")
        self.remote("dataset", "add", "people", path, schema)
        done = self.remote("dataset", "commit", "people", "--json", code=6)
        self.assertFalse(support.strict_json(done.stdout)["valid"])
        self.assertEqual(self.s.stop(), 0)
        with open(os.path.join(self.s.data, "FORMAT"), "a", encoding="ascii") as damaged:
            damaged.write("more\n")
        self.cli("doctor", "--data", self.s.data, "--nats", "off", code=6)

    def test_steps_one_by_one(self):
        """What the demo does, by the command line."""
        path = os.path.join(self.folder, "people.data")
        with open(path, "w", encoding="utf-8") as out:
            out.write(support.adult_csv(1200))
        yaml = os.path.join(self.folder, "m.yaml")
        with open(yaml, "w", encoding="utf-8") as out:
            out.write(support.SMALL_PIPELINE.format(name="m", rounds=3))
        self.remote("dataset", "add", "people", path,
                    os.path.join(support.SOURCE, "ops", "demo", "schema.yaml"))
        commit = support.strict_json(self.remote("dataset", "commit", "people", "--json").stdout)
        self.assertEqual((commit["version"], commit["rows"]), (1, 1200))
        self.remote("run", "train", "--pipeline", yaml, "--json")
        again = self.remote("run", "train", "--pipeline", "m")
        self.assertIn("cached", again.stdout + again.stderr)
        self.remote("models", "stage", "m", "1", "Staging")
        self.remote("models", "gate", "m", "1")
        self.remote("deploy", "create", "live", "--model", "m")
        self.remote("promote", "--model", "m", "--version", "1")
        person = json.dumps(support.features(next(support.adult_rows(1, 1))))
        answer = support.strict_json(self.remote("deploy", "predict", person, "--json").stdout)
        self.assertEqual((answer["model_version"], answer["routed_to"]), ("1", "champion"))
        shown = support.strict_json(self.remote("models", "show", "m", "champion", "--json").stdout)
        self.assertEqual(shown["stage"], "Production")

    def test_events_as_json(self):
        for i in range(5):
            self.ok(self.s.post(V1 + "/experiments", {"name": f"e{i}"}), 201)
        lines = self.remote("events", "--json").stdout.splitlines()
        self.assertEqual([support.strict_json(line) for line in lines], self.s.events())
        last = self.remote("events", "--json", "--from", "-2").stdout.splitlines()
        self.assertEqual(last, lines[-2:])
        self.assertEqual(len(self.remote("events").stdout.splitlines()), 5)
        one = self.remote("events", "--json", "--type", "experiment.*", "--limit", "1").stdout
        self.assertEqual(one.splitlines(), lines[:1])

    def test_events_follow(self):
        self.ok(self.s.post(V1 + "/experiments", {"name": "before"}), 201)
        follower = subprocess.Popen(
            [BINARY, "events", "--follow", "--json", "--from", "1", "--limit", "4"], text=True,
            env=support.clean_environment({"MLFORGE_URL": self.s.url}), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, preexec_fn=support.die_with_parent)
        self.addCleanup(follower.kill)
        first = support.strict_json(follower.stdout.readline())
        self.assertEqual(first["position"], 1)
        for i in range(3):
            self.ok(self.s.post(V1 + "/experiments", {"name": f"e{i}"}), 201)
        rest = [support.strict_json(line)["position"] for line in follower.stdout]
        self.assertEqual(rest, [2, 3, 4])
        self.assertEqual(follower.wait(support.SLOW), 0)
        follower.stdout.close()

    def test_doctor(self):
        done = run_cli("doctor", "--json", "--data", self.s.data, "--server", self.s.url, "--nats",
                       "off")
        report = support.strict_json(done.stdout)
        self.assertEqual(done.returncode, 0 if report["ok"] else 6)
        checks = {row["check"]: row for row in report["checks"]}
        self.assertLessEqual({"data folder", "disk", "sync rate", "open files", "clock",
                              "nats-server"}, set(checks))
        self.assertTrue(all(row["result"] in ("ok", "note", "finding") and row["detail"]
                            for row in report["checks"]), report)
        self.assertEqual(report["ok"], not [r for r in checks.values() if r["result"] == "finding"])
        self.assertIn(str(self.s.process.pid), checks["data folder"]["detail"])

    def test_many_starts_at_once_leave_one_server(self):
        """A race for the folder: one wins, the others say who has it."""
        data = os.path.join(self.folder, "race")
        done = []

        def start():
            process = subprocess.Popen(
                [BINARY, "serve", "--data", data, "--listen", "127.0.0.1:0", "--nats", "off"],
                env=support.clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                text=True)
            line = process.stdout.readline()
            if line:
                done.append(("serves", process))
            else:
                done.append((process.wait(), process))

        threads = [threading.Thread(target=start) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(support.SLOW)
        for _, process in done:
            self.addCleanup(process.stderr.close)
            self.addCleanup(process.stdout.close)
            if process.poll() is None:
                process.terminate()
                process.wait(support.SLOW)
        self.assertEqual(sorted(str(code) for code, _ in done), ["5"] * 4 + ["serves"])


if __name__ == "__main__":
    support.main()
