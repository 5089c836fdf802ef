"""MLflow's package, for the tests that use its client: of the Python that runs them, or, where that has none, of the
virtual environment that MLFORGE_MLFLOW names, else build/mlflow (ops/install-deps --mlflow build/mlflow makes it), with
whose Python this module then begins the program anew. Import it before anything else of a test runs.
"""
import importlib.util
import os
import sys

import support

_PYTHON = os.path.join(os.environ.get("MLFORGE_MLFLOW") or os.path.join(support.SOURCE, "build", "mlflow"), "bin", "python")
HAS_MLFLOW = importlib.util.find_spec("mlflow") is not None
HAS_SKLEARN = all(importlib.util.find_spec(name) for name in ("sklearn", "pandas"))
HAS_XGBOOST = HAS_SKLEARN and importlib.util.find_spec("xgboost") is not None
WITHOUT = "no package mlflow-skinny: ops/install-deps --mlflow build/mlflow"

if not HAS_MLFLOW and os.path.exists(_PYTHON) and os.environ.get("MLFORGE_IN_VENV") != "1":
    os.environ["MLFORGE_IN_VENV"] = "1"
    os.execv(_PYTHON, [_PYTHON, *sys.argv])

for name, value in (("MLFLOW_DISABLE_TELEMETRY", "true"), ("DO_NOT_TRACK", "1"),
                    ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2"), ("GIT_PYTHON_REFRESH", "quiet"),
                    ("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false"),
                    ("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true"), ("USER", "ann")):
    os.environ.setdefault(name, value)
