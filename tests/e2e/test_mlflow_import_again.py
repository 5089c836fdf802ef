"""`mlforge import mlflow` a second time: the source has gone on, and so has the server."""
import unittest

from mlflow_source import ImportCase, Source


class AgainTests(ImportCase):
    def measured_source(self):
        source = Source(self.folder)
        source.experiment(1, "one")
        for run in ("aa", "bb"):
            source.run(run, 1)
        source.logged_model("m-1", 1)
        source.logged_model("m-2", 1)
        source.measured("m-1", "aa", [(2000 + n, n, n / 2) for n in range(3)])
        source.measured("m-1", "bb", [(2000, 0, 0.75), (2001, 0, 0.5)], ("ds", "dig"))
        source.measured("m-2", "aa", [(1, 1, None), (2, 2, 1.7976931348623157e308), (3, 3, -0.0),
                                      (4, 4, 0.0), (5, -1, -1e-300)], key="odd")
        source.add("logged_model_metrics", ("m-2", "acc", 2001, 1, 0.5, "aa", None, None))
        return source

    def measured_here(self, server, model):
        answer = self.ok(server.get(f"/api/2.0/mlflow/logged-models/{model}"))["model"]
        return [(m["run_id"], m["key"], m.get("dataset_name"), m["timestamp"], m["step"], m["value"])
                for m in answer["data"]["metrics"]]

    def test_every_point_of_a_logged_model_is_compared(self):
        source, server = self.measured_source(), self.server()
        report = self.run_import(source.url, server=server)
        self.assert_nothing_differs(report)
        self.assertCountEqual(self.measured_here(server, "m-1"),
                              [("aa", "acc", None, 2000 + n, n, n / 2) for n in range(3)]
                              + [("bb", "acc", "ds", 2000, 0, 0.75), ("bb", "acc", "ds", 2001, 0, 0.5)])
        self.assertCountEqual(self.measured_here(server, "m-2"),
                              [("aa", "acc", None, 2001, 1, 0.5), ("aa", "odd", None, 1, 1, "NaN"),
                               ("aa", "odd", None, 2, 2, 1.7976931348623157e308),
                               ("aa", "odd", None, 3, 3, 0), ("aa", "odd", None, 4, 4, 0),
                               ("aa", "odd", None, 5, -1, -1e-300)])
        position = server.position()
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        self.assertEqual(server.position(), position)
        source.measured("m-1", "bb", [(2002, 7, 0.25)], ("ds", "dig"))
        again = self.run_import(source.url, server=server)
        self.assert_nothing_differs(again)
        self.assertEqual((again["runs"]["updated"], again["points"]["imported"]), (1, 1))
        self.assertEqual(again["points"]["unchanged"], again["points"]["found"] - 1)
        self.assertEqual(len(self.measured_here(server, "m-1")), 6)

    def test_points_of_a_logged_model_that_the_source_has_not_are_named(self):
        source, server = self.measured_source(), self.server()
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        run = self.ok(server.post("/api/2.0/mlflow/runs/create", {"experiment_id": "1"}))["run"]["info"]
        self.ok(server.post("/api/2.0/mlflow/runs/log-metric",
                            {"run_id": run["run_id"], "key": "acc", "value": 0.5, "timestamp": 9,
                             "step": 9, "model_id": "m-1"}))
        source.db.execute("UPDATE logged_model_metrics SET dataset_name = 'other' WHERE run_id = 'bb' "
                          "AND metric_timestamp_ms = 2001")
        source.db.commit()
        report = self.run_import(source.url, server=server, code=6)
        self.assertCountEqual([(d["what"], d["field"], d["source"], d["stored"])
                               for d in report["differences"]],
                              [("logged model m-1", "metrics.acc of run " + run["run_id"], "0 points",
                                "1 points, not the same"),
                               ("logged model m-1", "metrics.acc of run bb", "1 points",
                                "2 points, not the same"),
                               ("logged model m-1", "metrics.acc of run bb", "1 points",
                                "0 points, not the same")])

    def stages(self, server, runs, experiments):
        run = lambda id: self.ok(server.get(f"/api/2.0/mlflow/runs/get?run_id={id}"))["run"]
        of = lambda id: self.ok(server.get(f"/api/2.0/mlflow/experiments/get?experiment_id={id}"))
        return ([run(id)["info"]["lifecycle_stage"] for id in runs]
                + [of(id)["experiment"]["lifecycle_stage"] for id in experiments])

    def test_what_was_restored_at_the_source_comes_along(self):
        source, server = Source(self.folder), self.server()
        source.experiment(1, "one")
        source.experiment(2, "two", stage="deleted")
        source.run("aa", 1, stage="deleted")
        source.run("bb", 2, stage="deleted")
        source.run("cc", 2, stage="deleted")
        source.run("dd", 2)  # restored alone
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        look = lambda: self.stages(server, ("aa", "bb", "cc", "dd"), (1, 2))
        self.assertEqual(look(), ["deleted"] * 3 + ["active", "active", "deleted"])
        restore = lambda table, where: (source.db.execute(
            f"UPDATE {table} SET lifecycle_stage = 'active' WHERE {where}"), source.db.commit())
        restore("runs", "run_uuid IN ('aa', 'bb')")
        report = self.run_import(source.url, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual((report["runs"]["updated"], report["points"]["imported"]), (2, 0))
        self.assertEqual(look(), ["active", "active", "deleted", "active", "active", "deleted"])
        restore("experiments", "experiment_id = 2")
        report = self.run_import(source.url, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual(report["experiments"]["updated"], 1)
        self.assertEqual(look(), ["active", "active", "deleted", "active", "active", "active"])
        source.db.execute("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = 2")
        source.db.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE experiment_id = 2")
        source.db.commit()
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        restore("experiments", "experiment_id = 2")
        restore("runs", "experiment_id = 2")
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        self.assertEqual(look(), ["active"] * 6)
        position = server.position()
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        self.assertEqual(server.position(), position)

    def test_what_differs_and_is_not_written_is_not_counted(self):
        source, server = self.measured_source(), self.server()
        source.model("M")
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        tag = {"key": "here", "value": "1"}
        for path, body in (("runs/set-tag", {"run_id": "aa"}),
                           ("experiments/set-experiment-tag", {"experiment_id": "1"}),
                           ("registered-models/set-tag", {"name": "M"})):
            self.ok(server.post("/api/2.0/mlflow/" + path, {**body, **tag}))
        self.ok(server.call("PATCH", "/api/2.0/mlflow/logged-models/m-1/tags", {"tags": [tag]}))
        self.ok(server.call("DELETE", "/api/2.0/mlflow/model-versions/delete",
                               {"name": "M", "version": "3"}))
        position = server.position()
        for flags, code in (((), 6), (("--dry-run",), 0)):
            report = self.run_import(source.url, *flags, server=server, code=code)
            self.assertEqual(server.position(), position)
            for kind in ("experiments", "runs", "points", "logged_models", "models", "versions"):
                tally = report[kind]
                if kind == "models" and flags:
                    continue  # a version that is gone here is one that a dry run would bring
                self.assertEqual((tally["imported"], tally["updated"]), (0, 0), (kind, flags, tally))
                self.assertEqual(tally["unchanged"], tally["found"], (kind, flags))
        fields = {(d["what"], d["field"]) for d in self.run_import(source.url, server=server,
                                                                  code=6)["differences"]}
        self.assertLessEqual({("run aa", "tags.here"), ("experiment 1", "tags.here"),
                              ("logged model m-1", "tags.here"), ("model M", "tags.here"),
                              ("version 3 of model M", "version")}, fields)


if __name__ == "__main__":
    unittest.main()
