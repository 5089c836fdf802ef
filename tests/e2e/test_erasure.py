"""Personal fields are encrypted under a key of their subject; destroying it erases them everywhere."""
import base64
import json
import os
import struct
import urllib.parse

import support
from support import COLUMNS, Case, add_people, adult_rows, run_cli, train
from test_nats import PROGRAM

V1 = "/api/v1"
ANN, BOB = "person/ann", "person/bob"
WORD = "Zebra-Oxalis-7313"  # a secret text
NUMBER = 1234567.890625     # a secret number
KEYS = os.path.join("keys", "subjects.keys")


def forms(text):
    """The ways in which a text may lie in a file: as it is, and in base64 at every offset."""
    raw = text.encode()
    yield raw
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + raw)
        yield coded[4 if shift else 0:len(coded) // 4 * 4 - 4]


def holding(folder, needles):
    """The files below `folder` that hold one of the needles; sockets and locks left out."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as source:
                content = source.read()
            found += [os.path.relpath(path, folder) for needle in needles if needle in content]
    return sorted(set(found))


SECRETS = [*forms(WORD), struct.pack("<d", NUMBER), repr(NUMBER).encode()]


class Erasure(Case):
    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.folder, "data")

    def path(self, name):
        return os.path.join(self.folder, name)

    def cli(self, *arguments, code=0):
        done = run_cli(*arguments, env={"MLFORGE_URL": self.s.url})
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def json_of(self, *arguments, code=0):
        return support.strict_json(self.cli(*arguments, "--json", code=code).stdout)

    def start_run(self, subject=ANN, **fields):
        if not self.ok(self.s.get(V1 + "/experiments"))["items"]:
            self.ok(self.s.post(V1 + "/experiments", {"name": "e"}), 201)
        return self.ok(self.s.post(V1 + "/runs", {"experiment_id": "1", **fields},
                                   X_Mlforge_Subject=subject), 201)["run_id"]

    def shred(self, subject=ANN):
        return self.json_of("subjects", "shred", subject, "--reason", "asked for")

    def run_row(self, run, **query):
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return self.ok(self.s.get(f"{V1}/runs/{run}?{text}"))

    def test_runs(self):
        self.s = self.server()
        run = self.start_run(name=WORD + " 1", tags={"user": WORD, "team": "a"},
                             params={"email": WORD + "@x"})
        self.ok(self.s.post(f"{V1}/runs/{run}/tags", {"tags": {"plain": "kept", "team": "b"}}))
        other = self.start_run(BOB, name="Bob's run", tags={"user": "Bob"})
        self.assertEqual(holding(self.data, SECRETS), [], "nothing stands in the clear")
        self.assertEqual(holding(self.data, [ANN.encode()]), [KEYS], "nor does the name")
        before = self.s.position()

        row = self.run_row(run)
        self.assertEqual((row["name"], row["tags"], row["params"]),
                         (WORD + " 1", {"user": WORD, "team": "b", "plain": "kept"},
                          {"email": WORD + "@x"}))
        for what in (f"/runs?limit=9", f"/audit?stream=run/{run}", f"/states/run/{run}",
                     f"/events?stream=run/{run}&reveal=true"):
            self.assertIn(WORD, self.s.get(V1 + what).body.decode(), what)
        for what in (f"/events?stream=run/{run}", f"/events/{before - 4}", "/events/export"):
            self.assertNotIn(WORD, self.s.get(V1 + what).body.decode(), what)

        # The same again changes nothing; another value of a param is refused, as ever.
        self.ok(self.s.post(f"{V1}/runs/{run}/params", {"params": {"email": WORD + "@x"}},
                            X_Mlforge_Subject=ANN))
        self.assertEqual(self.s.position(), before)
        self.error(self.s.post(f"{V1}/runs/{run}/params", {"params": {"email": "other"}},
                               X_Mlforge_Subject=ANN), "conflict", "params.email")

        listed = self.json_of("subjects", "list")["items"]
        self.assertEqual([each["subject"] for each in listed], [ANN, BOB])
        key = listed[0]["key_ids"][0]
        self.assertEqual(self.json_of("subjects", "show", ANN)["key_ids"], [key])
        done = self.shred()
        self.assertEqual(done["key_ids"], [key])
        event = self.ok(self.s.get(f"{V1}/events/{done['position']}"))
        self.assertEqual((event["type"], event["payload"]),
                         ("subject.shredded", {"key_id": key, "reason": "asked for"}))
        self.cli("subjects", "show", ANN, code=3)
        self.cli("subjects", "shred", ANN, "--reason", "again", code=3)
        self.assertEqual(holding(self.data, [*SECRETS, ANN.encode()]), [], "not even the name")

        erased = {"user": "[erased]", "team": "b", "plain": "kept"}
        for query in ({}, {"as_of": before}):
            row = self.run_row(run, **query)
            self.assertEqual((row["name"], row["tags"], row["params"]),
                             ("[erased]", erased, {"email": "[erased]"}), query)
        for what in (f"/runs?limit=9&as_of={before}", f"/audit?stream=run/{run}",
                     f"/states/run/{run}", f"/states/run/{run}?as_of={before}",
                     f"/events?stream=run/{run}&reveal=true"):
            body = self.s.get(V1 + what).body.decode()
            self.assertNotIn(WORD, body, what)
            self.assertIn("[erased]", body, what)
        self.assertEqual(self.run_row(other)["tags"], {"user": "Bob"})

        # Whoever comes back gets another key, and what was there stays erased.
        self.ok(self.s.post(f"{V1}/runs/{run}/tags", {"tags": {"user": "new"}},
                            X_Mlforge_Subject=ANN))
        self.assertEqual(self.run_row(run)["tags"]["user"], "new")
        self.assertEqual(self.run_row(run, as_of=before)["tags"]["user"], "[erased]")
        self.assertNotEqual(self.json_of("subjects", "show", ANN)["key_ids"], [key])

    def test_proofs_and_rebuild_hold(self):
        self.s = self.server()
        run = self.start_run(name=WORD, tags={"user": WORD})
        position = self.s.position()
        self.cli("proof", "event", str(position), "-o", self.path("before.json"))
        self.cli("proof", "stream", f"run/{run}", "-o", self.path("stream.json"))
        self.cli("proof", "checkpoint", "-o", self.path("checkpoint.txt"))
        key = self.ok(self.s.get(V1 + "/log/keys"))["verifier_key"]
        record = json.loads(self.cli("export", "--server", self.s.url).stdout.splitlines()[position - 1])
        self.shred()
        self.cli("proof", "event", str(position), "-o", self.path("after.json"))
        self.cli("proof", "consistency", "--from", self.path("checkpoint.txt"), "-o",
                 self.path("since.json"))
        for name in ("before.json", "stream.json", "after.json", "since.json"):
            self.assertTrue(self.json_of("verify", self.path(name), "--key", key)["ok"], name)
        again = json.loads(self.cli("export", "--server", self.s.url).stdout.splitlines()[position - 1])
        self.assertEqual(again, record, "no record changes")
        self.assertEqual(self.s.stop(), 0)
        self.assertTrue(self.json_of("verify", "--data", self.data, "--key", key)["ok"])
        rebuilt = [json.loads(line) for line in
                   self.cli("rebuild", "--data", self.data, "--json").stdout.splitlines()]
        rows = rebuilt[0] if isinstance(rebuilt[0], list) else rebuilt
        self.assertIn('"equal":true', json.dumps(rows).replace(" ", ""))
        self.assertNotIn('"equal":false', json.dumps(rows).replace(" ", ""))
        self.s = self.server()
        self.assertEqual(self.run_row(run)["tags"], {"user": "[erased]"})

    def test_a_crash_between_the_event_and_the_key(self):
        """What a kill there leaves is the event in the log and the key in its file."""
        self.s = self.server()
        run = self.start_run(tags={"user": WORD})
        with open(os.path.join(self.data, KEYS), "rb") as source:
            keys = source.read()
        self.shred()
        self.s.kill()
        with open(os.path.join(self.data, KEYS), "wb") as target:
            target.write(keys)
        self.s = self.server()
        self.assertEqual(self.run_row(run)["tags"], {"user": "[erased]"})
        with open(os.path.join(self.data, KEYS), "rb") as source:
            self.assertNotIn(ANN.encode(), source.read())
        self.assertEqual(self.json_of("subjects", "list")["items"], [])

    def test_backups_and_keys_apart(self):
        self.s = self.server()
        run = self.start_run(tags={"user": WORD})
        bobs = self.start_run(BOB, tags={"user": "Bob"})
        backup = self.json_of("backup", "--server", self.s.url, "-o", "monday")["folder"]
        self.assertEqual(holding(backup, [*SECRETS, ANN.encode()]), [])
        self.assertFalse(os.path.exists(os.path.join(backup, KEYS)))
        keys = self.path("monday.keys")
        self.assertEqual(self.json_of("subjects", "export-keys", keys, "--data", self.data)["keys"], 2)
        self.assertEqual(os.stat(keys).st_mode & 0o777, 0o600)
        self.cli("subjects", "export-keys", keys, "--data", self.data, code=5)
        self.shred()
        later = self.json_of("backup", "--server", self.s.url, "-o", "tuesday")["folder"]
        self.assertEqual(self.s.stop(), 0)

        # Without keys a copy reads as erased; with those of Monday, only a log that does not know
        # of the erasure brings Ann back.
        for folder, ann, count in ((backup, WORD, 2), (later, "[erased]", 1)):
            with self.subTest(folder=folder):
                restored = self.path("restored-" + os.path.basename(folder))
                self.cli("restore", folder, "--data", restored)
                self.s = self.server(data=restored)
                self.assertEqual(self.run_row(bobs)["tags"], {"user": "[erased]"})
                self.assertEqual(self.s.stop(), 0)
                done = self.json_of("subjects", "import-keys", keys, "--data", restored)
                self.assertEqual(done["keys"], count)
                self.s = self.server(data=restored)
                self.assertEqual(self.run_row(bobs)["tags"], {"user": "Bob"})
                self.assertEqual(self.run_row(run)["tags"], {"user": ann})
                self.assertEqual(self.s.stop(), 0)
        # Nor does it come back where it was destroyed.
        self.assertEqual(
            self.json_of("subjects", "import-keys", keys, "--data", self.data)["keys"], 0)

    def test_refusals(self):
        self.s = self.server()
        run = self.start_run(tags={"user": WORD})
        self.error(self.s.post(f"{V1}/runs/{run}/metrics", {"metrics": [{"key": "a", "value": 1}]},
                               X_Mlforge_Subject=ANN), "invalid_argument", "X-Mlforge-Subject")
        self.error(self.s.post(f"{V1}/runs/{run}/tags", {"tags": {"a": "b"}},
                               X_Mlforge_Subject="x" * 201), "invalid_argument",
                   "X-Mlforge-Subject")
        token = self.s.events(type="run.tags_set")[0]["payload"]["tags"]["user"]
        self.assertRegex(token, r"^mlforge-sealed:1:[A-Za-z0-9+/=]+~$")
        before = self.s.position()
        self.error(self.s.post(f"{V1}/runs/{run}/tags", {"tags": {"mine": token}}),
                   "invalid_argument", words="sealed")
        self.error(self.s.post(f"{V1}/runs/{run}/tags", {"tags": {"a": "b"}},
                               X_Mlforge_Actor=token), "invalid_argument", "X-Mlforge-Actor")
        for reason in ("", f"{ANN} asked", token, "x" * 1001):
            answer = self.s.call("DELETE", f"{V1}/subjects/{ANN}?reason=" +
                                 urllib.parse.quote(reason))
            self.assertEqual(answer.status, 400, (reason, answer))
        self.error(self.s.call("DELETE", V1 + "/subjects/nobody?reason=x"), "not_found")
        self.error(self.s.get(V1 + "/subjects/nobody"), "not_found")
        self.assertEqual(self.s.position(), before)
        self.assertEqual(self.run_row(run)["tags"], {"user": WORD})
        page = self.ok(self.s.get(V1 + "/subjects?limit=1"))
        self.assertEqual(len(page["items"]), 1)

    def test_an_empty_subject_is_none(self):
        self.s = self.server()
        run = self.start_run()
        before = self.s.position()
        self.error(self.s.post(f"{V1}/runs/{run}/tags", {"tags": {"a": WORD}}, X_Mlforge_Subject=""),
                   "invalid_argument", "X-Mlforge-Subject")
        self.error(self.s.post(V1 + "/log/keys/rotate", {"reason": WORD}, X_Mlforge_Subject=ANN),
                   "invalid_argument", "X-Mlforge-Subject")
        self.assertEqual(self.s.position(), before)

    def test_what_mlflows_client_says_of_a_person(self):
        self.s = self.server()
        self.start_run()
        ml, marked = "/api/2.0/mlflow", {"X_Mlforge_Subject": ANN}
        run = self.ok(self.s.post(ml + "/runs/create", {
            "experiment_id": "1", "user_id": WORD, "run_name": WORD,
            "tags": [{"key": "mlflow.user", "value": WORD}]}, **marked))["run"]["info"]
        self.assertEqual(run["user_id"], WORD)
        plain = self.ok(self.s.post(ml + "/runs/create", {"experiment_id": "1", "user_id": "bob"}))
        started = {e["payload"]["run_id"]: e for e in self.s.events(type="run.started")}
        self.assertEqual(started[run["run_id"]]["actor"], "anonymous")
        self.assertEqual(started[plain["run"]["info"]["run_id"]]["actor"], "bob")

        def trace(name, **more):
            return {"trace": {"trace_info": {
                "trace_id": name, "state": "OK", "request_preview": WORD, "tags": {"who": WORD},
                "request_time": "2026-11-21T10:00:00Z",
                "trace_location": {"type": "MLFLOW_EXPERIMENT",
                                   "mlflow_experiment": {"experiment_id": "1"}}, **more}}}

        v3 = "/api/3.0/mlflow/traces"
        said = {"assessment_name": "a", "feedback": {"value": WORD}, "rationale": WORD,
                "source": {"source_type": "HUMAN", "source_id": WORD}}
        for more in ({"assessments": [said]}, {"client_request_id": WORD}):
            self.assertEqual(self.s.post(v3, trace("tr-no", **more), **marked).status, 400, more)
        self.ok(self.s.post(v3, trace("tr-1"), **marked))
        span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "s",
                "startTimeUnixNano": "1", "endTimeUnixNano": "2",
                "attributes": [{"key": "mlflow.spanInputs", "value": {"stringValue": WORD}}]}
        otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
        self.assertEqual(self.s.post("/v1/traces", otlp, x_mlflow_experiment_id="1", **marked).status,
                         400)
        self.shred()
        self.assertEqual(self.s.stop(), 0)
        self.assertEqual(holding(self.data, SECRETS), [])

    def serve_model(self):
        add_people(self, self.s)
        train(self, self.s)
        self.ok(self.s.post(V1 + "/models/small/versions/1/stage", {"stage": "Staging"}))
        self.ok(self.s.post(V1 + "/endpoints", {"name": "live", "model": "small",
                                                "drift_window": 50}), 201)
        self.ok(self.s.post("/promote", {"version": "1"}))

    def predict(self, i, subject=None):
        row = dict(zip(COLUMNS, list(adult_rows(1, seed=i))[0]))
        if subject == ANN:
            row |= {"workclass": WORD, "fnlwgt": NUMBER}
        body = {"features": row, "request_id": f"{WORD}-{i}" if subject == ANN else f"plain-{i}"}
        headers = {"X_Mlforge_Subject": subject} if subject and i % 2 else {}
        if subject and not headers:
            body["subject"] = subject
        return self.ok(self.s.post("/predict", body, **headers))

    def logged(self):
        return [e for e in self.s.events(type="prediction.logged")]

    def rows(self):
        return sum(len(e["payload"]["versions"]) for e in self.logged())

    def test_predictions_and_the_broker(self):
        self.s = self.server(nats="managed" if PROGRAM else "off")
        self.serve_model()
        for i in range(20):
            self.assertIn("probability", self.predict(i, [None, ANN, BOB, ANN][i % 4]))
        support.until(lambda: self.rows() == 20, "the predictions in the log")
        if PROGRAM:
            support.until(lambda: self.ok(self.s.get("/readyz"))["nats"].get("lag") == 0,
                          "the events at the broker")
        self.assertEqual(holding(self.data, SECRETS), [], "log, broker, views: nothing in clear")
        shown = self.s.get(V1 + "/events?type=prediction.logged&limit=1000&reveal=true").body
        self.assertIn(WORD.encode(), shown)
        self.assertIn(repr(NUMBER).encode(), shown)
        for event in self.logged():
            body = event["payload"]
            self.assertEqual(event["schema"], 2)
            for i, token in enumerate(body["sealed"]):
                self.assertEqual(token == "", body["request_ids"][i] != "", body)
                self.assertEqual(token != "", body["probabilities"][i] == "NaN")
        counts = self.ok(self.s.get(V1 + "/endpoints/live"))
        self.shred()
        shown = self.s.get(V1 + "/events?type=prediction.logged&limit=1000&reveal=true").body
        self.assertNotIn(WORD.encode(), shown)
        self.assertNotIn(repr(NUMBER).encode(), shown)
        self.assertIn(b"[erased]", shown)
        self.assertEqual(self.ok(self.s.get(V1 + "/endpoints/live")) | {"position": 0},
                         counts | {"position": 0}, "counts stay")
        self.assertEqual(holding(self.data, [*SECRETS, ANN.encode()]), [])

        # The window is filled by what can be read, and the ten erased ones are not in it.
        self.s.kill()
        self.s = self.server(nats="managed" if PROGRAM else "off")
        for i in range(20, 60):
            self.predict(i)
        report = support.until(lambda: self.s.get(V1 + "/endpoints/live/drift").json["items"],
                               "a drift report")[0]
        self.assertEqual(report["predictions"], 50)
        self.assertEqual(self.s.stop(), 0)
        self.assertTrue(self.json_of("verify", "--data", self.data)["ok"])


if __name__ == "__main__":
    support.main()
