"""Damaged read models and blobs, and a disk that the read models fill."""
import http.client
import os
import random

import support
import test_durability

V1 = "/api/v1"


class Damaged(test_durability.Durability):
    def test_damaged_views_are_made_anew(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        self.assertEqual(server.stop(), 0)
        views = os.path.join(self.data(), "views", "data.mdb")
        size = os.path.getsize(views)

        def cut():
            os.truncate(views, size // 2)

        def overwrite():
            with open(views, "r+b") as file:
                file.write(b"\xa5" * 8192)

        def zero():
            with open(views, "r+b") as file:
                file.seek(8192)
                file.write(bytes(size - 8192))

        for damage in (cut, overwrite, zero):
            damage()
            server.start()
            self.assertEqual(self.ok(server.get(f"{V1}/runs/{run}"))["run_id"], run)
            self.assertEqual(self.ok(server.get("/readyz"))["ready"], True)
            self.assertEqual(server.stop(), 0)
            damage()
            self.cli("rebuild", "--data", self.data())
            self.verified()

    def test_damaged_snapshots_are_made_anew(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        client = server.client()
        for i in range(600):
            self.ok(client.post(f"{V1}/runs/{run}/tags", {"tags": {f"t{i % 3}": str(i)}}))
        client.close()
        state = self.ok(server.get(f"{V1}/states/run/{run}?as_of=500"))["state"]
        self.assertEqual(server.stop(), 0)
        file = os.path.join(self.data(), "snapshots", "data.mdb")
        size = os.path.getsize(file)
        self.assertGreater(size, 8192)

        def cut():
            os.truncate(file, 5000)

        def wild():  # pages that say that they hold more than they can
            with open(file, "r+b") as out:
                for page in range(8192, size, 4096):
                    out.seek(page + 12)
                    out.write(b"\x10\xf0")

        for damage in (cut, wild):
            damage()
            server.launch()
            try:
                server.wait_listening()
            except AssertionError:  # a crash, but not at every start
                self.assertIn(damage, (wild,))
                server.start()
            try:
                answer = server.get(f"{V1}/states/run/{run}?as_of=500")
            except OSError:
                self.assertIn(damage, (wild,))
                server.wait()
                server.start()
                answer = server.get(f"{V1}/states/run/{run}?as_of=500")
            self.assertEqual(self.ok(answer)["state"], state)
            self.assertEqual(server.stop(), 0)

    def test_damaged_cursors_of_subscriptions_lose_nothing(self):
        server = self.server()
        subs = f"{V1}/subscriptions"
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        self.ok(server.post(subs, {"name": "s", "types": ["run.tags_set"], "from": 1}), 201)
        tags = [self.ok(server.post(f"{V1}/runs/{run}/tags", {"tags": {"t": str(i)}}))["position"]
                for i in range(5)]
        self.ok(server.post(f"{subs}/s/fetch", {"max": 3, "wait_ms": 5000}))
        self.ok(server.post(f"{subs}/s/ack", {"positions": tags[:3]}))
        self.assertEqual(server.stop(), 0)
        self.verified()
        file = os.path.join(self.data(), "subscriptions", "data.mdb")

        def wild():  # pages that say that they hold more than they can
            with open(file, "r+b") as out:
                for page in range(8192, os.path.getsize(file), 4096):
                    out.seek(page + 12)
                    out.write(b"\x10\xf0")

        def cut():
            os.truncate(file, 5000)

        def zero():
            with open(file, "r+b") as out:
                out.seek(8192)
                out.write(bytes(os.path.getsize(file) - 8192))

        for number, damage in enumerate((wild, cut, zero), 1):
            damage()
            row = support.strict_json(
                self.cli("verify", "--data", self.data(), "--json", code=6).stdout)
            self.assertTrue(row["damaged_cursors"])
            self.assertIn("cursors of subscriptions", row["what"])
            server.start()
            status = self.ok(server.get(f"{subs}/s/status"))
            self.assertIn("damaged", status["last_error"])
            items = self.ok(server.post(f"{subs}/s/fetch", {"max": 9, "wait_ms": 5000}))["items"]
            self.assertEqual([each["position"] for each in items], tags)
            self.ok(server.post(f"{subs}/s/ack", {"positions": tags[:3]}))
            self.assertEqual(server.stop(), 0)
            self.assertTrue(os.path.exists(
                os.path.join(self.data(), f"subscriptions.damaged-{number}", "data.mdb")))
            self.verified()
        doctor = support.run_cli("doctor", "--data", self.data()).stdout
        self.assertIn("subscriptions.damaged-1", doctor)

    def test_damaged_blobs_are_not_served_and_mended_by_an_upload(self):
        server = self.server()
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        for name, size in (("small", 5000), ("large", 3 << 20)):
            path, content = f"{V1}/runs/{run}/artifacts/{name}", random.Random(size).randbytes(size)
            digest = self.ok(server.put(path, content), 201)["digest"]
            blob = os.path.join(self.data(), "blobs", "t-default", digest[:2], digest[2:])
            with open(blob, "r+b") as file:
                file.seek(size - 10)
                file.write(bytes([content[size - 10] ^ 1]))
            if name == "small":
                self.error(server.get(path), "corrupt", None, "small")
            else:
                with self.assertRaises(http.client.IncompleteRead):
                    server.get(path)
            done = self.cli("verify", "--data", self.data(), code=5)  # it is open
            mended = self.ok(server.put(path, content), 201)
            self.assertTrue(mended["stored"])
            self.assertEqual(server.get(path).body, content)
            self.assertFalse(self.ok(server.put(path, content), 201)["stored"])
            os.truncate(blob, size - 1)
            self.error(server.get(path, Range="bytes=0-9"), "corrupt")
            os.unlink(blob)
            self.error(server.get(path), "corrupt", None, "missing")
            with open(blob, "wb") as file:
                file.write(content[:-1] + bytes([content[-1] ^ 1]))
            self.assertEqual(server.stop(), 0)
            done = self.cli("verify", "--data", self.data(), "--json", code=6)
            self.assertEqual(support.strict_json(done.stdout)["damaged_blobs"],
                             [f"t-default/{digest[:2]}/{digest[2:]}"])
            server.start()
            self.ok(server.put(path, content), 201)
        self.assertEqual(server.stop(), 0)
        self.verified()


class ManySeries(test_durability.FullDisk):
    test_a_full_disk = None  # where it is inherited from

    def test_many_series_on_a_full_disk(self):
        """Each write costs the read models far more than the log: they must reach its end."""
        server = self.server(data=self.data())
        server.errors = os.path.join(self.folder, "stderr")
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        base, position, refused = f"{V1}/runs/{run}", 0, None
        metrics = [{"key": f"k{i}", "value": i * 1.1, "step": i} for i in range(2000)]
        for _ in range(2000):
            answer = server.post(base + "/metrics", {"metrics": metrics})
            if answer.status != 200:
                refused = answer
                break
            position = answer["position"]
        self.assertIsNotNone(refused, "the disk never filled up")
        self.error(refused, "read_only")
        self.assertEqual(self.ok(server.get(base))["position"], position)
        self.assertEqual(server.stop(), 0)
        # Now there is no room at all.
        filler = os.path.join(self.disk, "filler")
        with open(filler, "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass
        server.start()
        self.assertEqual(server.get("/readyz").status, 200)
        answer = server.post(base + "/tags", {"tags": {"a": "b"}})
        self.error(answer, "read_only")
        self.assertEqual(server.get("/readyz").status, 503)
        self.assertEqual(self.ok(server.get(base))["position"], position)
        self.assertEqual(server.stop(), 0)
        os.unlink(filler)
        self.verified()


if __name__ == "__main__":
    support.main()
