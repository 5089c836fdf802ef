"""Part `mlflow` of the bench: MLflow's API on MLflow's own server and on mlforge, the same requests from the same generator."""
import concurrent.futures
import http.client
import json
import statistics
import time
import urllib.parse

from mlflow_peers import MlflowDefault, MlflowOnPostgres
from parts import table
from servers import Missing, say

API = "/api/2.0/mlflow/"
PEER, DEFAULT, OURS, CEILING = "MLflow, gunicorn + PostgreSQL", "MLflow, default", "mlforge", "bare ceiling"
METRIC = '{"run_id":"RUN","key":"loss","value":0.123,"timestamp":1700000000000,"step":{{i}}}'
POINT = '{"key":"m%d","value":0.5,"timestamp":17000000%05d,"step":{{i}}}'
BATCHES = {keys: '{"run_id":"RUN","metrics":[' + ",".join(POINT % (n % keys, n) for n in range(1000)) + "]}"
           for keys in (1, 10, 1000)}
CREATE = '{"experiment_id":"EXPERIMENT","start_time":1700000000000,"run_name":"r{{i}}"}'
SEARCH = '{"experiment_ids":["EXPERIMENT"],"order_by":["metrics.auc DESC"],"max_results":100}'
FILTERED = ('{"experiment_ids":["EXPERIMENT"],"filter":"params.depth = \'7\' AND metrics.auc > 0.9",'
            '"order_by":["metrics.auc DESC"],"max_results":100}')
IMPORT = "/api/v1/import/mlflow"


class Api:
    """A kept connection for setting a server up; a new one after a pause, for servers end those that are idle."""

    def __init__(self, server):
        self.server, self.connection, self.used = server, None, 0.0

    def call(self, method, path, body=None):
        text = body if isinstance(body, (str, type(None))) else json.dumps(body)
        if time.monotonic() - self.used > 1:
            self.connection = http.client.HTTPConnection(self.server.url[len("http://"):], timeout=300)
        self.used = time.monotonic()
        self.connection.request(method, path, text, {"Content-Type": "application/json"} if text else {})
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise Missing(f"{self.server.name}: {method} {path} gave {answer.status}: {data[:200]!r}")
        return json.loads(data)

    def post(self, name, body):
        return self.call("POST", API + name, body)


class Subject:
    """A server with an experiment and a run to load."""

    def __init__(self, server):
        self.server, self.api = server, Api(server)
        self.experiment = self.api.post("experiments/create", {"name": "bench"})["experiment_id"]
        self.run = self.new_run()

    def new_run(self):
        created = self.api.post("runs/create", {"experiment_id": self.experiment, "start_time": 1700000000000})
        return created["run"]["info"]["run_id"]

    def fill(self, text):
        return text.replace("RUN", self.run).replace("EXPERIMENT", self.experiment)

    def add_runs(self, count):
        """Runs with a param and a metric in an experiment of their own, from four connections."""
        experiment = self.api.post("experiments/create", {"name": f"search {count}"})["experiment_id"]

        def some(numbers):
            api = Api(self.server)
            for n in numbers:
                run = api.post("runs/create", {"experiment_id": experiment, "start_time": 1700000000000 + n})
                api.post("runs/log-batch", {
                    "run_id": run["run"]["info"]["run_id"], "params": [{"key": "depth", "value": str(n % 100)}],
                    "metrics": [{"key": "auc", "value": n * 7919 % 10007 / 10007, "timestamp": n, "step": 0}]})

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(some, [range(at, count, 4) for at in range(4)]))
        return experiment

    def add_wide_runs(self, count, metrics=1500):
        """Runs of many metrics, as FastTrackML's acceptance load has them, in an experiment of their own."""
        experiment = self.api.post("experiments/create", {"name": f"wide {count}"})["experiment_id"]
        for n in range(count):
            run = self.api.post("runs/create", {"experiment_id": experiment, "start_time": 1700000000000 + n})
            series = [{"key": "auc" if m == 0 else f"m{m}", "value": (n * 7919 + m) % 10007 / 10007,
                       "timestamp": n, "step": 0} for m in range(metrics)]
            for at in range(0, metrics, 1000):
                self.api.post("runs/log-batch", {"run_id": run["run"]["info"]["run_id"],
                                                 "metrics": series[at:at + 1000]})
        return experiment

    def add_history(self, points):
        run = self.new_run()
        for at in range(0, points, 1000):
            self.api.post("runs/log-batch", {"run_id": run, "metrics": [
                {"key": "loss", "value": 1 / (n + 1), "timestamp": 1700000000000 + n, "step": n}
                for n in range(at, min(at + 1000, points))]})
        return run


