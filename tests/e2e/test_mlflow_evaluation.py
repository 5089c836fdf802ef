"""Evaluation datasets, scorers, issues and token sums over MLflow's REST API and by its own client."""
import json
import os
import shutil
import unittest

import support
from mlflow_package import HAS_MLFLOW, WITHOUT
from support import Case

if HAS_MLFLOW:
    import mlflow
    from mlflow import MlflowClient

V2, V3 = "/api/2.0/mlflow", "/api/3.0/mlflow"


class Evaluation(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.data = os.path.join(cls.base, "data")
        cls.s = support.start_server(cls.addClassCleanup, cls.data)

    def refused(self, answer, code="INVALID_PARAMETER_VALUE", status=400, words=""):
        self.assertEqual((answer.status, answer["error_code"]), (status, code), answer)
        self.assertIn(words, answer["message"])

    def experiment(self, name):
        return self.ok(self.s.post(V2 + "/experiments/create", {"name": name}))["experiment_id"]

    def create(self, name, experiments=(), **tags):
        body = {"name": name, "experiment_ids": list(experiments)}
        if tags:
            body["tags"] = json.dumps(tags)
        return self.ok(self.s.post(V3 + "/datasets/create", body))["dataset"]

    def dataset(self, one, **query):
        suffix = "?as_of=%d" % query["as_of"] if query else ""
        return self.ok(self.s.get(f"{V3}/datasets/{one}{suffix}"))["dataset"]

    def upsert(self, one, records):
        text = records if isinstance(records, str) else json.dumps(records)
        return self.s.post(f"{V3}/datasets/{one}/records", {"records": text})

    def records(self, one, query=""):
        answer = self.ok(self.s.get(f"{V3}/datasets/{one}/records{query}"))
        return json.loads(answer["records"])

    def found(self, **body):
        return self.ok(self.s.post(V3 + "/datasets/search", body))

    def names(self, **body):
        return [d["name"] for d in self.found(**body).get("datasets", [])]


class Datasets(Evaluation):
    def test_made_read_tagged_and_deleted(self):
        one, two = self.experiment("made 1"), self.experiment("made 2")
        made = self.create("questions", [one], **{"mlflow.user": "ann", "a": 1, "b": True})
        self.assertRegex(made["dataset_id"], r"^d-[0-9a-f]{32}$")
        self.assertRegex(made["digest"], r"^[0-9a-f]{8}$")
        self.assertEqual((made["name"], made["experiment_ids"]), ("questions", [one]))
        self.assertEqual(json.loads(made["tags"]), {"mlflow.user": "ann", "a": "1", "b": "True"})
        self.assertEqual((made["created_by"], made["last_updated_by"]), ("ann", "ann"))
        self.assertNotIn("schema", made)
        self.assertNotIn("profile", made)
        path = V3 + "/datasets/" + made["dataset_id"]
        del made["experiment_ids"]
        self.assertEqual(self.dataset(made["dataset_id"]), made)
        before = self.s.position()
        self.assertEqual(self.ok(self.s.call("PATCH", path + "/tags", {
            "tags": json.dumps({"a": "2", "c": 1.5, "none": None})})), {})
        self.assertEqual(self.ok(self.s.call("DELETE", path + "/tags/b")), {})
        self.assertEqual(self.ok(self.s.call("DELETE", path + "/tags/b")), {})
        now = self.dataset(made["dataset_id"])
        self.assertEqual(json.loads(now["tags"]), {"mlflow.user": "ann", "a": "2", "c": "1.5"})
        self.assertEqual(self.dataset(made["dataset_id"], as_of=before), made)
        ids = path + "/experiment-ids"
        self.ok(self.s.post(path + "/add-experiments", {"experiment_ids": [two, one]}))
        self.assertEqual(self.ok(self.s.get(ids)), {"experiment_ids": [one, two]})
        self.refused(self.s.post(path + "/add-experiments", {"experiment_ids": ["987"]}),
                     "RESOURCE_DOES_NOT_EXIST", 404, "No Experiment with id=987")
        self.ok(self.s.post(path + "/remove-experiments", {"experiment_ids": [one, "5"]}))
        self.assertEqual(self.ok(self.s.get(ids)), {"experiment_ids": [two]})
        self.assertEqual(self.ok(self.s.call("DELETE", path)), {})
        self.refused(self.s.get(path), "RESOURCE_DOES_NOT_EXIST", 404, "not found")
        self.assertEqual(self.ok(self.s.call("DELETE", path)), {})
        self.assertEqual(self.dataset(made["dataset_id"], as_of=before), made)

    def test_what_is_not_there_or_wrong(self):
        none = V3 + "/datasets/d-none"
        self.refused(self.s.get(none), "RESOURCE_DOES_NOT_EXIST", 404,
                     "Evaluation dataset with id 'd-none' not found")
        self.refused(self.s.call("PATCH", none + "/tags", {"tags": '{"a": "b"}'}),
                     "RESOURCE_DOES_NOT_EXIST", 404, "Could not find evaluation dataset")
        self.refused(self.upsert("d-none", []), "RESOURCE_DOES_NOT_EXIST", 404)
        for verb in ("add", "remove"):
            self.refused(self.s.post(f"{none}/{verb}-experiments", {"experiment_ids": ["0"]}),
                         "RESOURCE_DOES_NOT_EXIST", 404, "Dataset 'd-none' not found")
        self.assertEqual(self.records("d-none"), [])
        self.assertEqual(self.ok(self.s.get(none + "/experiment-ids")), {})
        self.assertEqual(self.ok(self.s.call("DELETE", none + "/tags/k")), {})
        self.assertEqual(self.ok(self.s.call("DELETE", none + "/records",
                                             {"dataset_record_ids": ["dr-1"]})),
                         {"deleted_count": 0})
        self.refused(self.s.post(V3 + "/datasets/create", {}), words="'name'")
        self.refused(self.s.post(V3 + "/datasets/create", {"name": "x" * 256}))
        self.refused(self.s.post(V3 + "/datasets/create", {"name": "n", "tags": "[1]"}))
        one = self.create("wrong")["dataset_id"]
        for bad in ("", "{", "{}", "[1]", '[{"inputs": 5}]', '[{"inputs": null}]',
                    '[{"inputs": {}, "expectations": "x"}]', '[{"inputs": {}, "tags": [1]}]',
                    '[{"inputs": {}, "source": "CODE"}]', "[" * 5000):
            with self.subTest(bad=bad[:40]):
                self.refused(self.upsert(one, bad))
        self.refused(self.upsert(one, [{"inputs": {}, "source": {"source_type": "MOON"}}]),
                     words="Invalid dataset record source type: MOON")
        self.assertEqual(self.records(one), [])
        self.refused(self.s.get(f"{V3}/datasets/{one}/records?page_token=x"))
        self.refused(self.s.get(f"{V3}/datasets/{one}/records?max_results=0"))

    def test_records_are_merged_by_their_inputs(self):
        made = self.create("merged")
        one = made["dataset_id"]
        answer = self.ok(self.upsert(one, [
            {"inputs": {"q": "a", "n": 1}, "outputs": {"x": 1}, "expectations": {"e": 1, "f": "g"},
             "tags": {"mlflow.user": "ann", "t": "1"},
             "source": {"source_type": "human", "source_data": {"source_id": "s1"}}},
            {"inputs": {"q": "b"}, "outputs": None,
             "source": {"source_type": "TRACE", "source_data": {"trace_id": "tr-1"}}},
            {"inputs": {"q": "b"}, "expectations": {"late": True}},
            {"inputs": {}}]))
        self.assertEqual(answer, {"inserted_count": 3, "updated_count": 1})
        a, b, c = self.records(one)
        self.assertRegex(a["dataset_record_id"], r"^dr-[0-9a-f]{32}$")
        self.assertEqual(a["dataset_id"], one)
        self.assertEqual((a["inputs"], a["outputs"]), ({"q": "a", "n": 1}, {"x": 1}))
        self.assertEqual(a["source"], {"source_type": "HUMAN", "source_data": {"source_id": "s1"}})
        self.assertEqual((a["source_type"], a["source_id"]), ("HUMAN", "s1"))
        self.assertEqual((a["created_by"], a["last_updated_by"]), ("ann", "ann"))
        self.assertEqual((b["source_type"], b["source_id"]), ("TRACE", "tr-1"))
        self.assertEqual((b["expectations"], b["tags"]), ({"late": True}, {}))
        self.assertNotIn("outputs", b)
        self.assertEqual((c["inputs"], c["outputs"], c["tags"]), ({}, {}, {}))
        self.assertNotIn("source", c)
        row = self.dataset(one)
        self.assertEqual(json.loads(row["profile"]), {"num_records": 3})
        self.assertEqual(json.loads(row["schema"]), {
            "inputs": {"q": "string", "n": "integer"}, "outputs": {"x": "integer"},
            "expectations": {"e": "integer", "f": "string", "late": "boolean"}, "version": "1.0"})
        self.assertEqual(row["last_updated_by"], "ann")
        then = self.s.position()
        # The order of names is no difference, 1 and 1.0 are one.
        self.assertEqual(self.ok(self.upsert(one, [
            {"inputs": {"n": 1, "q": "a"}, "outputs": None, "expectations": {"f": 2.5},
             "tags": {"u": "2"}, "source": {"source_type": "CODE"}},
            {"inputs": {"n": 1.0, "q": "a"}, "outputs": "text"}])),
            {"inserted_count": 1, "updated_count": 1})
        again = self.records(one)
        self.assertEqual([r["dataset_record_id"] for r in again[:3]],
                         [r["dataset_record_id"] for r in (a, b, c)])
        self.assertEqual(again[0]["expectations"], {"e": 1, "f": 2.5})
        self.assertEqual(again[0]["tags"], {"mlflow.user": "ann", "t": "1", "u": "2"})
        self.assertEqual((again[0]["source_type"], again[0]["last_updated_by"]), ("HUMAN", "ann"))
        self.assertNotIn("outputs", again[0])
        self.assertEqual(again[3]["outputs"], "text")
        self.assertNotIn("last_updated_by", self.dataset(one))
        self.assertEqual(self.records(one, "?as_of=%d" % then), [a, b, c])

    def test_numbers_that_json_has_not(self):
        one = self.create("nan")["dataset_id"]
        big = 123456789012345678901234567890
        self.ok(self.upsert(one, '[{"inputs": {"x": NaN, "y": -Infinity, "z": %d}}]' % big))
        self.assertEqual(self.ok(self.upsert(one, [{"inputs": {"z": big, "y": -float("inf"),
                                                               "x": float("nan")}}])),
                         {"inserted_count": 0, "updated_count": 1})
        inputs = self.records(one)[0]["inputs"]
        self.assertNotEqual(inputs["x"], inputs["x"])
        self.assertEqual((inputs["y"], inputs["z"]), (-float("inf"), big))

    def test_records_are_deleted_and_made_again(self):
        one = self.create("deleted")["dataset_id"]
        self.ok(self.upsert(one, [{"inputs": {"i": i}} for i in range(3)]))
        ids = [r["dataset_record_id"] for r in self.records(one)]
        path = f"{V3}/datasets/{one}/records"
        self.assertEqual(self.ok(self.s.call("DELETE", path, {
            "dataset_record_ids": [ids[1], "dr-none", ids[1]]})), {"deleted_count": 1})
        self.assertEqual([r["dataset_record_id"] for r in self.records(one)], [ids[0], ids[2]])
        self.assertEqual(json.loads(self.dataset(one)["profile"]), {"num_records": 2})
        self.assertEqual(self.ok(self.upsert(one, [{"inputs": {"i": 1}}, {"inputs": {"i": 2}}])),
                         {"inserted_count": 1, "updated_count": 1})
        self.ok(self.s.call("DELETE", path, {
            "dataset_record_ids": [r["dataset_record_id"] for r in self.records(one)]}))
        self.assertEqual(self.records(one), [])
        self.assertEqual(self.dataset(one)["profile"], "null")

    def test_many_records_come_in_pages(self):
        one = self.create("many")["dataset_id"]
        text = "x" * 4000
        self.assertEqual(self.ok(self.upsert(one, [{"inputs": {"i": i, "text": text}}
                                                   for i in range(2500)])),
                         {"inserted_count": 2500, "updated_count": 0})
        got, token, pages = [], "", 0
        while True:
            answer = self.ok(self.s.get(
                f"{V3}/datasets/{one}/records?max_results=1000" + token))
            got += [r["inputs"]["i"] for r in json.loads(answer["records"])]
            pages += 1
            if not answer.get("next_page_token"):
                break
            token = "&page_token=" + answer["next_page_token"]
        self.assertEqual((got, pages), (list(range(2500)), 3))

    def test_searched(self):
        a, b = self.experiment("searched a"), self.experiment("searched b")
        for i in range(5):
            self.create(f"s{i}", [a if i % 2 else b], kind="odd" if i % 2 else "even",
                        **{"mlflow.user": f"u{i}"})
        here = [a, b]
        self.assertEqual(self.names(experiment_ids=here), ["s4", "s3", "s2", "s1", "s0"])
        self.assertEqual(self.names(experiment_ids=[a]), ["s3", "s1"])
        self.assertEqual(self.names(experiment_ids=["4711"]), [])
        for text, names in (("name = 's1'", ["s1"]), ("name IN ('s1', 's3', 'x')", ["s3", "s1"]),
                            ("name LIKE 's%' AND tags.kind = 'odd'", ["s3", "s1"]),
                            ("name ILIKE 'S2'", ["s2"]), ("created_by = 'u4'", ["s4"]),
                            ("last_updated_by != 'u4'", ["s3", "s2", "s1", "s0"]),
                            ("tags.none = 'x'", []), ("created_time > 1000", ["s4", "s3", "s2",
                                                                              "s1", "s0"]),
                            ("last_update_time < 1000", [])):
            with self.subTest(filter=text):
                self.assertEqual(self.names(experiment_ids=here, filter_string=text), names)
        for bad in ("digest = 'x'", "name > 's'", "created_time = 'x'", "name", "tags.x > 1"):
            with self.subTest(filter=bad):
                self.refused(self.s.post(V3 + "/datasets/search", {"filter_string": bad}))
        self.assertEqual(self.names(experiment_ids=here, order_by=["name ASC"], max_results=2),
                         ["s0", "s1"])
        page = self.found(experiment_ids=here, order_by=["name"], max_results=3)
        self.assertEqual(self.names(experiment_ids=here, order_by=["name"], max_results=3,
                                    page_token=page["next_page_token"]), ["s3", "s4"])
        got = self.ok(self.s.get(f"{V3}/datasets/search?experiment_ids={a}&order_by=name"))
        self.assertEqual([d["name"] for d in got["datasets"]], ["s1", "s3"])
        self.refused(self.s.post(V3 + "/datasets/search", {"order_by": ["digest"]}))
        self.refused(self.s.post(V3 + "/datasets/search", {"max_results": -1}))

    def test_over_a_restart_and_from_the_log(self):
        s = self.server()
        made = self.ok(s.post(V3 + "/datasets/create", {"name": "kept"}))["dataset"]["dataset_id"]
        for b in (1, 2):
            self.ok(s.post(f"{V3}/datasets/{made}/records", {"records": json.dumps(
                [{"inputs": {"a": 1}, "expectations": {str(b): b}}])}))
        before = [self.ok(s.get(f"{V3}/datasets/{made}{p}")) for p in ("", "/records")]
        s.stop()
        shutil.rmtree(os.path.join(self.folder, "data", "views"))
        s.start()
        self.assertEqual([self.ok(s.get(f"{V3}/datasets/{made}{p}")) for p in ("", "/records")],
                         before)
        again = self.ok(s.post(f"{V3}/datasets/{made}/records", {"records": json.dumps(
            [{"inputs": {"a": 1}}, {"inputs": {"a": 2}}])}))
        self.assertEqual(again, {"inserted_count": 1, "updated_count": 1})


class Scorers(Evaluation):
    def register(self, experiment, name, serialized="{}"):
        return self.s.post(V3 + "/scorers/register", {
            "experiment_id": experiment, "name": name, "serialized_scorer": serialized})

    def test_versions(self):
        e = self.experiment("scorers")
        first = self.ok(self.register(e, "tone", '{"name": "tone"}'))
        self.assertEqual((first["version"], first["name"], first["experiment_id"],
                          first["serialized_scorer"]), (1, "tone", e, '{"name": "tone"}'))
        self.assertRegex(first["scorer_id"], support.UUID)
        then = self.s.position()
        second = self.ok(self.register(e, "tone", '{"name": "tone", "v": 2}'))
        self.assertEqual((second["version"], second["scorer_id"]), (2, first["scorer_id"]))
        self.ok(self.register(e, "another"))
        q = f"?experiment_id={e}&name=tone"
        got = self.ok(self.s.get(V3 + "/scorers/get" + q))["scorer"]
        self.assertEqual(got, {"experiment_id": int(e), "scorer_name": "tone",
                               "scorer_version": 2, "scorer_id": first["scorer_id"],
                               "serialized_scorer": '{"name": "tone", "v": 2}',
                               "creation_time": second["creation_time"]})
        self.assertEqual(self.ok(self.s.get(f"{V3}/scorers/get{q}&version=1"))["scorer"][
            "scorer_version"], 1)
        self.assertEqual(self.ok(self.s.get(f"{V3}/scorers/get{q}&as_of={then}"))["scorer"][
            "scorer_version"], 1)
        listed = self.ok(self.s.get(f"{V3}/scorers/list?experiment_id={e}"))["scorers"]
        self.assertEqual([(s["scorer_name"], s["scorer_version"]) for s in listed],
                         [("another", 1), ("tone", 2)])
        many = self.ok(self.s.get(f"{V3}/scorers/list?experiment_ids={e}&experiment_ids=99"))
        self.assertEqual(many["scorers"], listed)
        self.assertTrue(all(s in self.ok(self.s.get(V3 + "/scorers/list"))["scorers"]
                            for s in listed))
        versions = self.ok(self.s.get(V3 + "/scorers/versions" + q))["scorers"]
        self.assertEqual([s["scorer_version"] for s in versions], [1, 2])
        delete = {"experiment_id": e, "name": "tone"}
        self.ok(self.s.call("DELETE", V3 + "/scorers/delete", {**delete, "version": 2}))
        self.refused(self.s.get(f"{V3}/scorers/get{q}&version=2"), "RESOURCE_DOES_NOT_EXIST", 404,
                     f"Scorer with name 'tone' and version 2 not found for experiment {e}.")
        self.assertEqual(self.ok(self.register(e, "tone"))["version"], 2)
        self.ok(self.s.call("DELETE", V3 + "/scorers/delete", delete))
        for path in ("get", "versions"):
            self.refused(self.s.get(f"{V3}/scorers/{path}{q}"), "RESOURCE_DOES_NOT_EXIST", 404,
                         f"Scorer with name 'tone' not found for experiment {e}.")
        self.refused(self.s.call("DELETE", V3 + "/scorers/delete", delete),
                     "RESOURCE_DOES_NOT_EXIST", 404)

    def test_what_is_refused(self):
        e = self.experiment("refused scorers")
        judge = '{"instructions_judge_pydantic_data": {"model": %s}}'
        for bad, words in (("no json", "valid JSON"), ('{"call_source": "x"}', "Custom scorer"),
                           ('{"ensemble_scorer_data": {"scorers": [{"call_source": ""}]}}',
                            "Custom scorer"),
                           ('{"third_party_scorer_data": {"kwargs": {"x": {"api_base": 1}}}}',
                            "'api_base'"),
                           ('{"third_party_scorer_data": {"kwargs": [1]}}', "kwargs must be"),
                           (judge % '" "', "cannot be empty"), (judge % "5", "must be a string")):
            with self.subTest(bad=bad):
                self.refused(self.register(e, "n", bad), words=words)
        self.refused(self.register(e, "n", judge % '"gateway:/none"'),
                     "RESOURCE_DOES_NOT_EXIST", 404, "GatewayEndpoint not found")
        self.ok(self.register(e, "n", judge % '"openai:/gpt-4"'))
        self.ok(self.register(e, "n", '{"call_source": null}'))
        self.refused(self.register(e, "  "), words="Scorer name cannot be empty")
        self.refused(self.register("987654", "n"), "RESOURCE_DOES_NOT_EXIST", 404)
        self.refused(self.s.get(f"{V3}/scorers/list?experiment_id={e}&experiment_ids={e}"),
                     words="Cannot specify both")
        self.ok(self.s.post(V2 + "/experiments/delete", {"experiment_id": e}))
        for answer in (self.register(e, "n"), self.s.get(f"{V3}/scorers/list?experiment_id={e}")):
            self.refused(answer, words="must be in the 'active' state")

    def test_online_scoring_is_off_and_says_so(self):
        e = self.experiment("online scorers")
        made = self.ok(self.register(e, "tone"))
        path, ids = V3 + "/scorers/online-config", f"?scorer_ids={made['scorer_id']}"
        self.assertEqual(self.ok(self.s.get(path + "s" + ids)), {"configs": []})
        body = {"experiment_id": e, "name": "tone", "sample_rate": 0,
                "filter_string": "status = 'OK'"}
        config = self.ok(self.s.call("PUT", path, body))["config"]
        self.assertEqual((config["scorer_id"], config["sample_rate"], config["filter_string"],
                          config["experiment_id"]), (made["scorer_id"], 0, "status = 'OK'", e))
        self.assertEqual(self.ok(self.s.get(path + "s" + ids)), {"configs": [config]})
        self.refused(self.s.call("PUT", path, {**body, "sample_rate": 0.5}),
                     words="does not use a gateway model")
        self.refused(self.s.call("PUT", path, {**body, "sample_rate": 2}), words="between 0.0")
        self.refused(self.s.call("PUT", path, {**body, "filter_string": "a b"}))
        self.refused(self.s.call("PUT", path, {**body, "name": "none"}),
                     "RESOURCE_DOES_NOT_EXIST", 404)


class Issues(Evaluation):
    def create_issue(self, experiment, name, **more):
        return self.ok(self.s.post(V3 + "/issues", {
            "experiment_id": experiment, "name": name, "description": "about " + name,
            **more}))["issue"]

    def found_issues(self, experiment, **more):
        return self.ok(self.s.post(V3 + "/issues/search", {"experiment_id": experiment, **more}))

    def issue_names(self, experiment, **more):
        return [i["name"] for i in self.found_issues(experiment, **more).get("issues", [])]

    def test_made_and_changed(self):
        e = self.experiment("issues")
        made = self.create_issue(e, "slow", severity="high", root_causes=["a", "b"],
                                 categories=["c"], source_run_id="r1", created_by="ann")
        self.assertRegex(made["issue_id"], r"^iss-[0-9a-f]{32}$")
        self.assertEqual({k: made[k] for k in ("status", "severity", "root_causes", "categories",
                                               "source_run_id", "created_by", "experiment_id")},
                         {"status": "pending", "severity": "high", "root_causes": ["a", "b"],
                          "categories": ["c"], "source_run_id": "r1", "created_by": "ann",
                          "experiment_id": e})
        path = V3 + "/issues/" + made["issue_id"]
        self.assertEqual(self.ok(self.s.get(path))["issue"], made)
        then = self.s.position()
        changed = self.ok(self.s.call("PATCH", path, {
            "issue_id": made["issue_id"], "status": "resolved", "name": "slower"}))["issue"]
        self.assertEqual((changed["status"], changed["name"], changed["severity"]),
                         ("resolved", "slower", "high"))
        self.assertGreaterEqual(changed["last_updated_timestamp"], made["last_updated_timestamp"])
        self.assertEqual(changed["created_timestamp"], made["created_timestamp"])
        self.assertEqual(self.ok(self.s.get(f"{path}?as_of={then}"))["issue"], made)
        self.refused(self.s.call("PATCH", path, {"status": "open"}), words="IssueStatus")
        self.refused(self.s.call("PATCH", path, {"severity": "worst"}), words="IssueSeverity")
        for answer in (self.s.get(V3 + "/issues/iss-none"),
                       self.s.call("PATCH", V3 + "/issues/iss-none", {"name": "x"})):
            self.refused(answer, "RESOURCE_DOES_NOT_EXIST", 404, "Issue with ID 'iss-none'")
        self.refused(self.s.post(V3 + "/issues", {"experiment_id": "987654", "name": "n",
                                                  "description": "d"}),
                     "RESOURCE_DOES_NOT_EXIST", 404)
        for missing in ("name", "description", "experiment_id"):
            body = {"experiment_id": e, "name": "n", "description": "d"}
            del body[missing]
            self.refused(self.s.post(V3 + "/issues", body), words=f"'{missing}'")

    def test_searched(self):
        e = self.experiment("searched issues")
        for name, severity in (("one", "low"), ("two", "high"), ("three", ""), ("four", "low"),
                               ("five", "not_an_issue")):
            more = {"severity": severity} if severity else {}
            last = self.create_issue(e, name, source_run_id="r-" + name[0], **more)
        self.create_issue(self.experiment("other issues"), "elsewhere")
        self.assertEqual(self.issue_names(e), ["two", "four", "one", "five", "three"])
        self.ok(self.s.call("PATCH", f"{V3}/issues/{last['issue_id']}", {"status": "rejected"}))
        for text, names in (("status = 'rejected'", ["five"]),
                            ("status != 'rejected' AND source_run_id = 'r-t'", ["two", "three"]),
                            ("source_run_id != 'r-t'", ["four", "one", "five"])):
            with self.subTest(filter=text):
                self.assertEqual(self.issue_names(e, filter_string=text), names)
        page = self.found_issues(e, max_results=2)
        self.assertEqual(self.issue_names(e, max_results=3, page_token=page["next_page_token"]),
                         ["one", "five", "three"])
        self.assertEqual(self.found_issues(e)["next_page_token"], "")
        for bad in ({"filter_string": "name = 'x'"}, {"filter_string": "status > 'x'"},
                    {"max_results": 0}):
            self.refused(self.s.post(V3 + "/issues/search", bad))

    def test_counts_the_traces_that_have_it(self):
        e = self.experiment("counted issues")
        rare, often = self.create_issue(e, "rare"), self.create_issue(e, "often")
        for i in range(3):
            trace = {"trace_id": f"tr-issue-{i}", "request_time": "2026-11-21T10:00:00Z",
                     "trace_location": {"type": "MLFLOW_EXPERIMENT",
                                        "mlflow_experiment": {"experiment_id": e}}, "state": "OK"}
            self.ok(self.s.post(V3 + "/traces", {"trace": {"trace_info": trace}}))
            for issue in [often, often] + [rare] * (i == 0):
                self.ok(self.s.post(f"{V3}/traces/tr-issue-{i}/assessments", {"assessment": {
                    "assessment_name": issue["issue_id"], "trace_id": f"tr-issue-{i}",
                    "source": {"source_type": "HUMAN", "source_id": "ann"},
                    "issue": {"issue_name": issue["name"]}}}))
        got = self.found_issues(e, include_trace_count=True)["issues"]
        self.assertEqual([(i["name"], i["trace_count"]) for i in got], [("often", 3), ("rare", 1)])
        self.assertNotIn("trace_count", self.found_issues(e)["issues"][0])


class LabelSchemas(Evaluation):
    def create_schema(self, experiment, name, status=200, **more):
        answer = self.s.post(V3 + "/label-schemas/create", {
            "experiment_id": experiment, "name": name, "type": "FEEDBACK",
            "input": {"text": {}}, **more})
        self.assertEqual(answer.status, status, answer)
        return answer["label_schema"] if status == 200 else answer

    def test_made_changed_and_deleted(self):
        e = self.experiment("label schemas")
        given = {"input": {"categorical": {"options": ["a", "b"], "multi_select": True}},
                 "type": "EXPECTATION", "instruction": "look", "enable_comment": True}
        made = self.create_schema(e, "which?", **given)
        self.assertRegex(made["schema_id"], r"^ls-[0-9a-f]{32}$")
        self.assertEqual({k: made[k] for k in given}, given)
        self.assertEqual((made["name"], made["is_default"]), ("which?", False))
        number = self.create_schema(e, "number", input={"numeric": {"max_value": 2.5}})
        self.assertEqual(number["input"], {"numeric": {"max_value": 2.5}})
        path = V3 + "/label-schemas/"
        one = path + "get?schema_id=" + made["schema_id"]
        self.assertEqual(self.ok(self.s.get(one))["label_schema"], made)
        self.assertEqual(self.ok(self.s.get(f"{path}get-by-name?experiment_id={e}&name=number")),
                         {"label_schema": number})
        listed = self.ok(self.s.get(f"{path}list?experiment_id={e}"))
        names = [x["name"] for x in listed["label_schemas"]]
        self.assertEqual((sorted(names), names[-1]), (["Feedback", "number", "which?"], "Feedback"))
        default = listed["label_schemas"][-1]
        self.assertEqual((default["is_default"], default["type"]), (True, "FEEDBACK"))
        self.assertEqual(self.ok(self.s.get(path + "get?schema_id=" + default["schema_id"]))[
            "label_schema"], default)
        then = self.s.position()
        changed = self.ok(self.s.call("PATCH", path + "update", {
            "schema_id": made["schema_id"], "name": "which one?", "enable_comment": False}))
        self.assertEqual((changed["label_schema"]["name"], changed["label_schema"]["input"]),
                         ("which one?", given["input"]))
        self.assertEqual(self.ok(self.s.get(f"{one}&as_of={then}"))["label_schema"], made)
        self.assertEqual(self.ok(self.s.call("DELETE", path + "delete", {
            "schema_id": made["schema_id"]})), {})
        self.refused(self.s.get(one), "RESOURCE_DOES_NOT_EXIST", 404)
        for method, what in (("PATCH", "update"), ("DELETE", "delete")):
            self.refused(self.s.call(method, path + what, {"schema_id": default["schema_id"],
                                                           "name": "x"}), words="default question")

    def test_what_is_refused(self):
        e = self.experiment("refused schemas")
        self.create_schema(e, "taken")
        self.refused(self.create_schema(e, "taken", 400), "RESOURCE_ALREADY_EXISTS")
        for bad in ({"type": "OTHER"}, {"input": {}}, {"instruction": "x" * 1001},
                    {"input": {"pass_fail": {"positive_label": "a", "negative_label": "a"}}},
                    {"input": {"pass_fail": {"positive_label": "a"}}},
                    {"input": {"categorical": {"options": []}}},
                    {"input": {"categorical": {"options": ["a", "a"]}}},
                    {"input": {"categorical": {"options": list("abcdefghijk")}}},
                    {"input": {"numeric": {"min_value": 2, "max_value": 1}}},
                    {"input": {"text": {"max_length": 0}}}, {"name": "FeedBack "}):
            with self.subTest(bad=bad):
                self.refused(self.create_schema(e, **{"name": "n", "status": 400, **bad}))
        self.refused(self.create_schema("987654", "n", 404), "RESOURCE_DOES_NOT_EXIST", 404)


class TokenSums(Evaluation):
    def send(self, experiment, trace, *spans):
        rows = []
        for span_id, parent, attributes in spans:
            rows.append({"traceId": trace, "spanId": span_id, "parentSpanId": parent, "name": "s",
                         "startTimeUnixNano": "1000000000", "endTimeUnixNano": "2000000000",
                         "attributes": [{"key": k, "value": {"intValue": str(v)} if
                                         isinstance(v, int) else {"stringValue": v}}
                                        for k, v in attributes.items()]})
        body = {"resourceSpans": [{"scopeSpans": [{"spans": rows}]}]}
        answer = self.s.call("POST", "/v1/traces", body, {"x-mlflow-experiment-id": experiment})
        self.assertEqual(answer.status, 200, answer)

    def test_of_the_outermost_spans_that_say_it(self):
        e, trace = self.experiment("tokens"), "0af7651916cd43dd8448eb211c80319d"
        llm = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 10,
               "gen_ai.usage.output_tokens": 5}
        a, b, c, root = ("b7ad6b716920333%d" % i for i in range(4))

        def said():
            info = self.ok(self.s.get(f"{V3}/traces/tr-{trace}"))["trace"]["trace_info"]
            metadata = info["trace_metadata"]
            return [json.loads(metadata[k]) if k in metadata else None
                    for k in ("mlflow.trace.tokenUsage", "mlflow.trace.cost")]

        def tokens(i, o):
            return {"input_tokens": i, "output_tokens": o, "total_tokens": i + o}
        self.send(e, trace, (a, root, {**llm, "mlflow.llm.cost": '{"input_cost": 0.25, '
                                                                 '"total_cost": 0.75}'}))
        cost = {"input_cost": 0.25, "output_cost": 0, "total_cost": 0.75}
        self.assertEqual(said(), [tokens(10, 5), cost])
        self.send(e, trace, (b, root, llm), (c, b, llm))
        self.assertEqual(said(), [tokens(20, 10), cost])
        self.send(e, trace, (b, root, llm))
        self.assertEqual(said(), [tokens(20, 10), cost])
        self.send(e, trace, (root, "", {**llm, "gen_ai.usage.input_tokens": 100}))
        self.assertEqual(said(), [tokens(100, 5), cost])


