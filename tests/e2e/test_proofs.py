"""Checkpoints, tiles and proof files of a running server, checked by the command line without it."""
import base64
import hashlib
import json
import os
import unittest

import support
from support import Case, run_cli

V1 = "/api/v1"


def leaf(commitment):
    return hashlib.sha256(b"\x00" + commitment).digest()


def root(leaves):
    """The Merkle tree hash of RFC 6962."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + root(leaves[:half]) + root(leaves[half:])).digest()


class Proofs(Case):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.folder, "data")
        self.s = self.server()
        for i in range(5):
            self.ok(self.s.post(V1 + "/experiments", {"name": f"e{i}"}), 201)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def cli(self, *arguments, code=0):
        done = run_cli(*arguments, env={"MLFORGE_URL": self.s.url})
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done.stdout

    def verify(self, name, *arguments, code=0):
        return support.strict_json(self.cli("verify", self.path(name), "--json", *arguments, code=code))

    def key(self):
        return self.ok(self.s.get(V1 + "/log/keys"))["verifier_key"]

    def checkpoint(self):
        answer = self.s.get("/checkpoint")
        self.assertEqual(answer.status, 200)
        lines = answer.body.decode("utf-8").split("\n")
        return int(lines[1]), base64.b64decode(lines[2])

    def test_tiles_and_checkpoint_agree(self):
        size, signed = self.checkpoint()
        self.assertEqual(size, self.s.position())
        entries = self.s.get(f"/tile/entries/000.p/{size}").body
        self.assertEqual(len(entries), size * 34)
        commitments = [entries[i * 34 + 2:(i + 1) * 34] for i in range(size)]
        self.assertTrue(all(entries[i * 34:i * 34 + 2] == b"\x00\x20" for i in range(size)))
        leaves = [leaf(c) for c in commitments]
        self.assertEqual(self.s.get(f"/tile/0/000.p/{size}").body, b"".join(leaves))
        self.assertEqual(root(leaves), signed)
        for wrong in ("/tile/0/000", f"/tile/0/000.p/{size + 1}", "/tile/0/000.p/0", "/tile/0/0",
                      "/tile/00/000.p/1", "/tile/64/000.p/1", "/tile/0/x000/000.p/1",
                      "/tile/1/000.p/1", "/tile/0/001.p/1"):
            with self.subTest(path=wrong):
                self.assertEqual(self.s.get(wrong).status, 404)

    def test_the_key_enters_the_log_with_the_first_signature(self):
        before = self.s.position()
        self.assertEqual(self.s.events(type="log.key_added"), [])
        self.checkpoint()
        self.checkpoint()
        self.assertEqual(self.s.position(), before + 1)
        keys = self.s.events(type="log.key_added")
        self.assertEqual(len(keys), 1)
        self.assertEqual(keys[0]["payload"]["public_key"],
                         base64.b64encode(base64.b64decode(self.key().split("+", 2)[2])[1:]).decode())
        files = os.listdir(os.path.join(self.data, "keys"))
        self.assertEqual(files, [keys[0]["payload"]["key_id"] + ".pem"])
        mode = os.stat(os.path.join(self.data, "keys", files[0])).st_mode
        self.assertEqual(mode & 0o777, 0o600)

    def test_proof_files(self):
        key = self.key()
        self.cli("proof", "event", "3", "-o", self.path("event.json"))
        self.cli("proof", "stream", "experiments/all", "-o", self.path("stream.json"))
        self.cli("proof", "stream", "experiments/none", "-o", self.path("none.json"))
        self.cli("proof", "checkpoint", "-o", self.path("monday.txt"))
        self.ok(self.s.post(V1 + "/experiments", {"name": "later"}), 201)
        self.cli("proof", "consistency", "--from", self.path("monday.txt"), "-o", self.path("since.json"))
        self.s.stop()  # nothing below asks it
        for name in ("event.json", "stream.json", "none.json", "since.json"):
            with self.subTest(name=name):
                report = self.verify(name, "--key", key)
                self.assertEqual((report["ok"], report["pinned"]), (True, True))
                self.assertFalse(self.verify(name)["pinned"])
        self.assertEqual(self.verify("stream.json")["events"], 5)
        with open(self.path("stream.json"), encoding="utf-8") as file:
            proof = json.load(file)
        del proof["events"][2]
        with open(self.path("cut.json"), "w", encoding="utf-8") as file:
            json.dump(proof, file)
        report = self.verify("cut.json", "--key", key, code=6)
        self.assertEqual((report["ok"], report["first_bad_position"]), (False, 4))
        with open(self.path("no.json"), "w", encoding="utf-8") as file:
            file.write("{}")
        self.cli("verify", self.path("no.json"), code=2)

    def test_as_of_an_earlier_size(self):
        key, now = self.key(), self.s.position()
        first = self.s.get("/checkpoint").body.decode().split("\n")
        self.ok(self.s.post(V1 + "/experiments", {"name": "later"}), 201)
        size = int(first[1])
        then = self.s.get(f"/checkpoint?size={size}").body.decode().split("\n")
        self.assertEqual(then[:3], first[:3])
        for name, path in (("event", f"inclusion?position={now}&size={size}"),
                           ("consistency", f"consistency?from=2&size={size}")):
            answer = self.s.get(f"{V1}/proofs/{path}")
            self.assertEqual(answer.status, 200, answer)
            with open(self.path(f"then-{name}.json"), "wb") as file:
                file.write(answer.body)
            self.assertTrue(self.verify(f"then-{name}.json", "--key", key)["ok"])
        for path in (f"inclusion?position={size + 1}&size={size}", f"consistency?from={size + 1}&size={size}",
                     "inclusion?position=1&size=100000"):
            self.assertEqual(self.s.get(f"{V1}/proofs/{path}").status, 404, path)
        self.assertEqual(self.s.get("/checkpoint?size=0").status, 400)

    def test_a_stream_as_of_an_earlier_size(self):
        key = self.key()
        self.cli("proof", "checkpoint", "-o", self.path("then.txt"))
        with open(self.path("then.txt"), encoding="utf-8") as file:
            then = file.read().split("\n\n")[0]
        size = then.split("\n")[1]
        for i in range(3):
            self.ok(self.s.post(V1 + "/experiments", {"name": f"later{i}"}), 201)
        self.ok(self.s.post(V1 + "/models", {"name": "later"}), 201)
        names = {"all": ("experiments/all", 5), "none": ("model/later", 0)}
        for name, (stream, _) in names.items():
            self.cli("proof", "stream", stream, "--size", size, "-o", self.path(name + ".json"))
        self.cli("proof", "stream", "model/later", "-o", self.path("now.json"))
        self.cli("proof", "event", "4", "--size", size, "-o", self.path("event.json"))
        self.cli("proof", "event", "99", "--size", size, code=3)
        before = self.read("now.json")
        self.cli("proof", "stream", "model/later", "--size", "99999", "-o", self.path("now.json"), code=3)
        self.assertEqual(self.read("now.json"), before, "what was there is gone")
        self.cli("proof", "consistency", "--from", self.path("then.txt"), "--size", size, "-o", self.path("same.json"))
        self.s.stop()
        folder = ("--data", self.data, "-o")
        for name, (stream, _) in names.items():
            self.cli("proof", "stream", stream, "--size", size, *folder, self.path(name + "-folder.json"))
        self.cli("proof", "event", "4", "--size", size, *folder, self.path("event-folder.json"))
        self.cli("proof", "consistency", "--from", self.path("then.txt"), *folder, self.path("since-folder.json"))
        self.cli("proof", "checkpoint", "--size", size, *folder, self.path("then-folder.txt"))
        for name, (_, events) in names.items():
            for file in (name, name + "-folder"):
                report = self.verify(file + ".json", "--key", key)
                self.assertEqual((report["ok"], report["events"]), (True, events), report)
                with open(self.path(file + ".json"), encoding="utf-8") as text:
                    proof = json.load(text)
                # What was signed at that size said the same about the streams.
                self.assertEqual(proof["checkpoint"].split("\n\n")[0], then)
        for file in ("event", "same", "event-folder", "since-folder", "now"):
            self.assertTrue(self.verify(file + ".json", "--key", key)["ok"])
        with open(self.path("then-folder.txt"), encoding="utf-8") as text:
            self.assertEqual(text.read().split("\n\n")[0].split("\n")[:3], then.split("\n")[:3])

    def test_rotation_and_the_folder(self):
        path = V1 + "/log/keys"
        before = self.s.position()
        self.assertEqual(self.ok(self.s.get(f"{path}?as_of={before}"))["items"], [])
        self.assertEqual(self.s.position(), before)
        first = self.key()
        then = self.ok(self.s.get(path))
        self.cli("proof", "event", "2", "-o", self.path("old.json"))
        rotated = support.strict_json(self.cli("keys", "rotate", "--reason", "a test", "--json"))
        self.assertNotEqual(rotated["verifier_key"], first)
        self.assertEqual(self.key(), rotated["verifier_key"])
        self.assertEqual(self.ok(self.s.get(f"{path}?as_of={then['position']}")), then)
        self.error(self.s.get(f"{path}?as_of=999999"), "invalid_argument", "as_of")
        self.cli("proof", "event", "2", "-o", self.path("new.json"))
        self.assertTrue(self.verify("new.json", "--key", first)["pinned"])
        self.verify("old.json", "--key", rotated["verifier_key"], code=6)
        self.assertEqual(self.s.stop(), 0)
        report = support.strict_json(self.cli("verify", self.data, "--key", first, "--json"))
        self.assertEqual((report["ok"], report["pinned"], report["tree_checked"]), (True, True, True))
        self.assertEqual(report["checkpoint_size"], report["events"])
        self.cli("keys", "rotate", "--reason", "by hand", "--data", self.data)
        self.assertTrue(support.strict_json(self.cli("verify", self.data, "--key", first, "--json"))["ok"])
        self.s.start()
        self.assertEqual(len(self.ok(self.s.get(V1 + "/log/keys"))["items"]), 3)
        self.error(self.s.post(V1 + "/log/keys/rotate", {}), "invalid_argument", "reason")

    def test_after_kill_the_tree_goes_on(self):
        size, _ = self.checkpoint()
        self.s.kill()
        self.s.start()
        self.ok(self.s.post(V1 + "/experiments", {"name": "after"}), 201)
        self.assertEqual(self.checkpoint()[0], size + 1)
        self.error(self.s.get(f"{V1}/proofs/inclusion?position={size + 2}"), "not_found", "position")
        self.error(self.s.get(f"{V1}/proofs/stream"), "invalid_argument", "stream")
        self.error(self.s.get(f"{V1}/proofs/consistency?from={size + 9}"), "not_found", "from")


if __name__ == "__main__":
    support.main()
