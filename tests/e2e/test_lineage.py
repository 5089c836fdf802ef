"""OpenLineage run events of a pipeline, a promotion and drift: in a file, and posted."""
import json
import os
import urllib.request

import openlineage_rules
import support
from support import Case
from test_webhooks import Receiver

V1 = "/api/v1"
ENDS = {"COMPLETE", "FAIL", "ABORT"}


class Lineage(Case):
    def setUp(self):
        super().setUp()
        self.schemas = {}

    def read(self, path):
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as text:
            return [support.strict_json(line) for line in text]

    def fetch(self, url):
        """A schema of the server that wrote it, or kept from when it ran."""
        if url not in self.schemas:
            with urllib.request.urlopen(url, timeout=support.SLOW) as answer:
                self.assertEqual(answer.headers["Content-Type"], "application/schema+json")
                self.schemas[url] = support.strict_json(answer.read().decode("utf-8"))
        return self.schemas[url]

    def check(self, events):
        """What the specification asks of every run event."""
        started = set()
        for event in events:
            self.assertEqual(openlineage_rules.check_event(event, self.fetch), [], event)
            self.assertIn("mlforge_event", event["run"]["facets"])
            if event["eventType"] == "START":
                started.add(event["run"]["runId"])
            else:
                self.assertIn(event["run"]["runId"], started, event)

    def test_the_rules_find_what_is_wrong(self):
        s = self.server()
        path = "/openlineage/1-0-1/MlforgeFacets.json"
        good = {"eventType": "START", "eventTime": "2026-11-21T09:00:00Z", "producer": "urn:x:y",
                "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
                "run": {"runId": "01890a5d-ac96-774b-bcce-b302099a8057", "facets": {"mlforge_retraining": {
                    "_producer": "urn:x:y", "_schemaURL": s.url + path + "#/$defs/MlforgeRetrainingRunFacet",
                    "reportId": "r", "pipeline": "p", "modelVersion": 3,
                    "pipelineRunId": "01890a5d-ac96-774b-bcce-b302099a8057"}}},
                "job": {"namespace": "n", "name": "j"}}
        self.assertEqual(openlineage_rules.check_event(good, self.fetch), [])
        wrong = [("run", "runId", "7"), ("job", "name", 7), ("eventTime", None, "yesterday"), ("producer", None, "me")]
        for name, member, value in wrong:
            bad = json.loads(json.dumps(good))
            if member:
                bad[name][member] = value
            else:
                bad[name] = value
            self.assertEqual(len(openlineage_rules.check_event(bad, self.fetch)), 1, bad)
        for member, value in (("modelVersion", -1), ("modelVersion", "3"), ("pipelineRunId", "p"), ("more", 1),
                              ("_schemaURL", s.url + path + "#/$defs/MlforgeDriftRunFacet"), ("reportId", None)):
            bad = json.loads(json.dumps(good))
            facet = bad["run"]["facets"]["mlforge_retraining"]
            facet[member] = value
            if value is None:
                del facet[member]
            self.assertEqual(len(openlineage_rules.check_event(bad, self.fetch)), 1, bad)

    def test_a_pipeline_and_a_promotion(self):
        receiver = Receiver()
        self.addCleanup(receiver.stop)
        path = os.path.join(self.folder, "lineage.jsonl")
        s = self.server("--lineage-file", path, "--lineage-url",
                        receiver.url, "--lineage-namespace", "lab")
        support.add_people(self, s)
        run = support.train(self, s)
        promoted = s.post(V1 + "/models/small/versions/1/promote",
                          {"metric": "auc", "min_delta": 0, "reason": "first"})
        self.assertIn(promoted.status, (200, 409), promoted)

        def done():
            jobs = {(e["job"]["name"], e["eventType"]) for e in self.read(path)}
            return ("pipeline/small", "COMPLETE") in jobs and any(
                name == "model/small/promote" for name, _ in jobs)

        if not support.until(lambda: done() or not s.events(type="model.promotion_decided"),
                             "the lineage"):
            return
        support.until(lambda: ("pipeline/small", "COMPLETE") in
                      {(e["job"]["name"], e["eventType"]) for e in self.read(path)}, "the end")
        events = self.read(path)
        self.check(events)
        self.assertTrue(all(e["job"]["namespace"] == "lab" for e in events))
        by_job = {}
        for event in events:
            by_job.setdefault(event["job"]["name"], []).append(event)
        [commit] = [e for e in by_job["dataset/people/commit"] if e["eventType"] == "COMPLETE"]
        facets = commit["outputs"][0]["facets"]
        self.assertEqual(facets["version"]["datasetVersion"], "1")
        self.assertIn("age", [f["name"] for f in facets["schema"]["fields"]])
        pipeline = by_job["pipeline/small"]
        self.assertEqual([e["eventType"] for e in pipeline], ["START", "COMPLETE"])
        self.assertEqual(pipeline[0]["run"]["runId"].replace("-", ""), run["pipeline_run_id"])
        [trained] = [e for e in by_job["experiment/small/train"] if e["eventType"] == "COMPLETE"]
        self.assertEqual([d["name"] for d in trained["inputs"]], ["dataset/people"])
        self.assertEqual(trained["run"]["facets"]["parent"]["job"]["name"],
                         "pipeline/small/train")
        [registered] = [e for e in by_job["model/small/register"] if e["eventType"] == "COMPLETE"]
        self.assertEqual(registered["outputs"][0]["name"], "model/small")
        if "model/small/promote" in by_job:
            facet = by_job["model/small/promote"][-1]["run"]["facets"]["mlforge_promotion"]
            self.assertEqual((facet["model"], facet["version"], facet["metric"]),
                             ("small", 1, "auc"))

        # The same to the endpoint, in the same order.
        support.until(lambda: len(receiver.got) >= len(events), "the posts")
        self.assertEqual(receiver.events()[:len(events)], events)

        # Over a restart nothing is written twice; without the setting nothing at all.
        s.stop()
        s.start()
        support.until(lambda: s.get(V1 + "/subscriptions/lineage-file/status")["lag"] == 0,
                      "no lag")
        self.assertEqual(self.read(path), events)
        with open(path, "a", encoding="utf-8") as text:
            text.write('{"torn')
        self.ok(s.post(V1 + "/pipelines/small/runs", {}), 202)
        support.until(lambda: s.get(V1 + "/subscriptions/lineage-file/status")["lag"] == 0 and
                      len(self.read_whole(path)) > len(events), "more lineage")
        self.check(self.read_whole(path))

    def read_whole(self, path):
        """The lines that have their end: another may just be written."""
        with open(path, encoding="utf-8") as text:
            lines = text.read().split("\n")[:-1]
        return [json.loads(line) for line in lines if not line.startswith('{"torn')]


if __name__ == "__main__":
    support.main()
