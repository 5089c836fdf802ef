"""A small model brought into production over the public API, so that predictions can be measured."""
import json
import random
import time
import urllib.request

PIPELINE = """\
pipeline: bench
dataset: bench
label: income
positive: high
experiment: bench-predict
model: bench
seed: 42
steps:
  split: {kind: split, test: 0.2, validation: 0.1}
  features: {kind: features, needs: [split], numeric: {impute: median, scale: standard}, categorical: {encode: onehot}}
  train: {kind: train, needs: [features], rounds: 100, early_stopping: 0, params: {max_depth: 6, learning_rate: 0.1}}
  evaluate: {kind: evaluate, needs: [train]}
  register: {kind: register, needs: [evaluate], stage: Staging}
"""
JOBS = ["clerk", "farmer", "manager", "nurse", "teacher", "trader"]


def people(rows=6000, seed=42):
    draw = random.Random(seed)
    lines = ["age,hours,years,gain,job,region,income"]
    for _ in range(rows):
        age, hours, years = draw.randint(17, 80), draw.randint(10, 70), draw.randint(1, 16)
        job, region = draw.choice(JOBS), draw.choice(["north", "south", "east", "west"])
        gain = draw.choice([0, 0, 0, draw.randint(100, 20000)])
        score = age / 40 + hours / 40 + years / 8 + gain / 8000 + (job in ("manager", "trader")) + draw.gauss(0, 0.5)
        lines.append(f"{age},{hours},{years},{gain},{job},{region},{'high' if score > 4.6 else 'low'}")
    return "\n".join(lines) + "\n"


def call(url, method, path, body=b"", content_type="application/json"):
    data = body if isinstance(body, bytes) else body.encode()
    request = urllib.request.Request(url + path, data=data or None, method=method, headers={"Content-Type": content_type})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.loads(answer.read())


def serve_model(url):
    """Answers (path, body) of one prediction request."""
    call(url, "PUT", "/api/v1/datasets/bench/files/people.csv", people(), "text/csv")
    call(url, "POST", "/api/v1/datasets/bench/commits", '{"message":"people"}')
    call(url, "PUT", "/api/v1/pipelines/bench", PIPELINE, "application/yaml")
    run = call(url, "POST", "/api/v1/pipelines/bench/runs", "{}")["pipeline_run_id"]
    deadline = time.monotonic() + 120
    while (row := call(url, "GET", f"/api/v1/pipeline_runs/{run}?wait=10"))["status"] == "running":
        if time.monotonic() > deadline:
            raise RuntimeError("the pipeline run does not end")
    if row["status"] != "succeeded":
        raise RuntimeError("the pipeline run failed: " + json.dumps(row["steps"])[:400])
    call(url, "POST", "/api/v1/endpoints", '{"name":"bench","model":"bench","drift_window":1000000}')
    call(url, "POST", "/promote", '{"version":"1"}')
    features = {"age": 44, "hours": 40, "years": 13, "gain": 0, "job": "nurse", "region": "west"}
    return "/predict", json.dumps({"features": features, "request_id": "bench-{{i}}"})
