#!/usr/bin/python3
"""The children that the operator's builders make (tests/operator/resources/golden), by server-side apply as a dry run: a real API
server takes each of them, knows all of their fields, and warns of none."""

import json
import unittest

from operator_rig import ROOT, OperatorTest

GOLDENS = ROOT / "tests/operator/resources/golden"
APPLY = "application/apply-patch+yaml"
PLURALS = {"NetworkPolicy": "networkpolicies"}


def path_of(child, namespace):
    group = "apis" if "/" in child["apiVersion"] else "api"
    plural = PLURALS.get(child["kind"], child["kind"].lower() + "s")
    return f"/{group}/{child['apiVersion']}/namespaces/{namespace}/{plural}/{child['metadata']['name']}"


class Goldens(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        # Its warnings are the only ones about a pod template.
        self.run_kubectl("label", "namespace", self.namespace, "pod-security.kubernetes.io/warn=restricted")

    def refusal(self, child):
        """What the server has against it; empty: nothing."""
        child["metadata"]["namespace"] = self.namespace
        status, headers, body = self.api.ask(
            "PATCH", f"{path_of(child, self.namespace)}?dryRun=All&fieldManager=imageclassifier-operator&fieldValidation=Strict", child, APPLY)
        return "; ".join(([] if status < 300 else [body.decode()]) + headers.get_all("Warning", []))

    def test_each_golden_is_accepted_without_a_warning(self):
        self.api = self.api()
        self.addCleanup(self.api.close)
        # The kind ServiceMonitor is not installed here.
        goldens = sorted(set(GOLDENS.glob("*.json")) - set(GOLDENS.glob("*.ServiceMonitor.json")))
        self.assertGreaterEqual(len(goldens), 40)
        for golden in goldens:
            with self.subTest(golden.name):
                self.assertEqual(self.refusal(json.loads(golden.read_text())), "")

    def test_a_field_that_does_not_exist_and_a_pod_that_is_not_restricted_would_be_found(self):
        self.api = self.api()
        self.addCleanup(self.api.close)
        for change, words in (({"hostNetwork": True}, "violate PodSecurity"), ({"hostNetwrok": True}, "hostNetwrok")):
            child = json.loads((GOLDENS / "smallest.Deployment.json").read_text())
            child["spec"]["template"]["spec"].update(change)
            self.assertIn(words, self.refusal(child))


if __name__ == "__main__":
    unittest.main()
