"""MLflow's own server beside which mlforge is measured: under gunicorn on PostgreSQL, and as it comes (uvicorn, SQLite)."""
import contextlib
import os
import re
import socket
import subprocess
import time

from peers import Postgres
from servers import Missing, Server

WORKERS = 4
START_LIMIT_S = 180  # an import of MLflow's modules alone takes seconds on a busy machine


def mlflow_folder():
    """The virtual environment that ops/install-deps --bench has made, or the one that MLFORGE_BENCH_MLFLOW names."""
    places = [os.environ.get("MLFORGE_BENCH_MLFLOW"),
              os.path.join(os.environ.get("MLFORGE_BENCH_FOLDER", os.path.expanduser("~/.local/share/mlforge/bench")),
                           "mlflow")]
    for place in filter(None, places):
        if os.access(os.path.join(place, "bin", "mlflow"), os.X_OK):
            return place
    raise Missing("MLflow: it is not installed; ops/install-deps --bench installs it")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def version(folder):
    said = subprocess.run([os.path.join(folder, "bin", "mlflow"), "--version"], capture_output=True, text=True,
                          check=False, timeout=START_LIMIT_S).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found.group(0) if found else "of an unknown version"


class Mlflow(Server):
    """`mlflow server` in a folder of its own; known to be there by its /health."""

    def __init__(self, folder, name, store, *flags):
        venv = mlflow_folder()
        os.makedirs(folder, exist_ok=True)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        os.environ.update({"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"})
        # The program looks for gunicorn and uvicorn in the path.
        os.environ["PATH"] = os.path.join(venv, "bin") + os.pathsep + os.environ["PATH"]
        super().__init__(f"MLflow {version(venv)}, {name}",
                         [os.path.join(venv, "bin", "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port),
                          "--backend-store-uri", store, "--artifacts-destination", os.path.join(folder, "artifacts"),
                          *flags],
                         folder + ".log", ready=None)
        self.wait_healthy()

    def wait_healthy(self):
        while True:
            with contextlib.suppress(Missing):
                if self.request("GET", "/health", timeout=2)[0] == 200:
                    self.healthy_ms = 1000 * (time.monotonic() - self.begin)
                    return
            if time.monotonic() - self.begin > START_LIMIT_S or self.process.poll() is not None:
                self.stop()
                raise Missing(f"{self.name}: GET /health gave no 200 within {START_LIMIT_S} s")
            time.sleep(0.01)  # poll: another process has no event to wait on


class MlflowOnPostgres(Mlflow):
    """The honest peer: gunicorn with 4 workers. What it costs is counted with the database's processes."""

    def __init__(self, folder):
        mlflow_folder()  # before a cluster is made for nothing
        self.database = Postgres(folder + "-cluster")
        try:
            self.database.query("-c", "CREATE DATABASE mlflow")
            super().__init__(folder, f"gunicorn, {WORKERS} workers, PostgreSQL",
                             f"postgresql+psycopg2://bench@/mlflow?host={self.database.socket}",
                             "--workers", str(WORKERS), "--gunicorn-opts", "--log-level warning")
        except BaseException:
            self.database.stop()
            raise

    def pids(self):
        return super().pids() + self.database.pids()

    def stop(self):
        super().stop()
        self.database.stop()


class MlflowDefault(Mlflow):
    """As it comes: uvicorn, 4 workers, SQLite."""

    def __init__(self, folder):
        os.makedirs(folder, exist_ok=True)
        super().__init__(folder, "default (uvicorn, SQLite)", f"sqlite:///{folder}/mlflow.db")
