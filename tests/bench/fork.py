"""How long a fork of a log of a million events takes, at its head and in its middle, beside a plain copy of its file."""
import json
import os
import shutil
import statistics
import subprocess
import time

from parts import lines_of, table
from servers import Missing, die_with_parent, say

EVENTS_A_RUN = 4


def forked(bench, data, at):
    """Seconds of one `mlforge fork` with the program's start, and what it says."""
    bench.folders += 1
    scratch = os.path.join(bench.folder, f"fork-{bench.folders}")
    begin = time.monotonic()
    done = subprocess.run([bench.program("mlforge"), "fork", "--data", data, "--at", str(at), "-o", scratch, "--json"],
                          capture_output=True, text=True, check=False, timeout=300, preexec_fn=die_with_parent)
    seconds = time.monotonic() - begin
    if done.returncode != 0:
        raise Missing(f"fork: {done.stderr.strip()[-300:]}")
    shutil.rmtree(scratch)
    if json.loads(done.stdout)["position"] != at:
        raise Missing(f"fork: it ends at another position than {at}: {done.stdout}")
    return seconds


def copied(bench, data):
    """Seconds of a copy of the log's file that is on the disk when it ends: what no fork that copies can beat."""
    target = os.path.join(bench.folder, "plain.mdb")
    begin = time.monotonic()
    with open(os.path.join(data, "log", "data.mdb"), "rb") as source, open(target, "wb") as to:
        shutil.copyfileobj(source, to, 1 << 20)
        to.flush()
        os.fsync(to.fileno())
    seconds = time.monotonic() - begin
    os.remove(target)
    return seconds


def measure_fork(bench):
    events = 100_000 if bench.options.quick else 1_000_000
    data = os.path.join(bench.folder, "to-fork")
    lines_of(bench, "bench_runs", data, "--runs", events // EVENTS_A_RUN, "--long", 0)
    size = os.path.getsize(os.path.join(data, "log", "data.mdb")) / 2**20
    forked(bench, data, 1)  # so that the index is there and the file in memory
    cases = {"a plain copy of its file": lambda: copied(bench, data), "fork at the head": lambda: forked(bench, data, events),
             "fork in the middle": lambda: forked(bench, data, events // 2)}
    seconds = {name: [] for name in cases}
    for _ in range(bench.rounds):
        for name, measure in cases.items():
            seconds[name].append(measure())
        say("fork: " + ", ".join(f"{name} {all_[-1]:.2f} s" for name, all_ in seconds.items()))
    bench.figures["fork"] = seconds
    return table([f"a log of {events} events, {size:.0f} MiB", "seconds, best", "median"],
                 [[name, f"{min(each):.2f}", f"{statistics.median(each):.2f}"] for name, each in seconds.items()])
