#!/usr/bin/python3
"""Who works against the operator: another writer of the same field, policies, namespaces that are going. It says so, and keeps the API
server out of it."""

import json
import threading
import unittest

from operator_rig import OperatorTest, resource, wait_until

from api import MERGE, WRITES  # its folder is on the path by then


class Adversity(OperatorTest):
    def writes(self, kind):
        return [event for event in self.requests() if event["verb"] in WRITES and event["objectRef"]["resource"] == kind]

    def interfere(self, path, patch, seconds):
        """Writes the patch ten times a second for so long: the thread, and how often it has."""
        api, stop, count = self.api(), threading.Event(), [0]

        def write():
            while not stop.wait(0.1):
                api.call("PATCH", path, patch, MERGE)
                count[0] += 1
            api.close()

        thread = threading.Thread(target=write)
        thread.start()
        threading.Timer(seconds, stop.set).start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        return thread, count

    def test_another_writer_of_the_same_field_is_told_of_and_met_ever_more_seldom(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        self.wait_until_settled()
        before = {kind: len(self.writes(kind)) for kind in ("deployments", "imageclassifiers")}
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/pets"
        thread, count = self.interfere(path, {"spec": {"minReadySeconds": 5, "revisionHistoryLimit": 1}}, 12)
        entry = self.wait_for("pets", "WorkloadAvailable", "False", "FieldContested")
        self.assertIn("Deployment pets (spec.revisionHistoryLimit differs)", entry["message"])
        self.wait_for("pets", "Ready", "False", "FieldContested")
        thread.join()
        self.assertGreater(count[0], 30)
        # Seven more at once, then after 2, 4 and 8 seconds.
        self.assertLessEqual(len(self.writes("deployments")) - before["deployments"], 10)
        self.assertLessEqual(len(self.writes("imageclassifiers")) - before["imageclassifiers"], 4)
        wait_until(lambda: self.get("deployment", "pets")["spec"]["revisionHistoryLimit"] != 1, 40, "the repair once that is over")
        self.assertEqual(self.get("deployment", "pets")["spec"]["minReadySeconds"], 5, "what others add stays")

    def test_an_admission_policy_that_refuses_pods_is_told_in_its_own_words_without_a_hot_loop(self):
        name = self.namespace
        self.run_kubectl("label", "namespace", name, f"adversity={name}")
        policy = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]},
            "validations": [{"expression": "false", "message": "no pods on a Thursday"}]}}
        binding = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name}, "spec": {
            "policyName": name, "validationActions": ["Deny"], "matchResources": {"namespaceSelector": {"matchLabels": {"adversity": name}}}}}
        self.addCleanup(self.kubectl.run, "delete", f"validatingadmissionpolicy/{name}", f"validatingadmissionpolicybinding/{name}")
        self.kubectl.run("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": [policy, binding]}))
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
        wait_until(lambda: "Thursday" in self.run_kubectl("create", "--dry-run=server", "-f", "-", given=json.dumps(pod), check=False).stderr, 30, "the policy to be in force")
        self.apply(resource("pets"))
        entry = self.wait_for("pets", "Ready", "False", "PodCreationForbidden")
        self.assertIn("no pods on a Thursday", entry["message"])
        self.wait_until_settled()

    def test_pod_security_that_refuses_a_pod_is_told_by_the_name_of_what_it_violates(self):
        # Our own template always fits; what a sidecar injector adds need not.
        self.run_kubectl("label", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=restricted")
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        self.run_kubectl("patch", "deployment", "pets", "--type=merge", "-p", '{"spec": {"template": {"spec": {"hostNetwork": true}}}}')
        entry = self.wait_for("pets", "Ready", "False", "PodCreationForbidden", 30)
        self.assertIn("violates PodSecurity \"restricted:latest\"", entry["message"])
        self.assertIn("hostNetwork", entry["message"])

    def test_a_namespace_that_is_going_is_left_in_peace_and_not_held_up(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        # Something else holds the namespace for a while, so that the operator sees it going.
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "finalizers": ["example.com/hold"]}})
        self.run_kubectl("delete", "namespace", self.namespace, "--wait=false")
        wait_until(lambda: not self.get("ic").get("items"), 30, "the resource to be gone")
        refused = lambda: [event for event in self.requests() if event["responseStatus"]["code"] == 403]  # noqa: E731
        self.assertLessEqual(len(refused()), 10)  # one for each child that goes, and the retries of that time
        self.wait_until_settled()
        self.run_kubectl("patch", "configmap", "held", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        wait_until(lambda: not self.kubectl.get("namespace", self.namespace), 40, "the namespace to be gone")
        self.assertEqual(self.operator.process.poll(), None)

    def test_what_is_asked_for_in_a_namespace_that_is_going_is_named_and_tried_in_moderation(self):
        self.operator.end()
        self.apply(resource("pets"))
        finalizers = '{"metadata": {"finalizers": ["example.com/hold"]}}'
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", finalizers)
        self.run_kubectl("delete", "namespace", self.namespace, "--wait=false")
        wait_until(lambda: self.get("ic", "pets")["metadata"].get("deletionTimestamp"), 30, "the resource to be going")
        self.operator = self.start()
        wait_until(lambda: self.operator.metric("controller_runtime_reconcile_total") >= 1, 20, "the operator to look")
        self.wait_until_settled()
        self.assertEqual([event["requestURI"] for event in self.requests() if event["verb"] in WRITES], [])
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        wait_until(lambda: not self.kubectl.get("namespace", self.namespace), 40, "the namespace to be gone")


if __name__ == "__main__":
    unittest.main()
