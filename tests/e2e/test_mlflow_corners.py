"""Corners that MLflow's own tests look into: where files lie, links that come before their traces,
traces of clients before 3.0, how filters go together, sources of versions, doubled slashes."""
import json
import os
import time
import urllib.parse

import support
from support import Case

V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
INVALID = "INVALID_PARAMETER_VALUE"


class Corners(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.root = os.path.join(cls.base, "files")
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"),
                                     "--default-artifact-root", "file://" + cls.root)

    def call(self, method, path, body=None, server=None):
        return self.ok((server or self.s).call(method, path, body))

    def experiment(self, name, server=None, **more):
        return self.call("POST", V2 + "/experiments/create", {"name": name, **more},
                         server)["experiment_id"]

    def run_in(self, experiment, server=None):
        return self.call("POST", V2 + "/runs/create", {"experiment_id": experiment},
                         server)["run"]["info"]

    def refused(self, answer, code, status, words):
        self.assertEqual((answer.status, answer["error_code"]), (status, code), answer)
        self.assertIn(words, answer["message"])

    def trace(self, trace_id, experiment, **more):
        info = {"trace_id": trace_id, "request_time": "2026-11-21T10:00:00Z", "state": "OK",
                "trace_location": {"type": "MLFLOW_EXPERIMENT",
                                   "mlflow_experiment": {"experiment_id": experiment}}, **more}
        self.call("POST", V3 + "/traces", {"trace": {"trace_info": info}})

    def found(self, experiment, filter):
        places = [{"mlflow_experiment": {"experiment_id": experiment}}]
        got = self.call("POST", V3 + "/traces/search", {"locations": places, "filter": filter})
        return sorted(t["trace_id"] for t in got.get("traces", []))

    # ------------------------------------------------------------ where files lie

    def test_relative_locations_are_below_the_servers_folder(self):
        for given, wanted in (("my_location", os.path.join(os.getcwd(), "my_location")),
                              ("/srv/x", "/srv/x"), ("s3://bucket/x", "s3://bucket/x"),
                              ("file:///srv/y", "file:///srv/y")):
            id = self.experiment("at " + given, artifact_location=given)
            made = self.call("GET", f"{V2}/experiments/get?experiment_id={id}")["experiment"]
            self.assertEqual(made["artifact_location"], wanted)

    def test_uploads_go_where_the_runs_files_are(self):
        run = self.run_in(self.experiment("uploads"))
        folder = run["artifact_uri"][len("file://"):]
        upload = "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=" + run["run_id"]
        for text in (b"first", b"second"):
            self.call("POST", upload + "&path=a/b.txt", text)
        got = self.s.get(f"/get-artifact?run_uuid={run['run_id']}&path=a/b.txt")
        self.assertEqual((got.status, got.body), (200, b"second"))
        self.assertEqual(os.listdir(os.path.join(folder, "a")), ["b.txt"])
        self.assertEqual(got.headers.get_all("X-Content-Type-Options"), ["nosniff"])
        self.call("POST", upload + "&path=dog%2Bstep%2B1.png", b"image")
        got = self.s.get(f"/get-artifact?run_uuid={run['run_id']}&path=dog%2Bstep%2B1.png")
        self.assertEqual(got.headers["Content-Disposition"], "attachment; filename=dog+step+1.png")
        os.symlink(self.base, os.path.join(folder, "out"))
        self.refused(self.s.post(upload + "&path=out/x.txt", b"x"), INVALID, 400, "Invalid path")
        self.assertFalse(os.path.exists(os.path.join(self.base, "x.txt")))
        missing = self.s.post(upload[:-32] + "0" * 32 + "&path=x", b"x")
        self.refused(missing, "RESOURCE_DOES_NOT_EXIST", 404, "not found")

    def test_a_root_may_be_the_servers_own_url(self):
        other = self.server("--default-artifact-root", "http://files.example.org" + FILES,
                            data=os.path.join(self.base, "by url"))
        experiment = self.experiment("by url", other)
        run = self.run_in(experiment, other)
        below = run["artifact_uri"].split(FILES)[1]
        self.call("PUT", f"{FILES}{below}/dir/a.txt", b"0", other)
        listed = lambda path: self.call(
            "GET", f"{V2}/artifacts/list?run_id={run['run_id']}&path={path}", None, other)
        self.assertEqual(listed(""), {"files": [{"path": "dir", "is_dir": True}],
                                      "root_uri": run["artifact_uri"]})
        self.assertEqual(listed("dir")["files"],
                         [{"path": "dir/a.txt", "is_dir": False, "file_size": 1}])
        got = other.get(f"/get-artifact?run_id={run['run_id']}&path=dir/a.txt")
        self.assertEqual((got.status, got.body), (200, b"0"))
        self.call("POST", V2 + "/registered-models/create", {"name": "m"}, other)
        body = {"name": "m", "source": run["artifact_uri"] + "/dir", "run_id": run["run_id"]}
        self.call("POST", V2 + "/model-versions/create", body, other)
        got = other.get("/model-versions/get-artifact?name=m&version=1&path=a.txt")
        self.assertEqual((got.status, got.body), (200, b"0"))

    # ------------------------------------------------------------ registry

    def test_sources_that_name_a_host(self):
        run = self.run_in(self.experiment("hosts"))
        self.call("POST", V2 + "/registered-models/create", {"name": "hosts"})
        create = lambda source: self.s.post(V2 + "/model-versions/create", {
            "name": "hosts", "source": source, "run_id": run["run_id"]})
        for scheme in ("http", "https", "ftp", "sftp", "hdfs", "mlflow-artifacts"):
            self.refused(create(scheme + "://host:9000/models"), INVALID, 400,
                         f"'source' cannot use the '{scheme}' scheme")
        self.refused(create("file://other.example.org/x"), "INTERNAL_ERROR", 500,
                     "is not a valid remote uri")
        self.ok(create(run["artifact_uri"] + "/model"))
        self.ok(create("s3://bucket/model"))

    def test_versions_of_a_logged_model_have_numbers(self):
        experiment = self.experiment("numbers")
        model = self.call("POST", V2 + "/logged-models", {"experiment_id": experiment})["model"]["info"]
        self.call("POST", V2 + "/registered-models/create", {"name": "numbers"})
        for _ in range(2):
            self.call("POST", V2 + "/model-versions/create", {
                "name": "numbers", "source": model["artifact_uri"], "model_id": model["model_id"]})
        info = self.call("GET", f"{V2}/logged-models/{model['model_id']}")["model"]["info"]
        tags = {t["key"]: t["value"] for t in info["tags"]}
        self.assertEqual(tags["mlflow.modelVersions"],
                         '[{"name": "numbers", "version": 1}, {"name": "numbers", "version": 2}]')

    def test_a_stage_changes_the_model_and_a_description_does_not(self):
        self.call("POST", V2 + "/registered-models/create", {"name": "stages"})
        self.call("POST", V2 + "/model-versions/create", {"name": "stages", "source": "s3://b/x"})
        changed = lambda: self.call("GET", V2 + "/registered-models/get?name=stages")[
            "registered_model"]["last_updated_timestamp"]
        before = changed()
        support.until(lambda: time.time() * 1000 > before + 1, "the next millisecond")
        version = {"name": "stages", "version": "1"}
        self.call("PATCH", V2 + "/model-versions/update", {**version, "description": "d"})
        self.assertEqual(changed(), before)
        self.call("POST", V2 + "/model-versions/transition-stage", {
            **version, "stage": "Staging", "archive_existing_versions": False})
        self.assertGreater(changed(), before)

    # ------------------------------------------------------------ traces

    def test_a_link_may_come_before_its_trace(self):
        experiment = self.experiment("early")
        run = self.run_in(experiment)["run_id"]
        for linked in (["early-1", "early-2"], ["early-1"]):
            self.call("POST", V2 + "/traces/link-to-run", {"trace_ids": linked, "run_id": run})
        self.assertEqual(self.found(experiment, f"run_id = '{run}'"), [])
        for id in ("early-1", "early-2", "early-3"):
            self.trace(id, experiment)
        self.assertEqual(self.found(experiment, f"run_id = '{run}'"), ["early-1", "early-2"])
        body = {"experiment_id": experiment, "request_ids": ["early-1"]}
        self.assertEqual(self.call("POST", V2 + "/traces/delete-traces", body), {"traces_deleted": 1})
        self.trace("early-1", experiment)
        self.assertEqual(self.found(experiment, f"run_id = '{run}'"), ["early-2"])

    def test_traces_of_clients_before_three(self):
        experiment = self.experiment("v2")
        pair = lambda key, value: {"key": key, "value": value}
        made = self.call("POST", V2 + "/traces", {
            "experiment_id": experiment, "timestamp_ms": 1000,
            "request_metadata": [pair("a", "1"), pair("b", "2")], "tags": [pair("t", "x")]})["trace_info"]
        texts = lambda info, name: {p["key"]: p["value"] for p in info[name]}
        self.assertEqual((made["experiment_id"], made["timestamp_ms"], made["execution_time_ms"],
                          made["status"]), (experiment, 1000, 0, "IN_PROGRESS"))
        one = f"{V2}/traces/{made['request_id']}"
        ended = self.call("PATCH", one, {
            "timestamp_ms": 3000, "status": "OK", "request_metadata": [pair("a", "3"), pair("c", "4")],
            "tags": [pair("t", "y"), pair("u", "z")]})["trace_info"]
        self.assertEqual((ended["timestamp_ms"], ended["execution_time_ms"], ended["status"]),
                         (1000, 2000, "OK"))
        self.assertEqual(texts(ended, "request_metadata"), {"a": "3", "b": "2", "c": "4"})
        self.assertLessEqual({"t": "y", "u": "z"}.items(), texts(ended, "tags").items())
        self.assertEqual(self.call("GET", one + "/info")["trace_info"], ended)
        found = self.call("GET", f"{V2}/traces?experiment_ids={experiment}&filter=status='OK'")
        self.assertEqual(found, {"traces": [ended]})
        self.assertEqual(self.found(experiment, "tags.u = 'z'"), [made["request_id"]])
        self.refused(self.s.call("PATCH", V2 + "/traces/none", {"timestamp_ms": 1, "status": "OK"}),
                     "RESOURCE_DOES_NOT_EXIST", 404, "Trace with ID 'none' not found")

    def test_how_two_filters_go_together(self):
        experiment = self.experiment("together")
        for i in range(10):
            env, kind = ("prod", "TOOL") if i < 6 else ("dev", "TOOL" if i == 6 else "LLM")
            self.trace(f"together-{i}", experiment, tags={"env": env, "kind": kind})
        ask = lambda first, second, **more: self.s.post(
            V3 + "/traces/calculate-filter-correlation",
            {"experiment_ids": [experiment], "filter_string1": first, "filter_string2": second, **more})
        got = self.ok(ask("tags.env = 'prod'", "tags.kind = 'TOOL'"))
        # log(p(xy) / (p(x) p(y))) / -log p(xy), with p = 6/10, 6/10 and 7/10
        self.assertAlmostEqual(got.pop("npmi"), 0.69823, 4)
        self.assertTrue(0 < got.pop("npmi_smoothed") < 0.7)
        self.assertEqual(got, {"filter1_count": 6, "filter2_count": 7, "joint_count": 6,
                               "total_count": 10})
        never = self.ok(ask("tags.env = 'prod'", "tags.kind = 'LLM'"))
        self.assertEqual((never["npmi"], never["joint_count"]), (-1, 0))
        none = self.ok(ask("tags.env = 'staging'", "tags.kind = 'LLM'"))
        self.assertEqual(none, {"filter1_count": 0, "filter2_count": 3, "joint_count": 0,
                                "total_count": 10})
        some = self.ok(ask("tags.env = 'dev'", "tags.kind = 'LLM'", base_filter="tags.env = 'dev'"))
        self.assertEqual((some["total_count"], some["joint_count"]), (4, 3))
        self.refused(ask("invalid.x = 'a'", "tags.kind = 'LLM'"), INVALID, 400, "Invalid")
        self.refused(ask("", "tags.kind = 'LLM'", experiment_ids=None), INVALID, 400, "experiment_ids")

    def test_what_is_expected_as_a_list_or_an_object_is_json_in_a_text(self):
        self.trace("expected", self.experiment("expected"))
        path = V3 + "/traces/expected/assessments"
        source = {"source_type": "CODE", "source_id": "t"}
        create = lambda value: self.call("POST", path, {"assessment": {
            "assessment_name": "n", "expectation": {"value": value}, "source": source}})["assessment"]
        for value in ({"most_ms": 1000, "ok": True}, [1, "a"]):
            kept = create(value)["expectation"]
            self.assertEqual(set(kept), {"serialized_value"})
            self.assertEqual(kept["serialized_value"]["serialization_format"], "JSON_FORMAT")
            self.assertEqual(json.loads(kept["serialized_value"]["value"]), value)
        plain = create("yes")
        self.assertEqual(plain["expectation"], {"value": "yes"})
        changed = self.call("PATCH", f"{path}/{plain['assessment_id']}", {
            "assessment": {"expectation": {"value": [2]}}, "update_mask": "expectation"})["assessment"]
        self.assertEqual(json.loads(changed["expectation"]["serialized_value"]["value"]), [2])

    # ------------------------------------------------------------ the prompt lab

    def test_what_was_tried_in_the_prompt_lab_is_a_run(self):
        path = "/ajax-api/2.0/mlflow/runs/create-promptlab-run"
        body = {}
        for name, value in (("experiment_id", "0"), ("prompt_template", "Say {{what}}"),
                            ("prompt_parameters", [{"key": "what", "value": "hi"}]),
                            ("model_route", "chat"), ("model_input", "Say hi"),
                            ("mlflow_version", "3.17.2")):
            self.refused(self.s.post(path, body), INVALID, 400, f"must specify {name}.")
            body[name] = value
        run = self.call("POST", path, {
            **body, "run_name": "tried", "user_id": "ann", "start_time": 456, "model_output": "hi!",
            "model_parameters": [{"key": "temperature", "value": 0.1}],
            "model_output_parameters": [{"key": "latency", "value": "100"}]})["run"]
        info, texts = run["info"], lambda kind: {p["key"]: p["value"] for p in run["data"][kind]}
        self.assertEqual((info["run_name"], info["user_id"], info["status"], info["start_time"]),
                         ("tried", "ann", "FINISHED", 456))
        self.assertEqual(texts("params"), {"temperature": "0.1", "model_route": "chat",
                                           "prompt_template": "Say {{what}}"})
        self.assertEqual(texts("tags")["mlflow.runSourceType"], "PROMPT_ENGINEERING")
        self.assertEqual(texts("tags")["mlflow.loggedArtifacts"],
                         '[{"path": "eval_results_table.json", "type": "table"}]')
        get = lambda file: self.call("GET", f"/get-artifact?run_id={info['run_id']}&path={file}")
        self.assertEqual(get("eval_results_table.json"),
                         {"columns": ["what", "prompt", "output", "latency"],
                          "data": [["hi", "Say hi", "hi!", "100"]]})
        self.assertEqual(get("model/parameters.yaml"),
                         {"model_parameters": {"temperature": "0.1"}, "model_route": "chat",
                          "prompt_parameters": {"what": "hi"}, "prompt_template": "Say {{what}}"})
        self.assertEqual(get("model/MLmodel")["run_id"], info["run_id"])
        elsewhere = self.experiment("elsewhere", artifact_location="s3://bucket/x")
        failed = self.call("POST", path, {**body, "experiment_id": elsewhere})["run"]["info"]
        self.assertEqual(failed["status"], "FAILED", "its files cannot be written there")
        self.refused(self.s.post(path, {**body, "experiment_id": "77"}), "RESOURCE_DOES_NOT_EXIST",
                     404, "No Experiment with id=77 exists")

    # ------------------------------------------------------------ paths

    def test_doubled_slashes_lead_to_the_plain_path(self):
        for path, plain in (("//model-versions/get-artifact?name=m&version=1&path=../x//y",
                             "/model-versions/get-artifact?name=m&version=1&path=../x//y"),
                            ("/api/2.0//mlflow///experiments/get?experiment_id=0",
                             "/api/2.0/mlflow/experiments/get?experiment_id=0"),
                            ("//evil.example.org//x", "/evil.example.org/x")):
            answer = self.s.get(path)
            self.assertEqual((answer.status, answer.headers["Location"]), (308, plain), answer)
        self.refused(self.s.get("/model-versions/get-artifact?name=m&version=1&path=../x"), INVALID,
                     400, "Invalid path")

    # ------------------------------------------------------------ as MLflow's own server answers

    def test_a_logged_model_keeps_every_point(self):
        experiment = self.experiment("points")
        run = self.run_in(experiment)["run_id"]
        model = self.call("POST", V2 + "/logged-models", {"experiment_id": experiment, "name": "m"})
        model = model["model"]["info"]["model_id"]
        for value in (3, 1, -2):
            self.call("POST", V2 + "/runs/log-metric", {"run_id": run, "key": "h", "value": value,
                                                        "timestamp": 10, "step": value, "model_id": model})
        got = self.call("GET", f"{V2}/logged-models/{model}")["model"]["data"]["metrics"]
        self.assertEqual(sorted((m["value"], m["step"]) for m in got), [(-2, -2), (1, 1), (3, 3)])
        for clause, found in (("metrics.h < 2", 1), ("metrics.h = 1", 1), ("metrics.h > 3", 0),
                              ("artifact_location LIKE '%'", 1)):
            got = self.call("POST", V2 + "/logged-models/search",
                            {"experiment_ids": [experiment], "filter": clause})
            self.assertEqual(len(got.get("models", [])), found, clause)

    def test_what_is_no_number(self):
        experiment = self.experiment("nan")
        run = self.run_in(experiment)["run_id"]
        for key, values in (("a", [-1, "NaN"]), ("b", ["NaN", -7]), ("c", [7, "NaN"]), ("d", ["NaN", 7])):
            for value in values:
                self.call("POST", V2 + "/runs/log-metric",
                          {"run_id": run, "key": key, "value": value, "timestamp": 1, "step": 0})
        got = self.call("GET", f"{V2}/runs/get?run_id={run}")["run"]["data"]["metrics"]
        self.assertEqual({m["key"]: m["value"] for m in got}, {"a": "NaN", "b": "NaN", "c": 7, "d": 7})
        got = self.call("GET", f"{V2}/metrics/get-history?run_id={run}&metric_key=b")["metrics"]
        self.assertEqual([m["value"] for m in got], [-7, "NaN"])
        head = self.call("GET", f"/api/v1/runs/{run}")["position"]
        for clause, found in (("metrics.a != 0.5", 1), ("metrics.a = 0.5", 0),
                              ("metrics.a != 0.5 OR metrics.z = 1", 1),
                              ("metrics.none != 0.5", 0), ("metrics.c > 1e400", 0), ("metrics.c < 1e400", 1),
                              ("metrics.c > -1e400", 1), ("metrics.c > 1e-400", 1), ("metrics.c < -1e400", 0)):
            for as_of in ({}, {"as_of": str(head)}):
                got = self.call("POST", V2 + "/runs/search",
                                {"experiment_ids": [experiment], "filter": clause} | as_of)
                self.assertEqual(len(got.get("runs", [])), found, clause)

    def test_an_alias_is_deleted_from_where_it_is_expected(self):
        self.call("POST", V2 + "/registered-models/create", {"name": "cas"})
        for _ in range(2):
            self.call("POST", V2 + "/model-versions/create", {"name": "cas", "source": "s3://b/m"})
        alias = {"name": "cas", "alias": "a"}
        self.call("POST", V2 + "/registered-models/alias", {**alias, "version": "2"})
        self.refused(self.s.call("DELETE", V2 + "/registered-models/alias", {**alias, "expected": "1"}),
                     "RESOURCE_CONFLICT", 409, "points to version 2, not to the expected 1")
        self.call("DELETE", V2 + "/registered-models/alias", {**alias, "expected": "2"})
        self.refused(self.s.call("DELETE", V2 + "/registered-models/alias", {**alias, "expected": "2"}),
                     "RESOURCE_CONFLICT", 409, "points to version 0")

    def test_no_file_is_where_a_folder_is(self):
        for first, second in (("model/MLmodel", "model"), ("q/b", "q/b/c"), ("x/y/z", "x")):
            self.ok(self.s.put(f"{FILES}/places/{first}", b"1"))
            self.refused(self.s.put(f"{FILES}/places/{second}", b"2"), "INVALID_STATE", 400, "delete it first")
            self.assertEqual(self.s.get(f"{FILES}/places/{first}").body, b"1")
            self.assertIn(self.s.get(f"{FILES}/places/{second}").status, (400, 404))
        run = self.run_in("0")["run_id"]
        self.ok(self.s.put(f"/api/v1/runs/{run}/artifacts/a/b", b"1"), 201)
        for path in ("a", "a/b/c"):
            self.error(self.s.put(f"/api/v1/runs/{run}/artifacts/{path}", b"2"), "conflict", "path")
        self.ok(self.s.put(f"{FILES}/places/models", b"2"))
        self.ok(self.s.call("DELETE", f"{FILES}/places/model"))
        self.ok(self.s.put(f"{FILES}/places/model", b"2"))

    def test_the_end_of_a_file(self):
        self.ok(self.s.put(f"{FILES}/ends/file", b"0123456789"))
        for range, status, body, where in (("bytes=-3", 206, b"789", "bytes 7-9/10"),
                                           ("bytes=-100", 206, b"0123456789", "bytes 0-9/10"),
                                           ("bytes=-0", 416, None, "bytes */10")):
            answer = self.s.get(f"{FILES}/ends/file", Range=range)
            self.assertEqual((answer.status, answer.headers["Content-Range"]), (status, where), answer)
            if body is not None:
                self.assertEqual(answer.body, body)

    def test_feedback_that_was_overridden_is_not_found(self):
        experiment = self.experiment("overridden")
        self.trace("tr-over", experiment)
        path = V3 + "/traces/tr-over/assessments"
        feedback = lambda value: {"assessment_name": "q", "trace_id": "tr-over", "feedback": {"value": value},
                                  "source": {"source_type": "HUMAN", "source_id": "me"}}
        first = self.call("POST", path, {"assessment": feedback("old")})["assessment"]["assessment_id"]
        self.call("POST", path, {"assessment": {**feedback("new"), "overrides": first}})
        for clause, found in (("feedback.q = 'old'", []), ("feedback.q != 'new'", []),
                              ("feedback.q = 'new'", ["tr-over"])):
            self.assertEqual(self.found(experiment, clause), found, clause)

    def test_a_new_name_is_news_of_the_versions_too(self):
        self.call("POST", V2 + "/registered-models/create", {"name": "before"})
        self.call("POST", V2 + "/model-versions/create", {"name": "before", "source": "s3://b/m"})
        created = time.time() * 1000
        support.until(lambda: time.time() * 1000 > created + 1, "the next millisecond")
        self.call("POST", V2 + "/registered-models/rename", {"name": "before", "new_name": "after"})
        got = self.call("GET", V2 + "/model-versions/get?name=after&version=1")["model_version"]
        self.assertGreater(int(got["last_updated_timestamp"]), int(got["creation_timestamp"]))

    def test_names_of_256_characters(self):
        for letter in ("n", "\u6f22"):
            name = letter * 256
            self.call("POST", V2 + "/registered-models/create", {"name": name})
            self.call("POST", V2 + "/model-versions/create", {"name": name, "source": "s3://b/m"})
            self.call("POST", V2 + "/registered-models/alias", {"name": name, "alias": "a", "version": "1"})
            got = self.call("GET", V2 + "/registered-models/get?" + urllib.parse.urlencode({"name": name}))
            self.assertEqual(got["registered_model"]["aliases"], [{"alias": "a", "version": "1"}])
            self.refused(self.s.call("POST", V2 + "/registered-models/create", {"name": name + letter}),
                         INVALID, 400, "256 characters")

    def test_a_dataset_of_a_metric_is_named_whole(self):
        run = self.run_in("0")["run_id"]
        metric = {"key": "m", "value": 1, "timestamp": 1, "step": 0, "dataset_name": "d"}
        self.refused(self.s.call("POST", V2 + "/runs/log-batch", {"run_id": run, "metrics": [metric]}),
                     INVALID, 400, "Both dataset_name and dataset_digest must be provided")


if __name__ == "__main__":
    support.main()
