"""MLflow's own client, unmodified, against a server of its own.

The client is the package mlflow, or mlflow-skinny (which does less); where mlflow_package.py finds neither, every test is
skipped by name.
"""
import os
import unittest

import support
from mlflow_package import HAS_MLFLOW, HAS_SKLEARN, HAS_XGBOOST, WITHOUT
from support import Case

if HAS_MLFLOW:
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import (Dataset, DatasetInput, InputTag, Metric, Param, RunTag,
                                 ViewType)
    from mlflow.exceptions import MlflowException


@unittest.skipUnless(HAS_MLFLOW, WITHOUT)
class MlflowClientTests(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"))
        mlflow.set_tracking_uri(cls.s.url)
        mlflow.set_registry_uri(cls.s.url)
        cls.client = MlflowClient()

    def tearDown(self):
        while mlflow.active_run():
            mlflow.end_run()

    def test_experiments(self):
        c = self.client
        self.assertEqual(c.get_experiment("0").name, "Default")
        self.assertIsNone(c.get_experiment_by_name("nobody made this"))
        id = c.create_experiment("exp one", tags={"a": "b"})
        self.assertEqual(c.get_experiment(id).tags, {"a": "b"})
        c.set_experiment_tag(id, "c", "d")
        c.rename_experiment(id, "exp two")
        self.assertEqual(c.get_experiment_by_name("exp two").experiment_id, id)
        c.delete_experiment_tag(id, "a")
        self.assertEqual(c.get_experiment(id).tags, {"c": "d"})
        c.delete_experiment(id)
        self.assertEqual(c.get_experiment(id).lifecycle_stage, "deleted")
        names = lambda view: [e.name for e in c.search_experiments(view_type=view)]
        self.assertNotIn("exp two", names(ViewType.ACTIVE_ONLY))
        self.assertIn("exp two", names(ViewType.DELETED_ONLY))
        c.restore_experiment(id)
        self.assertIn("exp two", names(ViewType.ACTIVE_ONLY))
        with self.assertRaisesRegex(MlflowException, "already exists"):
            c.create_experiment("exp two")
        with self.assertRaisesRegex(MlflowException, "No Experiment with id=4711"):
            c.get_experiment("4711")

    def test_a_run_in_a_with_block(self):
        mlflow.set_experiment("fluent")
        with mlflow.start_run(run_name="outer", tags={"t": "1"}) as outer:
            mlflow.log_param("p", 1)
            mlflow.log_params({"q": "two", "r": 3.5})
            mlflow.log_metric("m", 0.25, step=0)
            mlflow.log_metrics({"m": 0.5, "n": float("nan")}, step=1)
            mlflow.set_tag("u", "x")
            mlflow.log_text("hello", "notes/hello.txt")
            mlflow.log_dict({"a": [1, 2]}, "config.json")
            with mlflow.start_run(nested=True) as inner:
                mlflow.log_metric("m", 9)
        run = self.client.get_run(outer.info.run_id)
        self.assertEqual((run.info.status, run.info.run_name), ("FINISHED", "outer"))
        self.assertEqual(run.data.params, {"p": "1", "q": "two", "r": "3.5"})
        self.assertEqual(run.data.metrics["m"], 0.5)
        self.assertNotEqual(run.data.metrics["n"], run.data.metrics["n"], "NaN")
        self.assertEqual((run.data.tags["t"], run.data.tags["u"]), ("1", "x"))
        child = self.client.get_run(inner.info.run_id)
        self.assertEqual(child.data.tags["mlflow.parentRunId"], outer.info.run_id)
        history = self.client.get_metric_history(outer.info.run_id, "m")
        self.assertEqual([(m.step, m.value) for m in history], [(0, 0.25), (1, 0.5)])
        self.assertEqual(mlflow.artifacts.load_text(run.info.artifact_uri + "/notes/hello.txt"), "hello")
        files = self.client.list_artifacts(outer.info.run_id)
        self.assertEqual([(f.path, f.is_dir) for f in files], [("config.json", False), ("notes", True)])
        got = mlflow.artifacts.download_artifacts(run_id=outer.info.run_id, dst_path=self.folder)
        with open(os.path.join(got, "notes", "hello.txt"), encoding="utf-8") as text:
            self.assertEqual(text.read(), "hello")
        with self.assertRaisesRegex(MlflowException, "Changing param values is not allowed"):
            self.client.log_param(outer.info.run_id, "p", 2)

    def test_a_failed_run_and_one_that_is_deleted_and_restored(self):
        mlflow.set_experiment("fates")
        with self.assertRaises(RuntimeError), mlflow.start_run() as run:
            raise RuntimeError("boom")
        id = run.info.run_id
        self.assertEqual(self.client.get_run(id).info.status, "FAILED")
        self.client.delete_run(id)
        self.assertEqual(self.client.get_run(id).info.lifecycle_stage, "deleted")
        with self.assertRaisesRegex(MlflowException, "must be in the 'active' state"):
            self.client.set_tag(id, "a", "b")
        self.client.restore_run(id)
        self.client.set_tag(id, "a", "b")
        self.client.update_run(id, status="KILLED", name="other")
        run = self.client.get_run(id)
        self.assertEqual((run.info.status, run.info.run_name), ("KILLED", "other"))
        self.client.set_terminated(id, "FINISHED")
        self.client.delete_tag(id, "a")
        self.assertNotIn("a", self.client.get_run(id).data.tags)

    def test_batches_and_search(self):
        experiment = self.client.create_experiment("batches and search")
        ids = []
        for i in range(5):
            run = self.client.create_run(experiment, start_time=1000 + i, run_name=f"r{i}")
            ids.append(run.info.run_id)
            self.client.log_batch(run.info.run_id,
                                  metrics=[Metric("acc", i / 10, 1, s) for s in range(3)],
                                  params=[Param("k", str(i % 2))], tags=[RunTag("g", "x")])
        search = lambda *a, **k: [ids.index(r.info.run_id)
                                  for r in self.client.search_runs([experiment], *a, **k)]
        self.assertEqual(search(), [4, 3, 2, 1, 0])
        self.assertEqual(search("metrics.acc > 0.15 and params.k = '1'"), [3])
        self.assertEqual(search(order_by=["metrics.acc ASC"], max_results=2), [0, 1])
        page = self.client.search_runs([experiment], max_results=2)
        self.assertEqual(len(page), 2)
        rest = self.client.search_runs([experiment], max_results=10, page_token=page.token)
        self.assertEqual(len(rest), 3)
        with self.assertRaisesRegex(MlflowException, "Invalid entity type"):
            search("foo.bar = 'x'")
        found = mlflow.search_runs([experiment], "tags.g = 'x'", output_format="list")
        self.assertEqual(len(found), 5)

    def test_inputs(self):
        mlflow.set_experiment("inputs")
        dataset = Dataset("points", "0a1b2c", "http", '{"url": "http://127.0.0.1/data.csv"}', "s", "p")
        with mlflow.start_run() as run:
            tags = [InputTag("mlflow.data.context", "training")]
            self.client.log_inputs(run.info.run_id, [DatasetInput(dataset, tags)])
        inputs = self.client.get_run(run.info.run_id).inputs.dataset_inputs
        self.assertEqual(dict(inputs[0].dataset), dict(dataset))
        self.assertEqual((inputs[0].tags[0].key, inputs[0].tags[0].value),
                         ("mlflow.data.context", "training"))

    def test_registry(self):
        c = self.client
        model = c.create_registered_model("reg", tags={"a": "b"}, description="first")
        self.assertEqual((model.name, model.tags, model.description), ("reg", {"a": "b"}, "first"))
        one = c.create_model_version("reg", "s3://bucket/one", tags={"k": "v"})
        two = c.create_model_version("reg", "s3://bucket/two", description="d")
        self.assertEqual((one.version, two.version, two.status), ("1", "2", "READY"))
        c.set_registered_model_alias("reg", "champion", "1")
        self.assertEqual(c.get_model_version_by_alias("reg", "champion").version, "1")
        c.set_registered_model_alias("reg", "champion", "2")
        self.assertEqual(c.get_registered_model("reg").aliases, {"champion": "2"})
        c.delete_registered_model_alias("reg", "champion")
        c.update_registered_model("reg", description="second")
        c.update_model_version("reg", "1", description="e")
        c.set_model_version_tag("reg", "1", "x", "y")
        c.delete_model_version_tag("reg", "1", "k")
        self.assertEqual(c.get_model_version("reg", "1").tags, {"x": "y"})
        c.set_registered_model_tag("reg", "t", "u")
        c.delete_registered_model_tag("reg", "a")
        self.assertEqual(c.get_registered_model("reg").tags, {"t": "u"})
        c.transition_model_version_stage("reg", "1", "Staging")
        self.assertEqual([v.version for v in c.get_latest_versions("reg", ["Staging"])], ["1"])
        self.assertEqual([m.name for m in c.search_registered_models("name = 'reg'")], ["reg"])
        self.assertEqual([v.version for v in c.search_model_versions("name = 'reg'")], ["1", "2"])
        self.assertEqual(c.get_model_version_download_uri("reg", "2"), "s3://bucket/two")
        c.delete_model_version("reg", "1")
        c.delete_registered_model("reg")
        with self.assertRaisesRegex(MlflowException, "Registered Model with name=reg not found"):
            c.get_registered_model("reg")

    def test_logged_models(self):
        mlflow.set_experiment("logged models")
        with mlflow.start_run() as run:
            model = mlflow.initialize_logged_model(name="net", params={"depth": "3"})
            mlflow.log_metric("auc", 0.75, model_id=model.model_id)
            mlflow.finalize_logged_model(model.model_id, "READY")
        mlflow.set_logged_model_tags(model.model_id, {"a": "b"})
        got = mlflow.get_logged_model(model.model_id)
        self.assertEqual((got.status.value, got.params, got.tags["a"]), ("READY", {"depth": "3"}, "b"))
        self.assertEqual(got.metrics[0].value, 0.75)
        self.assertEqual(got.source_run_id, run.info.run_id)
        found = mlflow.search_logged_models([got.experiment_id], "metrics.auc > 0.5",
                                            output_format="list")
        self.assertEqual([m.model_id for m in found], [model.model_id])
        mlflow.delete_logged_model_tag(model.model_id, "a")
        version = mlflow.register_model(f"models:/{model.model_id}", "from logged")
        tags = mlflow.get_logged_model(model.model_id).tags
        self.assertIn('"from logged"', tags["mlflow.modelVersions"])
        self.assertEqual(self.client.get_model_version_download_uri("from logged", version.version),
                         got.artifact_location)

    @unittest.skipUnless(HAS_SKLEARN, "no scikit-learn and pandas beside mlflow")
    def test_scikit_learn(self):
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        x, y = load_iris(return_X_y=True)
        mlflow.set_experiment("scikit-learn")
        with mlflow.start_run():
            fitted = LogisticRegression(max_iter=200).fit(x, y)
            info = mlflow.sklearn.log_model(fitted, name="iris", registered_model_name="iris")
        self.client.set_registered_model_alias("iris", "best", 1)
        for uri in (info.model_uri, "models:/iris/1", "models:/iris@best"):
            loaded = mlflow.sklearn.load_model(uri)
            self.assertTrue((loaded.predict(x) == fitted.predict(x)).all())
        mlflow.sklearn.autolog(log_datasets=True)
        self.addCleanup(mlflow.sklearn.autolog, disable=True)
        LogisticRegression(max_iter=150).fit(x, y)
        run = mlflow.last_active_run()
        self.assertEqual(run.data.params["max_iter"], "150")
        self.assertIn("training_accuracy_score", run.data.metrics)
        frame = mlflow.search_runs(experiment_names=["scikit-learn"])
        self.assertEqual(len(frame), 2)
        self.assertIn("metrics.training_accuracy_score", frame.columns)
        inputs = self.client.get_run(run.info.run_id).inputs.dataset_inputs
        self.assertEqual([t.value for i in inputs for t in i.tags], ["train"])
        self.assertTrue(self.client.list_artifacts(run.info.run_id))

    @unittest.skipUnless(HAS_SKLEARN, "no scikit-learn and pandas beside mlflow")
    def test_autolog_of_a_search_makes_nested_runs(self):
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV
        x, y = load_iris(return_X_y=True)
        mlflow.set_experiment("grid")
        mlflow.autolog(log_datasets=False, log_models=False)
        self.addCleanup(mlflow.autolog, disable=True)
        with mlflow.start_run() as parent:
            GridSearchCV(LogisticRegression(max_iter=200), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(x, y)
        children = mlflow.search_runs(
            experiment_names=["grid"],
            filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        self.assertEqual(sorted(children["params.C"]), ["0.1", "1.0", "10.0"])
        best = self.client.get_run(parent.info.run_id)
        self.assertIn("best_cv_score", best.data.metrics)

    @unittest.skipUnless(HAS_XGBOOST, "no xgboost beside mlflow")
    def test_xgboost(self):
        import xgboost
        from sklearn.datasets import load_breast_cancer
        x, y = load_breast_cancer(return_X_y=True, as_frame=True)
        mlflow.set_experiment("xgboost")
        mlflow.xgboost.autolog(importance_types=["weight"])
        self.addCleanup(mlflow.xgboost.autolog, disable=True)
        data = xgboost.DMatrix(x, label=y)
        with mlflow.start_run() as run:
            booster = xgboost.train({"max_depth": 2, "objective": "binary:logistic", "nthread": 1},
                                    data, num_boost_round=7, evals=[(data, "train")],
                                    verbose_eval=False)
        got = self.client.get_run(run.info.run_id)
        self.assertEqual(got.data.params["max_depth"], "2")
        history = self.client.get_metric_history(run.info.run_id, "train-logloss")
        self.assertEqual([m.step for m in history], list(range(7)))
        model = mlflow.search_logged_models([got.info.experiment_id], output_format="list")[0]
        loaded = mlflow.xgboost.load_model(model.model_uri)
        self.assertTrue((loaded.predict(data) == booster.predict(data)).all())
        files = {f.path for f in self.client.list_artifacts(run.info.run_id)}
        self.assertIn("feature_importance_weight.json", files)

    @unittest.skipUnless(HAS_SKLEARN, "no scikit-learn and pandas beside mlflow")
    def test_a_model_of_one_s_own_with_signature_example_and_dataset(self):
        import pandas
        frame = pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "target": [0, 1]})
        mlflow.set_experiment("own models")

        class Doubler(mlflow.pyfunc.PythonModel):
            def predict(self, context, model_input, params=None):
                return model_input["a"] * 2

        dataset = mlflow.data.from_pandas(frame, source="http://127.0.0.1/x.csv", targets="target",
                                          name="rows")
        with mlflow.start_run() as run:
            mlflow.log_input(dataset, context="training", tags={"k": "v"})
            info = mlflow.pyfunc.log_model(name="doubler", python_model=Doubler(),
                                           input_example=frame[["a", "b"]])
            mlflow.log_metrics({"accuracy": 0.5, "f1": 0.25}, model_id=info.model_id,
                               dataset=dataset)
            mlflow.log_table({"q": ["one"], "a": [1]}, "table.json")
        version = mlflow.register_model(info.model_uri, "doubler")
        self.assertEqual(version.status, "READY")
        loaded = mlflow.pyfunc.load_model("models:/doubler/1")
        self.assertEqual(list(loaded.predict(frame[["a", "b"]])), [2.0, 4.0])
        self.assertEqual(loaded.metadata.signature.inputs.input_names(), ["a", "b"])
        model = mlflow.get_logged_model(info.model_id)
        self.assertEqual({m.key: (m.value, m.dataset_name) for m in model.metrics},
                         {"accuracy": (0.5, "rows"), "f1": (0.25, "rows")})
        self.assertIn('"doubler"', model.tags["mlflow.modelVersions"])
        use = self.client.get_run(run.info.run_id).inputs.dataset_inputs[0]
        self.assertEqual(use.dataset.name, "rows")
        self.assertEqual({t.key: t.value for t in use.tags},
                         {"mlflow.data.context": "training", "k": "v"})
        table = mlflow.load_table("table.json", run_ids=[run.info.run_id])
        self.assertEqual(list(table["q"]), ["one"])
        found = mlflow.search_runs(experiment_names=["own models"],
                                   filter_string="datasets.name = 'rows'")
        self.assertEqual(list(found["run_id"]), [run.info.run_id])

    @unittest.skipUnless(HAS_MLFLOW and hasattr(mlflow, "genai"), "no prompts in this client")
    def test_prompts(self):
        prompt = mlflow.genai.register_prompt("greeting", "Hello {{name}}", commit_message="first",
                                              tags={"lang": "en"})
        self.assertEqual(prompt.version, 1)
        again = mlflow.genai.register_prompt("greeting", "Good day {{name}}")
        self.assertEqual(again.version, 2)
        mlflow.genai.set_prompt_alias("greeting", "live", 2)
        self.assertEqual(mlflow.genai.load_prompt("prompts:/greeting@live").format(name="Ann"),
                         "Good day Ann")
        self.assertEqual(mlflow.genai.load_prompt("greeting", version=1).template,
                         "Hello {{name}}")
        names = [p.name for p in mlflow.genai.search_prompts("name = 'greeting'")]
        self.assertEqual(names, ["greeting"])
        self.assertNotIn("greeting", [m.name for m in self.client.search_registered_models()])

    def test_a_model_is_renamed(self):
        self.client.create_registered_model("before")
        self.client.create_model_version("before", "s3://bucket/one")
        self.client.set_registered_model_alias("before", "best", "1")
        self.client.rename_registered_model("before", "after")
        self.assertEqual(self.client.get_registered_model("after").aliases, {"best": "1"})
        self.assertEqual(self.client.get_model_version_by_alias("after", "best").version, "1")


if __name__ == "__main__":
    support.main()
