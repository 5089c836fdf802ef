"""Spans over OpenTelemetry's protocol, what is found by them, and figures of traces."""
import base64
import gzip
import json
import struct
import unittest

import support
from support import Case

V3 = "/api/3.0/mlflow"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A message, a text or a number of a protobuf message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def time_of(number, ms):
    return varint(number << 3 | 1) + struct.pack("<Q", ms * 1000000)


def any_value(value):
    if isinstance(value, int):
        return field(3, value)
    if isinstance(value, float):
        return varint(4 << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, list):
        return field(5, b"".join(field(1, any_value(each)) for each in value))
    if isinstance(value, dict):
        return field(6, b"".join(attribute(1, k, v) for k, v in value.items()))
    return field(7 if isinstance(value, bytes) else 1, value)


def attribute(number, key, value):
    return field(number, field(1, key) + field(2, any_value(value)))


def link(trace, id, **attributes):
    return (field(1, bytes.fromhex(trace)) + field(2, bytes.fromhex(id)) +
            b"".join(attribute(4, k, v) for k, v in attributes.items()))


def span(id, name, start, end, parent=None, trace=TRACE, status=0, links=(), **attributes):
    out = field(1, bytes.fromhex(trace)) + field(2, bytes.fromhex(id)) + field(5, name)
    if parent:
        out += field(4, bytes.fromhex(parent))
    out += time_of(7, start) + time_of(8, end)
    for key, value in attributes.items():
        out += attribute(9, key.replace("__", "."), value)
    for each in links:
        out += field(13, each)
    return out + field(15, field(3, status))


def request(*spans, **resource):
    of = b"".join(attribute(1, k.replace("__", "."), v) for k, v in resource.items())
    return field(1, field(1, of) + field(2, b"".join(field(2, s) for s in spans)))


ROOT, CHILD = "b7ad6b7169203331", "b7ad6b7169203332"


