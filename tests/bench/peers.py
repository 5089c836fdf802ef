"""Other systems beside which mlforge is measured: JetStream and PostgreSQL, each a server of its own in the bench folder."""
import contextlib
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile

from servers import Missing, Server, die_with_parent

PAYLOAD_BYTES = 256
JETSTREAM_SINCE = (2, 10)  # the first release that knows sync_interval

INSERT = """\
\\set stream random(1, 64)
INSERT INTO events (stream, type, payload) VALUES (:stream, 'run.metrics_logged', '{payload}');
"""
SCHEMA = """\
CREATE TABLE events (position bigserial PRIMARY KEY, stream int NOT NULL, type text NOT NULL,
                     time timestamptz NOT NULL DEFAULT now(), payload text NOT NULL);
CREATE INDEX events_stream ON events (stream, position);
"""


def nats_server_program():
    """The newest nats-server that knows sync_interval; ops/install-deps --bench builds one."""
    places = [os.environ.get("MLFORGE_BENCH_NATS"), os.path.expanduser("~/.local/share/mlforge/bench/nats-server"),
              shutil.which("nats-server")]
    for path in filter(None, places):
        with contextlib.suppress(OSError):
            said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            version = re.search(r"v(\d+)\.(\d+)\.(\d+)", said)
            if version and tuple(map(int, version.groups()[:2])) >= JETSTREAM_SINCE:
                return path, version.group(0)
    raise Missing("JetStream with sync_interval always: no nats-server of 2.10 or later is installed; "
                  "ops/install-deps --bench builds one")


class JetStream(Server):
    """A nats-server with one file stream, every message synced before it is acknowledged."""

    def __init__(self, folder, generator):
        program, self.version = nats_server_program()
        self.generator = generator
        os.makedirs(folder)
        config = os.path.join(folder, "nats.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(f'listen: "127.0.0.1:-1"\njetstream {{ store_dir: "{folder}/store", sync_interval: always }}\n')
        super().__init__(f"JetStream {self.version}, sync always", [program, "-c", config], folder + ".log",
                         ready=self.is_ready)

    def is_ready(self, line):
        """It says where it listens before it says that it is ready."""
        where = re.search(r"Listening for client connections on \S+:(\d+)", line)
        if where:
            self.port = int(where.group(1))
        return "Server is ready" in line

    def load_command(self, connections, seconds):
        return [self.generator, "--port", self.port, "--connections", connections, "--seconds", seconds,
                "--bytes", PAYLOAD_BYTES]

    def figures(self, stdout):
        return json.loads(stdout)


def postgres_folder():
    """Where this PostgreSQL's programs lie, Debian keeps them out of the path."""
    base = "/usr/lib/postgresql"
    versions = sorted(filter(str.isdigit, os.listdir(base)), key=int) if os.path.isdir(base) else []
    for version in reversed(versions):
        folder = os.path.join(base, version, "bin")
        if all(os.access(os.path.join(folder, p), os.X_OK) for p in ("initdb", "postgres", "pgbench")):
            return folder
    if shutil.which("initdb") and shutil.which("postgres") and shutil.which("pgbench"):
        return os.path.dirname(shutil.which("initdb"))
    raise Missing("PostgreSQL: initdb, postgres and pgbench are not installed; ops/install-deps --bench installs them")


class Postgres(Server):
    """A cluster of its own with its settings as they come (fsync on), reached over a socket in its folder."""

    def __init__(self, folder):
        self.programs = postgres_folder()
        self.user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
        os.makedirs(folder)
        self.socket = tempfile.mkdtemp(prefix="mlforge-pg-")  # the path of a socket is short
        self.give(folder)
        self.give(self.socket)
        data = os.path.join(folder, "data")
        self.run("initdb", "-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C")
        super().__init__("PostgreSQL INSERT", self.command("postgres", "-D", data, "-k", self.socket, "-c",
                                                           "listen_addresses=", "-c", "max_connections=300"),
                         folder + ".log", ready=lambda line: "ready to accept connections" in line,
                         stop_signal=signal.SIGINT)
        self.query("-c", SCHEMA)
        self.fsync = self.query("-Atc", "show fsync").strip()
        self.script = os.path.join(self.socket, "insert.sql")
        with open(self.script, "w", encoding="utf-8") as file:
            file.write(INSERT.format(payload="x" * PAYLOAD_BYTES))

    def give(self, folder):
        """PostgreSQL does not run as root: its folder is the package's user's, which must be able to get there."""
        if os.getuid() != 0:
            return
        account = pwd.getpwnam(self.user)
        os.chown(folder, account.pw_uid, account.pw_gid)
        parent = os.path.dirname(folder)
        os.chmod(parent, os.stat(parent).st_mode | 0o011) if parent.startswith(tempfile.gettempdir()) or \
            os.path.basename(parent).startswith("bench-") else None

    def command(self, program, *arguments):
        path = os.path.join(self.programs, program)
        prefix = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups",
                  "--pdeathsig", "INT"] if os.getuid() == 0 else []
        return [*prefix, path, *map(str, arguments)]

    def run(self, program, *arguments):
        done = subprocess.run(self.command(program, *arguments), capture_output=True, text=True, check=False,
                              timeout=120, preexec_fn=die_with_parent, cwd=self.socket)
        if done.returncode != 0:
            raise Missing(f"PostgreSQL: {program}: {done.stderr.strip()[-300:]}")
        return done.stdout

    def query(self, *arguments):
        return self.run("psql", "-h", self.socket, "-U", "bench", "-d", "postgres", "-v", "ON_ERROR_STOP=1", *arguments)

    def load_command(self, connections, seconds):
        # Whole seconds are all that it takes, and with hundreds of clients it needs one to connect.
        return self.command("pgbench", "-n", "-M", "prepared", "-h", self.socket, "-U", "bench", "-f", self.script,
                            "-c", connections, "-j", 1, "-T", max(2, round(seconds)), "-l",
                            f"--log-prefix={self.socket}/load", "postgres")

    def figures(self, stdout):
        said = re.search(r"tps = ([\d.]+)", stdout)
        if not said:
            raise Missing(f"PostgreSQL: pgbench told no rate: {stdout.strip()[-300:]}")
        rate = float(said.group(1))
        count = int(re.search(r"actually processed: (\d+)", stdout).group(1))
        if re.search(r"failed transactions: [1-9]", stdout):
            raise Missing("PostgreSQL: some transactions failed")
        micros = []
        for name in os.listdir(self.socket):
            if not name.startswith("load"):
                continue
            path = os.path.join(self.socket, name)
            with open(path, encoding="ascii") as file:
                micros += [int(line.split()[2]) for line in file]
            os.unlink(path)
        micros.sort()
        return {"answered": count, "requests_per_second": rate, "p50_us": micros[len(micros) // 2],
                "p99_us": micros[len(micros) * 99 // 100]}

    def stop(self):
        super().stop()
        shutil.rmtree(self.socket, ignore_errors=True)
