"""MLflow's reads that are answered from columns and blocks: the same as the rows say, and as a model of them says."""
import math
import os
import random
import threading
import urllib.parse

import support
from support import Case

API = "/api/2.0/mlflow"


class Reads(Case):
    @classmethod
    def setUpClass(cls):
        cls.base = support.new_folder(cls.addClassCleanup)
        cls.s = support.start_server(cls.addClassCleanup, os.path.join(cls.base, "data"))

    def post(self, path, body, server=None):
        return self.ok((server or self.s).post(API + path, body))

    def get(self, path, **query):
        return self.ok(self.s.get(f"{API}{path}?{urllib.parse.urlencode(query, doseq=True)}"))

    def experiment(self, name):
        return self.post("/experiments/create", {"name": name})["experiment_id"]

    def run_in(self, experiment, start=1700000000000, **more):
        made = self.post("/runs/create", {"experiment_id": experiment, "start_time": start, **more})
        return made["run"]["info"]["run_id"]

    # ------------------------------------------------------------ searches

    def both(self, body):
        """The newest state, from columns, and the same as of the position that the answer names, from the rows."""
        newest = self.s.post(API + "/runs/search", body)
        found = self.ok(newest)
        then = self.post("/runs/search", {**body, "as_of": newest.headers["X-Mlforge-Position"]})
        self.assertEqual(found, then, body)
        return found

    def test_searches_see_every_write_at_once_and_equal_the_rows(self):
        draw = random.Random(5)
        experiments = [self.experiment(f"columns {i}") for i in range(2)]
        runs = []
        for step in range(60):
            if draw.random() < 0.3 or not runs:
                runs.append(self.run_in(draw.choice(experiments), 1700000000000 + draw.randrange(5)))
            run = draw.choice(runs)
            act = draw.randrange(6)
            if act == 0:
                self.post("/runs/set-tag", {"run_id": run, "key": "team", "value": draw.choice("ab")})
            elif act == 1:
                self.post("/runs/log-parameter", {"run_id": run, "key": f"p{step}", "value": draw.choice("xy")})
            elif act == 2:
                self.post("/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 1700000000000 + step})
            elif act == 3:
                self.post(draw.choice(["/runs/delete", "/runs/restore"]), {"run_id": run})
                self.post("/runs/restore", {"run_id": run})
            else:
                value = draw.choice(["NaN", draw.randrange(5), -1.5])
                self.post("/runs/log-metric", {"run_id": run, "key": "auc", "value": value, "timestamp": 1,
                                               "step": draw.randrange(3)})
            self.both({"experiment_ids": experiments, "max_results": 1 + draw.randrange(10),
                       "order_by": draw.choice([[], ["metrics.auc DESC"], ["tags.team", "metrics.auc"]]),
                       "filter": draw.choice(["", "metrics.auc > 1", "tags.team = 'a'", "status = 'FINISHED'",
                                              "metrics.auc <= 2 AND tags.team != 'b'"])})

    def test_pages_follow_each_other(self):
        experiment = self.experiment("pages")
        runs = [self.run_in(experiment, 1700000000000 + i) for i in range(25)]
        for i, run in enumerate(runs):
            self.post("/runs/log-metric", {"run_id": run, "key": "m", "value": i % 7, "timestamp": 1})
        body = {"experiment_ids": [experiment], "max_results": 10, "order_by": ["metrics.m ASC"]}
        found, token = [], None
        while True:
            answer = self.both({**body, **({"page_token": token} if token else {})})
            found += [each["info"]["run_id"] for each in answer.get("runs", [])]
            token = answer.get("next_page_token")
            if not token:
                break
        wanted = sorted(range(25), key=lambda i: (i % 7, -i))
        self.assertEqual(found, [runs[i] for i in wanted])

    def test_a_deleted_experiment_hides_its_runs_from_the_columns(self):
        experiment = self.experiment("hidden")
        run = self.run_in(experiment)
        search = {"experiment_ids": [experiment]}
        self.assertEqual(len(self.both(search)["runs"]), 1)
        self.post("/experiments/delete", {"experiment_id": experiment})
        self.assertEqual(self.both(search), {})
        gone = self.both({**search, "run_view_type": "DELETED_ONLY"})["runs"]
        self.assertEqual([each["info"]["lifecycle_stage"] for each in gone], ["deleted"])
        self.post("/experiments/restore", {"experiment_id": experiment})
        self.assertEqual(self.both(search)["runs"][0]["info"]["run_id"], run)

    def test_writers_and_searchers_at_the_same_time(self):
        experiment = self.experiment("busy")
        run = self.run_in(experiment)
        failed = []

        def write(client):
            for i in range(150):
                self.ok(client.post(API + "/runs/log-metric",
                                    {"run_id": run, "key": "m", "value": i, "timestamp": i, "step": i}))

        def search(client):
            last = -1
            for _ in range(100):
                answer = client.post(API + "/runs/search", {"experiment_ids": [experiment]}).json
                metrics = answer["runs"][0]["data"].get("metrics") or [{"value": -1}]
                if metrics[0]["value"] < last:
                    failed.append((last, metrics))
                last = metrics[0]["value"]

        threads = [threading.Thread(target=work, args=(self.s.client(),)) for work in (write, search, search)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual(failed, [], "what a search has seen, the next one sees")
        found = self.both({"experiment_ids": [experiment], "filter": "metrics.m = 149"})["runs"]
        self.assertEqual([each["info"]["run_id"] for each in found], [run])

    def test_a_server_that_starts_again_reads_its_columns_again(self):
        data = os.path.join(self.base, "again")
        server = self.server(data=data)
        experiment = self.post("/experiments/create", {"name": "e"}, server)["experiment_id"]
        run = self.post("/runs/create", {"experiment_id": experiment}, server)["run"]["info"]["run_id"]
        self.post("/runs/log-metric", {"run_id": run, "key": "m", "value": 2, "timestamp": 1}, server)
        search = {"experiment_ids": [experiment], "filter": "metrics.m = 2"}
        before = self.post("/runs/search", search, server)
        self.assertEqual(len(before["runs"]), 1)
        server.stop()
        server = self.server(data=data)
        self.assertEqual(self.post("/runs/search", search, server), before)

    # ------------------------------------------------------------ histories

    def log(self, run, key, points):
        for at in range(0, len(points), 1000):
            self.post("/runs/log-batch", {"run_id": run, "metrics": [
                {"key": key, "value": value, "timestamp": timestamp, "step": step}
                for timestamp, step, value in points[at:at + 1000]]})

    def history(self, run, key, most):
        found, token = [], None
        while True:
            more = {"page_token": token} if token else {}
            answer = self.get("/metrics/get-history", run_id=run, metric_key=key, max_results=most, **more)
            self.assertLessEqual(len(answer.get("metrics", [])), most)
            found += [(m["timestamp"], m["step"], m["value"]) for m in answer.get("metrics", [])]
            token = answer.get("next_page_token")
            if not token:
                return found

    def test_pages_of_a_history_are_slices_of_it(self):
        draw = random.Random(6)
        run = self.run_in(self.experiment("histories"))
        ordered = [(1700000000000 + i, i, draw.random()) for i in range(2345)]
        tangled = [(1700000000000 + draw.randrange(50), draw.randrange(40) - 20, draw.randrange(5))
                   for _ in range(2345)]
        for key, points in (("ordered", ordered), ("tangled", tangled)):
            self.log(run, key, points)
            for most in (100, 999, 25000):
                self.assertEqual(self.history(run, key, most), sorted(set(points)), key)

    def test_samples_are_the_first_of_equal_parts_and_the_last(self):
        run = self.run_in(self.experiment("samples"))
        points = [(1700000000000 + i, i * 2, math.sin(i)) for i in range(5000)]
        self.log(run, "m", points)
        for most, low, high in ((320, None, None), (7, None, None), (1, None, None), (50, 100, 4001), (9, 9998, 9998),
                                (9, 9997, 9997)):
            bounds = {} if low is None else {"start_step": low, "end_step": high}
            chosen = [p for p in points if low is None or low <= p[1] <= high]
            parts = min(most, len(chosen))
            size, larger = divmod(len(chosen), parts) if parts else (0, 0)
            wanted = [chosen[i * size + min(i, larger)] for i in range(parts)]
            if wanted:
                wanted[-1] = chosen[-1]
            found = self.get("/metrics/get-history-bulk-interval", run_ids=[run], metric_key="m", max_results=most,
                             **bounds).get("metrics", [])
            self.assertEqual([(m["timestamp"], m["step"], m["value"]) for m in found], wanted, (most, low, high))
            self.assertTrue(all(m["run_id"] == run and m["key"] == "m" for m in found))

    def test_a_batch_that_is_not_plain_is_taken_all_the_same(self):
        run = self.run_in(self.experiment("odd batches"))
        self.post("/runs/log-batch", {"run_id": run, "metrics": [
            {"key": "a", "value": "NaN", "timestamp": "5", "step": 1, "what": {"is": "this"}},
            {"key": "b", "value": 1, "timestamp": 6},
            {"key": "c", "value": 2.5, "timestamp": 7, "step": "8", "modelId": ""}]})
        metrics = self.get("/runs/get", run_id=run)["run"]["data"]["metrics"]
        self.assertEqual([(m["key"], m["value"], m["timestamp"], m["step"]) for m in metrics],
                         [("a", "NaN", 5, 1), ("b", 1, 6, 0), ("c", 2.5, 7, 8)])
        bad = self.s.post(API + "/runs/log-batch", {"run_id": run, "metrics": [
            {"key": "fine", "value": 1, "timestamp": 1}, {"key": "d", "value": [], "timestamp": 1}]})
        self.assertEqual((bad.status, bad["error_code"]), (400, "INVALID_PARAMETER_VALUE"))
        self.assertIn("metrics[1].value", bad["message"])
        self.assertEqual(len(self.get("/runs/get", run_id=run)["run"]["data"]["metrics"]), 3)


if __name__ == "__main__":
    support.main()
