"""What the end-to-end tests share: servers of their own, HTTP, live streams, data.

MLFORGE_BIN names the program, MLFORGE_SOURCE the repository. Every server listens on a free port of
127.0.0.1 and works in a temporary folder; all of it is gone when the test ends.
"""
import base64
import ctypes
import hashlib
import http.client
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SOURCE = os.environ.get("MLFORGE_SOURCE") or os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("MLFORGE_BIN", "")
SLOW = 120.0  # seconds until something that will come is given up: the machine may be busy
LONG = os.environ.get("MLFORGE_LONG") == "1"

UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
STATUS_OF = {
    "invalid_argument": 400, "malformed": 400, "unknown_field": 400, "unauthorized": 401,
    "forbidden": 403, "not_found": 404, "method_not_allowed": 405, "conflict": 409,
    "already_exists": 409, "refused": 409, "payload_too_large": 413,
    "unsupported_media_type": 415, "headers_too_large": 431, "too_many_requests": 429,
    "internal": 500, "corrupt": 500, "read_only": 503, "unavailable": 503, "timeout": 504,
    "request_timeout": 408, "range_not_satisfiable": 416, "expectation_failed": 417,
    "upgrade_required": 426,
}


# ---------------------------------------------------------------- JSON and conditions


def strict_json(text):
    """JSON as RFC 8259 has it: no NaN, no Infinity, no key twice."""
    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    def pairs(items):
        keys = [key for key, _ in items]
        if len(keys) != len(set(keys)):
            raise ValueError(f"a key twice in {sorted(keys)}")
        return dict(items)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=pairs)


def until(condition, what, timeout=SLOW, every=0.02):
    """Waits for what another process does; answers the condition's first true value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{timeout:.0f} s have passed without {what}")
        time.sleep(every)  # poll: another process has no condition to wait on


# ---------------------------------------------------------------- HTTP


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return strict_json(self.body.decode("utf-8"))

    def __getitem__(self, key):
        return self.json[key]

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


class Client:
    """One connection that is kept alive. Not for several threads at a time."""

    def __init__(self, host, port, timeout=SLOW):
        self.connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def call(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode("utf-8")
        self.connection.request(method, path, body=body, headers=headers)
        response = self.connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def get(self, path, **headers):
        return self.call("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path, body, **headers):
        return self.call("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def put(self, path, body, **headers):
        return self.call("PUT", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def close(self):
        self.connection.close()


# ---------------------------------------------------------------- the server


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def clean_environment(extra=None):
    """The caller's settings must not reach the server."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("MLFORGE_")}
    for name in ("API_PORT", "CANARY_TRAFFIC_SPLIT", "PSI_THRESHOLD", "KS_PVALUE_THRESHOLD",
                 "PROMOTION_MIN_DELTA", "GATE_MIN_AUC"):
        env.pop(name, None)
    env.update({"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"})
    env.update(extra or {})
    return env


def run_cli(*arguments, env=None, timeout=SLOW, cwd=None):
    """Runs the program to its end; answers returncode, stdout, stderr."""
    return subprocess.run([BINARY, *arguments], env=clean_environment(env), cwd=cwd, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                          check=False, preexec_fn=die_with_parent)


