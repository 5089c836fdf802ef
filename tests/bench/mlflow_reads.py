#!/usr/bin/env python3
"""How long mlforge takes to answer what MLflow's clients and pages ask for, over HTTP on one connection.

    mlflow_reads.py --build build/release [--runs 10000] [--long 10000000] [--requests 200] [--dir DIR] [--json FILE]
    mlflow_reads.py --build build/release --experiments 50 --runs 75000 --metrics 1500 --long 0

Writes the runs with `bench_runs` into a folder that goes away, starts `mlforge serve` on it, and prints Markdown. The first
request of each kind, which may have to read columns into memory, stands apart.
"""
import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse

import servers


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


class Asker:
    """Reads answers into one buffer, for an answer of 11 MB is otherwise copied as long as it is made."""

    def __init__(self, url):
        self.buffer = memoryview(bytearray(64 << 20))
        self.connection = http.client.HTTPConnection(url[len("http://"):], timeout=600)

    def __call__(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        begin = time.perf_counter()
        self.connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = self.connection.getresponse()
        size = 0
        while size < len(self.buffer) and (more := answer.readinto(self.buffer[size:])):
            size += more
        took = time.perf_counter() - begin
        text = self.buffer[:size].tobytes()
        if answer.status != 200:
            sys.exit(f"{method} {path}: {answer.status} {text[:300]!r}")
        return took * 1000, text


def search(experiments, **more):
    body = {"experiment_ids": experiments, "max_results": 100, **more}
    return "POST", "/api/2.0/mlflow/runs/search", body


def history(route, **query):
    return "GET", f"/api/2.0/mlflow/metrics/{route}?" + urllib.parse.urlencode(query), None


def works(options):
    """Name, request, how many runs or points must come."""
    ids = [str(i + 1) for i in range(options.experiments)]
    all_of = min(100, options.runs)
    yield "runs/search, 100 runs ordered by a metric", search(ids, order_by=["metrics.metric_0 DESC"]), all_of
    yield ("runs/search, filter on a param and a metric, ordered by a metric",
           search(ids, filter="params.param_1 = '7' and metrics.metric_1 > 0.5",
                  order_by=["metrics.metric_0 DESC"]), None)
    yield "runs/search, no order", search(ids), all_of
    if options.experiments > 1:
        yield "runs/search in one experiment", search(ids[:1], order_by=["metrics.metric_0 DESC"]), None
    if options.long:
        yield ("get-history, 10,000 points",
               history("get-history", run_id="long", metric_key="ten_thousand", max_results=25000), 10000)
        sampled = history("get-history-bulk-interval", run_ids="long", metric_key="loss", max_results=320)
        yield f"history sampled to 320 of {options.long:,} points", sampled, min(320, options.long)
        yield (f"320 of the steps {options.long // 3:,} to {options.long // 2:,}",
               history("get-history-bulk-interval", run_ids="long", metric_key="loss", max_results=320,
                       start_step=options.long // 3, end_step=options.long // 2), None)


def count(text):
    answer = json.loads(text)
    return len(answer.get("runs", answer.get("metrics", [])))


def measure(server, options):
    ask, rows = Asker(server.url), []
    for name, request, wanted in works(options):
        first, text = ask(*request)
        if wanted is not None and count(text) != wanted:
            sys.exit(f"{name}: {count(text)} came instead of {wanted}")
        cpu = server.cpu_seconds()
        times = [ask(*request)[0] for _ in range(options.requests)]
        cpu = (server.cpu_seconds() - cpu) * 1000 / options.requests
        rows.append({"work": name, "first_ms": first, "p50_ms": percentile(times, 0.5),
                     "p99_ms": percentile(times, 0.99), "cpu_ms": cpu, "bytes": len(text)})
        servers.say(f"{name}: p50 {rows[-1]['p50_ms']:.2f} ms")
    return rows


def folder_bytes(folder):
    return sum(os.stat(os.path.join(place, name)).st_blocks * 512
               for place, _, names in os.walk(folder) for name in names)


def run(options, folder):
    data = os.path.join(folder, "data")
    begin = time.monotonic()
    subprocess.run([os.path.join(options.build, "tests/bench/bench_runs"), data, "--runs", str(options.runs),
                    "--experiments", str(options.experiments), "--metrics", str(options.metrics),
                    "--points", str(options.points), "--long", str(options.long)], check=True, stdout=sys.stderr)
    filled = time.monotonic()
    servers.say(f"log written in {filled - begin:.1f} s, {folder_bytes(data) / 1e6:.0f} MB")
    mlforge = os.path.join(options.build, "mlforge")
    subprocess.run([mlforge, "rebuild", "--data", data], check=True, stdout=sys.stderr)
    built = time.monotonic()
    servers.say(f"read models built in {built - filled:.1f} s, then {folder_bytes(data) / 1e6:.0f} MB")
    server = servers.Server("mlforge", [mlforge, "serve", "--data", data, "--listen", "127.0.0.1:0", "--nats", "off"],
                            os.path.join(folder, "log"))
    try:
        before = server.anonymous_mib()
        rows = measure(server, options)
        return {"options": vars(options), "rows": rows, "start_s": time.monotonic() - built,
                "anonymous_mib_before": before, "anonymous_mib": server.anonymous_mib(),
                "build_s": built - filled, "bytes": folder_bytes(data)}
    finally:
        server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    for name, value in (("runs", 10000), ("experiments", 1), ("metrics", 10), ("points", 1), ("long", 10_000_000),
                        ("requests", 200)):
        parser.add_argument("--" + name, type=int, default=value)
    parser.add_argument("--dir")
    parser.add_argument("--json")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="mlforge-bench-", dir=options.dir or options.build)
    try:
        result = run(options, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"| {options.runs:,} runs | first | p50 | p99 | CPU each | bytes |\n|---|---|---|---|---|---|")
    for row in result["rows"]:
        print(f"| {row['work']} | {row['first_ms']:.1f} ms | {row['p50_ms']:.2f} ms | {row['p99_ms']:.2f} ms | "
              f"{row['cpu_ms']:.2f} ms | {row['bytes']:,} |")
    print(f"\nanonymous memory {result['anonymous_mib_before']:.0f} MiB before the first request, "
          f"{result['anonymous_mib']:.0f} MiB after the last; data folder {result['bytes'] / 1e6:,.0f} MB, "
          f"read models built in {result['build_s']:.1f} s")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
