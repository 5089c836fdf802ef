"""The log over HTTP: pages, filters, single events, the audit trail, repeated writes."""
import datetime
import uuid

import support
from support import Case, UUID

V1 = "/api/v1"
CORRELATION = "6f1b7a44-2f52-4d0c-9a53-7f5e1d1f0c11"


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace(
        "+00:00", "Z")


class Events(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server()
        self.marks = []
        for i in range(6):
            self.ok(self.s.post(V1 + "/experiments", {"name": f"e{i}"},
                                X_Mlforge_Actor=f"who{i % 2}", X_Correlation_Id=CORRELATION), 201)
            run = self.ok(self.s.post(V1 + "/runs", {"experiment_id": str(i + 1),
                                                     "params": {"p": "1"}}), 201)["run_id"]
            self.ok(self.s.post(f"{V1}/runs/{run}/metrics",
                                {"metrics": [{"key": "auc", "value": i / 10}]}))
            self.marks.append((self.s.position(), now(), run))

    def page(self, query):
        return self.ok(self.s.get(V1 + "/events?" + query))

    def test_pages(self):
        head = self.s.position()
        self.assertEqual(head, 24)
        events = self.s.events()
        self.assertEqual([e["position"] for e in events], list(range(1, head + 1)))
        for limit in (1, 5, 24, 1000):
            found, start = [], 1
            while start <= head:
                page = self.page(f"from={start}&limit={limit}")
                self.assertLessEqual(len(page["items"]), limit)
                found, start = found + page["items"], page["next_from"]
            self.assertEqual(found, events)
        self.assertEqual(self.page(f"from={head + 1}")["items"], [])
        self.assertEqual(len({e["id"] for e in events}), head)
        times = [e["time"] for e in events]
        self.assertEqual(times, sorted(times))
        versions = {}
        for e in events:
            versions[e["stream"]] = versions.get(e["stream"], 0) + 1
            self.assertEqual(e["version"], versions[e["stream"]])
            self.assertLessEqual({"position", "id", "type", "schema", "tenant", "stream", "version",
                                  "time", "actor", "payload"}, set(e))
            self.assertRegex(e["id"], UUID)

    def test_filters(self):
        events = self.s.events()
        _, time, run = self.marks[2]
        third = self.marks[2][0]
        cases = [
            ("type=run.started", lambda e: e["type"] == "run.started"),
            ("type=run.*", lambda e: e["type"].startswith("run.")),
            ("type=nothing", lambda e: False),
            (f"stream=run/{run}", lambda e: e["stream"] == f"run/{run}"),
            ("stream=run/*", lambda e: e["stream"].startswith("run/")),
            ("stream=run/*&type=run.metrics_logged", lambda e: e["type"] == "run.metrics_logged"),
            (f"since={events[9]['time']}", lambda e: e["time"] >= events[9]["time"]),
            (f"until={events[9]['time']}", lambda e: e["time"] <= events[9]["time"]),
            (f"until={time}", lambda e: e["position"] <= third),
            (f"as_of={third}", lambda e: e["position"] <= third),
            (f"as_of={time}", lambda e: e["position"] <= third),
            ("tenant=default", lambda e: True),
            ("tenant=other", lambda e: False),
        ]
        for query, wanted in cases:
            for limit in (2, 1000):
                with self.subTest(query=query, limit=limit):
                    found, start = [], 1
                    while True:
                        page = self.page(f"{query}&from={start}&limit={limit}")
                        found += page["items"]
                        if page["next_from"] > page["position"] or page["next_from"] == start:
                            break
                        start = page["next_from"]
                    self.assertEqual(found, [e for e in events if wanted(e)])

    def test_one_event(self):
        for event in self.s.events():
            for name in (event["id"], event["id"].upper(), str(event["position"])):
                answer = self.s.get(f"{V1}/events/{name}")
                if name == event["id"].upper() and answer.status == 400:
                    continue  # only the lower-case form is one
                self.assertEqual(self.ok(answer), event)

    def test_what_surrounds_an_event(self):
        first = self.s.events(type="experiment.created")
        self.assertEqual([e["actor"] for e in first], ["who0", "who1"] * 3)
        self.assertTrue(all(e["correlation_id"] == CORRELATION for e in first))
        kept = self.s.post(V1 + "/experiments", {"name": ""}, X_Correlation_Id=CORRELATION)
        self.assertEqual(kept["error"]["correlation_id"], CORRELATION)
        keyed = str(uuid.UUID(int=7))
        made = self.ok(self.s.post(V1 + "/experiments", {"name": "keyed"}, Idempotency_Key=keyed),
                       201)
        event = self.ok(self.s.get(f"{V1}/events/{made['position']}"))
        self.assertRegex(event["command_id"], f"^{keyed}#[0-9a-f]{{16}}$")

    def test_audit(self):
        rows = self.ok(self.s.get(V1 + "/audit"))["items"]
        events = [e for e in self.s.events() if e["type"] != "run.metrics_logged"]
        self.assertEqual([r["position"] for r in rows], [e["position"] for e in events][::-1])
        for row, event in zip(rows, events[::-1]):
            self.assertEqual(row["event_id"], event["id"])
            for name in ("type", "stream", "actor", "time"):
                self.assertEqual(row[name], event[name])
            self.assertTrue(row["summary"].endswith("."), row)
        run = self.marks[3][2]
        for query, wanted in ((f"stream=run/{run}", lambda r: r["stream"] == f"run/{run}"),
                              ("type=experiment.created",
                               lambda r: r["type"] == "experiment.created"),
                              ("type=run.*", lambda r: r["type"].startswith("run.")),
                              ("actor=who1", lambda r: r["actor"] == "who1"),
                              (f"since={self.marks[2][1]}",
                               lambda r: r["position"] > self.marks[2][0]),
                              (f"until={self.marks[2][1]}",
                               lambda r: r["position"] <= self.marks[2][0]),
                              (f"as_of={self.marks[2][0]}",
                               lambda r: r["position"] <= self.marks[2][0])):
            with self.subTest(query=query):
                found, token = [], ""
                while True:
                    page = self.ok(self.s.get(f"{V1}/audit?limit=4&{query}{token}"))
                    found += page["items"]
                    if not page.get("next_page_token"):
                        break
                    token = "&page_token=" + page["next_page_token"]
                self.assertEqual(found, [r for r in rows if wanted(r)])


class Idempotence(Case):
    def test_a_repeated_write_has_one_outcome(self):
        s = self.server()
        first = self.ok(s.post(V1 + "/experiments", {"name": "e"}, Idempotency_Key="k1"), 201)
        run = self.ok(s.post(V1 + "/runs", {"experiment_id": "1"}, Idempotency_Key="k2"), 201)
        path = f"{V1}/runs/{run['run_id']}"
        metrics = {"metrics": [{"key": "a", "value": 1}]}
        logged = self.ok(s.post(path + "/metrics", metrics, Idempotency_Key="k3"))
        bytes_ = self.ok(s.put(V1 + "/datasets/d/files/x.csv", "a,b\n1,2\n",
                               Idempotency_Key="k4"), 201)
        commit = self.ok(s.post(V1 + "/datasets/d/commits", {"message": "m"},
                                Idempotency_Key="k5"), 201)
        head = s.position()
        for round_ in ("at once", "after a restart"):
            with self.subTest(round_):
                again = self.ok(s.post(V1 + "/experiments", {"name": "e"}, Idempotency_Key="k1"),
                                201)
                self.assertEqual(again, {**first, "duplicate": True})
                again = self.ok(s.post(V1 + "/runs", {"experiment_id": "1"}, Idempotency_Key="k2"),
                                201)
                self.assertEqual(again, {**run, "duplicate": True})
                again = self.ok(s.post(path + "/metrics", metrics, Idempotency_Key="k3"))
                self.assertEqual(again, {**logged, "duplicate": True})
                again = self.ok(s.put(V1 + "/datasets/d/files/x.csv", "a,b\n1,2\n",
                                      Idempotency_Key="k4"), 201)
                self.assertEqual((again["position"], again["duplicate"]),
                                 (bytes_["position"], True))
                again = self.ok(s.post(V1 + "/datasets/d/commits", {"message": "m"},
                                       Idempotency_Key="k5"), 201)
                self.assertEqual((again["version"], again["duplicate"]), (commit["version"], True))
                self.assertEqual(s.position(), head)
            if round_ == "at once":
                self.assertEqual(s.stop(), 0)
                s.start()

    def test_a_repeated_pipeline_run_is_one_run(self):
        s = self.server()
        support.add_people(self, s)
        support.train(self, s, "m", rounds=1)
        first = self.ok(s.post(V1 + "/pipelines/m/runs", {}, Idempotency_Key="k"), 202)
        again = self.ok(s.post(V1 + "/pipelines/m/runs", {}, Idempotency_Key="k"), 202)
        self.assertEqual(again["pipeline_run_id"], first["pipeline_run_id"])
        support.wait_run(self, s, first["pipeline_run_id"])
        self.assertEqual(len(s.events(type="pipeline_run.started")), 2)

    def test_a_key_of_another_request(self):
        s = self.server()
        self.ok(s.post(V1 + "/experiments", {"name": "e"}, Idempotency_Key="k"), 201)
        before = s.position()
        answer = s.post(V1 + "/models", {"name": "m"}, Idempotency_Key="k")
        self.error(answer, "conflict", "Idempotency-Key", "another request")
        self.assertEqual(s.position(), before)

    def test_a_key_of_another_request_on_the_same_stream(self):
        s = self.server()
        files = V1 + "/datasets/d/files/"
        first = self.ok(s.put(files + "one.csv", b"a\n1\n", Idempotency_Key="k"), 201)
        again = self.ok(s.put(files + "one.csv", b"a\n1\n", Idempotency_Key="k"), 201)
        self.assertEqual((again["digest"], again["duplicate"]), (first["digest"], True))
        before = s.position()
        for path, body in (("two.csv", b"a\n1\n"), ("one.csv", b"a\n2\n")):
            answer = s.put(files + path, body, Idempotency_Key="k")
            self.error(answer, "conflict", "Idempotency-Key", "another request")
        self.assertEqual(s.position(), before)

    def test_a_refused_write_leaves_its_key_free(self):
        s = self.server()
        self.error(s.post(V1 + "/runs", {"experiment_id": "1"}, Idempotency_Key="k"), "not_found")
        self.ok(s.post(V1 + "/experiments", {"name": "e"}), 201)
        self.ok(s.post(V1 + "/runs", {"experiment_id": "1"}, Idempotency_Key="k"), 201)

    def test_without_a_key_nothing_is_shared(self):
        s = self.server()
        self.ok(s.post(V1 + "/experiments", {"name": "e"}), 201)
        ids = {self.ok(s.post(V1 + "/runs", {"experiment_id": "1"}), 201)["run_id"]
               for _ in range(3)}
        self.assertEqual(len(ids), 3)


if __name__ == "__main__":
    support.main()
