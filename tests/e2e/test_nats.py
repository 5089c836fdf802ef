"""The broadcast: every event is in the JetStream stream MLFORGE once, in order, whatever dies."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import unittest
import urllib.parse

import support
from support import Case

V1 = "/api/v1"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
PROGRAM = shutil.which("nats-server", path=PATH)


class Nats:
    """The text protocol of NATS, as much as asking JetStream takes."""

    def __init__(self, url):
        host, port = url.removeprefix("nats://").split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=support.SLOW)
        self.stream = self.socket.makefile("rb")
        self.info = json.loads(self.stream.readline().split(b" ", 1)[1])
        self.send(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}')
        self.inbox, self.count = "_INBOX." + os.urandom(8).hex(), 0
        self.send(f"SUB {self.inbox}.* 1".encode())

    def send(self, line, payload=None):
        self.socket.sendall(line + b"\r\n" + (b"" if payload is None else payload + b"\r\n"))

    def ask(self, subject, body=None):
        """The JSON answer of the API, an error included; raises where nobody answers."""
        self.count += 1
        reply = f"{self.inbox}.{self.count}"
        payload = json.dumps(body).encode() if body is not None else b""
        self.send(f"PUB {subject} {reply} {len(payload)}".encode(), payload)
        while True:
            line = self.stream.readline()
            if not line:
                raise ConnectionError("the broker has gone")
            words = line.split()
            if words[0] == b"PING":
                self.send(b"PONG")
            elif words[0] in (b"MSG", b"HMSG"):
                content = self.stream.read(int(words[-1]) + 2)[:-2]
                if words[1].decode() != reply:
                    continue
                if words[0] == b"HMSG":
                    raise ConnectionError(content.decode(errors="replace"))
                return json.loads(content)
            elif words[0] == b"-ERR":
                raise ConnectionError(line.decode())

    def messages(self):
        """All messages of the stream: (sequence, subject, headers, body)."""
        state = self.ask("$JS.API.STREAM.INFO.MLFORGE")
        if "error" in state:
            return []
        found = []
        for sequence in range(state["state"]["first_seq"], state["state"]["last_seq"] + 1):
            got = self.ask("$JS.API.STREAM.MSG.GET.MLFORGE", {"seq": sequence})
            if "error" in got:
                continue
            message = got["message"]
            found.append((message["seq"], message["subject"],
                          headers(base64.b64decode(message.get("hdrs", ""))),
                          base64.b64decode(message.get("data", ""))))
        return found

    def close(self):
        self.stream.close()
        self.socket.close()


def headers(block):
    lines = block.decode("ascii").split("\r\n")
    assert lines[0] == "NATS/1.0", lines[0]
    return dict(line.split(": ", 1) for line in lines[1:] if line)


@unittest.skipUnless(PROGRAM, "nats-server is not installed")
class Broadcast(Case):
    def nats(self, server):
        return self.ok(server.get("/readyz"))["nats"]

    def connected(self, server):
        return support.until(
            lambda: (lambda n: n if n["state"] == "connected" and n["url"] else None)(
                self.nats(server)), "a connection to the broker")

    def caught_up(self, server):
        def done():
            ready = self.ok(server.get("/readyz"))
            nats = ready["nats"]
            return nats if nats["state"] == "connected" and nats["lag"] == 0 and \
                nats["published"] == ready["position"] else None
        return support.until(done, "the broadcast to catch up")

    def writing(self, server, count):
        """A thread that writes `count` events, and what the server said of its readiness."""
        def write():
            client = server.client()
            made = client.post(V1 + "/experiments", {"name": f"load {server.position()}"})
            run = client.post(V1 + "/runs", {"experiment_id": made["experiment_id"]})["run_id"]
            for i in range(count - 2):
                sent = client.post(f"{V1}/runs/{run}/metrics",
                                   {"metrics": [{"key": "m", "value": i}]})
                ready = client.get("/readyz")
                if (sent.status, ready.status) != (200, 200):
                    thread.problem = (sent, ready)
                    return
                thread.written += 1
            client.close()

        def quietly():
            try:
                write()
            except (OSError, support.http.client.HTTPException) as gone:
                thread.problem = gone

        thread = threading.Thread(target=quietly, daemon=True)
        thread.problem, thread.written = None, 0
        thread.start()
        return thread

    def joined(self, thread):
        thread.join(support.SLOW)
        self.assertFalse(thread.is_alive())
        self.assertIsNone(thread.problem)

    def check(self, server):
        """Every event is in the stream exactly once, in order, and is told of rightly."""
        url = self.caught_up(server)["url"]
        broker = Nats(url)
        messages, events = broker.messages(), server.events()
        broker.close()
        self.assertEqual([int(m[2]["Mlforge-Position"]) for m in messages],
                         [e["position"] for e in events])
        self.assertEqual([m[2]["Nats-Msg-Id"] for m in messages], [e["id"] for e in events])
        log_id = server.get(V1 + "/info")["log_id"]
        for (_, subject, head, body), event in zip(messages, events):
            kind, name = event["stream"].split("/")[0], event["type"].split(".")[1]
            self.assertEqual(subject, f"mlforge.default.{kind}.{name}")
            told = {"ce-specversion": "1.0", "ce-id": event["id"], "ce-type": event["type"],
                    "ce-source": "mlforge/" + log_id, "ce-time": event["time"],
                    "ce-datacontenttype": "application/json",
                    "ce-causationid": event.get("causation_id"),
                    "ce-correlationid": event.get("correlation_id"),
                    "Mlforge-Version": str(event["version"]),
                    "Mlforge-Schema": str(event["schema"]),
                    "Mlforge-Tenant": "default", "Mlforge-Actor": event["actor"]}
            self.assertEqual({k: head.get(k) for k in told}, told)
            self.assertEqual(urllib.parse.unquote(head["ce-subject"]), event["stream"])
            self.assertEqual(support.strict_json(body.decode()), event["payload"])
        return messages


class Managed(Broadcast):
    def test_every_event_reaches_the_stream(self):
        server = self.server(nats="managed")
        self.ok(server.get("/readyz"))  # ready before the broker is
        writer = self.writing(server, 150)
        odd = self.ok(server.post(V1 + "/models", {"name": 'ä "b" %c'}, X_Mlforge_Actor="me"), 201)
        self.assertTrue(odd["position"])
        self.joined(writer)
        messages = self.check(server)
        self.assertEqual([m[0] for m in messages], list(range(1, 152)))
        nats = self.nats(server)
        self.assertRegex(nats["url"], r"^nats://127\.0\.0\.1:\d+$")
        broker = Nats(nats["url"])
        config = broker.ask("$JS.API.STREAM.INFO.MLFORGE")["config"]
        broker.close()
        self.assertEqual((config["subjects"], config["storage"], config["retention"]),
                         (["mlforge.>"], "file", "limits"))

    def test_the_broker_is_killed_in_mid_load(self):
        server = self.server(nats="managed")
        self.connected(server)
        writer = self.writing(server, 300)
        for share in (50, 130, 210):
            support.until(lambda: writer.written >= share or not writer.is_alive(), "some writes")
            pid = support.until(lambda: support.broker_pid(server.data), "a running broker")
            os.kill(pid, signal.SIGKILL)
            support.until(lambda: support.broker_pid(server.data) not in (None, pid),
                          "a new broker")
        self.joined(writer)
        self.check(server)

    def test_the_server_is_killed_in_mid_load(self):
        server = self.server(nats="managed")
        self.connected(server)
        for _ in range(2):
            writer = self.writing(server, 400)
            support.until(lambda: writer.written >= 60, "some writes")
            server.kill()
            writer.join(support.SLOW)
            server.start()
            self.joined(self.writing(server, 20))
            self.check(server)

    def test_the_broker_ends_with_the_server(self):
        server = self.server(nats="managed")
        url = self.connected(server)["url"]
        self.joined(self.writing(server, 10))
        self.assertEqual(server.stop(), 0)
        self.assertIsNone(support.broker_pid(server.data))
        server.start()
        self.assertEqual(self.connected(server)["url"], url, "the port is kept")
        self.check(server)


class Foreign(Broadcast):
    """A broker that is not ours: absent, late, emptied, set back."""

    def setUp(self):
        super().setUp()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.store = os.path.join(self.folder, "store")
        self.broker = None
        self.addCleanup(self.stop_broker)

    def start_broker(self):
        self.broker = subprocess.Popen(
            [PROGRAM, "-js", "-sd", self.store, "-a", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=support.die_with_parent)

    def stop_broker(self, how=signal.SIGKILL):
        if self.broker:
            self.broker.send_signal(how)
            self.broker.wait(support.SLOW)
            self.broker = None

    def test_absent_late_emptied_and_set_back(self):
        server = self.server(nats=f"nats://127.0.0.1:{self.port}")
        ready = self.ok(server.get("/readyz"))
        self.assertTrue(ready["ready"])
        self.assertNotEqual(ready["nats"]["state"], "connected")
        self.joined(self.writing(server, 40))
        self.assertEqual(self.nats(server)["lag"], 40)

        self.start_broker()
        self.check(server)
        self.assertEqual(self.nats(server)["last_error"], "", "it is connected")

        # Killed while events come; then its store is lost altogether.
        writer = self.writing(server, 60)
        support.until(lambda: writer.written > 20, "some writes")
        self.stop_broker()
        self.joined(writer)
        shutil.rmtree(self.store)
        self.start_broker()
        self.assertEqual(len(self.check(server)), 100)

        # Set back: it forgets what it has acknowledged.
        self.stop_broker(signal.SIGTERM)
        shutil.copytree(self.store, self.store + ".old")
        self.start_broker()
        self.joined(self.writing(server, 50))
        self.check(server)
        self.stop_broker()
        self.joined(self.writing(server, 10))
        shutil.rmtree(self.store)
        os.rename(self.store + ".old", self.store)
        self.start_broker()
        self.assertEqual(len(self.check(server)), 160)

    def test_a_stream_of_another_log_is_left_alone(self):
        self.start_broker()
        first = self.server(nats=f"nats://127.0.0.1:{self.port}")
        self.joined(self.writing(first, 12))
        self.check(first)
        self.assertEqual(first.stop(), 0)
        other = self.server(data=os.path.join(self.folder, "other"),
                            nats=f"nats://127.0.0.1:{self.port}")
        self.joined(self.writing(other, 12))
        error = support.until(lambda: self.nats(other)["last_error"], "the reason")
        self.assertIn("but this log is", error)
        broker = Nats(f"nats://127.0.0.1:{self.port}")
        self.assertEqual(len(broker.messages()), 12)
        broker.close()
        self.ok(other.get("/readyz"))


if __name__ == "__main__":
    support.main()
