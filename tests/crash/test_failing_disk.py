"""A server whose disk fails: it writes no more, says so, reads on, and has lost nothing.

FAILING_DISK names the library that makes the calls fail (preload_failing_disk.cpp).
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))

import support  # noqa: E402
from support import Case, run_cli  # noqa: E402

V1 = "/api/v1"
LIBRARY = os.environ.get("FAILING_DISK", "")


class FailingDisk(Case):
    def setUp(self):
        super().setUp()
        if not os.path.exists(LIBRARY):
            self.skipTest("FAILING_DISK does not name the library")
        self.trigger, self.count = (os.path.join(self.folder, n) for n in ("trigger", "count"))

    def failing_server(self, call, file):
        return self.server(env={
            "LD_PRELOAD": LIBRARY, "FAILING_DISK_CALL": call, "FAILING_DISK_FILE": file,
            "FAILING_DISK_TRIGGER": self.trigger, "FAILING_DISK_COUNT": self.count})

    def break_disk(self):
        with open(self.trigger, "w", encoding="ascii"):
            pass

    def failed_calls(self):
        return os.path.getsize(self.count) if os.path.exists(self.count) else 0

    def write(self, server, run, count):
        for i in range(count):
            sent = server.post(f"{V1}/runs/{run}/metrics",
                               {"metrics": [{"key": "m", "value": float(i), "step": i}]})
            self.ok(sent)
        return sent["position"]

    def check_read_only(self, server):
        ready = server.get("/readyz")
        self.assertEqual(ready.status, 503, ready)
        self.assertEqual((ready["ready"], ready["writable"]), (False, False))
        self.assertIn("Input/output error", ready["reason"])
        self.ok(server.get("/healthz"))
        self.assertRegex(server.get("/metrics").body.decode(), r"(?m)^mlforge_log_read_only 1$")

    def check_values(self, server, run, position, values):
        events = server.events()
        self.assertEqual([e["position"] for e in events], list(range(1, position + 1)))
        points = self.ok(server.get(f"{V1}/runs/{run}/metrics/m?max_points=10000"))["points"]
        self.assertEqual([p["value"] for p in points], values)
        self.assertEqual(self.ok(server.get(f"{V1}/events/{position}"))["stream"], f"run/{run}")

    def fail(self, call):
        server = self.failing_server(call, "/log/data.mdb")
        self.ok(server.post(V1 + "/experiments", {"name": "e"}), 201)
        run = self.ok(server.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
        position = self.write(server, run, 30)
        values = [float(i) for i in range(30)]
        self.assertEqual(self.failed_calls(), 0)
        self.assertRegex(server.get("/metrics").body.decode(), r"(?m)^mlforge_log_read_only 0$")
        self.break_disk()
        path = f"{V1}/runs/{run}/metrics"
        more = {"metrics": [{"key": "m", "value": 99.0, "step": 99}]}
        error = self.error(server.post(path, more), "read_only", None, "Input/output error")
        self.assertIn("stopped writing", error["message"])
        self.check_read_only(server)
        for _ in range(3):
            self.error(server.post(path, more), "read_only")
        self.error(server.put(f"{V1}/runs/{run}/artifacts/a", b"bytes"), "read_only")
        self.assertEqual(self.failed_calls(), 1, "what had failed was tried again")
        self.check_values(server, run, position, values)
        server.kill()
        return run, position, values

    def check_restarted(self, run, position, values):
        """Without the faults; what was not acknowledged may be there all the same."""
        done = run_cli("verify", "--data", os.path.join(self.folder, "data"), "--json")
        self.assertEqual(done.returncode, 0, done.stdout)
        server = self.server()
        self.assertEqual(self.ok(server.get("/readyz"))["writable"], True)
        head = server.position()
        self.assertIn(head, (position, position + 1))
        self.check_values(server, run, head, values + [99.0] * (head - position))
        self.write(server, run, 3)
        self.assertEqual(server.stop(), 0)

    def test_a_sync_that_fails(self):
        self.check_restarted(*self.fail("sync"))

    def test_a_meta_page_that_cannot_be_written(self):
        self.check_restarted(*self.fail("dsync"))


if __name__ == "__main__":
    support.main()
