"""Live streams: every event once and in order, resumed from anywhere, whoever else is slow."""
import json
import random
import socket
import threading

import support
from support import Case, Sse, WebSocket

V1 = "/api/v1"
EVENTS = 400  # that the writer adds while others watch


class Live(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server()
        self.ok(self.s.post(V1 + "/experiments", {"name": "e"}), 201)
        self.run_id = self.ok(self.s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]

    def writing(self, count=EVENTS, size=10):
        """A thread that adds events; its `problem` stays empty."""
        def write():
            client = self.s.client()
            for i in range(count):
                if i % 2:
                    sent = client.post(f"{V1}/runs/{self.run_id}/tags",
                                       {"tags": {"n": str(i) + "x" * size}})
                else:
                    sent = client.post(f"{V1}/runs/{self.run_id}/metrics",
                                       {"metrics": [{"key": "m", "value": i}]})
                if sent.status != 200:
                    thread.problem = sent
                    return
            client.close()

        thread = threading.Thread(target=write, daemon=True)
        thread.problem = None
        thread.start()
        return thread

    def joined(self, *threads):
        for thread in threads:
            thread.join(support.SLOW)
            self.assertFalse(thread.is_alive(), "a thread hangs")
            self.assertIsNone(thread.problem)

    def together(self, *jobs):
        """Runs the jobs at the same time; the first that fails fails the test."""
        def guarded(job):
            try:
                job()
            except BaseException as problem:  # handed to the test's own thread
                failed.append(problem)

        failed = []
        threads = [threading.Thread(target=guarded, args=(job,), daemon=True) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(support.SLOW)
            self.assertFalse(thread.is_alive(), "a watcher hangs")
        if failed:
            raise failed[0]

    def sse_positions(self, last, seed):
        """Watches to position `last`, with connections that end after a few events."""
        draw, seen = random.Random(seed), []
        while not seen or seen[-1] < last:
            path = V1 + "/live/events" + ("?from=1" if draw.random() < 0.5 or not seen else "")
            stream = Sse(self.s, path, seen[-1] if seen else None)
            self.assertEqual(stream.status, 200)
            for _ in range(draw.randint(1, 60)):
                number, kind, data = stream.next()
                event = json.loads(data)
                self.assertEqual((event["position"], event["type"]), (int(number), kind))
                seen.append(int(number))
                if seen[-1] == last:
                    break
            stream.close()
        return seen

    def ws_positions(self, last, seed):
        draw, seen = random.Random(seed), []
        while not seen or seen[-1] < last:
            stream = WebSocket(self.s, f"{V1}/live?from={seen[-1] + 1 if seen else 1}")
            self.assertEqual(stream.status, 101)
            for _ in range(draw.randint(1, 60)):
                seen.append(json.loads(stream.next())["position"])
                if seen[-1] == last:
                    break
            stream.close()
        return seen


class Resume(Live):
    def test_no_gap_and_no_double_while_a_writer_runs(self):
        last = self.s.position() + EVENTS
        found = {}

        def job(watch, seed):
            return lambda: found.update({(watch, seed): watch(last, seed)})

        writer = self.writing()
        self.together(*[job(watch, seed) for watch in (self.sse_positions, self.ws_positions)
                        for seed in range(4)])
        self.joined(writer)
        for seen in found.values():
            self.assertEqual(seen, list(range(1, last + 1)))
        self.assertEqual(len(found), 8)

    def test_from_any_position(self):
        self.joined(self.writing(40))
        head = self.s.position()
        events = {e["position"]: e for e in self.s.events()}
        for start in (0, 1, 2, head // 2, head - 1, head):
            with self.subTest(start=start):
                stream = WebSocket(self.s, f"{V1}/live?from={start}")
                first = max(start, 1)
                for position in range(first, head + 1):
                    self.assertEqual(json.loads(stream.next()), events[position])
                stream.close()
                stream = Sse(self.s, V1 + "/live/events?from=1", last_event_id=start)
                for position in range(start + 1, head + 1):
                    number, kind, data = stream.next()
                    self.assertEqual((int(number), kind, json.loads(data)),
                                     (position, events[position]["type"], events[position]))
                stream.close()

    def test_what_is_new_and_what_is_yet_to_come(self):
        head = self.s.position()
        new_sse, new_ws = Sse(self.s, V1 + "/live/events"), WebSocket(self.s, V1 + "/live")
        later = WebSocket(self.s, f"{V1}/live?from={head + 3}")
        self.joined(self.writing(4))
        self.assertEqual([new_sse.next()[0] for _ in range(4)],
                         [str(head + i) for i in range(1, 5)])
        self.assertEqual([json.loads(new_ws.next())["position"] for _ in range(4)],
                         [head + i for i in range(1, 5)])
        self.assertEqual([json.loads(later.next())["position"] for _ in range(2)],
                         [head + 3, head + 4])
        for stream in (new_sse, new_ws, later):
            stream.close()

    def test_over_a_restart(self):
        self.joined(self.writing(10))
        stream = Sse(self.s, V1 + "/live/events?from=1")
        seen = [int(stream.next()[0]) for _ in range(5)]
        self.s.kill()
        self.s.start()
        last = self.s.position() + 6
        stream = Sse(self.s, V1 + "/live/events?from=1", seen[-1])
        writer = self.writing(6)
        while seen[-1] < last:
            seen.append(int(stream.next()[0]))
        self.joined(writer)
        self.assertEqual(seen, list(range(1, last + 1)))
        stream.close()


class Filters(Live):
    def test_filters(self):
        other = self.ok(self.s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        before = self.s.position()
        # What ends each stream: it fits every filter below.
        filters = ("type=run.tags_set", "type=run.*", f"stream=run/{self.run_id}", "stream=run/*",
                   f"stream=run/{self.run_id}&type=run.tags_set")
        streams = [(f, Sse(self.s, f"{V1}/live/events?from=1&{f}"),
                    WebSocket(self.s, f"{V1}/live?from=1&{f}")) for f in filters]
        nothing = WebSocket(self.s, V1 + "/live?from=1&type=no.such&tenant=default")
        self.joined(self.writing(30))
        self.ok(self.s.post(f"{V1}/runs/{other}/end", {"status": "killed"}))
        self.ok(self.s.post(V1 + "/experiments", {"name": "f"}), 201)
        last = self.ok(self.s.post(f"{V1}/runs/{self.run_id}/tags", {"tags": {"last": "one"}}))
        self.assertGreater(last["position"], before + 30)
        for query, sse, ws in streams:
            with self.subTest(query):
                name, _, value = query.partition("&")[0].partition("=")
                wanted = [e["position"] for e in self.s.events(**{name: value})
                          if "&" not in query or e["type"] == "run.tags_set"]
                self.assertEqual([int(sse.next()[0]) for _ in wanted], wanted)
                self.assertEqual([json.loads(ws.next())["position"] for _ in wanted], wanted)
            sse.close()
            ws.close()
        # The stream that nothing fits has sent nothing but the answer to a ping.
        nothing.send(9, b"there?")
        self.assertEqual(nothing.frame()[1:], (10, b"there?"))
        nothing.close()


class Watchers(Live):
    def anonymous_kib(self):
        with open(f"/proc/{self.s.process.pid}/status", encoding="ascii") as text:
            return int(next(line for line in text if line.startswith("RssAnon")).split()[1])

    def test_many_watchers_see_all(self):
        last = self.s.position() + 100
        streams = [Sse(self.s, V1 + "/live/events?from=1") for _ in range(30)]
        streams += [WebSocket(self.s, V1 + "/live?from=1") for _ in range(30)]
        self.joined(self.writing(100))
        for stream in streams:
            seen = []
            while not seen or seen[-1] < last:
                got = stream.next()
                seen.append(int(got[0]) if isinstance(got, tuple) else json.loads(got)["position"])
            self.assertEqual(seen, list(range(1, last + 1)))
        watching = self.s.get("/metrics").body.decode()
        self.assertRegex(watching, r"(?m)^mlforge_live_watchers 60$")
        for stream in streams:
            stream.close()
        support.until(lambda: "\nmlforge_live_watchers 0\n" in
                      self.s.get("/metrics").body.decode(), "the end of 60 watchers")

    def test_the_past_beside_a_writer(self):
        """More than a page of the past, whole and in order, for those who read on while events are added."""
        self.joined(self.writing(800, size=400))
        last = self.s.position() + 200
        streams = [Sse(self.s, V1 + "/live/events?from=1"), WebSocket(self.s, V1 + "/live?from=1"),
                   WebSocket(self.s, V1 + "/live?from=1&type=run.tags_set")]
        writer = self.writing(200, size=400)
        seen = [[], [], []]
        for got, stream in zip(seen, streams):
            while not got or got[-1] < last:  # the writer's last event sets a tag
                one = stream.next()
                got.append(int(one[0]) if isinstance(one, tuple) else json.loads(one)["position"])
        self.joined(writer)
        self.assertEqual(seen[0], list(range(1, last + 1)))
        self.assertEqual(seen[1], seen[0])
        self.assertEqual(len(seen[2]), 500)

    def silent(self, request):
        """Asks for a stream and never reads from it."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((self.s.host, self.s.port))
        self.addCleanup(connection.close)
        connection.sendall(request.encode())
        return connection

    def test_one_that_never_reads_slows_nobody(self):
        host = f"Host: {self.s.host}:{self.s.port}\r\n"
        for _ in range(5):
            self.silent(f"GET {V1}/live/events?from=1 HTTP/1.1\r\n{host}\r\n")
            self.silent(f"GET {V1}/live?from=1 HTTP/1.1\r\n{host}Upgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        reader = Sse(self.s, V1 + "/live/events?from=1")
        before = self.anonymous_kib()
        last = self.s.position() + 1600
        # 6 MB of events: more than all the socket buffers between hold.
        writer = self.writing(1600, size=7500)
        seen = []
        while not seen or seen[-1] < last:
            seen.append(int(reader.next()[0]))
        self.joined(writer)
        self.assertEqual(seen, list(range(1, last + 1)))
        grown = self.anonymous_kib() - before
        self.assertLess(grown, 48 << 10, "what is not read piles up in memory")
        print(f"with 10 silent watchers anonymous memory grew by {grown} KiB", flush=True)
        reader.close()


if __name__ == "__main__":
    support.main()
