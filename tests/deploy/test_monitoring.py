"""The dashboard and the alert rules use the metrics of docs/metrics.md, as it says they are to be used."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import unittest
from typing import Dict, List, NamedTuple, Set

from places import INFRA, documents, text

ALERTS = INFRA / "prometheus/alerts.yaml"
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("",), "gauge": ("",)}
# Labels that Prometheus itself adds, and that of a histogram's buckets.
ADDED = {"instance", "job", "le"}


class Metric(NamedTuple):
    """A row of the table."""

    kind: str
    labels: Set[str]
    of: str


def documented() -> Dict[str, Metric]:
    """The table of docs/metrics.md."""
    rows = re.findall(r"^\| `(reelmill_\w+)` \| (\w+) \|([^|]*)\| (\w+) \|", text("docs/metrics.md"), re.MULTILINE)
    return {name: Metric(kind, set(re.findall(r"`(\w+)`", labels)), of) for name, kind, labels, of in rows}


def series() -> Dict[str, Metric]:
    """Names as they stand in queries."""
    return {name + suffix: metric for name, metric in documented().items() for suffix in SUFFIXES[metric.kind]}


def queries() -> List[str]:
    """Every query of the rules and the dashboard."""
    (rules,) = documents(ALERTS)
    dashboard = json.loads(text("infra/grafana/dashboard.json"))
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return found + [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


class Monitoring(unittest.TestCase):
    """Rules and panels."""

    def test_each_metric_is_documented_and_each_label_one_of_it(self) -> None:
        known = series()
        self.assertGreaterEqual(len(documented()), 12)
        for query in queries():
            names = re.findall(r"\breelmill_\w+", query)
            self.assertTrue(names, query)
            self.assertEqual([name for name in names if name not in known], [], query)
            labels = ADDED.union(*(known[name].labels for name in names))
            used = {word for group in re.findall(r"\bby \(([^)]*)\)", query) for word in re.split(r"[,\s]+", group)}
            used |= set(re.findall(r"(\w+)=", query))
            self.assertEqual(used - labels, set(), query)

    def test_what_the_fleet_reports_alike_is_never_summed_and_counters_are_rated(self) -> None:
        known = series()
        for query in queries():
            for name in re.findall(r"\breelmill_\w+", query):
                if known[name].of == "fleet":
                    self.assertNotRegex(query, r"\bsum\b", name)
                if known[name].kind != "gauge":
                    self.assertRegex(query, r"\b(rate|increase)\(" + name, name)

    def test_every_metric_is_shown(self) -> None:
        shown = " ".join(queries())
        self.assertEqual([name for name in documented() if name not in shown], [])

    def test_rules_say_what_is_wrong(self) -> None:
        (rules,) = documents(ALERTS)
        for group in rules["groups"]:
            for rule in group["rules"]:
                self.assertLessEqual(set(rule), {"alert", "expr", "for", "labels", "annotations"})
                self.assertIn(rule["labels"]["severity"], {"info", "warning", "critical"}, rule["alert"])
                self.assertLessEqual({"summary", "description"}, set(rule["annotations"]), rule["alert"])

    def test_operations_say_what_to_do(self) -> None:
        (rules,) = documents(ALERTS)
        alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
        self.assertEqual(set(re.findall(r"`(Reelmill\w+)`", text("docs/operations.md"))), alerts)

    def test_prometheus_understands_the_rules(self) -> None:
        if not shutil.which("promtool"):
            self.skipTest("there is no promtool here; Debian has it in the package prometheus")
        judged = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
        self.assertEqual(judged.returncode, 0, judged.stdout + judged.stderr)

    def test_panels_do_not_overlap(self) -> None:
        panels = json.loads(text("infra/grafana/dashboard.json"))["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        taken: Set[tuple] = set()
        for panel in panels:
            place = panel["gridPos"]
            columns = range(place["x"], place["x"] + place["w"])
            cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & taken, panel["title"])
            taken |= cells


if __name__ == "__main__":
    unittest.main()
