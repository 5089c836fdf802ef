"""A file of gigabytes through MLflow's proxy, into the store and out of it, beside sha256sum and cp of the same file."""
import os
import statistics
import subprocess
import time

from servers import Missing, die_with_parent, say

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts/0/"
MIB = 2**20


def write_file(path, mebibytes):
    """Bytes that no file system stores smaller, none of them at hand when they are read."""
    with open(path, "wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(MIB))
        file.flush()
        os.fsync(file.fileno())


def seconds_of(*command):
    begin = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800,
                          preexec_fn=die_with_parent)
    if done.returncode != 0:
        raise Missing(f"{command[0]}: {done.stderr.strip()[-300:]}")
    return time.monotonic() - begin


def peak_mib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


class Figures:
    def __init__(self, server, mebibytes):
        self.server, self.mebibytes, self.rows = server, mebibytes, {}

    def take(self, name, *command):
        cpu = self.server.cpu_seconds()
        seconds = seconds_of(*command)
        cpu = self.server.cpu_seconds() - cpu
        self.rows.setdefault(name, []).append((self.mebibytes / seconds, cpu * 1024 / self.mebibytes))

    def take_without_server(self, name, *command):
        self.rows.setdefault(name, []).append((self.mebibytes / seconds_of(*command), None))


def one_round(bench, figures, source, number):
    url, copy = figures.server.url + ARTIFACTS, source + ".copy"
    transfer = ("curl", "-sS", "--fail", "--noproxy", "*", "-o")
    figures.take_without_server("`sha256sum`", "sha256sum", source)
    figures.take_without_server("`cp`, then `sync` of the copy", "sh", "-c", f"cp '{source}' '{copy}' && sync '{copy}'")
    os.unlink(copy)
    with open(source, "r+b") as file:  # other bytes than before
        file.write(b"%20d" % number)
    figures.take("upload", *transfer, os.devnull, "-T", source, url + f"{number}")
    figures.take("upload of the same bytes", *transfer, os.devnull, "-T", source, url + f"{number}-again")
    figures.take("download", *transfer, os.devnull, url + f"{number}")
    say(f"round {number}: " + ", ".join(f"{name} {values[-1][0]:.0f} MiB/s" for name, values in figures.rows.items()))


def measure_artifacts(bench):
    mebibytes = 256 if bench.options.quick else 2048
    source = os.path.join(bench.folder, "file")
    write_file(source, mebibytes)
    server = bench.start("off")
    server.settle()
    figures, before = Figures(server, mebibytes), peak_mib(server)
    for number in range(bench.options.rounds or (1 if bench.options.quick else 3)):
        one_round(bench, figures, source, number)
    after = peak_mib(server)
    os.unlink(source)
    bench.figures["artifacts"] = {"mebibytes": mebibytes, "rows": figures.rows, "peak_mib": [before, after]}
    lines = [f"| a file of {mebibytes} MiB | MiB/s | server's CPU, s a GiB |", "| --- | ---: | ---: |"]
    for name, values in figures.rows.items():
        cpu = "" if values[0][1] is None else f"{statistics.median(v[1] for v in values):.2f}"
        lines.append(f"| {name} | {statistics.median(v[0] for v in values):.0f} | {cpu} |")
    server.stop()
    return "\n".join(lines) + f"\n\nThe server's memory at its highest: {before:.0f} MiB before, {after:.0f} MiB after.\n"
