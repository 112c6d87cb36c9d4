#!/usr/bin/python3
"""ServiceMonitors on a real API server: their kind is installed and removed while the operator runs, with the chart's rights."""

import json
import time
import unittest

from chart_account import Account, right_asked, whole_role
from operator_rig import OperatorTest, condition, resource, wait_until

GROUP, VERSION, PLURAL = "monitoring.coreos.com", "v1", "servicemonitors"
KIND = f"{PLURAL}.{GROUP}"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
DEFINITION = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": KIND},
              "spec": {"group": GROUP, "scope": "Namespaced", "names": {"kind": "ServiceMonitor", "plural": PLURAL},
                       "versions": [{"name": VERSION, "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}]}}
QUIET = 10  # seconds; two looks for the missing kind at least


class Monitoring(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.addCleanup(self.kubectl.run, "delete", "crd", KIND, "--ignore-not-found", "--timeout=20s")
        self.account = Account(self, whole_role(self.kubectl))

    def monitor(self, name):
        return self.account.get(KIND, name)

    def change(self, kind, name, change):
        self.kubectl.run("-n", self.account.namespace, "patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def ready_reason(self, name):
        return condition(self.account.get("ic", name), "Ready").get("reason")

    def asked(self):
        """(verb and resource, number) of all that was asked in a quiet while."""
        before = len(self.account.requests())
        time.sleep(QUIET)
        return [right_asked(event) for event in self.account.requests()[before:]]

    def only_looks_for_the_kind(self):
        asked = self.asked()
        others = {right[:2] for right in asked} - {("coordination.k8s.io", "leases"), (GROUP, PLURAL)}
        looks = [right for right in asked if right[0] == GROUP]
        return not others and 1 <= len(looks) <= QUIET // 4 + 1

    def test_a_monitor_comes_with_its_kind_is_kept_in_shape_and_goes_with_the_option_or_the_kind(self):
        account = self.account
        account.put(resource("asking", monitoring={"serviceMonitor": "Enabled", "labels": {"release": "prometheus"}}))
        account.put(resource("plain"))
        wait_until(lambda: self.ready_reason("asking") == "ServiceMonitorKindMissing", 20, "the missing kind to be named")
        self.assertIn("Install the Prometheus operator's", condition(account.get("ic", "asking"), "Ready")["message"])
        wait_until(lambda: self.ready_reason("plain"), 20, "the first status")
        self.assertNotEqual(self.ready_reason("plain"), "ServiceMonitorKindMissing")

        self.kubectl.run("apply", "-f", "-", given=json.dumps(DEFINITION))
        wait_until(lambda: self.monitor("asking") and self.monitor("plain"), 20, "the monitors")
        self.assertEqual(self.monitor("asking")["metadata"]["labels"]["release"], "prometheus")
        wait_until(lambda: self.ready_reason("asking") != "ServiceMonitorKindMissing", 20, "the reason to go")
        self.change(KIND, "asking", {"spec": {"endpoints": [{"port": "other"}]}})
        wait_until(lambda: self.monitor("asking")["spec"]["endpoints"][0]["port"] == "http", 10, "the repair")
        self.change("ic", "plain", {"spec": {"monitoring": {"serviceMonitor": "Disabled"}}})
        wait_until(lambda: not self.monitor("plain"), 20, "the monitor to go")

        self.kubectl.run("delete", "crd", KIND, "--timeout=20s")
        wait_until(lambda: self.ready_reason("asking") == "ServiceMonitorKindMissing", 20, "the missing kind to be named again")
        # While the server takes the kind down, it is met in more than one way.
        wait_until(self.only_looks_for_the_kind, 4 * QUIET, "nothing to be asked for but the kind, every few seconds")
        refused = [event for event in account.refused() if event["annotations"]["authorization.k8s.io/decision"] == "forbid"]
        self.assertEqual([right_asked(event) for event in refused], [])
        used = {right_asked(event)[2] for event in account.requests() if right_asked(event)[0] == GROUP}
        self.assertLessEqual({"get", "watch", "create", "patch", "delete"}, used)


if __name__ == "__main__":
    unittest.main()
