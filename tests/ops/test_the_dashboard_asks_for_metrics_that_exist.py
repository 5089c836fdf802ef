"""The Grafana dashboard and the Prometheus file are valid, and every metric in them is one that the program exports."""
import json
import os
import re
import unittest

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PANELS_NEED = {"id", "type", "title", "gridPos", "targets", "datasource"}


def read(*parts):
    with open(os.path.join(SOURCE, *parts), encoding="utf-8") as text:
        return text.read()


def exported_metrics():
    names = set()
    for top in ("actors", "gateway"):
        for folder, _, files in os.walk(os.path.join(SOURCE, top)):
            for name in files:
                if name.endswith((".cpp", ".hpp")):
                    names |= set(re.findall(r'"(mlforge_[a-z0-9_]+)"', read(folder, name)))
    return names


class Dashboard(unittest.TestCase):
    def setUp(self):
        self.board = json.loads(read("ops", "grafana", "mlforge.json"))

    def expressions(self):
        return [target["expr"] for panel in self.board["panels"] for target in panel["targets"]]

    def test_panels_are_whole_and_do_not_overlap(self):
        cells, ids = set(), set()
        for panel in self.board["panels"]:
            self.assertLessEqual(PANELS_NEED, panel.keys(), panel.get("title"))
            self.assertNotIn(panel["id"], ids)
            ids.add(panel["id"])
            grid = panel["gridPos"]
            for x in range(grid["x"], grid["x"] + grid["w"]):
                for y in range(grid["y"], grid["y"] + grid["h"]):
                    self.assertLess(x, 24)
                    self.assertNotIn((x, y), cells, panel["title"])
                    cells.add((x, y))

    def test_expressions_are_balanced(self):
        for expression in self.expressions():
            for opening, closing in ("()", "{}", "[]"):
                self.assertEqual(expression.count(opening), expression.count(closing), expression)

    def test_every_metric_is_exported(self):
        asked = set()
        for expression in self.expressions():
            for name in re.findall(r"\bmlforge_[a-z0-9_]+", expression):
                asked.add(re.sub(r"_(bucket|count|sum)$", "", name))
        self.assertGreaterEqual(len(asked), 6)
        self.assertEqual(asked - exported_metrics(), set(), "asked for by the dashboard, exported by no source file")

    def test_prometheus_and_the_service_name_one_address(self):
        target = re.search(r'targets: \["localhost:(\d+)"\]', read("ops", "prometheus", "prometheus.yml"))
        listen = re.search(r"--listen 127\.0\.0\.1:(\d+)", read("ops", "systemd", "mlforge.service"))
        self.assertEqual(target[1], listen[1])


if __name__ == "__main__":
    unittest.main()
