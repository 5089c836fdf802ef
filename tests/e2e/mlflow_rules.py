"""MLflow's rules for experiments, runs and registered models, in memory and as simple as they are.

Every method answers what the REST API must answer: a value, or a Refused with MLflow's error code.
"""
import math

PARAM, TAG, KEY = 6000, 8000, 250
MAX = 1.7976931348623157e308


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


INVALID, ABSENT, EXISTS = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST",
                           "RESOURCE_ALREADY_EXISTS")


class Run:
    def __init__(self, id, experiment, start, name, tags):
        self.id, self.experiment, self.start, self.name = id, experiment, start, name
        self.status, self.end, self.deleted = "RUNNING", None, False
        self.params, self.tags, self.points = {}, dict(tags), {}

    def latest(self):
        """The newest of each key: the larger step, then time, then value, NaN as 0; of equals the first."""
        rank = lambda p: (p[1], p[0], 0 if math.isnan(p[2]) else p[2])
        return {key: max(points, key=rank) for key, points in self.points.items()}


def number(value):
    value = float({"Infinity": "inf", "-Infinity": "-inf"}.get(value, value))
    return math.copysign(MAX, value) if math.isinf(value) else value


def check_key(key):
    allowed = all(c.isalnum() or c in "_/.- :" for c in key)
    parts = key.split("/")
    plain = key and not key.startswith("/") and all(p not in ("", ".", "..") for p in parts)
    if not allowed or not plain or len(key) > KEY:
        raise Refused(INVALID)


class Tracking:
    def __init__(self):
        self.experiments = {"0": {"name": "Default", "deleted": False, "tags": {}}}
        self.runs = {}

    # ------------------------------------------------------------ experiments

    def experiment(self, id):
        if id not in self.experiments:
            raise Refused(ABSENT)
        return self.experiments[id]

    def create_experiment(self, name):
        if not name or len(name) > 500:
            raise Refused(INVALID)
        if any(e["name"] == name for e in self.experiments.values()):
            raise Refused(EXISTS)

    def created_experiment(self, id, name):
        assert id not in self.experiments, "ids are not given twice"
        self.experiments[id] = {"name": name, "deleted": False, "tags": {}}

    def delete_experiment(self, id):
        if self.experiment(id)["deleted"]:
            raise Refused(ABSENT)
        self.experiments[id]["deleted"] = True
        for run in self.of(id):
            run.deleted = True

    def restore_experiment(self, id):
        if not self.experiment(id)["deleted"]:
            raise Refused(ABSENT)
        self.experiments[id]["deleted"] = False
        for run in self.of(id):
            run.deleted = False

    def tag_experiment(self, id, key, value):
        check_key(key)
        if self.experiment(id)["deleted"] or len(value) > 20000:
            raise Refused(INVALID)
        self.experiments[id]["tags"][key] = value

    def of(self, experiment):
        return [r for r in self.runs.values() if r.experiment == experiment]

    # ------------------------------------------------------------ runs

    def create_run(self, experiment):
        if self.experiment(experiment)["deleted"]:
            raise Refused(INVALID)

    def created_run(self, id, experiment, start, name, tags):
        self.runs[id] = Run(id, experiment, start, name, {**tags, "mlflow.runName": name})

    def run(self, id, active=False):
        if id not in self.runs:
            raise Refused(ABSENT)
        if active and self.runs[id].deleted:
            raise Refused(INVALID)
        return self.runs[id]

    def batch(self, id, metrics, params, tags):
        for key in [m[0] for m in metrics] + [k for k, _ in params + tags]:
            check_key(key)
        if len({k for k, _ in params}) != len(params) or any(m[2] < 0 for m in metrics):
            raise Refused(INVALID)
        run = self.run(id, active=True)
        if any(run.params.get(k, v[:PARAM]) != v[:PARAM] for k, v in params):
            raise Refused(INVALID)
        run.params.update((k, v[:PARAM]) for k, v in params)
        for key, value, time, step in metrics:
            value = number(value)
            known = run.points.setdefault(key, [])
            same = lambda p: p[:2] == (time, step) and (p[2] == value or p[2] != p[2] and value != value)
            if not any(map(same, known)):
                known.append((time, step, value))
        run.tags.update((k, v[:TAG]) for k, v in tags)
        if dict(tags).get("mlflow.runName"):
            run.name = dict(tags)["mlflow.runName"]

    def delete_tag(self, id, key):
        run = self.run(id, active=True)
        if key not in run.tags:
            raise Refused(ABSENT)
        del run.tags[key]

    def update(self, id, status, end, name):
        run = self.run(id, active=True)
        run.status = status or run.status
        run.end = run.end if end is None else end
        if name:
            run.name = run.tags["mlflow.runName"] = name

    def delete_run(self, id):
        self.run(id).deleted = True

    def restore_run(self, id):
        self.run(id).deleted = False

    # ------------------------------------------------------------ search

    def search(self, experiments, clauses, order, view):
        """clauses: (entity, key, operator, value); order: (entity, key, descending) or nothing."""
        wanted = {"ACTIVE_ONLY": (False,), "DELETED_ONLY": (True,), "ALL": (False, True)}[view]
        found = [r for r in self.runs.values() if r.experiment in experiments and
                 r.deleted in wanted and all(self.fits(r, *c) for c in clauses)]
        found.sort(key=lambda r: (-r.start, r.id))
        if order:
            entity, key, descending = order
            value = lambda r: self.value(r, entity, key)
            absent = [r for r in found if value(r) is None]
            nan = [r for r in found if isinstance(value(r), float) and math.isnan(value(r))]
            rest = [r for r in found if r not in absent and r not in nan]
            rest.sort(key=value, reverse=descending)
            if descending:  # ties keep their order
                rest = [r for v in sorted({value(r) for r in rest}, reverse=True)
                        for r in found if value(r) == v]
            found = rest + nan + absent
        return [r.id for r in found]

    @staticmethod
    def value(run, entity, key):
        if entity == "metrics":
            point = run.latest().get(key)
            return None if point is None else point[2]
        if entity == "attributes":
            return {"start_time": run.start, "run_name": run.name, "status": run.status,
                    "end_time": run.end}[key]
        return getattr(run, entity).get(key)

    def fits(self, run, entity, key, operator, wanted):
        value = self.value(run, entity, key)
        if operator.startswith("IS"):
            return (value is None) == (operator == "IS NULL")
        if value is None or value != value and operator != "!=":
            return False
        return {"=": lambda: value == wanted, "!=": lambda: value != wanted,
                ">": lambda: value > wanted, "<": lambda: value < wanted,
                ">=": lambda: value >= wanted, "<=": lambda: value <= wanted,
                "LIKE": lambda: value.startswith(wanted[:-1])}[operator]()


