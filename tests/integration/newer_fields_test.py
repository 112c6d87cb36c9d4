#!/usr/bin/python3
"""Fields of a newer definition, which this operator does not know, and what others add to its children: they survive all that it
writes."""

import json
import unittest

from operator_rig import CRD, OperatorTest, condition, wait_until, with_basic

DEFINITION = "crd/imageclassifiers.imageclassifier.dev"
NEWER = {"type": "object", "properties": {"mode": {"type": "string"}, "rules": {"type": "array", "items": {"type": "string"}}}}
VALUE = {"mode": "fast", "rules": ["a", "b"]}


class NewerFields(OperatorTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        definition = cls.kubectl.get(DEFINITION)
        properties = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        for place in (properties["spec"], properties["spec"]["properties"]["serving"], properties["status"]):
            place["properties"]["newer"] = NEWER
        cls.kubectl.run("replace", "-f", "-", given=json.dumps(definition))

    @classmethod
    def tearDownClass(cls):
        cls.kubectl.run("replace", "-f", str(CRD))

    def setUp(self):
        super().setUp()
        self.make_credentials()
        pets = with_basic("pets", newer=VALUE, serving={"topK": 3, "newer": VALUE})
        # The server takes a moment to know the newer definition.
        wait_until(self.takes_newer, 20, "the newer definition")
        self.apply(pets)
        self.wait_for_children("pets")

    def takes_newer(self):
        tried = self.run_kubectl("apply", "--dry-run=server", "-f", "-", given=json.dumps(with_basic("tried", newer=VALUE)), check=False)
        return tried.returncode == 0

    def test_they_survive_every_write(self):
        self.patch("ic", {"status": {"newer": VALUE}}, "--subresource=status")
        foreign = {"metadata": {"labels": {"example.com/team": "zoo"}, "annotations": {"example.com/note": "keep"}}}
        for kind, name, more in (("deployment", "pets", {"spec": {"minReadySeconds": 7, "template": foreign}}),
                                 ("service", "pets", {"spec": {"sessionAffinity": "ClientIP"}}),
                                 ("secret", "pets-acr-pull", {})):
            self.patch(kind, {**foreign, **more}, name=name)
        self.check()
        writes = self.writes()
        self.patch("ic", {"spec": {"replicas": 4, "image": "contoso.azurecr.io/inference-server:next", "service": {"port": 8080}}})
        self.wait_for_generation()
        self.make_credentials(password="second")
        self.patch("ic", {"metadata": {"annotations": {"example.com/touched": "yes"}}})
        wait_until(lambda: self.password_in_pull_secret("pets") == "second", 20, "the other password")
        self.run_kubectl("scale", "deployment/pets", "--replicas=1")
        wait_until(lambda: self.get("deployment", "pets")["spec"]["replicas"] == 4, 20, "the number to be put right")
        self.patch("ic", {"spec": {"registry": None}})
        wait_until(lambda: not self.get("secret", "pets-acr-pull"), 20, "the Secret to go")
        self.wait_for_generation()
        self.wait_until_settled()
        written = [event["objectRef"]["resource"] + "/" + event["objectRef"].get("subresource", "") for event in self.writes()[len(writes):]]
        self.assertLessEqual({"deployments/", "services/", "secrets/", "imageclassifiers/status"}, set(written))
        self.check(secret=False)

    def check(self, secret=True):
        pets = self.get("ic", "pets", "--show-managed-fields")
        self.assertEqual((pets["spec"]["newer"], pets["spec"]["serving"]["newer"], pets["status"]["newer"]), (VALUE, VALUE, VALUE))
        ours = [entry["fieldsV1"] for entry in pets["metadata"]["managedFields"] if entry["manager"] == "imageclassifier-operator"]
        self.assertNotIn("newer", json.dumps(ours))
        deployment, service = self.get("deployment", "pets"), self.get("service", "pets")
        self.assertEqual(deployment["spec"]["minReadySeconds"], 7)
        self.assertEqual(service["spec"]["sessionAffinity"], "ClientIP")
        for place in (deployment, deployment["spec"]["template"], service, *([self.get("secret", "pets-acr-pull")] if secret else [])):
            self.assertEqual(place["metadata"]["labels"]["example.com/team"], "zoo")
            self.assertEqual(place["metadata"]["annotations"]["example.com/note"], "keep")

    def patch(self, kind, change, *words, name="pets"):
        self.run_kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change), *words)

    def writes(self):
        return [event for event in self.requests() if event["verb"] in ("create", "patch", "update", "delete")]

    def wait_for_generation(self):
        def reached():
            pets = self.get("ic", "pets")
            return condition(pets, "Ready").get("observedGeneration") == pets["metadata"]["generation"]
        wait_until(reached, 20, "the status to follow")


if __name__ == "__main__":
    unittest.main()