class Server:
    """`mlforge serve` on a folder; started at once, unless it is told to wait."""

    def __init__(self, data, *flags, nats="off", env=None, listen="127.0.0.1:0", start=True):
        self.data, self.flags, self.nats, self.env, self.listen = data, flags, nats, env, listen
        self.errors = data.rstrip("/") + ".stderr"
        self.process, self.host, self.port, self.url = None, None, None, None
        if start:
            self.start()

    def launch(self):
        """Starts the process without waiting for it."""
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(
                [BINARY, "serve", "--data", self.data, "--listen", self.listen, "--nats",
                 self.nats, *self.flags], env=clean_environment(self.env), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, preexec_fn=die_with_parent)
        return self

    def start(self, timeout=SLOW):
        self.launch()
        return self.wait_listening(timeout)

    def wait_listening(self, timeout=SLOW):
        deadline, text = time.monotonic() + timeout, b""
        while b"\n" not in text:
            ready, _, _ = select.select([self.process.stdout], [], [],
                                        max(0, deadline - time.monotonic()))
            piece = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not piece:
                self.process.kill()
                raise AssertionError(f"the server did not start ({self.process.wait()}): "
                                     f"{self.messages()[-2000:]}")
            text += piece
        found = re.match(rb"listening on (http://([0-9.]+):(\d+))\n", text)
        assert found, f"instead of 'listening on http://HOST:PORT' it printed {text!r}"
        self.url, self.host, self.port = found[1].decode(), found[2].decode(), int(found[3])
        return self

    def messages(self):
        with open(self.errors, encoding="utf-8", errors="replace") as text:
            return text.read()

    def client(self, timeout=SLOW):
        return Client(self.host, self.port, timeout)

    def call(self, method, path, body=None, headers=None):
        client = self.client()
        try:
            return client.call(method, path, body, headers)
        finally:
            client.close()

    def get(self, path, **headers):
        return self.call("GET", path, None, {k.replace("_", "-"): v for k, v in headers.items()})

    def post(self, path, body, **headers):
        return self.call("POST", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def put(self, path, body, **headers):
        return self.call("PUT", path, body, {k.replace("_", "-"): v for k, v in headers.items()})

    def position(self):
        return self.get("/api/v1/info")["position"]

    def events(self, **filters):
        """All events, page by page, that the filters let through."""
        client, found, start = self.client(), [], int(filters.pop("start", 1))
        query = "".join(f"&{k}={v}" for k, v in filters.items())
        while True:
            answer = client.get(f"/api/v1/events?from={start}&limit=1000{query}")
            assert answer.status == 200, answer
            page = answer.json
            found += page["items"]
            if page["next_from"] > page["position"]:
                client.close()
                return found
            assert page["next_from"] > start or page["items"], page
            start = page["next_from"]

    def exchange(self, raw, timeout=SLOW):
        """Sends bytes as they are; answers the bytes until the server closes or has answered."""
        with socket.create_connection((self.host, self.port), timeout=timeout) as s:
            try:
                s.sendall(raw)
            except OSError:  # refused before it was read: the answer is there
                pass
            response = http.client.HTTPResponse(s)
            response.begin()
            return Answer(response.status, response.headers, response.read())

    def kill(self, how=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait()

    def wait(self, timeout=SLOW):
        code = self.process.wait(timeout)
        self.process.stdout.close()
        return code

    def stop(self):
        """SIGTERM; answers the exit code."""
        return self.kill(signal.SIGTERM)


class Case(unittest.TestCase):
    """A test with a temporary folder, servers that end with it, and the one error shape."""

    def setUp(self):
        self.folder = new_folder(self.addCleanup)

    def server(self, *flags, data=None, **options):
        return start_server(self.addCleanup, data or os.path.join(self.folder, "data"), *flags,
                            **options)

    def ok(self, answer, status=200):
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def error(self, answer, code, field=None, words=()):
        """Checks the shape, and that code and status belong together."""
        status = STATUS_OF[code]
        self.assertEqual(answer.status, status, answer)
        self.assertIn("application/json", answer.headers.get("Content-Type", ""), answer)
        body = answer.json
        self.assertEqual(set(body), {"error"}, answer)
        error = body["error"]
        self.assertLessEqual(set(error), {"code", "message", "field", "correlation_id", "details"},
                             answer)
        self.assertEqual(error["code"], code, answer)
        self.assertGreater(len(error["message"]), 10, answer)
        self.assertIn(" ", error["message"], "a message is a sentence")
        self.assertTrue(error["correlation_id"], answer)
        if field is not None:
            self.assertEqual(error.get("field", ""), field, answer)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, error["message"], answer)
        return error


def new_folder(cleanup):
    folder = tempfile.mkdtemp(prefix="mlforge-e2e-")
    cleanup(shutil.rmtree, folder, ignore_errors=True)
    return folder


def start_server(cleanup, data, *flags, **options):
    server = Server(data, *flags, start=False, **options)
    cleanup(end, server)
    return server.start()


def end(server):
    """Kills what is left: the server, and a broker that outlived it."""
    if server.process and server.process.poll() is None:
        server.process.kill()
        server.wait()
    broker = broker_pid(server.data)
    if broker:
        os.kill(broker, signal.SIGKILL)


def broker_pid(data):
    """The process id of the nats-server that runs on this folder, if there is one."""
    wanted = os.path.join(os.path.realpath(data), "nats").encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as text:
                    arguments = text.read().split(b"\0")
            except OSError:
                continue
            if b"nats-server" in arguments[0] and any(wanted in a for a in arguments[1:]):
                return int(entry)
    return None


# ---------------------------------------------------------------- live streams


class Sse:
    """Reads server-sent events: (id, event, data)."""

    def __init__(self, server, path, last_event_id=None, timeout=SLOW):
        headers = {"Accept": "text/event-stream"}
        if last_event_id is not None:
            headers["Last-Event-ID"] = str(last_event_id)
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)
        self.connection.request("GET", path, headers=headers)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def next(self):
        """The next event; nothing when the server ended the stream."""
        name, data, last = "message", [], None
        while True:
            line = self.response.readline()
            if not line:
                return None
            line = line.decode("utf-8").rstrip("\r\n")
            if not line:
                if data:
                    return last, name, "\n".join(data)
                name = "message"
            elif not line.startswith(":"):
                field, _, value = line.partition(":")
                value = value[1:] if value.startswith(" ") else value
                if field == "id":
                    last = value
                elif field == "event":
                    name = value
                elif field == "data":
                    data.append(value)

    def close(self):
        self.response.close()
        self.connection.close()


