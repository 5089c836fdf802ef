"""Webhooks: signed, retried, and lost by nobody's death: neither the receiver's nor the server's."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import shutil
import ssl
import subprocess
import threading
import time
import unittest

import support
from support import Case

V1 = "/api/v1"
SUBS = V1 + "/subscriptions"
SECRET = "whsec_test"


class Receiver:
    """An HTTP server whose answers the test chooses; `got` holds (headers, body) in order."""

    def __init__(self, port=0, certificate=None):
        self.got, self.lock, self.dead = [], threading.Lock(), False
        self.answer = lambda headers, body: 200
        self.headers = {}
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.dead:  # a connection that was kept
                    self.close_connection = True
                    return
                with receiver.lock:
                    receiver.got.append((self.path, self.headers, body))
                status = receiver.answer(self.headers, body)
                if status is None:  # dies in the middle of it
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            allow_reuse_address = True
            daemon_threads = True

        self.server = Server(("127.0.0.1", port), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?x=1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def events(self):
        with self.lock:
            return [json.loads(body) for _, _, body in self.got]

    def positions(self):
        return [int(e["mlforgeposition"]) for e in self.events()]

    def stop(self):
        self.dead = True
        self.server.shutdown()
        self.server.server_close()


class Hooks(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server("--webhook-allowed-hosts", "127.0.0.1")
        self.receiver = Receiver()
        self.addCleanup(self.receiver.stop)
        self.ok(self.s.post(V1 + "/experiments", {"name": "e"}), 201)
        self.run_id = self.ok(self.s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]

    def tag(self, count):
        client, path = self.s.client(), f"{V1}/runs/{self.run_id}/tags"
        out = []
        for i in range(count):
            text = f"{time.monotonic_ns()}-{i}"
            out.append(self.ok(client.post(path, {"tags": {"n": text}}))["position"])
        client.close()
        return out

    def make(self, name="hook", **fields):
        body = {"name": name, "url": self.receiver.url, "types": ["run.tags_set"],
                "backoff_ms": 50, "max_backoff_ms": 200, **fields}
        return self.ok(self.s.post(SUBS, body), 201)

    def status(self, name="hook"):
        return self.ok(self.s.get(f"{SUBS}/{name}/status"))

    def until_received(self, positions):
        support.until(lambda: set(positions) <= set(self.receiver.positions()),
                      f"{len(positions)} deliveries")


class Webhooks(Hooks):
    def test_events_are_signed_cloud_events_in_order(self):
        self.make(secret=SECRET)
        sent = self.tag(20)
        self.until_received(sent)
        self.assertEqual(self.receiver.positions(), sent)
        events = {e["position"]: e for e in self.s.events()}
        ids = set()
        for path, headers, body in self.receiver.got:
            event = json.loads(body)
            stored = events[int(event["mlforgeposition"])]
            self.assertEqual(path, "/hook?x=1")
            self.assertEqual((event["specversion"], event["id"], event["type"], event["subject"],
                              event["time"], event["data"]),
                             ("1.0", stored["id"], stored["type"], stored["stream"],
                              stored["time"], stored["payload"]))
            self.assertTrue(headers["Content-Type"].startswith("application/cloudevents+json"))
            delivery, stamp = headers["X-MLflow-Delivery-Id"], headers["X-MLflow-Timestamp"]
            self.assertLess(abs(int(stamp) - time.time()), 300)
            signed = f"{delivery}.{stamp}.".encode() + body
            code = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest())
            self.assertEqual(headers["X-MLflow-Signature"], "v1," + code.decode())
            ids.add(delivery)
        self.assertEqual(len(ids), 20)
        support.until(lambda: self.status()["acknowledged"] == 20, "the acknowledgements")

    def test_a_receiver_that_fails_is_tried_again_and_knows_the_delivery(self):
        fail = {"left": 3}

        def answer(headers, body):
            fail["left"] -= 1
            return 500 if fail["left"] >= 0 else 204

        self.receiver.answer = answer
        self.make()
        sent = self.tag(1)
        support.until(lambda: self.status()["acknowledged"] == 1, "a delivery")
        self.assertEqual(self.receiver.positions(), sent * 4)
        headers = [h for _, h, _ in self.receiver.got]
        self.assertEqual(len({h["X-MLflow-Delivery-Id"] for h in headers}), 1)
        self.assertEqual([h["Mlforge-Attempt"] for h in headers], ["1", "2", "3", "4"])
        self.assertNotIn("X-MLflow-Signature", headers[0])
        self.assertIn("500", self.status()["last_error"])

    def test_a_receiver_that_breaks_off_or_redirects_has_not_received(self):
        answers = [None, 302, 200]
        self.receiver.headers = {"Location": self.receiver.url + "/elsewhere"}
        self.receiver.answer = lambda headers, body: answers.pop(0) if answers else 200
        self.make()
        self.tag(1)
        support.until(lambda: self.status()["acknowledged"] == 1, "a delivery")
        self.assertTrue(all(path == "/hook?x=1" for path, _, _ in self.receiver.got))
        self.assertGreaterEqual(len(self.receiver.got), 3)

    def test_a_dead_receiver_that_comes_back_gets_everything(self):
        self.make(max_attempts=0)
        first = self.tag(5)
        self.until_received(first)
        port = self.receiver.port
        self.receiver.stop()
        lost = self.tag(30)
        support.until(lambda: self.status()["failed"] > 3, "failed attempts")
        self.receiver = Receiver(port)
        self.until_received(lost)
        support.until(lambda: self.status()["in_flight"] == 0, "an end of the deliveries")

    def test_over_kills_of_the_server_nothing_is_lost(self):
        self.make(max_attempts=0)
        sent = []
        self.receiver.answer = lambda headers, body: 503
        sent += self.tag(10)
        support.until(lambda: len(self.receiver.got) > 2, "attempts")
        self.s.kill()
        self.s.start()
        sent += self.tag(10)
        # Killed while the receiver is at it.
        at_it, go = threading.Event(), threading.Event()

        def answer(headers, body):
            at_it.set()
            go.wait(support.SLOW)
            return 200

        self.receiver.answer = answer
        self.assertTrue(at_it.wait(support.SLOW))
        self.s.kill()
        go.set()
        self.s.start()
        self.until_received(sent)
        support.until(lambda: self.status()["in_flight"] == 0, "an end of the deliveries")

    def test_a_slow_receiver_slows_neither_writes_nor_others(self):
        go = threading.Event()
        self.addCleanup(go.set)
        slow = Receiver()
        self.addCleanup(slow.stop)
        slow.answer = lambda headers, body: 200 if go.wait(support.SLOW) else 500
        self.make("slow", url=slow.url)
        self.make("fast")
        started = time.monotonic()
        sent = self.tag(100)
        self.until_received(sent)
        self.assertLess(time.monotonic() - started, support.SLOW / 2)
        self.assertEqual(len(slow.got), 1)
        self.assertEqual(self.s.stop(), 0)  # and holds up no shutdown

    def test_parked_after_the_last_attempt_and_replayed(self):
        self.receiver.answer = lambda headers, body: 500
        self.make(max_attempts=2)
        [sent] = self.tag(1)
        parked = support.until(lambda: self.ok(self.s.get(f"{SUBS}/hook/parked"))["items"],
                               "a parked event")
        self.assertEqual([(p["event_position"], p["attempts"]) for p in parked], [(sent, 2)])
        self.assertIn("500", parked[0]["error"])
        self.receiver.answer = lambda headers, body: 200
        self.ok(self.s.post(f"{SUBS}/hook/parked/replay", {}))
        support.until(lambda: self.status()["acknowledged"] == 1, "the replay")
        self.assertEqual(len(self.receiver.got), 3)

    def test_gone_disables_and_keeps_the_event(self):
        self.receiver.answer = lambda headers, body: 410
        self.make()
        [sent] = self.tag(1)
        row = support.until(lambda: (lambda r: r if not r["settings"]["active"] else None)(
            self.ok(self.s.get(f"{SUBS}/hook"))), "the end of deliveries")
        self.assertIn("410", row["reason"])
        self.receiver.answer = lambda headers, body: 200
        self.ok(self.s.call("PATCH", f"{SUBS}/hook", {"active": True}))
        support.until(lambda: self.status()["acknowledged"] == 1, "the delivery")
        self.assertEqual(set(self.receiver.positions()), {sent})

    def test_a_missing_secret_holds_the_deliveries(self):
        self.make(secret=SECRET, active=False)
        self.s.stop()
        support.shutil.rmtree(self.s.data + "/secrets")
        self.s.start()
        self.ok(self.s.call("PATCH", f"{SUBS}/hook", {"active": True}))
        sent = self.tag(1)
        support.until(lambda: "secret" in self.status()["last_error"], "a complaint")
        self.assertEqual(self.receiver.got, [])
        self.ok(self.s.call("PATCH", f"{SUBS}/hook", {"secret": SECRET}))
        self.until_received(sent)


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Https(Hooks):
    def setUp(self):
        Case.setUp(self)
        self.pem, key = (os.path.join(self.folder, n) for n in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", key, "-out", self.pem], check=True, capture_output=True)
        self.receiver = Receiver(certificate=(self.pem, key))
        self.addCleanup(self.receiver.stop)

    def deliver(self, host, *flags):
        self.s = self.server("--webhook-allowed-hosts", "localhost,127.0.0.1", *flags)
        self.ok(self.s.post(V1 + "/experiments", {"name": "e"}), 201)
        self.run_id = self.ok(self.s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        self.make(url=f"https://{host}:{self.receiver.port}/hook?x=1", secret=SECRET)
        return self.tag(3)

    def test_a_certificate_that_is_trusted(self):
        self.until_received(self.deliver("localhost", "--webhook-ca-file", self.pem))

    def test_one_that_is_not(self):
        self.deliver("localhost")
        support.until(lambda: "verify" in self.status()["last_error"], "a complaint")
        self.assertEqual(self.receiver.got, [])

    def test_one_of_another_host(self):
        self.deliver("127.0.0.1", "--webhook-ca-file", self.pem)
        support.until(lambda: self.status()["failed"] > 2, "failed attempts")
        self.assertEqual(self.receiver.got, [])


if __name__ == "__main__":
    support.main()