class Otlp(Case):
    def setUp(self):
        super().setUp()
        self.s = self.server()
        self.experiment = self.ok(self.s.post("/api/2.0/mlflow/experiments/create",
                                              {"name": "traced"}))["experiment_id"]

    def send(self, body, status=200, **headers):
        sent = {"Content-Type": "application/x-protobuf",
                "x-mlflow-experiment-id": self.experiment,
                **{k.replace("_", "-"): v for k, v in headers.items()}}
        answer = self.s.call("POST", "/v1/traces", body, {k: v for k, v in sent.items() if v})
        self.assertEqual(answer.status, status, answer)
        return answer

    def info(self, trace="tr-" + TRACE):
        return self.ok(self.s.get(f"{V3}/traces/{trace}"))["trace"]["trace_info"]

    def spans(self, trace="tr-" + TRACE):
        return self.ok(self.s.get(f"{V3}/traces/get?trace_id={trace}"))["trace"]["spans"]

    def found(self, text):
        answer = self.s.post(V3 + "/traces/search", {"filter": text, "locations": [
            {"mlflow_experiment": {"experiment_id": self.experiment}}]})
        return {t["trace_id"][-1] for t in self.ok(answer).get("traces", [])}

    def test_other_conventions_are_said_in_mlflows_names(self):
        self.send(request(span(ROOT, "ask", 1000, 2000, openinference__span__kind="LLM",
                               input__value="Hello", output__value='{"a": [1]}',
                               llm__token_count__prompt=100, llm__token_count__completion=50),
                          span(CHILD, "tool", 1100, 1200, ROOT, traceloop__span__kind="tool",
                               mlflow__spanType="UNKNOWN")))
        info = self.info()
        self.assertEqual((info["request_preview"], info["response_preview"]), ('"Hello"', '{"a": [1]}'))
        self.assertEqual(self.found("span.type = 'LLM'"), {TRACE[-1]})
        self.assertEqual(self.found("span.type = 'TOOL'"), {TRACE[-1]})
        self.assertEqual(self.found("span.type = 'UNKNOWN'"), set())
        kept = self.s.get("/ajax-api/2.0/mlflow/get-trace-artifact?request_id=tr-" + TRACE).json
        said = kept["spans"][0]["attributes"]
        self.assertEqual({name: json.loads(said["mlflow." + name]) for name in
                          ("spanType", "spanInputs", "spanOutputs", "chat.tokenUsage")},
                         {"spanType": "LLM", "spanInputs": "Hello", "spanOutputs": {"a": [1]},
                          "chat.tokenUsage": {"input_tokens": 100, "output_tokens": 50,
                                              "total_tokens": 150}})

    def test_a_trace_grows_with_its_spans(self):
        sent = self.send(request(span(CHILD, "kid", 2000, 3000, ROOT, k=5, session__id="s1"),
                                 service__name="shop", telemetry__sdk__name="x"))
        self.assertEqual((sent.body, sent.headers["Content-Type"]), (b"", "application/x-protobuf"))
        info = self.info()
        self.assertEqual((info["state"], info["request_time"], info["execution_duration"]),
                         ("IN_PROGRESS", "1970-01-01T00:00:02Z", "1s"))
        self.assertEqual(info["tags"]["mlflow.trace.spansLocation"], "TRACKING_STORE")
        self.assertEqual(info["tags"]["service.name"], "shop")
        self.assertNotIn("telemetry.sdk.name", info["tags"])
        self.assertEqual(info["trace_metadata"], {"mlflow.trace.session": "s1"})
        run = self.ok(self.s.post("/api/2.0/mlflow/runs/create",
                                  {"experiment_id": self.experiment}))["run"]["info"]["run_id"]
        root = request(span(ROOT, "root", 1000, 4000, status=2, mlflow__spanInputs='{"q": 1}',
                            mlflow__traceTag__team="blue"))
        self.send(gzip.compress(root), Content_Encoding="gzip", x_mlflow_run_id=run)
        info = self.info()
        self.assertEqual((info["state"], info["request_time"], info["execution_duration"],
                          info["request_preview"], info["tags"]["team"]),
                         ("ERROR", "1970-01-01T00:00:01Z", "3s", '{"q": 1}', "blue"))
        self.assertEqual(self.found(f"run_id = '{run}'"), {TRACE[-1]})
        spans = self.spans()
        self.assertEqual([s["name"] for s in spans], ["root", "kid"])
        self.assertEqual(spans[1]["start_time_unix_nano"], 2000000000)
        self.assertIn({"key": "k", "value": {"int_value": 5}}, spans[1]["attributes"])
        # The same request again changes nothing.
        before = self.s.position()
        self.send(root)
        self.assertEqual(self.s.position(), before)
        self.assertEqual(self.spans(), spans)
        file = self.s.get("/ajax-api/2.0/mlflow/get-trace-artifact?request_id=tr-" + TRACE)
        self.assertEqual([s["name"] for s in self.ok(file)["spans"]], ["root", "kid"])
        self.s.kill()
        self.s.start()
        self.assertEqual((self.info(), self.spans()), (info, spans))

    def kept(self):
        answer = self.s.get("/ajax-api/2.0/mlflow/get-trace-artifact?request_id=tr-" + TRACE)
        return self.ok(answer)["spans"]

    def test_links_of_spans(self):
        other = "f" * 32
        self.send(request(span(ROOT, "root", 1, 2, links=[link(other, CHILD, why="because"),
                                                          link(TRACE, ROOT)])))
        self.assertEqual(self.kept()[0]["links"], [
            {"trace_id": "tr-" + other, "span_id": CHILD, "attributes": {"why": "because"}},
            {"trace_id": "tr-" + TRACE, "span_id": ROOT, "attributes": None}])
        ids = {"trace_id": base64.b64encode(bytes.fromhex(other)).decode(),
               "span_id": base64.b64encode(bytes.fromhex(CHILD)).decode()}
        self.assertEqual(self.spans()[0]["links"][0], {
            **ids, "attributes": [{"key": "why", "value": {"string_value": "because"}}]})
        self.assertNotIn("attributes", self.spans()[0]["links"][1])

    def test_values_are_written_as_pythons_json_module_does(self):
        given = {"inf": float("inf"), "nans": [float("nan"), 1.0], "deep": {"x": float("-inf")},
                 "raw": b"\x00'", "dumped": '{"a":NaN}', "listed": " [1,2]", "quoted": '"q"',
                 "twice": '"\\"q\\""', "five": "5", "word": "true", "open": "[1",
                 "inner": {"x": "[1]"}}
        self.send(request(span(ROOT, "root", 1, 2, **given)))
        said = self.kept()[0]["attributes"]
        self.assertEqual({name: said[name] for name in given}, {
            "inf": "Infinity", "nans": "[NaN, 1.0]", "deep": '{"x": -Infinity}',
            "raw": json.dumps("b\"\\x00'\""), "dumped": '{"a":NaN}', "listed": " [1,2]",
            "quoted": '"q"', "twice": '"\\"q\\""', "five": '"5"', "word": '"true"',
            "open": '"[1"', "inner": '{"x": "[1]"}'})
        values = {a["key"]: a["value"] for a in self.spans()[0]["attributes"]}
        self.assertEqual(values["inf"], {"double_value": "Infinity"})
        self.assertEqual(values["nans"], {"array_value": {"values": [
            {"double_value": "NaN"}, {"double_value": 1.0}]}})
        self.assertEqual(values["listed"]["array_value"]["values"][1], {"int_value": 2})
        self.assertEqual(values["five"], {"string_value": "5"})
        # What is no number in JSON does not keep the spans from being found.
        self.assertEqual(self.found("span.attributes.five = '5'"), {TRACE[-1]})

    def test_a_span_that_comes_again_replaces_the_former(self):
        def names():
            return [s["name"] for s in self.spans()]
        for name, end in (("a", 5), ("b", 5), ("a", 5), ("c", 3)):
            self.send(request(span(ROOT, name, 1, end, k=name)))
            self.assertEqual(names(), [name])
        self.send(request(span(CHILD, "kid", 2, 3, ROOT)))
        before = self.s.position()
        self.send(request(span(CHILD, "kid", 2, 3, ROOT)))
        self.assertEqual(self.s.position(), before)
        self.s.kill()
        self.s.start()
        self.assertEqual(names(), ["c", "kid"])
        self.assertEqual(json.loads(self.kept()[0]["attributes"]["k"]), "c")

    def test_previews_are_json_or_the_words_of_a_chat(self):
        chat = {"messages": [{"role": "user", "content": "ask"}]}
        for i, (given, preview) in enumerate((("plain", '"plain"'), ("5", '"5"'), ("[1,2]", "[1,2]"),
                                              ('"text"', '"text"'), ({"q": 1.0}, '{"q": 1.0}'),
                                              (chat, "ask"), (json.dumps(chat), "ask"),
                                              ("ü" * 2000, '"' + "ü" * 996 + "..."))):
            trace = TRACE[:-1] + str(i)
            self.send(request(span(ROOT, "root", 1, 2, trace=trace, mlflow__spanInputs=given)))
            self.assertEqual(self.info("tr-" + trace)["request_preview"], preview)

    def test_a_root_is_named_by_the_agent_that_sent_it(self):
        self.send(request(span(ROOT, "root", 1, 4), span(CHILD, "kid", 2, 3, ROOT),
                          service__name="claude-code"))
        said = [s["attributes"].get("service.name") for s in self.kept()]
        self.assertEqual(said, ['"claude-code"', None])
        other = TRACE[:-1] + "d"
        self.send(request(span(ROOT, "root", 1, 4, trace=other), service__name="shop"))
        self.assertNotIn("service.name", [a["key"] for a in self.spans("tr-" + other)[0]["attributes"]])

    def test_encodings_are_named_in_any_case_and_a_missing_header_as_fastapi_does(self):
        good = request(span(ROOT, "a", 1, 2))
        self.send(gzip.compress(good), Content_Encoding="GZIP")
        for header in ("", None):
            self.assertEqual(self.send(good, 422, x_mlflow_experiment_id=header).json["detail"], [
                {"type": "missing", "loc": ["header", "x-mlflow-experiment-id"],
                 "msg": "Field required", "input": None}])

    def test_spans_of_one_request_are_put_in_order(self):
        self.send(request(span(CHILD, "kid", 2000, 3000, ROOT), span(ROOT, "root", 1000, 4000)))
        self.assertEqual([s["name"] for s in self.spans()], ["root", "kid"])

    def test_json_and_several_traces_in_one_request(self):
        other = TRACE[:-1] + "d"
        self.send(request(span(ROOT, "a", 1, 2), span(ROOT, "b", 3, 4, trace=other)))
        self.assertEqual([s["name"] for s in self.spans()], ["a"])
        self.assertEqual([s["name"] for s in self.spans("tr-" + other)], ["b"])
        self.send(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{
            "traceId": other, "spanId": CHILD, "parentSpanId": ROOT, "name": "c",
            "startTimeUnixNano": "3500000", "endTimeUnixNano": "3900000"}]}]}]}),
            Content_Type="application/json")
        self.assertEqual([s["name"] for s in self.spans("tr-" + other)], ["b", "c"])

    def test_what_is_no_export_request_is_refused(self):
        good = request(span(ROOT, "a", 1, 2))
        for body, status, headers in (
                (b"", 400, {}), (b"\xff\xff", 400, {}), (good[:-1], 400, {}),
                (good, 400, {"Content_Type": "text/plain"}), (b"{", 400, {"Content_Type": "application/json"}),
                (b"{}", 400, {"Content_Type": "application/json"}),
                (good, 400, {"Content_Encoding": "br"}), (good, 400, {"Content_Encoding": "gzip"}),
                (gzip.compress(good)[:-9], 400, {"Content_Encoding": "gzip"}),
                (good, 422, {"x_mlflow_experiment_id": ""}),
                (request(span("", "a", 1, 2)), 422, {}),
                (request(span(ROOT, "a", 1, 2, trace="")), 422, {})):
            self.assertTrue(self.send(body, status, **headers)["detail"])
        self.assertEqual(self.send(good, 404, x_mlflow_experiment_id="4711")["error_code"],
                         "RESOURCE_DOES_NOT_EXIST")
        self.assertEqual(self.found(""), set())

    def test_search_by_what_is_in_spans(self):
        for i, (kind, status) in enumerate((("LLM", 1), ("CHAIN", 2), ("LLM", 2))):
            trace = TRACE[:-1] + str(i)
            # As MLflow's client sends it: attributes are what they are, the type among them.
            self.send(request(span(ROOT, "root", 10 + i, 20, trace=trace),
                              span(CHILD, f"step {i}", 10 + i, 15, ROOT, trace=trace, status=status,
                                   mlflow__spanType=kind, model__name=f"gpt-{i}")))
        for text, which in (("span.name = 'step 1'", "1"), ("span.type = 'LLM'", "02"),
                            ("span.type = 'LLM' AND span.status = 'ERROR'", "2"),
                            ("span.name = 'root' AND span.type = 'LLM'", ""),
                            ("span.name = 'root'", "012"), ("span.name LIKE 'step%'", "012"),
                            ("span.name IN ('step 0', 'step 2')", "02"),
                            ("span.name RLIKE '^step [12]$'", "12"),
                            ("span.attributes.model.name = 'gpt-1'", "1"),
                            ("span.attributes.`model.name` ILIKE 'GPT-%'", "012"),
                            ("span.attributes.nothing = 'x'", ""), ("trace.text LIKE '%gpt-2%'", "2"),
                            ("span.content LIKE '%step 1%' OR span.content LIKE '%step 2%'", "12"),
                            ("span.type = 'LLM' AND timestamp_ms > 10", "2"),
                            ("(span.type = 'CHAIN' OR timestamp_ms = 10) AND status = 'OK'", "01")):
            self.assertEqual(self.found(text), set(which), text)

    def test_figures_of_traces(self):
        for i in range(4):
            start = 1000 * (i + 1)
            self.send(request(span(ROOT, "root", start, start + 10 * i, trace=TRACE[:-1] + str(i),
                                   status=1 + i % 2)))
        def ask(view="TRACES", metric="trace_count", kinds=("COUNT",), status=200, **more):
            answer = self.s.post("/ajax-api/3.0/mlflow/traces/metrics", {
                "experiment_ids": [self.experiment], "view_type": view, "metric_name": metric,
                "aggregations": [{"aggregation_type": k} for k in kinds], **more})
            self.assertEqual(answer.status, status, answer)
            return answer.json.get("data_points")
        self.assertEqual(ask(), [{"metric_name": "trace_count", "dimensions": {},
                                  "values": {"COUNT": 4}}])
        self.assertEqual([(p["dimensions"], p["values"]) for p in ask(dimensions=["trace_status"])],
                         [({"trace_status": "ERROR"}, {"COUNT": 2}),
                          ({"trace_status": "OK"}, {"COUNT": 2})])
        self.assertEqual(ask(metric="latency", kinds=("AVG", "MAX"))[0]["values"],
                         {"AVG": 15, "MAX": 30})
        self.assertEqual([p["values"]["COUNT"] for p in ask(
            time_interval_seconds=2, start_time_ms=0, end_time_ms=3000)], [1, 2])
        self.assertEqual(ask(filters=["trace.status = 'OK'"])[0]["values"], {"COUNT": 2})
        self.assertEqual(ask("SPANS", "span_count", dimensions=["span_name"],
                             filters=["span.status = 'ERROR'"])[0]["values"], {"COUNT": 2})
        self.assertEqual(ask("ASSESSMENTS", "assessment_count")[0]["values"], {"COUNT": 0})
        for bad in ({"metric": "nothing"}, {"view": "NOTHING"}, {"kinds": ("AVG",)}, {"kinds": ()},
                    {"dimensions": ["span_name"]}, {"filters": ["span.name = 'x'"]},
                    {"time_interval_seconds": 60}, {"filters": ["nonsense"]}):
            ask(status=400, **bad)

    def test_uploads_in_parts_are_refused_as_over_a_local_folder(self):
        files = "/api/2.0/mlflow-artifacts/"
        run = self.ok(self.s.post("/api/2.0/mlflow/runs/create",
                                  {"experiment_id": self.experiment}))["run"]["info"]["run_id"]
        for path, body, status, words in (
                ("mpu/create/1/x", {"path": "f", "num_parts": 2}, 501, "Multipart upload is not"),
                ("mpu/complete/1/x", {"path": "f", "parts": []}, 501, "Multipart upload is not"),
                ("mpu/abort/1/x", {"path": "f", "upload_id": "u"}, 501, "Multipart upload is not"),
                ("mpu/create/1/x", {}, 400, "'path'"), ("mpu/create/..%2fx", {"path": "f"}, 400, "path")):
            answer = self.s.post(files + path, body)
            self.assertEqual(answer.status, status, answer)
            self.assertIn(words, answer["message"])
        self.assertIn("Multipart download", self.s.get(files + "presigned/1/x")["message"])
        url = "/api/2.0/mlflow/artifacts/presigned-upload-url"
        for body, status, words in (({"run_id": run, "path": "f"}, 400, "proxied artifact storage"),
                                    ({"path": "f"}, 400, "Exactly one of"),
                                    ({"run_id": "ffff", "path": "f"}, 404, "not found")):
            answer = self.s.post(url, body)
            self.assertEqual(answer.status, status, answer)
            self.assertIn(words, answer["message"])


if __name__ == "__main__":
    support.main()
