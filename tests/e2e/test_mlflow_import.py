"""`mlforge import mlflow`: what another MLflow server holds comes over whole, once, and is compared.

The databases are made with Python's own sqlite3; where MLflow's client is installed (see
mlflow_package.py) it writes a folder, and a database where it can, and reads both back.
"""
import hashlib
import importlib.util
import math
import os
import signal
import subprocess
import sys
import unittest

import support
from mlflow_package import HAS_MLFLOW, WITHOUT
from mlflow_source import SCHEMA, ImportCase, Source

sys.path.insert(0, os.path.join(support.SOURCE, "tests", "bench"))
sys.dont_write_bytecode = True
from peers import Postgres, postgres_folder  # noqa: E402
from servers import Missing  # noqa: E402

try:
    NO_POSTGRES = "" if postgres_folder() else "no PostgreSQL"
except Missing as error:
    NO_POSTGRES = str(error)

os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
HAS_SQL = HAS_MLFLOW and importlib.util.find_spec("sqlalchemy") is not None

if HAS_MLFLOW:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType

class ImportTests(ImportCase):
    def history(self, server, run, key="loss"):
        points, token = [], ""
        while True:
            more = f"&page_token={token}" if token else ""
            page = self.ok(server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={key}"
                                      f"&max_results=25000{more}"))
            points += [(p["timestamp"], p["step"], p["value"]) for p in page.get("metrics", [])]
            token = page.get("next_page_token")
            if not token:
                return points

    def full_source(self):
        source = Source(self.folder)
        source.experiment(0, "Default", location="mlflow-artifacts:/0")
        source.experiment(7, "seven")
        source.experiment(9, "nine", stage="deleted")
        source.add("experiment_tags", ("team", "red", 7))
        source.run("aa", 7)
        source.run("bb", 7, status="RUNNING", points=0)
        source.run("cc", 7, stage="deleted")
        source.run("dd", 9, status="FAILED", stage="deleted")
        source.run("ee", 0, status="KILLED", points=1)
        source.add("metrics", ("odd", 0.0, 5, 1, 1, "aa"),
                   ("odd", 1.7976931348623157e308, 6, 2, 0, "aa"))
        source.model("M")
        return source

    def test_everything_comes_over_and_a_second_time_nothing_happens(self):
        source, server = self.full_source(), self.server()
        dry = self.run_import(source.url, "--dry-run", server=server)
        self.assertEqual((dry["runs"]["imported"], dry["models"]["imported"]), (5, 1))
        self.assertEqual(server.events(), [], "a dry run wrote something")
        report = self.run_import(source.url, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual(report["experiments"]["imported"], 3)
        self.assertEqual(report["runs"], {"found": 5, "imported": 5, "updated": 0, "unchanged": 0,
                                          "refused": 0})
        self.assertEqual(report["points"]["imported"], 12)
        self.assertEqual(report["artifacts"]["by_reference"], 5)
        after = server.position()
        again = self.run_import(source.url, server=server)
        self.assert_nothing_differs(again)
        self.assertEqual((again["runs"]["unchanged"], again["runs"]["imported"]), (5, 0))
        self.assertEqual((again["experiments"]["unchanged"], again["models"]["unchanged"]), (3, 1))
        self.assertEqual(server.position(), after, "the second import wrote something")
        self.check_runs(server)
        self.check_registry(server)
        events = server.events()
        self.assertEqual([e["type"] for e in events if e["stream"] == "run/aa"],
                         ["run.started", "run.params_logged", "run.tags_set", "run.metrics_logged",
                          "run.ended"])

    def check_runs(self, server):
        run = self.ok(server.get("/api/2.0/mlflow/runs/get?run_id=aa"))["run"]
        self.assertEqual(run["info"]["start_time"], 1600000000000)
        self.assertEqual(run["info"]["end_time"], 1600000060000)
        self.assertEqual((run["info"]["status"], run["info"]["user_id"]), ("FINISHED", "ann"))
        self.assertEqual(run["info"]["artifact_uri"], "s3://b/7/aa/artifacts")
        params = {p["key"]: p["value"] for p in run["data"]["params"]}
        self.assertEqual(params, {"depth": "6", "path/x": "a\nb é"})
        self.assertEqual(self.history(server, "aa"),
                         [(1600000000000 + n, n, 1 / (n + 1)) for n in range(3)])
        self.assertEqual(self.history(server, "aa", "odd")[0][2], "NaN")
        stage = lambda id: self.ok(server.get(f"/api/2.0/mlflow/runs/get?run_id={id}"))["run"]["info"][
            "lifecycle_stage"]
        self.assertEqual([stage(id) for id in ("aa", "bb", "cc", "dd")],
                         ["active", "active", "deleted", "deleted"])
        experiment = self.ok(server.get("/api/2.0/mlflow/experiments/get?experiment_id=9"))["experiment"]
        self.assertEqual(experiment["lifecycle_stage"], "deleted")
        self.assertEqual(experiment["creation_time"], 1600000000009)
        self.assertEqual(experiment["last_update_time"], 1600000001009)
        created = self.ok(server.post("/api/2.0/mlflow/experiments/create", {"name": "new here"}))
        self.assertNotIn(created["experiment_id"], ("0", "7", "9"))

    def check_registry(self, server):
        model = self.ok(server.get("/api/2.0/mlflow/registered-models/get?name=M"))["registered_model"]
        self.assertEqual(model["creation_timestamp"], 1600000000000)
        self.assertEqual(model["last_updated_timestamp"], 1600000009000)
        self.assertEqual(model["aliases"], [{"alias": "best", "version": "3"}])
        one = self.ok(server.get("/api/2.0/mlflow/model-versions/get?name=M&version=1"))["model_version"]
        self.assertEqual((one["current_stage"], one["creation_timestamp"], one["source"]),
                         ("Production", 1600000001000, "s3://b/m/1"))
        self.assertEqual(server.get("/api/2.0/mlflow/model-versions/get?name=M&version=2").status, 404)
        new = self.ok(server.post("/api/2.0/mlflow/model-versions/create",
                                  {"name": "M", "source": "s3://b/m/4"}))
        self.assertEqual(new["model_version"]["version"], "4")

    def test_what_went_on_at_the_source_comes_along(self):
        source, server = Source(self.folder), self.server()
        source.experiment(1, "one")
        source.run("aa", 1, status="RUNNING", points=2)
        source.model("M")
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        source.points("aa", range(2, 30))
        source.db.execute("UPDATE runs SET status = 'FINISHED', end_time = 1600000070000")
        source.db.execute("UPDATE registered_model_aliases SET version = 1")
        source.add("params", ("late", "1", "aa"))
        source.run("bb", 1)
        report = self.run_import(source.url, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual((report["runs"]["updated"], report["runs"]["imported"]), (1, 1))
        self.assertEqual(len(self.history(server, "aa")), 30)
        self.assertEqual(report["models"]["updated"], 1)

    def test_a_long_run_comes_in_pieces_each_once(self):
        source, server = Source(self.folder), self.server()
        source.experiment(1, "one")
        source.run("aa", 1, points=130_000)
        report = self.run_import(source.url, server=server)
        self.assert_nothing_differs(report)
        events = [e for e in server.events(stream="run/aa")]
        pieces = [e for e in events if e["type"] == "run.metrics_logged"]
        self.assertEqual(len(pieces), 7)
        self.assertEqual(events[-1]["type"], "run.ended")
        self.assertEqual(len(self.history(server, "aa")), 130_000)
        position = server.position()
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        self.assertEqual(server.position(), position)

    def test_killed_and_run_again_it_goes_on_and_stores_nothing_twice(self):
        source, server = Source(self.folder), self.server()
        source.experiment(1, "one")
        for n in range(120):
            source.run(f"r{n:03}", 1, points=2000)
        process = subprocess.Popen([support.BINARY, "import", "mlflow", source.url, "--server", server.url],
                                   env=support.clean_environment(), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, preexec_fn=support.die_with_parent)
        support.until(lambda: server.position() > 100 or process.poll() is not None,
                      "the import writing something")
        process.send_signal(signal.SIGKILL)
        process.wait()
        begun = len({e["stream"] for e in server.events(type="run.started")})
        report = self.run_import(source.url, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual(report["runs"]["imported"] + report["runs"]["unchanged"]
                         + report["runs"]["updated"], 120)
        self.assertGreater(begun, 0)
        started = [e["stream"] for e in server.events(type="run.started")]
        self.assertEqual((len(started), len(set(started))), (120, 120))
        rows = sum(len(e["payload"]["keys"]) for e in server.events(type="run.metrics_logged"))
        self.assertEqual(rows, 120 * 2000, "points were stored twice, or not")

    def test_ids_that_are_taken_are_mapped_or_refused_and_said(self):
        source, server = Source(self.folder), self.server()
        source.experiment(1, "theirs")
        source.experiment(2, "shared")
        source.run("aa", 1)
        source.run("bb", 2)
        source.model("M")
        ours = self.ok(server.post("/api/2.0/mlflow/experiments/create", {"name": "ours"}))["experiment_id"]
        self.assertEqual(ours, "1")
        for n in range(3):
            last = self.ok(server.post("/api/2.0/mlflow/experiments/create",
                                       {"name": f"e{n}" if n < 2 else "shared"}))["experiment_id"]
        self.ok(server.post("/api/2.0/mlflow/registered-models/create", {"name": "M"}))
        self.ok(server.post("/api/2.0/mlflow/model-versions/create", {"name": "M", "source": "s3://other/model"}))
        report = self.run_import(source.url, server=server, code=6)
        self.assertEqual([m["name"] for m in report["mapped"]], ["theirs", "shared"])
        self.assertEqual(report["mapped"][1], {"name": "shared", "from": "2", "to": last})
        self.assertEqual([r["what"] for r in report["refused"]], ["model M"])
        self.assertIn("another model", report["refused"][0]["why"])
        run = self.ok(server.get("/api/2.0/mlflow/runs/get?run_id=aa"))["run"]["info"]
        self.assertEqual(run["experiment_id"], report["mapped"][0]["to"])
        self.assertEqual(self.run_import(source.url, server=server, code=6)["runs"]["unchanged"], 2)

    def test_artifacts_are_copied(self):
        source, server = Source(self.folder), self.server()
        files = {"model/MLmodel": b"flavors: {}\n", "plot é.png": bytes(range(256)) * 1000}
        store = os.path.join(self.folder, "artifacts")
        for path, data in files.items():
            target = os.path.join(store, "1", "aa", "artifacts", path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as out:
                out.write(data)
        source.experiment(1, "one", location="mlflow-artifacts:/1")
        source.run("aa", 1, uri="mlflow-artifacts:/1/aa/artifacts")
        source.run("bb", 1, uri="s3://bucket/1/bb/artifacts")
        source.add("registered_models", ("M", 1, 2, None))
        source.add("model_versions", ("M", 1, 1, 2, None, "None",
                                      "mlflow-artifacts:/1/aa/artifacts/model", "aa", "READY", None))
        plain = self.run_import(source.url, "--dry-run", server=server)
        self.assertTrue(any("--artifacts-from" in left["what"] for left in plain["left_out"]), plain)
        flags = ("--artifacts", "copy", "--artifacts-from", store)
        report = self.run_import(source.url, *flags, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual((report["artifacts"]["files"], report["artifacts"]["by_reference"]), (2, 1))
        run = self.ok(server.get("/api/v1/runs/aa"))
        self.assertEqual({f["path"]: f["digest"] for f in run["artifacts"]},
                         {path: hashlib.sha256(data).hexdigest() for path, data in files.items()})
        again = self.run_import(source.url, *flags, server=server)
        self.assert_nothing_differs(again)
        self.assertEqual((again["artifacts"]["files"], again["artifacts"]["unchanged"]), (0, 2))
        uri = self.ok(server.get("/api/2.0/mlflow/model-versions/get-download-uri?name=M&version=1"))
        self.assertEqual(uri["artifact_uri"], "mlflow-artifacts:/1/aa/artifacts/model")

    def test_into_a_folder_that_no_server_has_open(self):
        source = self.full_source()
        data = os.path.join(self.folder, "data")
        report = self.run_import(source.url, "--data", data)
        self.assert_nothing_differs(report)
        server = self.server(data=data)
        self.check_runs(server)
        refused = support.run_cli("import", "mlflow", source.url, "--data", data)
        self.assertNotEqual(refused.returncode, 0)

    @unittest.skipIf(NO_POSTGRES, NO_POSTGRES)
    def test_from_postgresql(self):
        source, server = self.full_source(), self.server()
        source.points("aa", range(3, 5000))
        os.chmod(self.folder, 0o711)
        cluster = Postgres(os.path.join(self.folder, "cluster"))
        self.addCleanup(cluster.stop)
        script = [SCHEMA.replace("DOUBLE", "DOUBLE PRECISION")]

        def literal(value, boolean):
            if value is None:
                return "NULL"
            if boolean:
                return "true" if value else "false"
            return repr(value) if not isinstance(value, str) else "'" + value.replace("'", "''") + "'"

        for (table,) in source.db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in source.db.execute(f"SELECT * FROM {table}"):
                values = ",".join(literal(v, table == "metrics" and i == 4) for i, v in enumerate(row))
                script.append(f"INSERT INTO {table} VALUES ({values});")
        file = os.path.join(cluster.socket, "source.sql")
        with open(file, "w", encoding="utf-8") as out:
            out.write("BEGIN;\n" + "\n".join(script) + "\nCOMMIT;\n")
        cluster.query("-q", "-f", file)
        url = f"postgresql+psycopg2://bench@/postgres?host={cluster.socket}"
        report = self.run_import(url, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual(report["source"], f"postgresql+psycopg2:///postgres?host={cluster.socket}")
        self.assertEqual((report["runs"]["imported"], report["models"]["imported"]), (5, 1))
        self.assertEqual(len(self.history(server, "aa")), 5000)
        position = server.position()
        # The same out of the database that this one was made from.
        self.assert_nothing_differs(self.run_import(source.url, server=server))
        self.assertEqual(server.position(), position)

    def test_errors_and_help(self):
        server = self.server()
        for where, code, words in (("sqlite:///nowhere.db", 3, "nowhere.db"),
                                   ("mysql://a/b", 2, "postgresql://"),
                                   (self.folder, 2, "meta.yaml")):
            done = support.run_cli("import", "mlflow", where, "--server", server.url)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
        source = self.full_source()
        source.db.execute("UPDATE runs SET status = 'PAUSED' WHERE run_uuid = 'cc'")
        source.db.commit()
        broken = support.run_cli("import", "mlflow", source.url, "--server", server.url)
        self.assertEqual(broken.returncode, 6)
        self.assertIn("run cc has the unknown status 'PAUSED'", broken.stderr)
        self.assertIn("sqlite:///mlflow.db", support.run_cli("import", "mlflow", "--help").stdout)
        self.assertEqual(support.run_cli("import").returncode, 2)
        self.assertEqual(support.run_cli("import", "mlflow").returncode, 2)
        unreachable = support.run_cli("import", "mlflow", source.url, "--server", "http://127.0.0.1:1")
        self.assertEqual(unreachable.returncode, 1)

    def test_for_people(self):
        source, server = self.full_source(), self.server()
        done = support.run_cli("import", "mlflow", source.url, "--server", server.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("5 found, 5 imported", done.stdout)
        self.assertRegex(done.stdout, r"differences: +0")


@unittest.skipUnless(HAS_MLFLOW, WITHOUT)
class ClientTests(ImportCase):
    """The client writes, the import brings over, the client reads the same from both."""

    def write_all(self, client):
        id = client.create_experiment("exp one", tags={"a": "b"})
        gone = client.create_experiment("gone")
        run = client.create_run(id, run_name="first", tags={"mlflow.source.name": "x.py"})
        client.log_batch(run.info.run_id, metrics=[
            Metric("loss", value, 1600000000000 + n, n)
            for n, value in enumerate((0.1, math.nan, 1e300, -0.0, 1 / 3))],
            params=[Param("p/q", "ü" * 50)], tags=[RunTag("t", "line\nline")])
        client.log_inputs(run.info.run_id, [DatasetInput(
            Dataset("ds", "dig", "local", "{}", schema="{}"), [InputTag("context", "train")])])
        model = client.create_logged_model(id, name="lm", source_run_id=run.info.run_id,
                                           params={"x": "1"}, tags={"y": "2"})
        client.finalize_logged_model(model.model_id, "READY")
        client.log_metric(run.info.run_id, "acc", 0.5, 1600000000000, 1, model_id=model.model_id)
        client.set_terminated(run.info.run_id, "FINISHED", 1600000070000)
        other = client.create_run(id)
        client.set_terminated(other.info.run_id, "FAILED")
        client.delete_run(other.info.run_id)
        client.delete_experiment(gone)
        client.create_registered_model("M", tags={"k": "v"}, description="about")
        for n in range(3):
            client.create_model_version("M", f"s3://b/{n}", run.info.run_id, tags={"n": str(n)},
                                        description=f"version {n}")
        client.delete_model_version("M", "2")
        client.set_registered_model_alias("M", "best", "3")
        client.transition_model_version_stage("M", "1", "Production")
        return id

    def dictionary(self, entity, *left_out):
        return {k: v for k, v in dict(entity).items() if k not in left_out}

    def assert_same(self, there, here, id):
        stages = ViewType.ALL
        of = lambda c: {e.experiment_id: self.dictionary(e) for e in c.search_experiments(view_type=stages)}
        self.assertEqual(of(there), of(here))
        runs = [sorted(c.search_runs([id], run_view_type=stages), key=lambda r: r.info.run_id)
                for c in (there, here)]
        self.assertEqual(len(runs[0]), 2)
        for a, b in zip(*runs):
            self.assertEqual(self.dictionary(a.info), self.dictionary(b.info))
            self.assertEqual((a.data.params, a.data.tags), (b.data.params, b.data.tags))
            self.assertEqual([(dict(i.dataset), [(t.key, t.value) for t in i.tags])
                              for i in a.inputs.dataset_inputs],
                             [(dict(i.dataset), [(t.key, t.value) for t in i.tags])
                              for i in b.inputs.dataset_inputs])
            for key in a.data.metrics:
                points = [sorted((m.timestamp, m.step, str(m.value))
                                 for m in c.get_metric_history(a.info.run_id, key)) for c in (there, here)]
                self.assertEqual(points[0], points[1])
        (lm,), (mine,) = (c.search_logged_models([id]) for c in (there, here))
        for name in ("model_id", "name", "status", "params", "tags", "creation_timestamp",
                     "last_updated_timestamp", "artifact_location", "source_run_id"):
            self.assertEqual(getattr(lm, name), getattr(mine, name), name)
        self.assertEqual([(m.key, m.value, m.step) for m in lm.metrics],
                         [(m.key, m.value, m.step) for m in mine.metrics])
        a, b = (c.get_registered_model("M") for c in (there, here))
        for name in ("description", "creation_timestamp", "last_updated_timestamp", "tags"):
            self.assertEqual(getattr(a, name), getattr(b, name), name)
        # Read from a database their versions are numbers, over HTTP they are texts.
        self.assertEqual(*({alias: int(v) for alias, v in m.aliases.items()} for m in (a, b)))
        versions = [{v.version: v for v in c.search_model_versions("name='M'")} for c in (there, here)]
        self.assertEqual(sorted(map(int, versions[0])), sorted(map(int, versions[1])))
        mine = {int(k): v for k, v in versions[1].items()}
        for number, version in versions[0].items():
            for name in ("creation_timestamp", "last_updated_timestamp", "description", "source",
                         "run_id", "current_stage", "tags"):
                self.assertEqual(getattr(version, name) or None,
                                 getattr(mine[int(number)], name) or None, name)

    def round_trip(self, uri, where):
        there = MlflowClient(tracking_uri=uri, registry_uri=uri)
        id = self.write_all(there)
        server = self.server()
        report = self.run_import(where, server=server)
        self.assert_nothing_differs(report)
        self.assertEqual(report["mapped"], [])
        self.assert_same(there, MlflowClient(tracking_uri=server.url, registry_uri=server.url), id)
        position = server.position()
        self.assert_nothing_differs(self.run_import(where, server=server))
        self.assertEqual(server.position(), position)

    def test_a_folder_that_the_client_wrote(self):
        folder = os.path.join(self.folder, "mlruns")
        self.round_trip(folder, folder)

    @unittest.skipUnless(HAS_SQL, "this client has no SQLAlchemy: the package mlflow has")
    def test_a_database_that_the_client_wrote(self):
        uri = "sqlite:///" + os.path.join(self.folder, "client.db")
        here = os.getcwd()
        os.chdir(self.folder)
        self.addCleanup(os.chdir, here)
        self.round_trip(uri, uri)


if __name__ == "__main__":
    unittest.main()
