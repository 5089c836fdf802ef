"""Durable subscriptions beside the appends: what they cost the writer, and what they deliver.

Run as a program (HOST PORT NAME...) it is the consumers: one WebSocket a subscription, each acknowledging all that it
has got with one message a read. Asked with a line, it answers how many events came so far."""
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time

from parts import table
from servers import Missing, die_with_parent, say

COUNTS = (1, 10, 100)
WINDOW = 1000  # events of one subscription that wait for their acknowledgement
HELLO = ("GET /api/v1/live?subscription={name} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")


class Consumer:
    def __init__(self, host, port, name):
        self.socket = socket.create_connection((host, port))
        self.socket.sendall(HELLO.format(name=name, host=host).encode())
        self.buffer, self.got = b"", 0
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(1 << 16)
            if not more:
                raise ConnectionError(self.buffer[:200].decode("latin-1"))
            self.buffer += more
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head[:200].decode("latin-1"))

    def take(self, more=b""):
        """Counts the whole frames that are there, and acknowledges them."""
        data, at, last = self.buffer + more, 0, None
        while len(data) - at >= 2:
            size, begin = data[at + 1], at + 2
            if size >= 126:
                wide = 2 if size == 126 else 8
                size, begin = int.from_bytes(data[begin:begin + wide], "big"), begin + wide
            if begin + size > len(data):
                break
            if data[at] & 15 == 1:
                last = begin
                self.got += 1
            at = begin + size
        if last is not None:
            position = data[data.index(b'"position":', last) + 11:last + 64].split(b",")[0]
            message = b'{"upto":' + position + b"}"
            # Masked with zeros: a client's frames must be.
            self.socket.sendall(bytes([0x81, 0x80 | len(message), 0, 0, 0, 0]) + message)
        self.buffer = data[at:]


def consume(host, port, names):
    poll = selectors.DefaultSelector()
    consumers = [Consumer(host, port, name) for name in names]
    for consumer in consumers:
        poll.register(consumer.socket, selectors.EVENT_READ, consumer)
        consumer.take()
    poll.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in poll.select():
            if key.data is None:
                if not os.read(0, 64):
                    return
                print(sum(c.got for c in consumers), flush=True)
                continue
            more = key.data.socket.recv(1 << 18)
            if not more:
                raise ConnectionError("the server closed a WebSocket")
            key.data.take(more)


class Subscribers:
    """Subscriptions to all that is new, and the process that takes from them."""

    def __init__(self, server, count):
        self.server = server
        self.names = [f"bench-{count}-{i}" for i in range(count)]
        for name in self.names:
            server.create("/api/v1/subscriptions", {"name": name, "max_in_flight": WINDOW}, "position")
        host, _, port = server.url[len("http://"):].partition(":")
        self.process = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__), host, port, *self.names],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=die_with_parent)
        if self.process.stdout.readline().strip() != "ready":
            self.__exit__()
            raise Missing(f"{server.name}: {count} subscriptions could not be read")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        for name in self.names:
            self.server.request("DELETE", f"/api/v1/subscriptions/{name}")

    def delivered(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        text = self.process.stdout.readline().strip()
        if not text:
            raise Missing(f"{self.server.name}: the consumers of {len(self.names)} subscriptions ended")
        return int(text)


def subscribed_load(bench, server, path, body, count):
    """One load with so many subscriptions, and then the rest of what they have to get."""
    server.settle()
    with Subscribers(server, count) as subscribers:
        begin, before = time.monotonic(), subscribers.delivered()
        figures = bench.load(server, path, 64, body, settle=False)
        seconds, meanwhile = time.monotonic() - begin, subscribers.delivered() - before
        expected = count * (figures["answered"] + figures["warmed"])
        end = time.monotonic() + 60
        while subscribers.delivered() - before < expected and time.monotonic() < end:
            time.sleep(0.05)  # poll: another process takes them
        total = subscribers.delivered() - before
        drained = time.monotonic() - begin - seconds
    if total < expected and time.monotonic() < end:
        raise Missing(f"{count} subscriptions were delivered {total} events instead of {expected}")
    figures |= {"delivered_per_second": round(meanwhile / seconds), "undelivered": max(expected - total, 0),
                "drained_per_second": round((total - meanwhile) / drained) if total > meanwhile else 0}
    say(f"{count} subscriptions: {figures['delivered_per_second']}/s meanwhile, {figures['drained_per_second']}/s after")
    return figures


def measure_subscribers(bench, body, setup):
    server = bench.start("off")
    path = setup(server)
    bench.load(server, path, 64, body)
    cases = {"none": lambda: bench.load(server, path, 64, body)}
    for count in COUNTS:
        cases[str(count)] = lambda n=count: subscribed_load(bench, server, path, body, n)
    rounds = bench.interleave(cases, "appends, 64 connections, subscriptions")
    server.stop()
    if not rounds or "none" not in rounds[0]:
        raise Missing("subscribers: the appends without them could not be measured")
    middle = lambda name, field: f"{statistics.median(r[name].get(field, 0) for r in rounds):.0f}"  # noqa: E731
    head = ["64 connections, durable subscriptions", "appends/s", "to none", "delivered/s meanwhile",
            "delivered/s after the load", "not delivered a minute later"]
    return table(head, [[name, middle(name, "requests_per_second"),
                         f"{statistics.median(r[name]['requests_per_second'] / r['none']['requests_per_second'] for r in rounds):.2f}",
                         middle(name, "delivered_per_second"), middle(name, "drained_per_second"),
                         middle(name, "undelivered")] for name in rounds[0]])


if __name__ == "__main__":
    consume(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
