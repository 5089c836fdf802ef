"""`mlforge demo` from end to end, and then the log: what happened, and what caused it."""
import os
import signal
import subprocess

import support
from support import BINARY, Case, UUID

V1 = "/api/v1"
ALLOWED = {"dataset", "pipeline", "pipeline_run", "model", "deployment", "environment"}


def count_rows(path):
    with open(path, encoding="utf-8") as text:
        return sum(1 for line in text if line.strip() and not line.startswith("|"))


def kill_left_over(data):
    """The server of a demo that did not come to its end."""
    try:
        with open(os.path.join(data, "demo.pid"), encoding="ascii") as text:
            pid = int(text.read())
        with open(f"/proc/{pid}/cmdline", "rb") as arguments:
            if data.encode() in arguments.read().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass  # it has ended, as it should


class Demo(Case):
    """The demo runs once; the tests read what it left."""

    @classmethod
    def setUpClass(cls):
        cls.folder_of_all = support.new_folder(cls.addClassCleanup)
        cls.data = os.path.join(cls.folder_of_all, "data")
        cls.addClassCleanup(kill_left_over, cls.data)
        adult = support.adult_folder()
        cls.synthetic, cls.rows = adult is None, 48842
        if adult:
            cls.rows = sum(count_rows(os.path.join(adult, f)) for f in ("adult.data", "adult.test"))
        settings = os.path.join(cls.folder_of_all, "settings.yaml")
        with open(settings, "w", encoding="ascii") as out:
            out.write("psi_threshold: 0.21\n")
        done = subprocess.run(
            [BINARY, "demo", "--stop", "--json", "--data-dir", cls.data, "--listen", "127.0.0.1:0",
             "--nats", "off", "--config", settings, "--ks-pvalue-threshold", "0.04"] + (["--adult", adult] if adult else []),
            cwd=support.SOURCE, env=support.clean_environment(), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=500, check=False,
            preexec_fn=support.die_with_parent)
        assert done.returncode == 0, (done.returncode, done.stdout[-2000:], done.stderr[-4000:])
        cls.report, cls.told = support.strict_json(done.stdout), done.stderr
        cls.s = support.start_server(cls.addClassCleanup, cls.data)
        cls.events = cls.s.events()
        cls.by_id = {e["id"]: e for e in cls.events}

    def of_type(self, kind):
        return [e for e in self.events if e["type"] == kind]

    def cause(self, event, kind):
        """The event that caused it, which is of this type."""
        self.assertRegex(event.get("causation_id", ""), UUID, event)
        found = self.by_id[event["causation_id"]]
        self.assertEqual(found["type"], kind)
        self.assertLess(found["position"], event["position"])
        return found

    def version(self, number):
        return self.ok(self.s.get(f"{V1}/models/adult/versions/{number}"))

    def test_the_chain_from_the_new_version_back_to_the_predictions(self):
        created = self.of_type("model.version_created")[-1]
        self.assertEqual(created["payload"]["version"], 4)
        started = self.cause(created, "pipeline_run.started")
        self.assertEqual(started["payload"]["pipeline_run_id"],
                         created["payload"]["pipeline_run_id"])
        self.assertEqual(started["payload"]["trigger"], "drift:adult")
        triggered = self.cause(started, "drift.retraining_triggered")
        self.assertEqual(triggered["payload"]["pipeline_run_id"],
                         started["payload"]["pipeline_run_id"])
        alert = self.cause(triggered, "drift.alert_raised")
        reported = self.cause(alert, "drift.reported")
        self.assertEqual({e["payload"]["report_id"] for e in (triggered, alert, reported)},
                         {reported["payload"]["report_id"]})
        logged = self.cause(reported, "prediction.logged")
        self.assertEqual(logged["position"], reported["payload"]["last_position"])
        for event in (created, started, triggered, alert, reported):
            self.assertNotIn(event["actor"], ("demo", "anonymous"), event["type"])
        self.assertEqual(len({e["correlation_id"] for e in (created, started, triggered, alert,
                                                            reported)}), 1)

    def test_the_chain_in_the_answers(self):
        reports = self.ok(self.s.get(V1 + "/endpoints/adult/drift"))["items"]
        # The shift may fill two windows; the second finds the retraining under way.
        (latest,) = [r for r in reports if "retraining" in r]
        self.assertEqual((latest["triggered"], latest["severity"]), (True, "alert"))
        self.assertEqual(latest["alert"]["features"][0], "age")
        run = self.ok(self.s.get(V1 + "/pipeline_runs/" + latest["retraining"]["pipeline_run_id"]))
        self.assertEqual((run["status"], run["trigger"]), ("succeeded", "drift:adult"))
        self.assertEqual(self.version(4)["pipeline_run_id"], run["pipeline_run_id"])
        rows = self.ok(self.s.get(V1 + "/audit?type=drift.*"))["items"]
        self.assertTrue(all(r["causation_id"] in self.by_id for r in rows), rows)

    def test_stages_and_aliases_at_the_end(self):
        self.assertEqual([self.version(i)["stage"] for i in (1, 2, 3, 4)],
                         ["Archived", "Production", "Archived", "Staging"])
        model = self.ok(self.s.get(V1 + "/models/adult"))
        self.assertEqual(model["aliases"], {"champion": 2, "challenger": 4})
        self.assertEqual(model["latest_version"], 4)
        self.assertEqual(self.version("champion")["version"], 2)
        self.assertEqual(self.version("challenger")["version"], 4)
        passed = []
        for event in self.of_type("model.stage_changed"):
            p = event["payload"]
            passed.append((p["version"], p["from"], p["to"]))
        self.assertEqual(passed, [
            (1, "None", "Staging"), (1, "Staging", "Production"), (2, "None", "Staging"),
            *[x for x in passed[3:5] if x in ((2, "Staging", "Production"),
                                              (1, "Production", "Archived"))],
            (3, "None", "Staging"), (3, "Staging", "Archived"), (4, "None", "Staging")])

    def test_every_promotion_is_decided_with_figures(self):
        decisions = [e["payload"] for e in self.of_type("model.promotion_decided")]
        self.assertEqual([(d["version"], d["champion"], d["approved"]) for d in decisions],
                         [(1, 0, True), (2, 1, True), (3, 2, False)])
        for d in decisions:
            self.assertEqual(d["metric"], "auc")
            self.assertEqual(d["required_delta"], 0.005)
            self.assertEqual(d["challenger_value"], self.version(d["version"])["metrics"]["auc"])
            self.assertTrue(d["reason"])
            if d["champion"]:
                self.assertEqual(d["champion_value"], self.version(d["champion"])["metrics"]["auc"])
                better = d["challenger_value"] >= d["champion_value"] + d["required_delta"]
                self.assertEqual(better, d["approved"])
        gates = {e["payload"]["version"]: e["payload"]
                 for e in self.of_type("model.gate_evaluated")}
        self.assertEqual(set(gates), {1, 2, 3})
        for gate in gates.values():
            names = {c["check"] if "check" in c else c["name"] for c in gate["checks"]}
            self.assertLessEqual({"integrity", "shape", "metric_minimum"}, names)

    def test_the_second_run_is_cached_and_says_so(self):
        ended = self.of_type("pipeline_run.ended")
        self.assertEqual([e["payload"]["status"] for e in ended], ["succeeded"] * 5)
        second = self.ok(self.s.get(V1 + "/pipeline_runs/" + ended[1]["stream"].split("/")[1]))
        statuses = {s["step"]: s["status"] for s in second["steps"]}
        self.assertEqual(set(statuses.values()), {"cached"}, statuses)
        self.assertEqual((second["steps_run"], second["steps_cached"]), (0, len(statuses)))
        first = ended[0]["stream"].split("/")[1]
        self.assertEqual({s["cached_from"] for s in second["steps"] if s["status"] == "cached"},
                         {first})
        self.assertIn("cached", self.told)
        self.assertEqual(len(self.of_type("model.version_created")), 4)

    def test_the_canary_has_about_a_tenth(self):
        """Of the first 2,000 requests, which a champion and a challenger shared."""
        routes, versions = {}, {}
        for event in self.of_type("prediction.logged"):
            p = event["payload"]
            for request, challenger, version in zip(p["request_ids"], p["challenger"],
                                                    p["versions"]):
                routes[request] = challenger
                versions.setdefault((challenger, version), set()).add(request)
        self.assertEqual(len(routes), 6000, "each request once")
        self.assertEqual(set(routes), {f"demo-{i}" for i in range(6000)})
        first = [routes[f"demo-{i}"] for i in range(2000)]
        self.assertTrue(0.07 < sum(first) / 2000 < 0.13, sum(first))
        self.assertEqual(set(versions), {(0, 1), (1, 2), (0, 2)})
        self.assertEqual(sum(len(v) for v in versions.values()), 6000)

    def test_drift_is_stable_before_and_alerts_after(self):
        before, after = [], []
        for report in (e["payload"] for e in self.of_type("drift.reported")):
            requests = [int(r.removeprefix("demo-")) for e in self.of_type("prediction.logged")
                        if report["first_position"] <= e["position"] <= report["last_position"]
                        for r in e["payload"]["request_ids"]]
            if max(requests) < 4000:
                before.append(report)
            elif min(requests) >= 4000:
                after.append(report)
        self.assertTrue(before and after, "no report of one kind of requests alone")
        for report in before:
            self.assertEqual((report["severity"], report["triggered"]), ("stable", False))
            self.assertTrue(all(f["psi"] < 0.1 for f in report["features"]), report)
        for report in after:
            age = {f["feature"]: f for f in report["features"]}["age"]
            self.assertEqual((report["severity"], report["triggered"]), ("alert", True))
            self.assertEqual((age["test"], age["severity"]), ("ks", "alert"))
            self.assertGreater(age["psi"], 0.2)
            self.assertLess(age["p_value"], 0.05)

    def test_one_alert_for_one_report_and_the_runs_it_caused(self):
        alerts = self.of_type("drift.alert_raised")
        reports = [e for e in self.of_type("drift.reported") if e["payload"]["triggered"]]
        self.assertEqual(len(alerts), len(reports))
        runs = [e for e in self.of_type("pipeline_run.started")
                if e["payload"]["trigger"].startswith("drift:")]
        self.assertEqual(len(runs), len(self.of_type("drift.retraining_triggered")))
        self.assertEqual(len(runs), 1, "one shift, one retraining")

    def test_what_the_demo_itself_asked_for(self):
        own = [e for e in self.events if e["actor"] == "demo"]
        self.assertTrue(own)
        kinds = {e["type"].split(".")[0] for e in own}
        self.assertLessEqual(kinds, ALLOWED)
        for kind in ("model.version_created", "run.started", "run.metrics_logged",
                     "drift.reported", "drift.alert_raised", "drift.retraining_triggered",
                     "pipeline_run.step_completed", "deployment.version_activated"):
            self.assertNotIn(kind, {e["type"] for e in own})
        self.assertEqual({e["actor"] for e in self.of_type("experiment.created")} & {"demo"}, set())

    def test_the_data_is_stored_once_and_valid(self):
        staged = [e["payload"] for e in self.of_type("dataset.file_staged")]
        self.assertEqual([s["path"] for s in staged], ["adult.data", "adult.test", "schema.yaml"])
        self.assertIn("these bytes were stored already", self.told)
        version = self.ok(self.s.get(V1 + "/datasets/adult/versions/1"))
        self.assertTrue(version["valid"])
        self.assertEqual(version["rows"], self.rows)

    def test_the_metrics_of_the_runs(self):
        for i in (1, 2, 3, 4):
            metrics = self.version(i)["metrics"]
            self.assertLessEqual({"auc", "average_precision", "f1", "precision", "recall", "tn",
                                  "fp", "fn", "tp"}, set(metrics))
        if not self.synthetic and self.rows == 48842:
            self.assertGreater(self.version(2)["metrics"]["auc"], 0.925)
        run_id = self.version(2)["run_id"]
        curve = self.ok(self.s.get(f"{V1}/runs/{run_id}/metrics/validation-auc"))
        self.assertGreater(curve["total"], 20, "a point for every boosting round")
        best = self.ok(self.s.get(V1 + "/experiments/1/best?metric=validation_auc"))
        self.assertIn(best["run"]["run_id"],
                      {self.version(i)["run_id"] for i in (1, 2, 3, 4)})

    def test_all_settings_reach_the_server(self):
        endpoint = self.ok(self.s.get(V1 + "/endpoints/adult"))
        self.assertEqual((endpoint["psi_threshold"], endpoint["ks_pvalue_threshold"]), (0.21, 0.04))

    def test_the_report(self):
        self.assertEqual(self.report["events"] <= len(self.events), True)
        self.assertEqual(self.report["synthetic"], self.synthetic)
        self.assertEqual([v["version"] for v in self.report["versions"]], [4, 3, 2, 1])
        self.assertEqual(self.report["rows"], self.rows)
        if self.synthetic:
            self.assertIn("synthetic", self.told.lower())
        for word in ("dataset", "pipeline", "champion", "serving", "drift"):
            self.assertIn(word, self.told)

    def test_the_log_is_whole_and_the_views_can_be_rebuilt(self):
        self.assertEqual([e["position"] for e in self.events],
                         list(range(1, len(self.events) + 1)))
        streams = {}
        for e in self.events:
            streams[e["stream"]] = streams.get(e["stream"], 0) + 1
            self.assertEqual(e["version"], streams[e["stream"]])