@unittest.skipUnless(HAS_MLFLOW, WITHOUT)
class ByTheClient(Evaluation):
    def setUp(self):
        self.url = "http://%s:%d" % (self.s.host, self.s.port)
        mlflow.set_tracking_uri(self.url)
        self.addCleanup(mlflow.set_tracking_uri, None)
        self.client = MlflowClient(self.url)

    def test_datasets(self):
        a, b = (self.client.create_experiment(f"client {x}") for x in "ab")
        made = self.client.create_dataset("client's", experiment_id=a, tags={"k": "v"})
        self.assertEqual(made.experiment_ids, [a])
        store = self.client._tracking_client.store
        store.upsert_dataset_records(made.dataset_id, [
            {"inputs": {"q": str(i)}, "expectations": {"a": i}} for i in range(1200)])
        kept = self.client.get_dataset(made.dataset_id)
        self.assertEqual(len(kept.records), 1200)
        self.assertEqual(kept.records[7].expectations, {"a": 7})
        self.assertEqual(kept.delete_records([kept.records[0].dataset_record_id]), 1)
        self.assertEqual(len(kept.records), 1199)
        self.client.set_dataset_tags(made.dataset_id, {"k": "w"})
        self.client.delete_dataset_tag(made.dataset_id, "none")
        self.client.add_dataset_to_experiments(made.dataset_id, [b])
        self.assertEqual(self.client.get_dataset(made.dataset_id).experiment_ids, [a, b])
        self.client.remove_dataset_from_experiments(made.dataset_id, [a])
        self.assertEqual([d.name for d in self.client.search_datasets(experiment_ids=[b])],
                         ["client's"])
        self.assertEqual(list(self.client.search_datasets(experiment_ids=[a])), [])
        self.client.delete_dataset(made.dataset_id)
        with self.assertRaisesRegex(mlflow.exceptions.MlflowException, "not found"):
            self.client.get_dataset(made.dataset_id)


if __name__ == "__main__":
    support.main()
