"""Watchers that never read, while many events are appended: the writer is as fast as without them.

MLFORGE_LONG=1: 50,000 events.
"""
import os
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import support  # noqa: E402
from support import Case  # noqa: E402

V1 = "/api/v1"
EVENTS = 50_000 if support.LONG else 3_000
ROUNDS = 6  # by turns without and with watchers
WATCHERS = 20


class SilentWatchers(Case):
    def watch(self, server, number):
        """Asks for a stream from the first event on and never reads from it."""
        host = f"Host: {server.host}:{server.port}\r\n"
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((server.host, server.port))
        if number % 2:
            request = f"GET {V1}/live/events?from=1 HTTP/1.1\r\n{host}\r\n"
        else:
            request = (f"GET {V1}/live?from=1 HTTP/1.1\r\n{host}Upgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        connection.sendall(request.encode())
        return connection

    def anonymous_kib(self, server):
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as text:
            return int(next(line for line in text if line.startswith("RssAnon")).split()[1])

    def watchers(self, server):
        text = server.get("/metrics").body.decode()
        return int(float(next(line for line in text.splitlines()
                              if line.startswith("mlforge_live_watchers ")).split()[1]))

    def fill(self, client, run):
        """8 MB of events, more than the sockets between hold: a watcher of all stands still at once."""
        for i in range(64):
            sent = client.post(f"{V1}/runs/{run}/tags",
                               {"tags": {f"tag{k}": f"{i} " + "x" * 7900 for k in range(16)}})
            self.assertEqual(sent.status, 200, sent)

    def wait_idle(self, server):
        """Until the server has used no time between two looks: the watchers' sockets are full."""
        def used():
            with open(f"/proc/{server.process.pid}/stat", encoding="ascii") as text:
                fields = text.read().rsplit(")", 1)[1].split()
            return int(fields[11]) + int(fields[12])

        looks = [-1]

        def idle():
            looks.append(used())
            return looks[-1] == looks[-2]

        support.until(idle, "the server to come to rest", every=0.3)

    def append(self, client, run, count):
        """Appends so many events, one a request; answers requests a second."""
        started = time.monotonic()
        for i in range(count):
            sent = client.post(f"{V1}/runs/{run}/tags", {"tags": {"n": f"{i} " + "x" * 300}})
            self.assertEqual(sent.status, 200, sent)
        return count / (time.monotonic() - started)

    def test_the_writer_is_not_held(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        client = server.client()
        self.fill(client, run)
        self.append(client, run, EVENTS // 10)
        before = self.anonymous_kib(server)
        alone, watched = [], []
        for turn in range(ROUNDS):
            silent = [self.watch(server, i) for i in range(WATCHERS)] if turn % 2 else []
            if silent:
                support.until(lambda: self.watchers(server) == WATCHERS, "the watchers")
            self.wait_idle(server)
            (watched if silent else alone).append(self.append(client, run, EVENTS // ROUNDS))
            for connection in silent:
                connection.close()
            support.until(lambda: self.watchers(server) == 0, "the end of the watchers")
        grown = self.anonymous_kib(server) - before
        print(f"appends/s alone {max(alone):.0f}, with {WATCHERS} silent watchers "
              f"{max(watched):.0f}; anonymous memory grew by {grown} KiB", flush=True)
        # The best of each: a watcher that held the writer would hold it for good, the machine's other
        # work only now and then.
        self.assertGreater(max(watched), max(alone) / 3)
        self.assertLess(grown, 64 << 10, "what is not read piles up in memory")
        self.assertEqual(server.position(),
                         2 + 64 + EVENTS // 10 + ROUNDS * (EVENTS // ROUNDS))
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    support.main()