class Folder(Case):
    """What the demo deletes, what it calls its data, and how it is interrupted. None runs to its end."""

    def setUp(self):
        super().setUp()
        self.data = os.path.join(self.folder, "data")
        self.adult = os.path.join(self.folder, "adult")
        os.mkdir(self.adult)
        for name, seed in (("adult.data", 7), ("adult.test", 8)):
            with open(os.path.join(self.adult, name), "w", encoding="ascii") as out:
                out.write(support.adult_csv(3000, seed))
        self.addCleanup(kill_left_over, self.data)

    def arguments(self, *more):
        return ["demo", "--data-dir", self.data, "--listen", "127.0.0.1:0", "--nats", "off",
                "--adult", self.adult, *more]

    def refused(self, *words):
        done = support.run_cli(*self.arguments(), cwd=support.SOURCE)
        self.assertEqual(done.returncode, 5, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)

    def interrupted(self, *more):
        """Runs the demo until the pipeline is next, presses Ctrl-C; answers what it said."""
        demo = subprocess.Popen([BINARY, *self.arguments(*more)], cwd=support.SOURCE,
                                env=support.clean_environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                preexec_fn=support.die_with_parent)
        told = ""
        for line in demo.stderr:
            told += line
            if line.startswith("2."):
                break
        with open(os.path.join(self.data, "demo.pid"), encoding="ascii") as text:
            pid = int(text.read())
        demo.send_signal(signal.SIGINT)
        told += demo.stderr.read()
        demo.stdout.close()
        demo.stderr.close()
        self.assertEqual(demo.wait(60), 130, told)
        self.assertFalse(os.path.exists(f"/proc/{pid}"), "its server is stopped")
        return told

    def test_a_folder_that_a_server_has_open_is_left_alone(self):
        s = self.server(data=self.data)
        for pid in ("999999999", str(s.process.pid)):
            with open(os.path.join(self.data, "demo.pid"), "w", encoding="ascii") as out:
                out.write(pid)
            self.refused("open in another process", str(s.process.pid))
            done = support.run_cli(*self.arguments("--force"), cwd=support.SOURCE)
            self.assertEqual(done.returncode, 5, done.stderr)
        self.ok(s.post(V1 + "/experiments", {"name": "still here"}), 201)
        self.assertEqual(s.stop(), 0)

    def test_events_that_are_not_the_demos_are_left_alone(self):
        s = self.server(data=self.data)
        self.ok(s.post(V1 + "/experiments", {"name": "mine"}, X_Mlforge_Actor="ann"), 201)
        self.assertEqual(s.stop(), 0)
        self.refused("experiment.created by ann", "--data-dir", "--force", "rm -r " + self.data)
        s.start()
        self.assertIn("ann", {e["actor"] for e in s.events(type="experiment.created")})
        self.assertEqual(s.stop(), 0)
        self.interrupted("--force")
        s.start()
        self.assertNotIn("ann", {e["actor"] for e in s.events()})

    def test_a_folder_that_is_not_ours_is_left_alone(self):
        os.mkdir(self.data)
        for name in ("demo.pid", "thesis.txt"):
            with open(os.path.join(self.data, name), "w", encoding="ascii") as out:
                out.write("1")
        self.refused("no data folder of mlforge")
        self.assertEqual(sorted(os.listdir(self.data)), ["demo.pid", "thesis.txt"])

    def test_its_own_folder_is_made_anew_and_its_server_stopped(self):
        for _ in range(2):
            told = self.interrupted()
            self.assertIn("interrupted; the demo's server is stopped", told)
            self.assertIn(self.data, told)

    def test_other_data_is_not_called_ucis(self):
        told = self.interrupted().splitlines()
        self.assertNotIn("CC BY", " ".join(told))
        (named,) = [line for line in told if line.startswith("1.")]
        self.assertIn("not UCI's data: the SHA-256 of " + self.adult, named)
        for line in told:
            if line.startswith(("1.", "2.", "   ")):
                self.assertIn("(not UCI's data)", line)
        s = self.server(data=self.data)
        (committed,) = s.events(type="dataset.committed")
        self.assertIn("not UCI's data", committed["payload"]["message"])

    def test_a_variable_that_leads_nowhere_is_named(self):
        done = support.run_cli("demo", "--data-dir", self.data, "--nats", "off",
                               env={"MLFORGE_DATA": self.folder + "/typo"}, cwd=support.SOURCE)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("MLFORGE_DATA", done.stderr)
        self.assertIn("typo", done.stderr)
        self.assertFalse(os.path.exists(self.data))


if __name__ == "__main__":
    support.main()