class Registry:
    def __init__(self):
        self.models = {}

    @staticmethod
    def check_name(name):
        if not name.strip() or "/" in name or ":" in name:
            raise Refused(INVALID)

    def model(self, name):
        self.check_name(name)
        if name not in self.models:
            raise Refused(ABSENT)
        return self.models[name]

    def create(self, name, tags):
        self.check_name(name)
        if name in self.models:
            raise Refused(EXISTS)
        self.models[name] = {"versions": {}, "aliases": {}, "tags": dict(tags), "made": 0,
                             "description": None}

    def rename(self, name, to):
        self.check_name(to)
        model = self.model(name)
        if to in self.models and to != name:
            raise Refused(EXISTS)
        self.models[to] = self.models.pop(name)

    def delete(self, name):
        self.model(name)
        del self.models[name]

    def describe(self, name, description):
        self.model(name)["description"] = description

    def tag(self, name, key, value):
        self.model(name)
        check_key(key)
        self.models[name]["tags"][key] = value

    def create_version(self, name):
        model = self.model(name)
        model["made"] += 1
        model["versions"][model["made"]] = {"stage": "None", "tags": {}}
        return model["made"]

    def version(self, name, version):
        self.check_name(name)
        if name not in self.models or version not in self.models[name]["versions"]:
            raise Refused(ABSENT)
        return self.models[name]["versions"][version]

    def delete_version(self, name, version):
        self.version(name, version)
        model = self.models[name]
        del model["versions"][version]
        model["aliases"] = {a: v for a, v in model["aliases"].items() if v != version}

    def alias(self, name, alias, version):
        if alias == "latest" or alias[:1] == "v" and alias[1:].isdigit():
            raise Refused(INVALID)
        self.version(name, version)
        self.models[name]["aliases"][alias] = version

    def stage(self, name, version, stage, archive):
        if archive and stage not in ("Staging", "Production"):
            raise Refused(INVALID)
        self.version(name, version)
        if archive:
            for number, other in self.models[name]["versions"].items():
                if number != version and other["stage"] == stage:
                    other["stage"] = "Archived"
        self.models[name]["versions"][version]["stage"] = stage
