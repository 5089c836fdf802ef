"""Traces over MLflow's REST API and by its own client: reported, read, searched, tagged, linked,
assessed, deleted; as of any time, and over a restart."""
import json
import os
import unittest

import support
from support import Case
from test_mlflow_client import HAS_MLFLOW, WITHOUT

if HAS_MLFLOW:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import AssessmentSource, SpanType
    from mlflow.exceptions import MlflowException

V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"
FILES = "/api/2.0/mlflow-artifacts/artifacts"
TIME = "2026-11-21T10:00:0%d.%03dZ"


def info(trace_id, experiment="0", at=0, ms=5, state="OK", **more):
    return {"trace_id": trace_id, "request_time": TIME % (at // 1000, at % 1000),
            "trace_location": {"type": "MLFLOW_EXPERIMENT",
                               "mlflow_experiment": {"experiment_id": experiment}},
            "execution_duration": f"{ms / 1000:.3f}s", "state": state, **more}


class Traces(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"))

    def start(self, *args, **more):
        body = {"trace": {"trace_info": info(*args, **more)}}
        return self.ok(self.s.post(V3 + "/traces", body))["trace"]["trace_info"]

    def get(self, trace_id):
        return self.ok(self.s.get(f"{V3}/traces/{trace_id}"))["trace"]["trace_info"]

    def new_experiment(self, name):
        return self.ok(self.s.post(V2 + "/experiments/create", {"name": name}))["experiment_id"]

    def found(self, experiment, filter="", **more):
        body = {"locations": [{"type": "MLFLOW_EXPERIMENT",
                               "mlflow_experiment": {"experiment_id": experiment}}],
                "filter": filter, **more}
        return self.ok(self.s.post(V3 + "/traces/search", body))

    def ids(self, *args, **more):
        return [t["trace_id"] for t in self.found(*args, **more).get("traces", [])]

    def refused(self, answer, code="INVALID_PARAMETER_VALUE", status=400, words=""):
        self.assertEqual((answer.status, answer["error_code"]), (status, code), answer)
        self.assertIn(words, answer["message"])

    def test_what_is_reported_is_read(self):
        given = {"client_request_id": "mine", "request_preview": "2 + 2", "response_preview": "4",
                 "trace_metadata": {"mlflow.sourceRun": "r1"}, "tags": {"mlflow.traceName": "sum"}}
        made = self.start("tr-read", "0", 1234, 1500, "ERROR", **given)
        self.assertEqual(made, self.get("tr-read"))
        self.assertEqual(made["request_time"], "2026-11-21T10:00:01.234Z")
        self.assertEqual((made["execution_duration"], made["state"]), ("1.500s", "ERROR"))
        for name, value in given.items():
            if name != "tags":
                self.assertEqual(made[name], value)
        self.assertEqual(made["tags"], {
            "mlflow.traceName": "sum",
            "mlflow.artifactLocation": "mlflow-artifacts:/0/traces/tr-read/artifacts"})
        self.assertEqual(made["trace_location"]["mlflow_experiment"], {"experiment_id": "0"})
        self.refused(self.s.get(V3 + "/traces/tr-none"), "RESOURCE_DOES_NOT_EXIST", 404,
                     "Trace with ID 'tr-none' not found.")
        both = self.ok(self.s.post(V3 + "/traces/batchGetInfos",
                                   {"trace_ids": ["tr-read", "tr-none"]}))
        self.assertEqual(both["trace_infos"], [made])

    def test_reported_again_it_keeps_what_it_had(self):
        self.start("tr-again", tags={"a": "1"}, trace_metadata={"m": "1"}, request_preview="q")
        before = self.s.position()
        self.start("tr-again", tags={"a": "1"}, trace_metadata={"m": "1"}, request_preview="q")
        self.assertEqual(self.s.position(), before, "the same report again is no event")
        again = self.start("tr-again", tags={"b": "2"}, trace_metadata={"n": "2"}, state="ERROR")
        self.assertEqual((again["request_preview"], again["state"]), ("q", "ERROR"))
        self.assertEqual(again["trace_metadata"], {"m": "1", "n": "2"})
        self.assertLessEqual({"a": "1", "b": "2"}.items(), again["tags"].items())

    def test_wrong_reports_are_refused(self):
        good = info("tr-bad")
        post = lambda trace: self.s.post(V3 + "/traces", {"trace": {"trace_info": trace}})
        self.start("tr-good")
        before = self.s.position()
        for name, value in (("request_time", "yesterday"), ("execution_duration", "5"),
                            ("state", "DONE"), ("tags", {"a": 1}), ("trace_metadata", ["a"]),
                            ("trace_id", ""), ("trace_id", "a/b"), ("trace_location", {})):
            self.refused(post({**good, name: value}))
        self.refused(self.s.post(V3 + "/traces", {}), words="'trace'")
        self.refused(post(info("tr-bad", "4711")), "RESOURCE_DOES_NOT_EXIST", 404)
        self.assertEqual(self.s.position(), before)

    def test_tags(self):
        self.start("tr-tags")
        for version, key in ((V2, "two"), (V3, "three")):
            path = version + "/traces/tr-tags/tags"
            self.ok(self.s.call("PATCH", path, {"key": key, "value": "x"}))
            self.assertEqual(self.get("tr-tags")["tags"][key], "x")
            self.ok(self.s.call("DELETE", path, {"key": key}))
            self.assertNotIn(key, self.get("tr-tags")["tags"])
            self.refused(self.s.call("DELETE", path, {"key": key}), "RESOURCE_DOES_NOT_EXIST", 404,
                         "No trace tag with key")
        path = V2 + "/traces/tr-tags/tags"
        self.refused(self.s.call("PATCH", path, {"key": "mlflow.trace.spansLocation", "value": "x"}),
                     words="immutable")
        self.refused(self.s.call("PATCH", path, {"key": "a%", "value": "x"}))
        self.refused(self.s.call("PATCH", path, {"key": "k" * 251, "value": "x"}))
        self.refused(self.s.call("PATCH", V2 + "/traces/none/tags", {"key": "k", "value": "x"}),
                     "RESOURCE_DOES_NOT_EXIST", 404)
        self.ok(self.s.call("PATCH", path, {"key": "long", "value": "x" * 9000}))
        self.assertEqual(self.get("tr-tags")["tags"]["long"], "x" * 8000)

    def test_search(self):
        e = self.new_experiment("search")
        for i in range(6):
            self.start(f"tr-{i}", e, i * 10, 100 - i, "ERROR" if i == 3 else "OK",
                       client_request_id=f"c{i % 2}",
                       tags={"mlflow.traceName": f"name {i}", "group": "ab"[i % 2]},
                       trace_metadata={"mlflow.sourceRun": f"run{i % 3}", "size": str(i)})
        newest = [f"tr-{i}" for i in reversed(range(6))]
        base = 1795255200000  # 2026-11-21T10:00:00Z in milliseconds
        self.assertEqual(self.ids(e), newest)
        of = lambda *numbers: [f"tr-{i}" for i in numbers]
        for filter, wanted in (
                ("status = 'ERROR'", of(3)), ("attributes.status != 'OK'", of(3)),
                ("trace.status IN ('ERROR', 'IN_PROGRESS')", of(3)),
                (f"timestamp_ms > {base + 30}", of(5, 4)), (f"timestamp <= {base}", of(0)),
                ("execution_time_ms < 97", of(5, 4)), ("execution_time >= 100", of(0)),
                (f"end_time = {base + 105}", []), (f"end_time_ms = {base + 109}", of(1)),
                ("request_id = 'tr-2'", of(2)), ("request_id IN ('tr-2', 'tr-4')", of(4, 2)),
                ("client_request_id = 'c1' AND status = 'OK'", of(5, 1)),
                ("name = 'name 4'", of(4)), ("trace.name ILIKE 'NAME%' AND tag.group = 'a'",
                                             of(4, 2, 0)),
                ("tags.`mlflow.traceName` LIKE '%5'", of(5)), ("name RLIKE '^name [0-1]$'", of(1, 0)),
                (r"name RLIKE '\d'", newest), ("run_id = 'run1'", of(4, 1)),
                ("attributes.run_id IN ('run1', 'run2')", of(5, 4, 2, 1)),
                ("metadata.size = '2'", of(2)), ("request_metadata.`mlflow.sourceRun` = 'run0'",
                                                 of(3, 0)),
                ("metadata.nothing IS NULL AND status = 'ERROR'", of(3)),
                ("tags.group IS NOT NULL AND request_id = 'tr-0'", of(0)),
                ("request_id = 'tr-0' OR (status = 'ERROR' AND metadata.size = '3')", of(3, 0))):
            self.assertEqual(self.ids(e, filter), wanted, filter)
        self.assertEqual(self.ids(e, order_by=["timestamp_ms ASC"]), newest[::-1])
        self.assertEqual(self.ids(e, order_by=["execution_time DESC"]), newest[::-1])
        self.assertEqual(self.ids(e, order_by=["tags.group ASC"]), of(4, 2, 0, 5, 3, 1))
        self.assertEqual(self.ids(e, order_by=["status ASC", "timestamp ASC"]),
                         of(3, 0, 1, 2, 4, 5))
        for order in ([], ["timestamp ASC"]):
            pages, token = [], None
            while True:
                page = self.found(e, max_results=4, order_by=order, page_token=token or "")
                pages.append([t["trace_id"] for t in page["traces"]])
                token = page.get("next_page_token")
                if not token:
                    break
            self.assertEqual([len(p) for p in pages], [4, 2])
            self.assertEqual(sum(pages, []), newest[::-1] if order else newest)
        for bad in ("span.nothing = 'x'", "text = 'x'", "span.name > 'x'", "status > 'OK'", "nothing = 'x'",
                    "metrics.m > 1", "name RLIKE '('", "name RLIKE '(?i)x'", "status RLIKE 'a{2000}'",
                    "timestamp = 'x'", "name ="):
            answer = self.s.post(V3 + "/traces/search", {
                "locations": [{"mlflow_experiment": {"experiment_id": e}}], "filter": bad})
            self.refused(answer)
        self.refused(self.s.post(V3 + "/traces/search", {"filter": ""}), words="locations")
        self.refused(self.s.post(V3 + "/traces/search", {"locations": [], "max_results": 501}))

    def test_deleting(self):
        e = self.new_experiment("deleting")
        for i in range(6):
            self.start(f"tr-del{i}", e, i)
        base = 1795255200000
        remove = lambda **body: self.s.post(V2 + "/traces/delete-traces",
                                            {"experiment_id": e, **body})
        for body, words in (({}, "Either"), ({"max_timestamp_millis": 1, "request_ids": ["a"]}, "Only"),
                            ({"request_ids": ["a"], "max_traces": 1}, "max_traces"),
                            ({"max_timestamp_millis": 1, "max_traces": 0}, "positive")):
            self.refused(remove(**body), words=words)
        moment = self.s.position()
        self.assertEqual(self.ok(remove(request_ids=["tr-del5", "tr-none"])), {"traces_deleted": 1})
        self.assertEqual(self.ok(remove(max_timestamp_millis=base + 3, max_traces=2)),
                         {"traces_deleted": 2})
        self.assertEqual(self.ids(e), ["tr-del4", "tr-del3", "tr-del2"])
        self.assertEqual(len(self.ids(e, as_of=str(moment))), 6)
        self.assertEqual(self.ok(remove(max_timestamp_millis=base + 3600000)), {"traces_deleted": 3})
        self.assertEqual(self.ids(e), [])
        self.refused(self.s.get(V3 + "/traces/tr-del4"), "RESOURCE_DOES_NOT_EXIST", 404)
        self.start("tr-del4", e)
        self.assertEqual(self.ids(e), ["tr-del4"])

    def test_runs_and_prompts_are_linked(self):
        e = self.new_experiment("links")
        run = self.ok(self.s.post(V2 + "/runs/create", {"experiment_id": e}))["run"]["info"]["run_id"]
        self.start("tr-l1", e)
        self.start("tr-l2", e, trace_metadata={"mlflow.sourceRun": run})
        self.assertEqual(self.ids(e, f"run_id = '{run}'"), ["tr-l2"])
        link = lambda ids, run: self.s.post(V2 + "/traces/link-to-run",
                                            {"trace_ids": ids, "run_id": run})
        self.ok(link(["tr-l1"], run))
        self.assertEqual(sorted(self.ids(e, f"run_id = '{run}'")), ["tr-l1", "tr-l2"])
        self.refused(link(["tr-l1"], "f" * 32), "RESOURCE_DOES_NOT_EXIST", 404)
        self.refused(link([f"t{i}" for i in range(101)], run), words="100")
        for _ in range(2):
            self.ok(self.s.post(V2 + "/traces/link-prompts", {
                "trace_id": "tr-l1", "prompt_versions": [{"name": "greet", "version": "2"}]}))
        self.assertEqual(json.loads(self.get("tr-l1")["tags"]["mlflow.linkedPrompts"]),
                         [{"name": "greet", "version": "2"}])
        self.assertEqual(self.ids(e, "prompt = 'greet/2'"), ["tr-l1"])

    def test_assessments(self):
        e = self.new_experiment("assessed")
        self.start("tr-a", e)
        path = V3 + "/traces/tr-a/assessments"
        human = {"source_type": "HUMAN", "source_id": "ann"}
        make = lambda **body: self.ok(self.s.post(path, {"assessment": {
            "assessment_name": "quality", "source": human, **body}}))["assessment"]
        first = make(feedback={"value": 3}, rationale="so so", metadata={"k": "v"})
        self.assertTrue(first["assessment_id"].startswith("a-"))
        self.assertEqual((first["feedback"], first["source"], first["valid"], first["trace_id"]),
                         ({"value": 3}, human, True, "tr-a"))
        for filter, wanted in (("feedback.quality > 2.5", ["tr-a"]), ("feedback.quality > 3", []),
                               ("feedback.quality <= 3", ["tr-a"]), ("feedback.none < 3", []),
                               ("feedback.quality = '3'", ["tr-a"])):
            self.assertEqual(self.ids(e, filter), wanted, filter)
        second = make(feedback={"value": "good"}, overrides=first["assessment_id"])
        one = lambda id: self.ok(self.s.get(f"{path}/{id}"))["assessment"]
        self.assertFalse(one(first["assessment_id"])["valid"])
        changed = self.ok(self.s.call("PATCH", f"{path}/{second['assessment_id']}", {
            "assessment": {"feedback": {"value": "better"}, "rationale": "x", "metadata": {"a": "b"}},
            "update_mask": "feedback,metadata"}))["assessment"]
        self.assertEqual((changed["feedback"], changed["metadata"], changed.get("rationale")),
                         ({"value": "better"}, {"a": "b"}, None))
        self.assertEqual(self.ids(e, "feedback.quality = 'better'"), ["tr-a"])
        self.assertEqual(self.ids(e, "expectation.quality IS NULL"), ["tr-a"])
        self.assertEqual(self.ids(e, "feedback.quality <= 3"), [])  # it was overridden
        for bad in ("feedback.quality > '3'", "feedback.quality = 3", "feedback.quality IN ('3')"):
            self.refused(self.s.post(V3 + "/traces/search", {"locations": [], "filter": bad}))
        self.assertEqual(len(self.get("tr-a")["assessments"]), 2)
        self.refused(self.s.call("PATCH", f"{path}/{second['assessment_id']}", {
            "assessment": {"expectation": {"value": 1}}, "update_mask": "expectation"}))
        for _ in range(2):
            self.ok(self.s.call("DELETE", f"{path}/{second['assessment_id']}"))
        self.assertTrue(one(first["assessment_id"])["valid"])
        self.refused(self.s.get(f"{path}/a-none"), "RESOURCE_DOES_NOT_EXIST", 404)
        self.refused(self.s.post(path, {"assessment": {"assessment_name": "q"}}))
        self.refused(self.s.post(path, {}), words="assessment")

    def test_spans_are_an_artifact(self):
        self.start("tr-s")
        span = {"trace_id": "AAAAAAAAAAAAAAAAAAAAAQ==", "span_id": "AAAAAAAAAAI=",
                "parent_span_id": None, "name": "root", "start_time_unix_nano": 1700000000000000001,
                "end_time_unix_nano": 1700000000000000009, "links": [],
                "events": [{"name": "e", "time_unix_nano": 5, "attributes": {"n": 1}}],
                "status": {"code": "STATUS_CODE_OK", "message": None},
                "attributes": {"mlflow.spanInputs": "{\"a\": [1, 2.5, \"x\", true, null]}"}}
        body = json.dumps({"spans": [span]}).encode()
        self.refused(self.s.get(V3 + "/traces/get?trace_id=tr-s"), "RESOURCE_DOES_NOT_EXIST", 404)
        self.ok(self.s.put(FILES + "/0/traces/tr-s/artifacts/traces.json", body))
        got = self.ok(self.s.get(V3 + "/traces/get?trace_id=tr-s"))["trace"]
        self.assertEqual(got["trace_info"], self.get("tr-s"))
        self.assertEqual(got["spans"], [{
            "trace_id": span["trace_id"], "span_id": span["span_id"], "name": "root",
            "start_time_unix_nano": 1700000000000000001, "end_time_unix_nano": 1700000000000000009,
            "events": [{"name": "e", "time_unix_nano": 5,
                        "attributes": [{"key": "n", "value": {"int_value": 1}}]}],
            "status": {"code": "STATUS_CODE_OK"},
            "attributes": [{"key": "mlflow.spanInputs", "value": {"kvlist_value": {"values": [
                {"key": "a", "value": {"array_value": {"values": [
                    {"int_value": 1}, {"double_value": 2.5}, {"string_value": "x"},
                    {"bool_value": True}, {}]}}}]}}}]}])
        many = self.ok(self.s.get(V3 + "/traces/batchGet?trace_ids=tr-s&trace_ids=tr-none"))
        self.assertEqual(many["traces"], [got])
        file = self.s.get("/ajax-api/3.0/mlflow/get-trace-artifact?request_id=tr-s")
        self.assertEqual((file.status, file.body), (200, body))

    def test_over_a_restart(self):
        s = self.server()
        s.post(V3 + "/traces", {"trace": {"trace_info": info("tr-r", tags={"a": "1"})}})
        self.ok(s.call("PATCH", V3 + "/traces/tr-r/tags", {"key": "b", "value": "2"}))
        before = self.ok(s.get(V3 + "/traces/tr-r"))
        s.kill()
        s.start()
        self.assertEqual(self.ok(s.get(V3 + "/traces/tr-r")), before)


@unittest.skipUnless(HAS_MLFLOW, WITHOUT)
class TracesByTheClient(Case):
    @classmethod
    def setUpClass(cls):
        if not hasattr(mlflow, "trace"):
            raise unittest.SkipTest("this mlflow has no tracing")
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"))
        mlflow.set_tracking_uri(cls.s.url)
        mlflow.set_registry_uri(cls.s.url)
        cls.client = MlflowClient()

    def tearDown(self):
        while mlflow.active_run():
            mlflow.end_run()

    def traced(self, name, count=1):
        """Traces of a function that calls another; answers their ids."""
        mlflow.set_experiment(name)

        @mlflow.trace(span_type=SpanType.TOOL, attributes={"depth": 2})
        def double(x):
            return {"twice": 2 * x}

        @mlflow.trace(name="outer")
        def outer(x):
            mlflow.update_current_trace(tags={"x": str(x)})
            return double(x)["twice"] + 1

        ids = []
        for x in range(count):
            self.assertEqual(outer(x), 2 * x + 1)
            ids.append(mlflow.get_last_active_trace_id())
        mlflow.flush_trace_async_logging()
        return ids

    def test_a_decorated_function(self):
        id, = self.traced("decorated")
        trace = mlflow.get_trace(id)
        self.assertEqual((trace.info.state, trace.info.tags["x"]), ("OK", "0"))
        self.assertEqual([s.name for s in trace.data.spans], ["outer", "double"])
        inner = trace.data.spans[1]
        self.assertEqual((inner.inputs, inner.outputs, inner.attributes["depth"], inner.span_type),
                         ({"x": 0}, {"twice": 0}, 2, "TOOL"))
        self.assertEqual(inner.parent_id, trace.data.spans[0].span_id)
        self.assertEqual(trace.info.request_preview, '{"x": 0}')
        stored = self.client._tracing_client.store.get_trace(id)
        self.assertEqual([s.to_dict() for s in stored.data.spans],
                         [s.to_dict() for s in trace.data.spans])

    def test_an_error_inside_of_a_span(self):
        mlflow.set_experiment("errors")
        with self.assertRaises(ZeroDivisionError):
            with mlflow.start_span("breaks") as span:
                span.set_inputs({"by": 0})
                span.set_outputs(1 // 0)
        id = mlflow.get_last_active_trace_id()
        mlflow.flush_trace_async_logging()
        trace = mlflow.get_trace(id)
        self.assertEqual(trace.info.state, "ERROR")
        self.assertEqual(trace.data.spans[0].events[0].name, "exception")
        found = mlflow.search_traces(filter_string="status = 'ERROR'", return_type="list")
        self.assertEqual([t.info.trace_id for t in found], [id])

    def test_search(self):
        ids = self.traced("searched", 5)
        # Those of one millisecond stand by their ids.
        time = {i: self.client.get_trace(i).info.request_time for i in ids}
        latest = sorted(ids, key=lambda i: (-time[i], i))
        found = mlflow.search_traces(return_type="list")
        self.assertEqual([t.info.trace_id for t in found], latest)
        self.assertEqual(len(found[0].data.spans), 2)
        for filter, wanted in (("tags.x = '3'", [ids[3]]), ("name = 'outer' AND tag.x IN", None),
                               ("attributes.name LIKE 'out%' AND tags.x != '0'", [i for i in latest if i != ids[0]])):
            if wanted is None:
                with self.assertRaises(MlflowException):
                    mlflow.search_traces(filter_string=filter, return_type="list")
                continue
            found = mlflow.search_traces(filter_string=filter, return_type="list")
            self.assertEqual([t.info.trace_id for t in found], wanted, filter)
        found = mlflow.search_traces(order_by=["timestamp ASC"], max_results=2, return_type="list")
        self.assertEqual([t.info.trace_id for t in found],
                         sorted(ids, key=lambda i: (time[i], i))[:2])
        experiment = mlflow.get_experiment_by_name("searched").experiment_id
        page = self.client.search_traces(locations=[experiment], max_results=3)
        rest = self.client.search_traces(locations=[experiment], max_results=3,
                                         page_token=page.token)
        self.assertEqual([t.info.trace_id for t in [*page, *rest]], latest)

    def test_of_a_run(self):
        mlflow.set_experiment("of a run")
        with mlflow.start_run() as run:
            with mlflow.start_span("inside"):
                pass
        inside = mlflow.get_last_active_trace_id()
        with mlflow.start_span("outside"):
            pass
        outside = mlflow.get_last_active_trace_id()
        mlflow.flush_trace_async_logging()
        search = lambda: {t.info.trace_id for t in
                          mlflow.search_traces(run_id=run.info.run_id, return_type="list")}
        self.assertEqual(search(), {inside})
        self.client.link_traces_to_run([outside], run.info.run_id)
        self.assertEqual(search(), {inside, outside})

    def test_tags_and_deletion(self):
        ids = self.traced("tagged", 3)
        self.client.set_trace_tag(ids[0], "mood", "fine")
        mlflow.set_trace_tag(ids[1], "mood", "bad")
        self.assertEqual(self.client.get_trace(ids[0]).info.tags["mood"], "fine")
        self.client.delete_trace_tag(ids[0], "mood")
        self.assertNotIn("mood", self.client.get_trace(ids[0]).info.tags)
        with self.assertRaisesRegex(MlflowException, "No trace tag with key"):
            self.client.delete_trace_tag(ids[0], "mood")
        experiment = mlflow.get_experiment_by_name("tagged").experiment_id
        self.assertEqual(self.client.delete_traces(experiment, trace_ids=ids[:1]), 1)
        self.assertIsNone(mlflow.get_trace(ids[0]))
        self.assertEqual(self.client.delete_traces(experiment, max_timestamp_millis=2 ** 42), 2)
        self.assertEqual(mlflow.search_traces(locations=[experiment], return_type="list"), [])

    def test_assessments(self):
        id, = self.traced("assessed")
        ann = AssessmentSource("HUMAN", "ann")
        first = mlflow.log_feedback(trace_id=id, name="ok", value=True, source=ann,
                                    rationale="looks right", metadata={"k": "v"})
        wanted = mlflow.log_expectation(trace_id=id, name="answer", value={"is": [1, 2]}, source=ann)
        got = mlflow.get_assessment(id, first.assessment_id)
        self.assertEqual((got.value, got.rationale, got.metadata, got.source.source_id),
                         (True, "looks right", {"k": "v"}, "ann"))
        self.assertEqual(mlflow.get_assessment(id, wanted.assessment_id).value, {"is": [1, 2]})
        second = mlflow.override_feedback(trace_id=id, assessment_id=first.assessment_id,
                                          value=False, rationale="it is not", source=ann)
        self.assertFalse(mlflow.get_assessment(id, first.assessment_id).valid)
        info = mlflow.get_trace(id).info
        self.assertEqual({a.assessment_id for a in info.assessments},
                         {first.assessment_id, wanted.assessment_id, second.assessment_id})
        mlflow.delete_assessment(id, second.assessment_id)
        self.assertTrue(mlflow.get_assessment(id, first.assessment_id).valid)
        found = mlflow.search_traces(filter_string="feedback.ok = 'true'", return_type="list")
        self.assertEqual([t.info.trace_id for t in found], [id])


if __name__ == "__main__":
    support.main()
