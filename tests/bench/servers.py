"""Servers under measurement: started, asked, watched through /proc, and stopped with all that they started."""
import contextlib
import ctypes
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Missing(Exception):
    """Something that a figure needs is not there; the message says what."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def stat_fields(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()


def tells_its_url(line):
    return "listening on http://" in line


class Server:
    """A started server, known by the line `listening on http://HOST:PORT`, or by one that `ready` says yes to;
    without `ready` (None) it is not waited for."""

    def __init__(self, name, arguments, log_file, ready=tells_its_url, stop_signal=signal.SIGTERM):
        self.name, self.log_file, self.loads = name, log_file, 0
        self.stop_signal = stop_signal
        self.begin = time.monotonic()
        with open(log_file, "w", encoding="utf-8") as log:
            # Other systems speak on the standard error only.
            errors = log if ready is tells_its_url else subprocess.STDOUT
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE if ready else log, stderr=errors,
                                            text=True, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        if not ready:
            return
        alarm = signal.signal(signal.SIGALRM, lambda *_: self.process.kill())
        signal.alarm(30)
        try:
            for line in self.process.stdout:
                if ready(line):
                    if ready is tells_its_url:
                        self.url = line.split("listening on ")[1].split()[0].rstrip("/")
                    else:
                        threading.Thread(target=self.process.stdout.read, daemon=True).start()
                    return
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, alarm)
        self.stop()
        raise Missing(f"{name} did not say `listening on http://HOST:PORT`: {self.last_words()}")

    def last_words(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as log:
            return log.read().strip()[-300:] or f"exit code {self.process.poll()}"

    def pids(self):
        """This process and all below it."""
        parents = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                parents[int(pid)] = int(stat_fields(pid)[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self):
        ticks = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                ticks += sum(map(int, stat_fields(pid)[11:15]))  # with children that have ended
        return ticks / TICKS

    def anonymous_mib(self):
        kib = 0
        for pid in self.pids():
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as file:
                kib += sum(int(line.split()[1]) for line in file if line.startswith("RssAnon:"))
        return kib / 1024

    def request(self, method, path, body=None, timeout=10):
        connection = http.client.HTTPConnection(self.url[len("http://"):], timeout=timeout)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise Missing(f"{self.name}: {method} {path}: {error!r}") from error
        finally:
            connection.close()

    def create(self, path, body, field):
        status, text = self.request("POST", path, body)
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if 200 <= status < 300:
                return json.loads(text)[field]
        raise Missing(f"{self.name}: POST {path} gave {status}, without {field}: {text[:200]}")

    def settle(self, limit=10.0):
        """Waits until the server has worked off what it does behind its answers."""
        end = time.monotonic() + limit
        before = self.cpu_seconds()
        while time.monotonic() < end:
            time.sleep(0.3)  # poll: another process goes idle without an event
            now = self.cpu_seconds()
            if now - before <= 0.03:
                return
            before = now

    def stop(self):
        pids = self.pids()
        if self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            say(f"{self.name} did not stop within 15 s and is killed")
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