class WebSocket:
    """RFC 6455, as much as a watcher needs."""

    def __init__(self, server, path, headers=None, timeout=SLOW):
        self.socket = socket.create_connection((server.host, server.port), timeout=timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = {"Host": f"{server.host}:{server.port}", "Upgrade": "websocket",
                 "Connection": "Upgrade", "Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
        lines.update(headers or {})
        self.socket.sendall((f"GET {path} HTTP/1.1\r\n" +
                             "".join(f"{k}: {v}\r\n" for k, v in lines.items()) + "\r\n").encode())
        self.stream = self.socket.makefile("rb")
        self.status = int(self.stream.readline().split()[1])
        self.headers = http.client.parse_headers(self.stream)
        if self.status != 101:
            self.body = self.stream.read(int(self.headers.get("Content-Length", 0)))
            return
        wanted = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        assert self.headers["Sec-WebSocket-Accept"] == base64.b64encode(wanted).decode()

    def send(self, opcode, payload=b""):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | opcode]) + (
            bytes([0x80 | size]) if size < 126 else bytes([0x80 | 126]) + struct.pack(">H", size))
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def frame(self):
        head = self.stream.read(2)
        if len(head) < 2:
            return None
        assert not head[1] & 0x80, "a server does not mask"
        size = head[1] & 0x7F
        if size == 126:
            size = struct.unpack(">H", self.stream.read(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.stream.read(8))[0]
        return head[0] & 0x80, head[0] & 0x0F, self.stream.read(size)

    def next(self):
        """The next text message; nothing when the server closed. Pings are answered."""
        text = b""
        while True:
            frame = self.frame()
            if frame is None:
                return None
            last, opcode, payload = frame
            if opcode == 8:
                return None
            if opcode == 9:
                self.send(10, payload)
            elif opcode in (0, 1):
                text += payload
                if last:
                    return text.decode("utf-8")

    def close(self):
        try:
            self.send(8, struct.pack(">H", 1000))
        except OSError:
            pass
        self.stream.close()
        self.socket.close()


# ---------------------------------------------------------------- data


def adult_folder():
    """The folder of UCI Adult's files, or nothing."""
    shared = os.path.join(os.path.dirname(os.path.abspath(SOURCE)), "shared", "data")
    for base in (os.environ.get("MLFORGE_DATA"), shared):
        for folder in (base, os.path.join(base, "adult")) if base else ():
            if os.path.exists(os.path.join(folder, "adult.data")):
                return folder
    return None


def schema_yaml():
    with open(os.path.join(SOURCE, "ops", "demo", "schema.yaml"), encoding="utf-8") as text:
        return text.read()


PEOPLE = [("Private", "HS-grad", 9, "Never-married", "Sales", "Own-child", "White", "Male"),
          ("State-gov", "Bachelors", 13, "Married-civ-spouse", "Prof-specialty", "Husband", "White",
           "Male"),
          ("Private", "Masters", 14, "Divorced", "Exec-managerial", "Unmarried", "Black", "Female"),
          ("Local-gov", "Some-college", 10, "Married-civ-spouse", "Adm-clerical", "Wife", "Other",
           "Female")]


def adult_rows(count, seed):
    """Rows with the schema of UCI Adult whose label follows age, education and hours."""
    draw = random.Random(seed)
    for _ in range(count):
        work, education, years, marital, job, relation, race, sex = draw.choice(PEOPLE)
        age, hours = draw.randint(17, 80), draw.randint(10, 80)
        gain = draw.choice([0, 0, 0, 0, 5000, 15000])
        score = 0.05 * (age - 40) + 0.4 * (years - 10) + 0.03 * (hours - 40) + gain / 4000.0
        label = ">50K" if score + draw.gauss(0, 1) > 0.5 else "<=50K"
        yield [age, work, draw.randint(20000, 400000), education, years, marital, job, relation,
               race, sex, gain, 0, hours, "United-States", label]


def adult_csv(count=1500, seed=7):
    return "".join(", ".join(map(str, row)) + "\n" for row in adult_rows(count, seed))


COLUMNS = ["age", "workclass", "fnlwgt", "education", "education-num", "marital-status",
           "occupation", "relationship", "race", "sex", "capital-gain", "capital-loss",
           "hours-per-week", "native-country"]


def features(row):
    return dict(zip(COLUMNS, row[:14]))


SMALL_PIPELINE = """\
pipeline: {name}
dataset: people
label: income
positive: ">50K"
experiment: small
model: {name}
seed: 1
steps:
  split: {{kind: split, test: 0.2, validation: 0.2}}
  features: {{kind: features, needs: [split]}}
  train: {{kind: train, needs: [features], rounds: {rounds}, params: {{max_depth: 3}}}}
  evaluate: {{kind: evaluate, needs: [train]}}
  register: {{kind: register, needs: [evaluate]}}
"""


def add_people(case, server, rows=1500):
    """A small dataset of Adult's schema, committed."""
    base = "/api/v1/datasets/people"
    case.ok(server.put(base + "/files/people.data", adult_csv(rows)), 201)
    case.ok(server.put(base + "/files/schema.yaml", schema_yaml()), 201)
    commit = case.ok(server.post(base + "/commits", {"message": "generated"}), 201)
    case.assertTrue(commit["valid"], commit)
    return commit


def train(case, server, name="small", rounds=8):
    """Defines the small pipeline where it is not there yet, runs it, answers the run."""
    spec = SMALL_PIPELINE.format(name=name, rounds=rounds)
    case.ok(server.put(f"/api/v1/pipelines/{name}", spec, Content_Type="application/yaml"))
    started = case.ok(server.post(f"/api/v1/pipelines/{name}/runs", {}), 202)
    return wait_run(case, server, started["pipeline_run_id"])


def wait_run(case, server, pipeline_run_id, status="succeeded"):
    run = {"status": "running"}
    while run["status"] == "running":
        run = case.ok(server.get(f"/api/v1/pipeline_runs/{pipeline_run_id}?wait=30"))
    case.assertEqual(run["status"], status, run)
    return run


# ---------------------------------------------------------------- running a file


class Timed(unittest.TextTestResult):
    """Says how long each test took."""

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self.stream.writeln(f"ok ({time.monotonic() - self.started:.1f} s)")
        self.stream.flush()


def main():
    """unittest's main, but all skipped is 77, and what was skipped is printed by name."""
    if not BINARY:
        print("skipped: everything: MLFORGE_BIN does not name the program")
        sys.exit(77)
    runner = unittest.TextTestRunner(verbosity=2, descriptions=False, resultclass=Timed)
    done = unittest.main(exit=False, testRunner=runner).result
    for test, why in done.skipped:
        print(f"skipped: {test.id().replace('__main__.', '')}: {why}")
    if not done.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if done.skipped and len(done.skipped) == done.testsRun else 0)