def start_all(bench):
    """{column: Server}; what is not there is noted."""
    servers = {}
    for column, start in ((PEER, lambda: bench.start_peer(MlflowOnPostgres)),
                          (DEFAULT, lambda: bench.start_peer(MlflowDefault)),
                          (CEILING, lambda: bench.start("ceiling")), (OURS, lambda: bench.start("off"))):
        try:
            servers[column] = start()
            say(f"{column}: {servers[column].name} is there")
        except Missing as error:
            bench.note(error)
    return servers


def start_figures(bench, servers):
    """Idle anonymous memory and the time to /health: MLflow's once, as it has been started, ours the median of five."""
    figures = {column: {"anonymous_mib": server.anonymous_mib(), "healthy_ms": server.healthy_ms}
               for column, server in servers.items() if hasattr(server, "healthy_ms")}
    times = []
    for _ in range(5 if OURS in servers else 0):
        server = bench.start("off")
        while server.request("GET", "/health", timeout=1)[0] != 200:
            time.sleep(0.001)  # poll: another process has no event to wait on
        times.append(1000 * (time.monotonic() - server.begin))
        server.stop()
    if OURS in servers:
        figures[OURS] = {"anonymous_mib": servers[OURS].anonymous_mib(), "healthy_ms": statistics.median(times)}
    return figures


def median(rounds, column, field):
    return statistics.median(r[column][field] for r in rounds if column in r)


def ratio(rounds, over, under, field):
    """The median of over / under within each round."""
    ratios = [r[over][field] / r[under][field] for r in rounds if over in r and under in r and r[under][field]]
    return f"{statistics.median(ratios):.3g}" if ratios else "-"


class Comparison:
    """Work after work; each a row for rates or for times, from interleaved rounds of all servers."""

    def __init__(self, bench, servers):
        self.bench, self.servers, self.subjects = bench, servers, {}
        self.rates, self.times = [], []
        for column in (PEER, DEFAULT, OURS):
            if column in servers:
                try:
                    self.subjects[column] = Subject(servers[column])
                except (Missing, OSError, KeyError, ValueError) as error:
                    bench.note(f"{column}: {error}")

    def rounds(self, title, requests, connections):
        """requests: {column: (path, body or None)}."""
        cases = {column: lambda s=self.servers[column], p=path, b=body: self.bench.load(s, p, connections, b)
                 for column, (path, body) in requests.items()}
        return self.bench.interleave(cases, f"mlflow: {title}") if cases else []

    def is_asked_for(self, title):
        return self.bench.options.work in title

    def rate(self, title, path, text, connections, per_request=1, with_ceiling=True):
        if not self.is_asked_for(title):
            return
        requests = {column: (API + path, subject.fill(text)) for column, subject in self.subjects.items()}
        if with_ceiling and CEILING in self.servers:
            requests[CEILING] = ("/x", self.subjects[OURS].fill(text) if OURS in self.subjects else text)
        rounds = self.rounds(title, requests, connections)
        if not rounds:
            return
        for column in requests:
            if any(column in r for r in rounds):
                self.rates.append([title, column, f"{per_request * median(rounds, column, 'requests_per_second'):,.0f}",
                                   f"{median(rounds, column, 'server_cpu_us_per_request'):,.0f}",
                                   f"{median(rounds, column, 'p99_us') / 1000:.2f}",
                                   ratio(rounds, OURS, column, "requests_per_second"),
                                   ratio(rounds, column, OURS, "server_cpu_us_per_request")])

    def latency(self, title, requests):
        rounds = self.rounds(title, requests, 1)
        for column in requests:
            if rounds and any(column in r for r in rounds):
                self.times.append([title, column, f"{median(rounds, column, 'p50_us') / 1000:.2f}",
                                   f"{median(rounds, column, 'p99_us') / 1000:.2f}",
                                   ratio(rounds, column, OURS, "p50_us")])

    def prepared(self, title, prepare):
        """{column: prepare(subject)} of those that could be prepared."""
        out = {}
        for column, subject in self.subjects.items() if self.is_asked_for(title) else ():
            say(f"{title}: preparing {column}")
            try:
                out[column] = prepare(subject)
            except (Missing, OSError, KeyError, ValueError, http.client.HTTPException) as error:
                self.bench.note(f"{column}: {title}: {error}")
        return out


