#!/usr/bin/python3
"""The definition of ImageClassifier on a real API server: what it accepts, what it refuses and in which words."""

import json
import os
import subprocess
import unittest

from operator_rig import ROOT, OperatorTest, resource, with_basic

EXAMPLES = ROOT / "crds/examples"
# Copied without their descriptions, which Kubernetes documents.
PASSED_ON = {".spec.pod.affinity", ".spec.pod.tolerations", ".spec.pod.topologySpreadConstraints", ".spec.pod.env", ".spec.networkPolicy.allowFrom"}


class Definition(OperatorTest):
    starts_operator = False

    def test_every_accepted_example_is_accepted(self):
        files = sorted((EXAMPLES / "accepted").glob("*.yaml"))
        self.assertGreaterEqual(len(files), 15)
        for file in files:
            with self.subTest(file.name):
                self.run_kubectl("create", "--dry-run=server", "-f", str(file))

    def test_every_rejected_example_is_refused_with_the_words_on_its_first_line(self):
        files = sorted((EXAMPLES / "rejected").glob("*.yaml"))
        self.assertGreaterEqual(len(files), 33)
        for file in files:
            with self.subTest(file.name):
                expected = file.read_text().splitlines()[0].removeprefix("# expect: ")
                refused = self.run_kubectl("create", "--dry-run=server", "-f", str(file), check=False)
                self.assertNotEqual(refused.returncode, 0, "it was accepted")
                self.assertIn(expected, refused.stderr)

    def test_every_rule_of_the_definition_has_a_rejected_example_or_a_test_here(self):
        definition = json.loads(self.run_kubectl("create", "--dry-run=client", "-o", "json", "-f", str(ROOT / "crds/imageclassifiers.yaml")).stdout)
        messages = set()

        def walk(node):
            if isinstance(node, dict):
                messages.update(rule["message"] for rule in node.get("x-kubernetes-validations", []))
                node = list(node.values())
            if isinstance(node, list):
                for entry in node:
                    walk(entry)

        walk(definition["spec"]["versions"][0]["schema"])
        expectations = [file.read_text().splitlines()[0].removeprefix("# expect: ") for file in (EXAMPLES / "rejected").glob("*.yaml")]
        uncovered = [message for message in messages if not any(expected in message for expected in expectations)]
        self.assertEqual([message for message in uncovered if not message.startswith("service.loadBalancerClass cannot change")], [])

    def test_the_parts_that_are_passed_on_have_the_schemas_of_the_API_server(self):
        done = subprocess.run([ROOT / "crds/copy_schemas", "--check"], env={**os.environ, "KUBECONFIG": str(self.kubectl.folder / "kubeconfig")},
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_every_field_has_a_description(self):
        definition = json.loads(self.run_kubectl("create", "--dry-run=client", "-o", "json", "-f", str(ROOT / "crds/imageclassifiers.yaml")).stdout)
        missing = []

        def walk(node, path):
            for name, field in node.get("properties", {}).items():
                if not field.get("description") and path + name != ".metadata":
                    missing.append(path + name)
                if path + name not in PASSED_ON:
                    walk(field, f"{path}{name}.")
            for child in ("items", "additionalProperties"):
                if isinstance(node.get(child), dict):
                    walk(node[child], f"{path}[].")

        walk(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"], ".")
        self.assertEqual(missing, [])

    def test_the_load_balancer_class_cannot_change_while_the_type_stays(self):
        self.apply(resource("pets", service={"loadBalancerClass": "example.com/one"}))
        patch = {"spec": {"service": {"loadBalancerClass": "example.com/two"}}}
        refused = self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps(patch), check=False)
        self.assertIn("set service.type to ClusterIP first", refused.stderr)
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps({"spec": {"service": {"type": "ClusterIP", "loadBalancerClass": None}}}))
        patch["spec"]["service"]["type"] = "LoadBalancer"
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps(patch))

    def test_the_credential_can_be_changed_from_one_member_to_another(self):
        for flags in ([], ["--server-side"]):
            name = "server-side" if flags else "client-side"
            for step in (resource(name), with_basic(name), resource(name, registry={"auth": {"existingSecret": {"name": "other"}}})):
                self.run_kubectl("apply", *flags, "-f", "-", given=json.dumps(step))
            self.assertEqual(self.get("ic", name)["spec"]["registry"]["auth"], {"existingSecret": {"name": "other"}})

    def test_a_new_object_says_that_nobody_has_looked_at_it(self):
        self.apply(resource("pets"))
        self.assertEqual(self.get("ic", "pets")["status"], {"observedGeneration": -1})

    def test_scale_changes_the_replicas(self):
        self.apply(resource("pets"))
        self.run_kubectl("scale", "ic/pets", "--replicas=3")
        self.assertEqual(self.get("ic", "pets")["spec"]["replicas"], 3)


if __name__ == "__main__":
    unittest.main()
