#!/usr/bin/python3
"""The chart's ValidatingAdmissionPolicies on a real API server: they let the operator do its work, and nothing else with Secrets."""

import json
import unittest

from chart_account import Account, rendered, whole_role
from operator_rig import OperatorTest, condition, resource, wait_until, with_basic

POLICIES = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
CHART_USER = "system:serviceaccount:operator:test-imageclassifier-operator"
TOKENS = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}
REFUSED = "the operator writes no Secret but"


def owner(kind="ImageClassifier", name="pets", controller=True, uid="1"):
    return [{"apiVersion": "imageclassifier.dev/v1alpha1", "kind": kind, "name": name, "uid": uid, "controller": controller}]


def secret(name, kind="kubernetes.io/dockerconfigjson", owners=None):
    data = {"kubernetes.io/dockerconfigjson": {".dockerconfigjson": '{"auths":{}}'},
            "kubernetes.io/basic-auth": {"username": "u", "password": "p"}}.get(kind, {"key": "value"})
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "ownerReferences": owners or []}, "type": kind, "stringData": data}


class Admission(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        role = whole_role(self.kubectl)
        self.account = Account(self, {"rules": [*role["rules"], TOKENS]})
        text = json.dumps([obj for obj in rendered(self.kubectl) if obj["kind"] in POLICIES])
        policies = json.loads(text.replace(CHART_USER, self.account.user).replace("test-imageclassifier-operator", self.account.namespace))
        self.assertEqual(len(policies), 4)
        self.account.apply(*policies)
        for policy in policies:
            self.addCleanup(self.kubectl.run, "delete", policy["kind"], policy["metadata"]["name"], "--wait=false")
        wait_until(lambda: REFUSED in self.tried("create", secret("probe", "Opaque")), 20, "the policies to work")

    def tried(self, verb, obj, *words):
        """What the API server says to the operator's account; empty if it does it."""
        done = self.kubectl.run("-n", self.account.namespace, "--as", self.account.user, verb, *words, "-f", "-", given=json.dumps(obj), check=False)
        return "" if done.returncode == 0 else done.stderr

    def reason(self, name, kind="CredentialReady"):
        return condition(self.account.get("ic", name), kind).get("reason")

    def test_the_operator_makes_changes_and_deletes_its_own_secrets(self):
        self.account.put(with_basic("pets", service={"authentication": {"type": "Basic"}}))
        wait_until(lambda: self.reason("pets") == "Minted" and self.account.get("secret", "pets-access"), 20, "the Secrets")
        before = self.account.get("secret", "pets-acr-pull")
        self.account.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "acr-credentials", "namespace": self.account.namespace},
                            "stringData": {"password": "second"}})
        self.account.put(with_basic("pets", replicas=2, service={"authentication": {"type": "Basic"}}))
        wait_until(lambda: self.account.get("secret", "pets-acr-pull")["data"] != before["data"], 20, "the new password")
        self.account.put(resource("pets"))
        wait_until(lambda: not self.account.get("secret", "pets-acr-pull") and not self.account.get("secret", "pets-access"), 20,
                   "the Secrets to go")
        self.assertNotIn("ValidatingAdmissionPolicy", self.account.log())

    def test_no_other_secret_can_be_made_changed_or_deleted_and_no_other_token_be_had_with_its_account(self):
        self.account.operator.end()
        self.account.put(resource("pets"))
        pets = owner(uid=self.account.get("ic", "pets")["metadata"]["uid"])  # of one that exists: no garbage
        self.assertEqual(self.tried("create", secret("pets-acr-pull", owners=pets)), "")
        for obj in (secret("pets", "Opaque", owner()), secret("pets-acr-pull-2", owners=owner()), secret("dogs-acr-pull"),
                    secret("dogs-acr-pull", owners=owner()), secret("pets-access", owners=owner()), secret("cats-acr-pull", owners=owner("Deployment", "cats")),
                    secret("cats-acr-pull", owners=owner(name="cats", controller=False))):
            with self.subTest(secret=obj["metadata"], type=obj["type"]):
                self.assertIn(REFUSED, self.tried("create", obj))
        theirs = secret("acr-credentials", "Opaque")
        self.assertIn(REFUSED, self.tried("patch", theirs, "--type=merge", "-p", json.dumps({"metadata": {"ownerReferences": owner()}})))
        self.assertIn(REFUSED, self.tried("delete", theirs))
        self.assertTrue(self.account.get("secret", "acr-credentials"))
        self.assertEqual(self.tried("delete", secret("pets-acr-pull")), "")
        for audiences, allowed in ((["api://AzureADTokenExchange"], True), (["https://kubernetes.default.svc"], False),
                                   (["api://AzureADTokenExchange", "other"], False)):
            words = [f"--audience={each}" for each in audiences]
            done = self.kubectl.run("-n", self.account.namespace, "--as", self.account.user, "create", "token", "default", *words, check=False)
            self.assertEqual(done.returncode == 0, allowed, (audiences, done.stderr))


if __name__ == "__main__":
    unittest.main()
