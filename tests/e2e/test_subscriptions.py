"""Durable subscriptions: fetch, acknowledge, retry, park and replay; shared, and over restarts."""
import base64
import datetime
import json
import os
import stat
import threading
import time
import unittest

import support
from support import Case, Sse, WebSocket
from test_nats import PROGRAM, Nats

V1 = "/api/v1"
SUBS = V1 + "/subscriptions"


class Subscriptions(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server()
        self.ok(self.s.post(V1 + "/experiments", {"name": "e"}), 201)
        self.run_id = self.ok(self.s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]

    def tag(self, count, start=0):
        """Writes events of type run.tags_set; answers their positions."""
        client, path = self.s.client(), f"{V1}/runs/{self.run_id}/tags"
        out = [self.ok(client.post(path, {"tags": {"n": str(start + i)}}))["position"]
               for i in range(count)]
        client.close()
        return out

    def make(self, name, status=201, **fields):
        fields.setdefault("types", ["run.tags_set"])
        return self.ok(self.s.post(SUBS, {"name": name, **fields}), status)

    def fetch(self, name, most=100, wait_ms=0, **fields):
        answer = self.s.post(f"{SUBS}/{name}/fetch", {"max": most, "wait_ms": wait_ms, **fields})
        return self.ok(answer)["items"]

    def positions(self, *args, **fields):
        return [item["position"] for item in self.fetch(*args, **fields)]

    def ack(self, name, positions):
        return self.ok(self.s.post(f"{SUBS}/{name}/ack", {"positions": positions}))["acknowledged"]

    def status(self, name):
        return self.ok(self.s.get(f"{SUBS}/{name}/status"))

    def drain(self, name, wanted, consumer=""):
        """Fetches and acknowledges until all the wanted positions have come."""
        seen = []
        while not set(wanted) <= set(seen):
            got = self.positions(name, wait_ms=5000, consumer=consumer)
            seen += got
            if got:
                self.ack(name, got)
        return seen


class Pull(Subscriptions):
    def test_new_events_once_in_order_after_their_acknowledgement(self):
        self.tag(3)
        self.make("new")
        self.make("all", **{"from": 1})
        sent = self.tag(5, 10)
        items = self.fetch("new")
        self.assertEqual([i["position"] for i in items], sent)
        self.assertEqual(items[0]["payload"], {"tags": {"n": "10"}})
        self.assertEqual((items[0]["type"], items[0]["attempt"]), ("run.tags_set", 1))
        self.assertTrue(items[0]["ack_by"].endswith("Z"))
        self.assertEqual(self.fetch("new"), [])
        self.assertEqual(self.ack("new", sent[:3]), 3)
        self.assertEqual(self.ack("new", sent[:3]), 0)
        upto = self.s.post(f"{SUBS}/new/ack", {"upto": sent[4]})
        self.assertEqual(self.ok(upto)["acknowledged"], 2)
        status = self.status("new")
        self.assertEqual((status["in_flight"], status["acknowledged"], status["parked"]),
                         (0, 5, 0))
        support.until(lambda: self.status("new")["lag"] == 0, "no lag")
        self.assertEqual(len(self.drain("all", sent)), 8)

    def test_filters(self):
        other = self.ok(self.s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        self.make("stream", types=[], streams=[f"run/{other}"], **{"from": 1})
        self.make("prefix", types=["run.*"], streams=["run/*", "model/*"], **{"from": 1})
        self.make("both", types=["experiment.*", "run.started"], **{"from": 1})
        self.make("tenant", types=[], tenant="other", **{"from": 1})
        self.make("everyone", types=["run.started"], tenant="*", **{"from": 1})
        events = self.s.events()
        for name, wanted in (("stream", lambda e: e["stream"] == f"run/{other}"),
                             ("prefix", lambda e: e["type"].startswith("run.")),
                             ("both", lambda e: e["type"] in ("experiment.created",
                                                              "run.started")),
                             ("tenant", lambda e: False),
                             ("everyone", lambda e: e["type"] == "run.started")):
            with self.subTest(name):
                self.assertEqual(self.positions(name),
                                 [e["position"] for e in events if wanted(e)])

    def test_a_long_poll_is_answered_by_the_next_event(self):
        self.make("poll")
        got = []
        thread = threading.Thread(
            target=lambda: got.extend(self.positions("poll", wait_ms=60000)), daemon=True)
        thread.start()
        # Others are served meanwhile.
        support.until(lambda: self.s.get("/healthz").status == 200, "an answer")
        sent = self.tag(1)
        thread.join(support.SLOW)
        self.assertEqual(got, sent)
        started = time.monotonic()
        self.assertEqual(self.positions("poll", wait_ms=300), [])
        self.assertGreaterEqual(time.monotonic() - started, 0.25)

    def test_what_is_not_acknowledged_comes_again_later_and_later_and_is_parked(self):
        self.make("slow", ack_deadline_ms=100, backoff_ms=100, max_attempts=3)
        [first, second] = self.tag(2)
        times = []
        for attempt in (1, 2, 3):
            items = self.fetch("slow", most=1, wait_ms=10000)
            self.assertEqual([(i["position"], i["attempt"]) for i in items], [(first, attempt)])
            times.append(datetime.datetime.fromisoformat(items[0]["ack_by"][:-1]))
            if attempt == 1:
                self.assertEqual(self.positions("slow", most=1), [second])
                self.ack("slow", [second])
        waits = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
        self.assertGreaterEqual(waits[0], 0.2)
        self.assertGreaterEqual(waits[1], 0.3)
        parked = support.until(lambda: self.ok(self.s.get(f"{SUBS}/slow/parked"))["items"],
                               "a parked event")
        self.assertEqual([(p["event_position"], p["attempts"], p["event_type"]) for p in parked],
                         [(first, 3, "run.tags_set")])
        self.assertIn("not acknowledged within 100 ms", parked[0]["error"])
        events = self.s.events(type="subscription.event_parked")
        self.assertEqual([e["payload"]["event_position"] for e in events], [first])
        self.assertEqual(self.fetch("slow"), [])
        released = self.ok(self.s.post(f"{SUBS}/slow/parked/replay", {}))["released"]
        self.assertEqual(released, [first])
        again = self.fetch("slow", wait_ms=10000)
        self.assertEqual([(i["position"], i["attempt"]) for i in again], [(first, 1)])
        self.ack("slow", [first])
        self.assertEqual(self.ok(self.s.get(f"{SUBS}/slow/parked"))["items"], [])
        self.assertEqual(self.ok(self.s.post(f"{SUBS}/slow/parked/replay", {}))["released"], [])

    def test_refused_events(self):
        self.make("refuse", backoff_ms=50)
        [first, second, third] = self.tag(3)
        got = []
        while len(got) < 3:  # a fetch gives what is there, without waiting for the rest
            got += self.positions("refuse", wait_ms=5000)
        self.assertEqual(got, [first, second, third])
        refused = self.ok(self.s.post(f"{SUBS}/refuse/nack", {"positions": [first, second]}))
        self.assertEqual(refused["refused"], 2)
        seen = set()
        while seen != {first, second}:
            seen |= set(self.positions("refuse", wait_ms=5000))
        self.ok(self.s.post(f"{SUBS}/refuse/nack", {"positions": [third], "park": True,
                                                    "error": "poison"}))
        parked = support.until(lambda: self.ok(self.s.get(f"{SUBS}/refuse/parked"))["items"],
                               "a parked event")
        self.assertEqual([(p["event_position"], p["error"]) for p in parked], [(third, "poison")])
        self.ok(self.s.post(f"{SUBS}/refuse/parked/drop", {"positions": [third]}))
        self.assertEqual(self.ok(self.s.get(f"{SUBS}/refuse"))["parked"], 0)
        self.error(self.s.post(f"{SUBS}/refuse/parked/replay", {"positions": [third]}),
                   "not_found")

    def test_competing_consumers_share_the_events(self):
        self.make("shared", max_in_flight=20)
        sent, seen, lock = self.tag(150), {}, threading.Lock()

        def work(name):
            client = self.s.client()
            while True:
                items = client.post(f"{SUBS}/shared/fetch", {"max": 3, "wait_ms": 1000,
                                                             "consumer": name})["items"]
                got = [i["position"] for i in items]
                with lock:
                    for position in got:
                        seen.setdefault(position, []).append(name)
                if not got:
                    return
                client.post(f"{SUBS}/shared/ack", {"positions": got})

        threads = [threading.Thread(target=work, args=(f"c{i}",), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(support.SLOW)
        self.assertEqual(sorted(seen), sent)
        self.assertTrue(all(len(names) == 1 for names in seen.values()), seen)
        self.assertGreater(len({names[0] for names in seen.values()}), 1)

    def test_over_kills_nothing_is_lost(self):
        self.make("durable", ack_deadline_ms=100, backoff_ms=20, max_attempts=0)
        sent, done = self.tag(40), set()
        for _ in range(3):
            got = self.positions("durable", most=10, wait_ms=10000)
            self.ack("durable", got)
            done |= set(got)
            self.positions("durable", most=5)  # taken, and never dealt with
            self.s.kill()
            self.s.start()
        rest = self.drain("durable", set(sent) - done)
        self.assertEqual(done | set(rest), set(sent))
        # Acknowledgements of the moments before a kill may be forgotten.
        support.until(lambda: self.ack("durable", self.positions("durable") or [1]) == 0 and
                      self.status("durable")["in_flight"] == 0, "an end")
        self.s.stop()
        self.s.start()
        # What was acknowledged before an orderly end does not come again.
        self.assertEqual(self.positions("durable", wait_ms=300), [])
        self.assertEqual(self.status("durable")["in_flight"], 0)

    def test_a_consumer_that_does_nothing_slows_nobody(self):
        self.make("idle", max_in_flight=5)
        self.make("busy")
        sent = self.tag(300)
        self.assertEqual(len(self.positions("idle")), 5)
        self.assertEqual(self.drain("busy", sent), sent)
        status = self.status("idle")
        self.assertEqual(status["in_flight"], 5)
        self.assertGreater(status["lag"], 250)
        metrics = self.s.get("/metrics").body.decode()
        self.assertRegex(metrics, r'(?m)^mlforge_subscription_in_flight\{subscription="idle"\} 5$')
        self.assertRegex(metrics, r'(?m)^mlforge_subscription_lag\{subscription="busy"\} \d+$')
        self.assertRegex(
            metrics,
            r'(?m)^mlforge_subscription_acknowledged_total\{subscription="busy"\} 300$')


class Settings(Subscriptions):
    def test_the_life_of_a_subscription(self):
        made = self.make("life", max_attempts=4)
        self.assertEqual(made["name"], "life")
        self.make("life", max_attempts=4)  # the same again
        self.error(self.s.post(SUBS, {"name": "life", "max_attempts": 9}), "already_exists",
                   "name")
        begun = self.make("begun", **{"from": 1})
        self.assertEqual(begun["name"], "begun")
        self.make("begun", **{"from": 1})
        self.make("begun")  # the same, wherever it begins
        other = {"name": "begun", "types": ["run.tags_set"], "from": 2}
        self.error(self.s.post(SUBS, other), "already_exists", "from",
                   "cannot be moved")
        self.ok(self.s.call("DELETE", f"{SUBS}/begun"))
        row = self.ok(self.s.get(f"{SUBS}/life"))
        self.assertEqual((row["settings"]["kind"], row["settings"]["max_attempts"]), ("pull", 4))
        before = row["position"]
        self.ok(self.s.call("PATCH", f"{SUBS}/life", {"active": False, "reason": "holidays"}))
        self.error(self.s.post(f"{SUBS}/life/fetch", {}), "conflict", words="not active")
        sent = self.tag(2)
        self.ok(self.s.call("PATCH", f"{SUBS}/life", {"active": True}))
        self.assertEqual(self.positions("life", wait_ms=5000), sent)
        self.assertEqual([r["name"] for r in self.ok(self.s.get(SUBS))["items"]], ["life"])
        self.ok(self.s.call("DELETE", f"{SUBS}/life"))
        self.error(self.s.get(f"{SUBS}/life"), "not_found")
        self.error(self.s.post(f"{SUBS}/life/fetch", {}), "not_found")
        self.error(self.s.call("DELETE", f"{SUBS}/life"), "not_found")
        old = self.ok(self.s.get(f"{SUBS}/life?as_of={before}"))
        self.assertTrue(old["settings"]["active"])
        self.make("life")
        self.assertEqual(self.fetch("life"), [])

    def test_what_cannot_be(self):
        for field, body in (("name", {"name": ""}), ("name", {"name": "a/b"}),
                            ("name", {"name": "lineage-file"}),
                            ("kind", {"name": "x", "kind": "mail"}),
                            ("url", {"name": "x", "url": "ftp://example.org"}),
                            ("url", {"name": "x", "kind": "webhook"}),
                            ("url", {"name": "x", "kind": "lineage", "url": "file:/etc/passwd"}),
                            ("secret", {"name": "x", "secret": "s"}),
                            ("types", {"name": "x", "types": ["*.started"]}),
                            ("max_in_flight", {"name": "x", "max_in_flight": 0}),
                            ("ack_deadline_ms", {"name": "x", "ack_deadline_ms": 1})):
            with self.subTest(body=body):
                self.error(self.s.post(SUBS, body), "invalid_argument", field)
        self.error(self.s.post(SUBS, {"name": "x", "colour": 1}), "unknown_field")
        for host in ("127.0.0.1:1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]:80",
                     "[::ffff:10.0.0.1]", "0.0.0.0"):
            with self.subTest(host=host):
                self.error(self.s.post(SUBS, {"name": "x", "url": f"http://{host}/"}),
                           "forbidden", "url", "webhook_allowed_hosts")
        self.make("ok")
        for field, path, body in (("max", "fetch", {"max": 0}), ("max", "fetch", {"max": 1001}),
                                  ("wait_ms", "fetch", {"wait_ms": 60001}),
                                  ("positions", "ack", {}),
                                  ("positions", "ack", {"positions": [1], "upto": 2}),
                                  ("positions", "ack", {"positions": [999999]}),
                                  ("positions", "nack", {"positions": [0]})):
            with self.subTest(path=path, body=body):
                self.error(self.s.post(f"{SUBS}/ok/{path}", body), "invalid_argument", field)

    def test_secrets_stay_out_of_the_log(self):
        secret = "a-rather-secret-text"
        self.make("hook", url="https://hooks.example.org/x", secret=secret, active=False)
        folder = os.path.join(self.s.data, "secrets")
        [kept] = os.listdir(folder)
        row = self.ok(self.s.get(f"{SUBS}/hook"))
        self.assertEqual(row["settings"]["secret_fingerprint"], kept)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(folder, kept)).st_mode), 0o600)
        self.make("hook", url="https://hooks.example.org/x", secret=secret, active=False)
        self.assertEqual(os.listdir(folder), [kept])
        self.ok(self.s.call("PATCH", f"{SUBS}/hook", {"secret": "another"}))
        [now] = os.listdir(folder)
        self.assertNotEqual(now, kept)
        self.assertNotIn(secret, json.dumps(self.s.events()))
        self.assertNotIn("another", json.dumps(self.s.events()))
        self.ok(self.s.call("DELETE", f"{SUBS}/hook"))
        self.assertEqual(os.listdir(folder), [])

    def test_the_command_line(self):
        env = {"MLFORGE_URL": self.s.url}

        def run(*arguments, code=0):
            done = support.run_cli("subscriptions", *arguments, env=env)
            self.assertEqual(done.returncode, code, done)
            return done.stdout

        run("create", "cli", "--type", "run.tags_set", "--max-attempts", "3")
        sent = self.tag(3)
        lines = [json.loads(line) for line in run("fetch", "cli", "--max", "2", "--wait-ms", "5000",
                                                  "--ack", "--json").splitlines()]
        self.assertEqual([e["position"] for e in lines], sent[:2])
        self.assertIn(str(sent[2]), run("fetch", "cli", "--wait-ms", "5000"))
        run("nack", "cli", str(sent[2]), "--park", "--error", "no use")
        support.until(lambda: "no use" in run("parked", "cli"), "a parked event")
        run("replay", "cli")
        run("fetch", "cli", "--wait-ms", "5000", "--ack")
        self.assertIn("run.tags_set", run("list"))
        self.assertIn("acknowledged:", run("show", "cli"))
        run("update", "cli", "--off", "--reason", "test")
        self.assertIn("off", run("show", "cli"))
        run("delete", "cli")
        run("show", "cli", code=3)


class Streams(Subscriptions):
    def test_websocket_from_the_cursor(self):
        self.make("ws", max_in_flight=4)
        sent = self.tag(10)
        stream = WebSocket(self.s, f"{V1}/live?subscription=ws")
        self.assertEqual(stream.status, 101)
        seen = []
        for i in range(4):
            seen.append(json.loads(stream.next()))
        self.assertEqual([e["position"] for e in seen], sent[:4])
        self.assertEqual(seen[0]["attempt"], 1)
        stream.send(1, json.dumps({"ack": sent[:2]}).encode())
        self.assertEqual([json.loads(stream.next())["position"] for _ in range(2)], sent[4:6])
        stream.send(1, json.dumps({"upto": sent[5]}).encode())
        self.assertEqual([json.loads(stream.next())["position"] for _ in range(4)], sent[6:])
        stream.send(1, json.dumps({"ack": sent[6:8]}).encode())
        support.until(lambda: self.status("ws")["acknowledged"] == 8, "the acknowledgements")
        stream.close()
        # What it had goes to the next, whatever the way.
        support.until(lambda: self.status("ws")["failed"] == 2, "the end of the connection")
        items = self.fetch("ws", wait_ms=5000)
        self.assertEqual([(i["position"], i["attempt"]) for i in items], [(p, 2) for p in sent[8:]])
        self.assertEqual(WebSocket(self.s, f"{V1}/live?subscription=none").status, 404)

    def test_a_message_that_is_none_ends_the_websocket(self):
        self.make("odd")
        stream = WebSocket(self.s, f"{V1}/live?subscription=odd")
        stream.send(1, b'{"acknowledge": 1}')
        self.assertIsNone(stream.next())

    def test_sse_from_the_cursor_and_again_with_last_event_id(self):
        self.make("sse", max_in_flight=3, ack_deadline_ms=60000)
        sent = self.tag(6)
        path = f"{V1}/live/events?subscription=sse&consumer=me"
        stream = Sse(self.s, path)
        self.assertEqual(stream.status, 200)
        got = [stream.next() for _ in range(3)]
        self.assertEqual([int(g[0]) for g in got], sent[:3])
        self.assertEqual(got[0][1], "run.tags_set")
        stream.close()
        stream = Sse(self.s, path, last_event_id=sent[1])
        self.assertEqual([int(stream.next()[0]) for _ in range(3)], sent[2:5])
        self.ack("sse", sent[2:5])
        self.assertEqual(int(stream.next()[0]), sent[5])
        self.ack("sse", sent[5:])
        more = self.tag(1)
        self.assertEqual(int(stream.next()[0]), more[0])
        stream.close()

    def test_all_ways_share_one_cursor(self):
        self.make("mixed", max_in_flight=50)
        stream = WebSocket(self.s, f"{V1}/live?subscription=mixed&max=2")
        sent = self.tag(10)
        by_ws = [json.loads(stream.next())["position"] for _ in range(2)]
        by_fetch = []
        while len(by_fetch) < 8:
            by_fetch += self.positions("mixed", wait_ms=5000)
        self.assertEqual(sorted(by_ws + by_fetch), sent)
        stream.close()


@unittest.skipUnless(PROGRAM, "nats-server is not installed")
class OverNats(Case):
    def test_a_subject_of_its_own(self):
        s = self.server(nats="managed")
        nats = support.until(lambda: s.get("/readyz")["nats"]["url"] or None, "a broker")
        self.ok(s.post(SUBS, {"name": "n", "kind": "nats", "subject": "deliver.n", "backoff_ms": 50,
                              "max_backoff_ms": 100, "max_attempts": 0, "types": ["experiment.*"]}),
                201)
        made = self.ok(s.post(V1 + "/experiments", {"name": "e"}), 201)["position"]
        support.until(lambda: "no stream" in s.get(f"{SUBS}/n/status")["last_error"],
                      "a complaint")
        client = Nats(nats)
        self.addCleanup(client.close)
        client.ask("$JS.API.STREAM.CREATE.DELIVER", {"name": "DELIVER", "subjects": ["deliver.>"]})
        support.until(lambda: s.get(f"{SUBS}/n/status")["acknowledged"] == 1, "a delivery")
        got = client.ask("$JS.API.STREAM.MSG.GET.DELIVER", {"seq": 1})["message"]
        event = json.loads(base64.b64decode(got["data"]))
        self.assertEqual((got["subject"], event["type"], event["mlforgeposition"]),
                         ("deliver.n", "experiment.created", str(made)))


if __name__ == "__main__":
    support.main()