def history_path(run):
    return API + "metrics/get-history?" + urllib.parse.urlencode(
        {"run_id": run, "metric_key": "loss", "max_results": 25000})


def sampled_path(run):
    return "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?" + urllib.parse.urlencode(
        {"run_ids": run, "metric_key": "loss", "max_results": 320})


def measure_small(bench, c):
    for connections in (8, 64):
        c.rate(f"log-metric, {connections} connections", "runs/log-metric", METRIC, connections)
    for keys, batch in BATCHES.items():
        c.rate(f"log-batch of 1,000 points of {keys:,} metrics, 4 connections (points/s)", "runs/log-batch", batch, 4,
               per_request=1000)
    c.rate("runs/create, 8 connections", "runs/create", CREATE, 8)
    count = 1000 if bench.options.quick else 10_000
    title = f"runs/search, 100 of {count:,} runs by a metric"
    experiments = c.prepared(title, lambda subject: subject.add_runs(count))
    c.latency(title, {column: (API + "runs/search", SEARCH.replace("EXPERIMENT", experiment))
                      for column, experiment in experiments.items()})
    wide = 100 if bench.options.quick else 200
    title = f"runs/search, 100 of {wide} runs with 1,500 metrics each, by a metric"
    experiments = c.prepared(title, lambda subject: subject.add_wide_runs(wide))
    c.latency(title, {column: (API + "runs/search", SEARCH.replace("EXPERIMENT", experiment))
                      for column, experiment in experiments.items()})
    title = "get-history of 10,000 points"
    runs = c.prepared(title, lambda subject: subject.add_history(10_000))
    c.latency(title, {column: (history_path(run), None) for column, run in runs.items()})


# ---------------------------------------------------------------- --large: mlforge alone


def import_runs(api, experiment, first, count, metrics, points=1):
    """Runs as `mlforge import mlflow` sends them, each with `metrics` metrics of `points` points."""
    for at in range(first, first + count, 200 if metrics * points < 100 else 10):
        items = []
        for n in range(at, min(at + (200 if metrics * points < 100 else 10), first + count)):
            series = [{"key": "auc" if m == 0 else f"m{m}", "timestamps": list(range(points)),
                       "steps": list(range(points)), "values": [(n * 7919 + m) % 10007 / 10007] * points}
                      for m in range(metrics)]
            items.append({"run": {"run_id": f"{n:032x}", "experiment_id": experiment, "name": f"run {n}",
                                  "status": "finished", "start_time": 1_700_000_000_000_000 + n * 1000,
                                  "end_time": 1_700_000_001_000_000 + n * 1000, "params": {"depth": str(n % 100)},
                                  "metrics": series}})
        answer = api.call("POST", IMPORT, {"items": items})
        failed = [each["error"] for each in answer["results"] if each["error"]]
        if failed:
            raise Missing(f"mlforge: an import of runs was refused: {failed[0]}")


