#!/usr/bin/python3
"""What the operator's /metrics holds: exactly the table of docs/metrics.md, at zero from the start, fit for Prometheus.

The parser is that of Prometheus' Python client, a package of 200 kB: promtool's is 96 MB and brings a service along. The rules
of `promtool check metrics` that apply are spelled out below.
"""

import re
import unittest

from operator_rig import ROOT, OperatorTest, resource, wait_until
from prometheus_client.parser import text_string_to_metric_families

PAGE = ROOT / "docs/metrics.md"
ROW = re.compile(r"^\| `([a-z_:0-9]+)` \| (counter|gauge|histogram) \| ([^|]*) \| (.+) \|$", re.MULTILINE)
# The value of a label comes from a closed list, so the number of series is bounded.
BOUNDED_LABELS = {"controller", "result", "name", "priority", "code", "method", "verb", "host", "resource", "step", "kind", "why", "group",
                  "endpoint", "reason", "type", "call", "status", "state", "server", "route"}
# Has a series for each resource with a minted credential; minting_test.py looks at it.
NAMES_RESOURCES = "imageclassifier_registry_token_expiry_timestamp_seconds"
NEEDS_A_REGISTRY = {NAMES_RESOURCES, "imageclassifier_registry_requests_total"}


def documented():
    """{name: (type, labels)}"""
    return {name: (kind, frozenset(re.findall("`([a-z]+)`", labels))) for name, kind, labels, _ in ROW.findall(PAGE.read_text())}


def exposed(text):
    found = {}
    for family in text_string_to_metric_families(text):
        name = family.name + "_total" if family.type == "counter" else family.name
        labels = {label for sample in family.samples for label in sample.labels if label != "le"}
        found[name] = (family.type, frozenset(labels))
    return found


class Metrics(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.operator = self.start("--leader-elect", "--leader-elect-resource-namespace", self.namespace)

    def text(self):
        wait_until(lambda: self.operator.ask("/readyz")[0] == 200, 20, "the operator to be ready")
        return self.operator.ask("/metrics")[1]

    def test_they_are_those_of_the_page_with_type_and_labels(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        page, found = documented(), exposed(self.text())
        wanted = {name: told for name, told in page.items() if name not in NEEDS_A_REGISTRY}
        self.assertEqual({name: found.get(name) for name in wanted}, wanted)
        self.assertEqual(sorted(set(found) - set(page)), [], "not in docs/metrics.md")

    def test_series_with_a_closed_set_of_labels_are_there_at_zero_before_anything_happens(self):
        text = self.text()
        for series in ('leader_election_slowpath_total{name="imageclassifier-operator"}',
                       'controller_runtime_reconcile_total{controller="imageclassifier",result="error"}',
                       'controller_runtime_reconcile_total{controller="imageclassifier",result="requeue"}',
                       'controller_runtime_reconcile_errors_total{controller="imageclassifier"}',
                       'controller_runtime_terminal_reconcile_errors_total{controller="imageclassifier"}',
                       'controller_runtime_reconcile_panics_total{controller="imageclassifier"}',
                       'controller_runtime_reconcile_timeouts_total{controller="imageclassifier"}',
                       'controller_runtime_active_workers{controller="imageclassifier"}',
                       'workqueue_retries_total{controller="imageclassifier",name="imageclassifier"}',
                       'workqueue_depth{controller="imageclassifier",name="imageclassifier",priority="-100"}',
                       'workqueue_depth{controller="imageclassifier",name="imageclassifier",priority="0"}',
                       'imageclassifier_child_writes_total{kind="Deployment",step="create"}',
                       'event_recorder_writes_total{result="failed"}',
                       'event_recorder_lost_total{reason="queue_full"}',
                       'imageclassifier_live_observations_total{why="write_not_seen"}'):
            self.assertIn(f"\n{series} 0\n", text)
        self.assertIn('controller_runtime_max_concurrent_reconciles{controller="imageclassifier"} 4\n', text)

    def test_prometheus_would_have_no_complaint(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        for family in text_string_to_metric_families(self.text()):
            with self.subTest(family.name):
                self.assertRegex(family.name, "^[a-z][a-z0-9_]*$")
                self.assertTrue(family.documentation)
                self.assertNotEqual(family.type, "unknown")
                self.assertFalse(family.type != "counter" and family.name.endswith("_total"), "only counters end in _total")
                self.assertNotRegex(family.name, "_(milliseconds|minutes|hours|days|kilobytes|megabytes|ms|kb|mb|percent)(_|$)")
                self.assertNotRegex(family.name, "(counter|gauge|histogram)")
                for sample in family.samples:
                    self.assertLessEqual(set(sample.labels) - {"le"}, BOUNDED_LABELS)
                    self.assertNotIn(self.namespace, sample.labels.values())
                    self.assertNotIn("pets", sample.labels.values(), "no object names as labels")


if __name__ == "__main__":
    unittest.main()
