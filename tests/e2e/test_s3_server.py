"""MLflow's client, unmodified, on a server whose artifacts lie in a real S3 server: rclone's (`rclone serve s3`, which
ops/install-deps --bench builds from its Go module). Skipped by name where that, or the client, is missing.
"""
import concurrent.futures
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

import support
from mlflow_package import HAS_MLFLOW, WITHOUT
from support import Case

BENCH = os.environ.get("MLFORGE_BENCH_FOLDER", os.path.expanduser("~/.local/share/mlforge/bench"))
RCLONE = shutil.which("rclone", path=BENCH + os.pathsep + os.environ.get("PATH", ""))
KEY, SECRET, PLACE = "testkey", "test/secret+key=", "s3://models/team a"
FILES = "/api/2.0/mlflow-artifacts/artifacts"

if HAS_MLFLOW:
    from mlflow import MlflowClient


def serves_s3():
    """Debian's rclone is older than its S3 server."""
    if not RCLONE:
        return False
    done = subprocess.run([RCLONE, "serve", "s3", "--help"], capture_output=True, text=True, check=False)
    return done.returncode == 0 and "auth-key" in done.stdout


class S3Server:
    """A folder as S3: each folder in it is a bucket, each file below that an object."""

    def __init__(self, folder):
        self.folder, self.process, self.port = folder, None, 0
        os.makedirs(os.path.join(folder, "s3", "models"))

    def start(self):
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        with open(os.path.join(self.folder, "s3.log"), "ab") as log:
            self.process = subprocess.Popen(
                [RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{SECRET}",
                 "--vfs-cache-mode", "off", "--dir-cache-time", "0", "--config", os.devnull,
                 "--cache-dir", os.path.join(self.folder, "s3-cache"), "--retries", "1",
                 os.path.join(self.folder, "s3")],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=support.die_with_parent)
        support.until(self.answers, "rclone's S3 server")
        return self

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def environment(self):
        return {"MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "AWS_ACCESS_KEY_ID": KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}

    def objects(self):
        """Names below the destination, and where they lie."""
        base = os.path.join(self.folder, "s3", "models", "team a")
        return {os.path.relpath(os.path.join(where, name), base): os.path.join(where, name)
                for where, _, names in os.walk(base) for name in names}


@unittest.skipUnless(serves_s3(), "no rclone with an S3 server: ops/install-deps --bench builds one")
class RealS3(Case):
    def setUp(self):
        super().setUp()
        self.s3 = S3Server(self.folder)
        self.addCleanup(self.s3.stop)
        self.s3.start()

    def start(self, **env):
        return self.server("--artifacts-destination", PLACE, data=os.path.join(self.folder, "data"),
                           env={**self.s3.environment(), **env})

    def content(self, size):
        path = os.path.join(self.folder, "random")
        with open(path, "wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 20))
        return path

    @unittest.skipUnless(HAS_MLFLOW, WITHOUT)
    def test_mlflows_client(self):
        server = self.start()
        client = MlflowClient(server.url, server.url)
        run = client.create_run("0").info
        self.assertTrue(run.artifact_uri.startswith("mlflow-artifacts:/"), run.artifact_uri)
        client.log_text(run.run_id, "grün", "notes/a b.txt")
        client.log_dict(run.run_id, {"a": 1}, "notes/d.json")
        source = self.content(20 << 20)
        client.log_artifact(run.run_id, source, "big")
        other = client.create_run("0").info
        client.log_artifact(other.run_id, source)
        self.assertEqual(len(self.s3.objects()), 3, "the same bytes are there once")
        self.assertEqual([f.path for f in client.list_artifacts(run.run_id)], ["big", "notes"])
        self.assertEqual([(f.path, f.file_size) for f in client.list_artifacts(run.run_id, "big")],
                         [("big/random", 20 << 20)])
        back = client.download_artifacts(run.run_id, "", os.path.join(self.folder))
        with open(source, "rb") as wanted, open(os.path.join(back, "big", "random"), "rb") as found:
            self.assertEqual(found.read(), wanted.read())
        with open(os.path.join(back, "notes", "a b.txt"), encoding="utf-8") as text:
            self.assertEqual(text.read(), "grün")
        path = f"{FILES}/0/{run.run_id}/artifacts/big/random"
        self.assertEqual(len(server.get(path, Range="bytes=8388000-8389999").body), 2000)
        self.ok(server.call("DELETE", path))
        self.assertEqual(client.list_artifacts(run.run_id, "big"), [])
        self.assertEqual(server.get(f"{FILES}/0/{other.run_id}/artifacts/random").status, 200)

    def test_a_damaged_object(self):
        server = self.start()
        self.ok(server.put(f"{FILES}/0/file", b"what was stored"))
        (path,) = self.s3.objects().values()
        with open(path, "r+b") as file:
            file.write(b"W")
        answer = server.get(f"{FILES}/0/file")
        self.assertEqual(answer.status, 500)
        self.assertIn("do not match their digest", answer["message"])
        self.ok(server.put(f"{FILES}/0/file", b"what was stored"))
        self.assertEqual(server.get(f"{FILES}/0/file").body, b"what was stored")

    def test_killed_in_mid_upload(self):
        server, source = self.start(), self.content(160 << 20)
        spool = os.path.join(self.folder, "data", "blobs", "tmp")
        with concurrent.futures.ThreadPoolExecutor(1) as pool, open(source, "rb") as content:
            call = pool.submit(server.put, f"{FILES}/0/file", content.read())
            support.until(lambda: any(n.endswith(".parts") for n in os.listdir(spool)), "parts on their way")
            server.kill(signal.SIGKILL)
            self.assertIsNotNone(call.exception())
        self.assertEqual(self.s3.objects(), {})
        server.start()
        self.assertEqual(os.listdir(spool), [])
        self.assertEqual(server.get(f"{FILES}/0/file").status, 404)
        self.assertEqual(self.ok(server.get(FILES)), {})

    def test_s3_stopped_in_mid_load(self):
        server = self.start(AWS_MAX_ATTEMPTS="2")
        contents = {f"0/{i}": os.urandom(300000) for i in range(300)}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            calls = {p: pool.submit(server.put, f"{FILES}/{p}", c) for p, c in contents.items()}
            support.until(lambda: len(self.s3.objects()) > 5, "some uploads")
            self.s3.stop()
        stored = {p for p, c in calls.items() if c.result().status == 200}
        self.assertTrue(0 < len(stored) < len(contents), len(stored))
        for path, call in calls.items():
            if path not in stored:
                self.assertEqual(call.result().status, 503, call.result())
                self.assertIn(PLACE, call.result()["message"])
        names = {f["path"] for f in self.ok(server.get(FILES + "?path=0"))["files"]}
        self.assertEqual({"0/" + n for n in names}, stored)
        self.s3.start()
        for path, content in contents.items():
            answer = server.get(f"{FILES}/{path}")
            self.assertEqual(answer.status, 200 if path in stored else 404, path)
            if path in stored:
                self.assertEqual(answer.body, content)

    def test_a_large_file_with_flat_memory(self):
        server, source = self.start(), self.content(300 << 20)
        before, url = self.peak(server), f"{server.url}{FILES}/0/large"
        run = lambda *c: subprocess.run(["curl", "-sS", "--fail", "--noproxy", "*", *c], check=True,
                                        capture_output=True, timeout=support.SLOW)
        run("-T", source, url)
        run("-o", source + ".back", url)
        more = (self.peak(server) - before) >> 10
        self.assertEqual(*(hashlib.file_digest(open(p, "rb"), "sha256").digest()
                           for p in (source, source + ".back")))
        print(f"(300 MiB up and down: {more} MiB more memory at the highest)", file=sys.stderr)
        self.assertLess(more, 128)

    def peak(self, server):
        """KiB"""
        with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read())[1])

    def test_wrong_keys(self):
        done = support.run_cli("serve", "--data", os.path.join(self.folder, "d"), "--listen", "127.0.0.1:0",
                               "--nats", "off", "--artifacts-destination", PLACE,
                               env={**self.s3.environment(), "AWS_SECRET_ACCESS_KEY": "wrong"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(PLACE, done.stderr)
        self.assertIn("AWS_SECRET_ACCESS_KEY", done.stderr)


if __name__ == "__main__":
    support.main()