def measure_large(bench, c):
    """What MLflow's server was not tried with: 1 M runs, 10 M points, 50 x 1,500 x 1,500."""
    server = c.servers[OURS]
    api = Api(server)
    rows = []

    def load(title, work):
        begin, cpu = time.monotonic(), server.cpu_seconds()
        say(f"{title}: loading")
        work()
        server.settle(limit=600)
        rows.append([title, f"{time.monotonic() - begin:.0f}", f"{server.cpu_seconds() - cpu:.0f}",
                     f"{server.anonymous_mib():.0f}", f"{bench.disk_mib(server.data):.0f}"])

    million = api.post("experiments/create", {"name": "a million"})["experiment_id"]
    load("1,000,000 runs", lambda: import_runs(api, million, 1, 1_000_000, 1))
    path = API + "runs/search"
    c.latency("runs/search, 100 of 1,000,000 runs by a metric", {OURS: (path, SEARCH.replace("EXPERIMENT", million))})
    c.latency("the same, filtered by a param and a metric", {OURS: (path, FILTERED.replace("EXPERIMENT", million))})
    run = c.subjects[OURS].new_run()

    def history():
        for at in range(0, 10_000_000, 20_000):
            numbers = list(range(at, at + 20_000))
            items = [{"run": {"run_id": run, "experiment_id": c.subjects[OURS].experiment, "status": "running",
                              "metrics": [{"key": "loss", "timestamps": numbers, "steps": numbers,
                                           "values": [1 / (n + 1) for n in numbers]}]}}]
            answer = api.call("POST", IMPORT, {"items": items})
            if answer["results"][0]["error"]:
                raise Missing(f"mlforge: points were refused: {answer['results'][0]['error']}")

    load("10,000,000 points of one metric", history)
    c.latency("320 of 10,000,000 points", {OURS: (sampled_path(run), None)})
    experiments = [api.post("experiments/create", {"name": f"of 50: {n}"})["experiment_id"] for n in range(50)]

    def fifty():
        for n, experiment in enumerate(experiments):
            import_runs(api, experiment, 10_000_000 + n * 1500, 1500, 1500)

    load("50 experiments x 1,500 runs x 1,500 metrics", fifty)
    c.latency("runs/search, 100 of 1,500 runs with 1,500 metrics each, by a metric",
              {OURS: (path, SEARCH.replace("EXPERIMENT", experiments[0]))})
    return table(["mlforge holds", "s to load", "CPU, s", "anonymous memory, MiB", "disk, MiB"], rows)


def measure_mlflow(bench):
    """(i) MLflow's API beside MLflow's own server."""
    servers = start_all(bench)
    for server in servers.values():
        server.settle()
    starts = start_figures(bench, servers)
    c = Comparison(bench, servers)
    if not c.subjects:
        raise Missing("MLflow's API: neither MLflow nor mlforge could be started")
    measure_small(bench, c)
    large = ""
    if bench.options.large and OURS in c.subjects:
        large = "\n" + measure_large(bench, c)
    for server in servers.values():
        server.stop()
    bench.figures["mlflow start"] = starts
    text = table(["work", "server", "a second", "CPU/request, us", "p99, ms", "mlforge to it", "its CPU to mlforge's"],
                 c.rates) + "\n"
    text += table(["one connection", "server", "p50, ms", "p99, ms", "its p50 to mlforge's"], c.times) + "\n"
    text += table(["idle, empty", "anonymous memory, MiB", "start to /health 200, ms"],
                  [[column, f"{f['anonymous_mib']:.0f}", f"{f['healthy_ms']:.0f}"] for column, f in starts.items()])
    bench.figures["mlflow tables"] = {"rates": c.rates, "times": c.times}
    return text + large
