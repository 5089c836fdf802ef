"""The parts that a program of one library measures by itself: run, read its JSON, make a table of it."""
import json
import statistics
import subprocess
import sys

from servers import Missing, die_with_parent, say


def table(head, rows):
    lines = ["| " + " | ".join(row) + " |" for row in [head, ["---"] + ["---:"] * (len(head) - 1), *rows]]
    return "\n".join(lines) + "\n"


def lines_of(bench, program, *arguments, limit=1800):
    """What a program of tests/bench prints, in a folder of the bench's disk."""
    command = [bench.program("tests/bench/" + program), *map(str, arguments)]
    say(f"running {program} {' '.join(map(str, arguments))}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit,
                          preexec_fn=die_with_parent)
    if done.returncode != 0:
        raise Missing(f"{program}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip().splitlines()


def json_of(bench, program, *arguments):
    rows = [json.loads(line) for line in lines_of(bench, program, "--json", "--folder", bench.folder, *arguments)]
    bench.figures[program] = rows
    return rows


def measure_projections(bench):
    """Replay into all read models, by CPU time: what one core does."""
    rows = json_of(bench, "bench_projections", "--events", 200_000 if bench.options.quick else 1_000_000)
    head = ["replay into all read models", "events", "a transaction", "events/s of CPU", "events/s", "CPU, us an event"]
    return table(head, [[r["log"], str(r["events"]), str(r["batch"]), f"{r['events'] / r['cpu_seconds']:.0f}",
                         f"{r['events'] / r['seconds']:.0f}", f"{1e6 * r['cpu_seconds'] / r['events']:.2f}"]
                        for r in rows])


def measure_storage(bench):
    """In process: the log against raw LMDB with the same batches; scan; verification."""
    (r,) = json_of(bench, "bench_storage", "--seconds", 1.5 if bench.options.quick else 5)
    ways = [w["name"] for w in r["appends"][0]["ways"]]
    rates = [[str(a["batch"])] + [f"{w['events_per_second']:.0f} ({w['ratio']:.2f})" for w in a["ways"]]
             for a in r["appends"]]
    text = table(["in process, events/s (mlforge to it), one sync a batch of"] + ways, rates) + "\n"
    return text + table(["scan, M events/s of CPU", "events", "figure", "mlforge to it"], [
        ["mlforge, CRC checked", str(r["events"]), f"{r['scan'] / 1e6:.2f}", "1.00"],
        ["raw LMDB, every byte read", "", f"{r['raw_scan'] / 1e6:.2f}", f"{r['scan'] / r['raw_scan']:.2f}"],
        ["raw LMDB, walked over", "", f"{r['raw_walk'] / 1e6:.2f}", f"{r['scan'] / r['raw_walk']:.2f}"],
        ["full verification (wall)", "", f"{r['events'] / r['verify_seconds'] / 1e6:.2f}", ""]])


def measure_growth(bench):
    """What an append costs as the log and the number of its streams grow, and the memory."""
    quick = ("--events", 1_000_000, "--streams", 100_000) if bench.options.quick else ()
    rows = json_of(bench, "bench_growth", *quick)
    names = {"events": "as the log grows", "new": "each event a new stream", "streams": "streams at random"}
    head = ["", "events", "streams", "append, us CPU", "a batch of 256, us", "indexing, us CPU", "read models, us CPU",
            "anonymous, MiB", "log, MiB"]
    return table(head, [[names[r["part"]], str(r["events"]), str(r["streams"]), f"{r['append_cpu_us']:.2f}",
                         f"{r['batch_us']:.0f}", f"{r['index_cpu_us']:.2f}", f"{r['views_cpu_us']:.2f}",
                         f"{r['anonymous_mib']:.1f}", str(r["log_mib"])] for r in rows])


def measure_seek(bench):
    """Looks at earlier moments."""
    events = 100_000 if bench.options.quick else 1_000_000
    return "```\n" + "\n".join(lines_of(bench, "bench_seek", events)) + "\n```\n"


WATCHER = """
import os, socket, sys
host, port, path, kind = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]
upgrade = ("Connection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Version: 13\\r\\n"
           "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\\r\\n") if kind == "ws" else ""
total = 0
while os.getppid() != 1:
    peer = socket.create_connection((host, port))
    peer.sendall(f"GET {path}?from=1 HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n{upgrade}\\r\\n".encode())
    peer.settimeout(0.3)
    buffer, got = bytearray(1 << 18), 0
    try:
        while (n := peer.recv_into(buffer)) > 0:
            got += n
            if got > (64 << 20):
                break  # and from the beginning again: it is always behind
    except TimeoutError:
        pass
    peer.close()
"""


class Watchers:
    """Clients that read the log live from its beginning, over and over."""

    def __init__(self, server, count, kind):
        host, _, port = server.url[len("http://"):].partition(":")
        path = {"ws": "/api/v1/live", "sse": "/api/v1/live/events"}[kind]
        self.processes = [subprocess.Popen([sys.executable, "-c", WATCHER, host, port, path, kind],
                                           stdin=subprocess.DEVNULL, preexec_fn=die_with_parent) for _ in range(count)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()


def measure_watchers(bench, body, setup):
    """Appends while others read the log from its beginning."""
    server = bench.start("off")
    path = setup(server)
    bench.load(server, path, 64, body, seconds=4)

    def watched_load(kind):
        def load():
            server.settle()
            with Watchers(server, 4, kind):
                return bench.load(server, path, 64, body, settle=False)
        return load
    cases = {"nobody": lambda: bench.load(server, path, 64, body), "4 over WebSocket": watched_load("ws"),
             "4 over SSE": watched_load("sse")}
    rounds = bench.interleave(cases, "appends, 64 connections, watched by")
    server.stop()
    if not rounds or "nobody" not in rounds[0]:
        raise Missing("watchers: the appends without them could not be measured")
    rates = {name: [r[name]["requests_per_second"] for r in rounds] for name in rounds[0]}
    head = ["64 connections, watchers that catch up", "appends/s", "to none"]
    return table(head, [[name, f"{statistics.median(rate):.0f}",
                         f"{statistics.median(a / b for a, b in zip(rate, rates['nobody'])):.2f}"]
                        for name, rate in rates.items()])
