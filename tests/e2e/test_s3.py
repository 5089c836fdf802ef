"""Artifacts whose bytes lie in S3 (--artifacts-destination s3://...), against an S3 of this process that
fails on demand. test_s3_server.py does the same with a real one."""
import concurrent.futures
import hashlib
import http.client
import os
import random
import signal
import ssl
import subprocess
from urllib.parse import quote

import support
from s3_fake import S3, once
from support import Case

FILES = "/api/2.0/mlflow-artifacts/artifacts"
V1 = "/api/v1"
PLACE = "s3://bucket/pre fix/ü"


def name_of(content):
    digest = hashlib.sha256(content).hexdigest()
    return f"pre fix/ü/t-default/{digest[:2]}/{digest[2:]}"


def bytes_of(size, seed=1):
    return random.Random(seed).randbytes(size)


class InS3(Case):
    def setUp(self):
        super().setUp()
        self.s3 = S3()
        self.addCleanup(lambda: self.s3.stop())

    def data(self):
        return os.path.join(self.folder, "data")

    def start(self, *flags, place=PLACE, **env):
        where = ("--artifacts-destination", place) if place else ()
        return self.server(*where, *flags, data=self.data(), env={**self.s3.environment(), **env})

    def names(self, server, path=""):
        found = self.ok(server.get(FILES + (f"?path={path}" if path else "")))
        return sorted(f["path"] for f in found.get("files", []))

    def unavailable(self, answer, *words):
        self.assertEqual(answer.status, 503, answer)
        self.assertEqual(answer["error_code"], "TEMPORARILY_UNAVAILABLE")
        for word in (PLACE, self.s3.url) + words:
            self.assertIn(word, answer["message"])

    def test_bytes_go_there_once_and_come_back(self):
        server, small, large = self.start(), b"small", bytes_of((40 << 20) + 12345)
        for path, content in (("0/a b/smäll.txt", small), ("0/large", large), ("0/empty", b"")):
            self.ok(server.put(f"{FILES}/{quote(path)}", content))
            answer = server.get(f"{FILES}/{quote(path)}")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.body, content)
            self.assertEqual(self.s3.objects[name_of(content)], content)
        self.assertEqual(len(self.s3.objects), 3)
        self.assertEqual(self.s3.uploads, {})
        put = self.s3.count("PUT")
        self.ok(server.put(f"{FILES}/0/again", large))
        self.assertEqual(self.s3.count("PUT"), put, "the same bytes were sent a second time")
        self.assertEqual(self.names(server, "0"), ["a b", "again", "empty", "large"])
        for span, wanted in (("0-0", large[:1]), ("5-70000", large[5:70001]),
                             (f"{(8 << 20) - 3}-{(16 << 20) + 3}", large[(8 << 20) - 3:(16 << 20) + 4]),
                             ("41943000-", large[41943000:])):
            answer = server.get(f"{FILES}/0/large", Range="bytes=" + span)
            self.assertEqual((answer.status, answer.body), (206, wanted), span)
        self.assertEqual(server.get(f"{FILES}/0/large", Range=f"bytes={len(large)}-").status, 416)
        self.ok(server.call("DELETE", f"{FILES}/0/large"))
        self.assertEqual(server.get(f"{FILES}/0/large").status, 404)
        self.assertEqual(server.get(f"{FILES}/0/again").body, large)
        self.assertEqual(os.listdir(os.path.join(self.data(), "blobs", "tmp")), [])
        self.assertEqual(server.stop(), 0)
        later = self.start(place=None)  # the folder knows
        self.assertEqual(later.get(f"{FILES}/0/again").body, large)

    def test_over_tls(self):
        names = [os.path.join(self.folder, n) for n in ("certificate.pem", "key.pem")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=s3", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-out", names[0], "-keyout", names[1]], check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*names)
        self.s3.stop()
        self.s3 = S3(tls=tls)
        unknown = support.run_cli("serve", "--data", os.path.join(self.folder, "other"), "--listen", "127.0.0.1:0",
                                  "--nats", "off", "--artifacts-destination", PLACE, env=self.s3.environment())
        self.assertEqual(unknown.returncode, 1, unknown.stderr)
        self.assertIn("certificate", unknown.stderr)
        self.assertIn("AWS_CA_BUNDLE", unknown.stderr)
        self.assertEqual(self.s3.requests, [], "somebody who is not known to be S3 was told something")
        server, content = self.start(AWS_CA_BUNDLE=names[0]), bytes_of(20 << 20)
        self.ok(server.put(f"{FILES}/0/file", content))
        self.assertEqual(self.s3.objects, {name_of(content): content})
        self.assertEqual(server.stop(), 0)
        self.assertEqual(self.start(MLFLOW_S3_IGNORE_TLS="true").get(f"{FILES}/0/file").body, content)

    def test_damage_is_found_and_mended(self):
        server = self.start()
        for path, size in (("0/small", 5000), ("0/large", 9 << 20)):
            content = bytes_of(size)
            self.ok(server.put(f"{FILES}/{path}", content))
            damaged = bytearray(content)
            damaged[-10] ^= 1
            self.s3.objects[name_of(content)] = bytes(damaged)
            if size == 5000:
                answer = server.get(f"{FILES}/{path}")
                self.assertEqual(answer.status, 500)
                self.assertIn("do not match their digest", answer["message"])
                self.assertIn(PLACE, answer["message"])
            else:
                with self.assertRaises(http.client.IncompleteRead):
                    server.get(f"{FILES}/{path}")
            self.ok(server.put(f"{FILES}/{path}", content))
            self.assertEqual(server.get(f"{FILES}/{path}").body, content)
            self.s3.objects[name_of(content)] = content[:-1]
            self.assertEqual(server.get(f"{FILES}/{path}", Range="bytes=0-9").status, 500)
            del self.s3.objects[name_of(content)]
            self.assertIn("missing", server.get(f"{FILES}/{path}")["message"])
            self.ok(server.put(f"{FILES}/{path}", content))
            self.assertEqual(server.get(f"{FILES}/{path}").body, content)

    def test_what_s3_refuses_is_said_and_leaves_nothing(self):
        server, content = self.start(AWS_MAX_ATTEMPTS="2"), bytes_of(20 << 20)
        self.s3.faults = [once("PUT", 503, partNumber="2"), once("POST", "cut"), once("HEAD", 500)]
        self.ok(server.put(f"{FILES}/0/tried-again", content))
        self.assertEqual(self.s3.objects.pop(name_of(content)), content)
        for faults, words in (([once("PUT", 503)] * 2, "SlowDown"), ([once("PUT", 403)], "AccessDenied"),
                              ([once("PUT", "cut")] * 9, "cannot be reached"),
                              ([once("HEAD", 403)], "403")):
            self.s3.faults = list(faults)
            self.unavailable(server.put(f"{FILES}/0/refused", content), words)
            self.s3.faults = []  # curl tries a kept connection that has ended once more by itself
            self.assertEqual((self.s3.objects, self.s3.uploads), ({}, {}))
            self.assertEqual(self.names(server, "0"), ["tried-again"])
        self.assertEqual(os.listdir(os.path.join(self.data(), "blobs", "tmp")), [])
        # S3 did it, but its answer was lost: the second attempt finds no such upload any more.
        self.s3.faults = [lambda m, _, q: "forget" if m == "POST" and "uploadId" in q else None]
        self.ok(server.put(f"{FILES}/0/lost", content))
        self.assertEqual(server.get(f"{FILES}/0/lost").body, content)
        self.s3.faults = [once("GET", 503)] * 2
        self.unavailable(server.get(f"{FILES}/0/lost"), "SlowDown")
        # In mid-answer it can only break off.
        second = lambda m, p, q: 503 if m == "GET" and self.s3.count("GET") > before + 1 else None
        before = self.s3.count("GET")
        self.s3.faults = [second] * 2
        with self.assertRaises(http.client.IncompleteRead):
            server.get(f"{FILES}/0/lost")
        self.assertEqual(server.get(f"{FILES}/0/lost").body, content)

    def test_who_waits_for_s3_keeps_nobody_waiting(self):
        server = self.start()
        self.ok(server.put(f"{FILES}/0/file", b"content"))
        self.s3.faults = [once("HEAD", "hang"), once("HEAD", "hang")]
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            calls = [pool.submit(server.get, f"{FILES}/0/file"),
                     pool.submit(server.put, f"{FILES}/0/other", b"else")]
            support.until(lambda: not self.s3.faults, "two requests that hang")
            for _ in range(20):
                self.ok(server.get(V1 + "/info"))
                self.assertEqual(self.names(server), ["0"])
            self.assertFalse(any(c.done() for c in calls))
            self.s3.let_go.set()
            self.assertEqual([c.result().status for c in calls], [200, 200])

    def test_killed_in_mid_upload(self):
        server, content = self.start(), bytes_of(40 << 20)
        self.s3.faults = [once("PUT", "hang", partNumber="2")]
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            call = pool.submit(server.put, f"{FILES}/0/file", content)
            support.until(lambda: not self.s3.faults, "the second part")
            server.kill(signal.SIGKILL)
            self.assertRaises((OSError, http.client.HTTPException), call.result)
        self.s3.let_go.set()
        self.assertEqual(self.s3.objects, {})
        self.assertEqual(len(self.s3.uploads), 1)
        server.start()
        self.assertEqual(self.s3.uploads, {}, "the upload of before was not ended")
        self.assertEqual(os.listdir(os.path.join(self.data(), "blobs", "tmp")), [])
        self.assertEqual(self.names(server), [])
        self.ok(server.put(f"{FILES}/0/file", content))
        self.assertEqual(server.get(f"{FILES}/0/file").body, content)

    def test_s3_goes_away_and_comes_back(self):
        server = self.start(AWS_MAX_ATTEMPTS="1")
        contents = {f"0/{i}": bytes_of(200000, i) for i in range(40)}
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            old = self.s3
            old.faults = [lambda *_: "cut" if old.count("PUT") > 10 else None] * 1000
            calls = {p: pool.submit(server.put, f"{FILES}/{p}", c) for p, c in contents.items()}
        answers = {p: c.result() for p, c in calls.items()}
        old.stop()
        stored = [p for p, a in answers.items() if a.status == 200]
        self.assertTrue(0 < len(stored) < len(contents), len(stored))
        for answer in answers.values():
            if answer.status != 200:
                self.unavailable(answer, "cannot be reached")
        self.assertEqual(["0/" + n for n in self.names(server, "0")], sorted(stored))
        self.unavailable(server.get(f"{FILES}/{stored[0]}"))
        self.s3 = S3(port=old.port)
        self.s3.objects = old.objects
        for path, content in contents.items():
            answer = server.get(f"{FILES}/{path}")
            self.assertEqual(answer.status, 200 if path in stored else 404)
            if path in stored:
                self.assertEqual(answer.body, content)
            else:
                self.ok(server.put(f"{FILES}/{path}", content))

    def refused_start(self, *words, place=PLACE, code=None, **env):
        done = support.run_cli("serve", "--data", self.data(), "--listen", "127.0.0.1:0", "--nats", "off",
                               "--artifacts-destination", place,
                               env={**self.s3.environment(), "AWS_MAX_ATTEMPTS": "1", **env})
        self.assertNotEqual(done.returncode, 0)
        if code is not None:
            self.assertEqual(done.returncode, code, done.stderr)
        line = done.stderr.strip().splitlines()[-1]
        self.assertTrue(line.startswith("mlforge: "), done.stderr)
        for word in words:
            self.assertIn(word, line)

    def test_a_start_without_s3_says_why(self):
        self.refused_start("s3://other/x", "NoSuchBucket", place="s3://other/x", code=1)
        self.refused_start(PLACE, "SignatureDoesNotMatch", AWS_SECRET_ACCESS_KEY="wrong", code=1)
        self.refused_start(PLACE, "AWS_ACCESS_KEY_ID", AWS_ACCESS_KEY_ID="", code=2)
        self.refused_start("127.0.0.1:1:", "cannot be reached", code=1,
                           MLFLOW_S3_ENDPOINT_URL="http://127.0.0.1:1")
        self.refused_start("MLFLOW_S3_ENDPOINT_URL", MLFLOW_S3_ENDPOINT_URL="localhost", code=2)
        self.refused_start("s3://BUCKET", place="s3://", code=2)
        self.assertEqual(self.s3.objects, {})
        server = self.start()  # none of them has settled where the bytes lie
        self.ok(server.put(f"{FILES}/0/file", b"x"))
        self.assertEqual(server.stop(), 0)
        self.refused_start(PLACE, "already", place="s3://bucket/elsewhere", code=5)
        self.refused_start(PLACE, "already", place=self.folder + "/files", code=5)

    def test_bytes_that_lie_here_are_not_left_behind(self):
        server = self.server(data=self.data())
        self.ok(server.put(f"{FILES}/0/file", b"local"))
        self.assertEqual(server.stop(), 0)
        self.refused_start("blobs", "already", code=5)
        blobs = os.path.join(self.data(), "blobs")
        for folder, _, names in os.walk(os.path.join(blobs, "t-default")):
            for name in names:  # as any client of S3 copies a folder
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    self.s3.objects["pre fix/ü/" + os.path.relpath(path, blobs)] = file.read()
                os.unlink(path)
        support.shutil.rmtree(os.path.join(blobs, "t-default"))
        self.assertEqual(self.start().get(f"{FILES}/0/file").body, b"local")

    def test_commands_know_of_it(self):
        server = self.start()
        support.add_people(self, server)
        self.assertEqual(support.train(self, server)["status"], "succeeded")
        self.assertTrue(any("t-default" in name for name in self.s3.objects))
        copy = os.path.join(self.folder, "copy")
        self.assertEqual(server.stop(), 0)
        done = support.run_cli("backup", "--data", self.data(), "-o", copy, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(support.strict_json(done.stdout)["blobs"], 0)
        for folder in (self.data(), copy):
            done = support.run_cli("verify", "--data", folder, "--json")
            self.assertEqual(done.returncode, 0, done.stderr)
            row = support.strict_json(done.stdout)
            self.assertEqual((row["ok"], row["missing_blobs"], row["blobs_not_checked"]), (True, 0, PLACE))
        other = self.server(data=copy, env=self.s3.environment())
        version = self.ok(other.get(V1 + "/datasets/people/versions/1"))
        self.assertEqual(version["rows"], 1500)
        self.assertEqual(other.stop(), 0)
        blobs = os.path.join(self.folder, "blobs")
        done = support.run_cli("export", "--data", self.data(), "--blobs", blobs, "-o",
                               os.path.join(self.folder, "log.jsonl"), "--json",
                               env=self.s3.environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        found = sum(len(names) for _, _, names in os.walk(os.path.join(blobs, "t-default")))
        self.assertGreater(found, 3)

    def test_memory_stays_flat(self):
        server, content = self.start(), bytes_of(150 << 20)
        self.ok(server.put(f"{FILES}/0/first", b"x" * 1000))

        def resident():
            with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
                return int(next(l for l in status if l.startswith("VmHWM")).split()[1])

        before = resident()
        self.ok(server.put(f"{FILES}/0/large", content))
        self.assertEqual(server.get(f"{FILES}/0/large").body, content)
        self.assertLess(resident() - before, 80 << 10, "KiB more at the highest")


if __name__ == "__main__":
    support.main()
