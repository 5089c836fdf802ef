"""A database as MLflow's server leaves it, and what imports it: for the tests of `mlforge import mlflow`."""
import json
import os
import sqlite3

import support
from support import Case

SCHEMA = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name TEXT, artifact_location TEXT,
  lifecycle_stage TEXT, creation_time BIGINT, last_update_time BIGINT);
CREATE TABLE experiment_tags (key TEXT, value TEXT, experiment_id INTEGER);
CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT, user_id TEXT, status TEXT,
  start_time BIGINT, end_time BIGINT, lifecycle_stage TEXT, artifact_uri TEXT,
  experiment_id INTEGER);
CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT, PRIMARY KEY (key, run_uuid));
CREATE TABLE metrics (key TEXT, value DOUBLE, timestamp BIGINT, step BIGINT, is_nan BOOLEAN,
  run_uuid TEXT);
CREATE INDEX metrics_run ON metrics (run_uuid);
CREATE TABLE registered_models (name TEXT, creation_time BIGINT, last_updated_time BIGINT,
  description TEXT);
CREATE TABLE registered_model_tags (key TEXT, value TEXT, name TEXT);
CREATE TABLE registered_model_aliases (alias TEXT, version INTEGER, name TEXT);
CREATE TABLE model_versions (name TEXT, version INTEGER, creation_time BIGINT,
  last_updated_time BIGINT, description TEXT, current_stage TEXT, source TEXT, run_id TEXT,
  status TEXT, run_link TEXT);
CREATE TABLE model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER);
CREATE TABLE logged_models (model_id TEXT PRIMARY KEY, experiment_id INTEGER, name TEXT,
  artifact_location TEXT, creation_timestamp_ms BIGINT, last_updated_timestamp_ms BIGINT,
  status INTEGER, lifecycle_stage TEXT, model_type TEXT, source_run_id TEXT);
CREATE TABLE logged_model_params (model_id TEXT, param_key TEXT, param_value TEXT);
CREATE TABLE logged_model_tags (model_id TEXT, tag_key TEXT, tag_value TEXT);
CREATE TABLE logged_model_metrics (model_id TEXT, metric_name TEXT, metric_timestamp_ms BIGINT,
  metric_step BIGINT, metric_value DOUBLE, run_id TEXT, dataset_name TEXT, dataset_digest TEXT,
  PRIMARY KEY (model_id, metric_name, metric_timestamp_ms, metric_step, run_id));
"""


class Source:
    """A database as MLflow's server leaves it."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "mlflow.db")
        self.db = sqlite3.connect(self.file)
        self.db.executescript(SCHEMA)
        self.url = "sqlite:///" + self.file

    def add(self, table, *rows):
        for row in rows:
            self.db.execute(f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row)
        self.db.commit()

    def experiment(self, id, name, stage="active", location=""):
        self.add("experiments", (id, name, location, stage, 1600000000000 + id, 1600000001000 + id))

    def run(self, id, experiment, status="FINISHED", stage="active", points=3, **more):
        self.add("runs", (id, "run " + id, "ann", status, 1600000000000,
                          None if status == "RUNNING" else 1600000060000, stage,
                          more.get("uri", f"s3://b/{experiment}/{id}/artifacts"), experiment))
        self.add("params", ("depth", "6", id), ("path/x", "a\nb é", id))
        self.add("tags", ("mlflow.runName", "run " + id, id), ("team", "red", id))
        self.points(id, range(points))

    def points(self, id, steps):
        self.add("metrics", *(("loss", 1 / (n + 1), 1600000000000 + n, n, 0, id) for n in steps))

    def logged_model(self, id, experiment):
        self.add("logged_models", (id, experiment, "model " + id, f"s3://b/{experiment}/models/{id}",
                                   1600000000000, 1600000002000, 2, "active", None, None))

    def measured(self, model, run, points, dataset=(None, None), key="acc"):
        """Points of a run's metric that name a logged model, as the server's two tables have them."""
        for time, step, value in points:
            nan = value is None
            self.add("metrics", (key, 0.0 if nan else value, time, step, int(nan), run))
            self.add("logged_model_metrics",
                     (model, key, time, step, 0.0 if nan else value, run, *dataset))

    def model(self, name):
        self.add("registered_models", (name, 1600000000000, 1600000009000, "about " + name))
        self.add("registered_model_tags", ("k", "v", name))
        self.add("model_versions",
                 (name, 1, 1600000001000, 1600000002000, "one", "Production", "s3://b/m/1", "aa",
                  "READY", None),
                 (name, 2, 1600000003000, 1600000004000, None, "Deleted_Internal", "x", "x",
                  "READY", None),
                 (name, 3, 1600000005000, 1600000006000, "three", "None", "s3://b/m/3", None,
                  "READY", "link"))
        self.add("model_version_tags", ("vk", "vv", name, 3))
        self.add("registered_model_aliases", ("best", 3, name))


class ImportCase(Case):
    def run_import(self, source, *flags, code=0, server=None):
        target = ["--server", server.url] if server else []
        done = support.run_cli("import", "mlflow", source, "--json", *target, *flags)
        self.assertEqual(done.returncode, code, done.stderr + done.stdout)
        return json.loads(done.stdout) if done.stdout else json.loads(done.stderr)

    def assert_nothing_differs(self, report):
        self.assertEqual(report["differences"], [])
        self.assertEqual(report["refused"], [])
