#!/usr/bin/python3
"""An operator for one namespace, installed as the chart does it: with a Role there it does its work, and asks for nothing elsewhere."""

import json
import subprocess
import unittest

import yaml
from chart_account import CHART
from operator_rig import OperatorTest, resource, wait_until, with_basic

from api import recorded
from minicluster import tools

RELEASE = "one-imageclassifier-operator"
KINDS = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "ServiceAccount"}


class Namespaced(OperatorTest):
    starts_operator = False

    def chart(self):
        """The objects that give the account its rights, and the operator's own arguments."""
        helm = tools.ensure(("helm",))["helm"] / "helm"
        text = subprocess.run([helm, "template", "one", CHART, "--namespace", self.namespace, "--kube-version", "1.34.0", "--set",
                               f"watchNamespace={self.namespace},crds.install=false"], check=True, text=True, stdout=subprocess.PIPE).stdout
        objects = [obj for obj in yaml.safe_load_all(text) if obj]
        deployment, = [obj for obj in objects if obj["kind"] == "Deployment"]
        return [obj for obj in objects if obj["kind"] in KINDS], deployment["spec"]["template"]["spec"]["containers"][0]["args"]

    def test_rights_in_one_namespace_are_enough_for_it_and_nothing_is_asked_for_elsewhere(self):
        objects, arguments = self.chart()
        self.assertEqual({obj["kind"] for obj in objects}, {"Role", "RoleBinding", "ServiceAccount"})
        self.assertEqual({obj["metadata"]["namespace"] for obj in objects}, {self.namespace})
        self.assertIn(f"--namespace={self.namespace}", arguments)
        self.apply(*objects)
        token = self.run_kubectl("create", "token", RELEASE).stdout.strip()
        self.make_credentials()
        self.apply(with_basic("pets", replicas=2))
        self.kubectl.run("apply", "-n", "default", "-f", "-", given=json.dumps(resource("elsewhere")))
        self.addCleanup(self.kubectl.run, "delete", "-n", "default", "ic", "elsewhere", "--ignore-not-found", "--wait=false")
        operator = self.start("--leader-elect", f"--leader-elect-resource-name={RELEASE}", "--leader-elect-resource-namespace",
                              self.namespace, kubeconfig=self.kubeconfig_of({"token": token}))
        wait_until(lambda: self.get("deployment", "pets") and self.get("service", "pets") and self.get("secret", "pets-acr-pull"), 30, "the children")
        wait_until(lambda: self.get("ic", "pets").get("status", {}).get("conditions"), 20, "a status")
        self.assertNotIn("conditions", self.kubectl.get("-n", "default", "ic", "elsewhere").get("status", {}))
        self.assertEqual(operator.end(), 0)
        user = f"system:serviceaccount:{self.namespace}:{RELEASE}"
        asked = [event for event in recorded(self.kubectl.state, user, stage="ResponseComplete") if event["user"]["username"] == user]
        self.assertGreater(len(asked), 10)
        self.assertEqual([event["requestURI"] for event in asked if event.get("responseStatus", {}).get("code") == 403], [])
        places = {event["objectRef"].get("namespace") for event in asked if "resource" in event.get("objectRef", {})}
        self.assertEqual(places, {self.namespace})


if __name__ == "__main__":
    unittest.main()
