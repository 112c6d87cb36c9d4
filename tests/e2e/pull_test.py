#!/usr/bin/python3
"""Pulls of a real node: with a credential that the operator has minted, over its end; and those that fail, each cause by its own name
as soon as the node has met it, and before, if the operator may look."""

import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import end_to_end
from end_to_end import (BINARIES, CREDENTIALS, REGISTRY_HOST, ROOT, STATE, EndToEnd, classifier, cluster_state, condition, password_of, registry,
                        run, say, wait_until)
from api import Api, seconds

from lab import CLUSTER

sys.path.insert(0, str(ROOT / "tests/acr"))

from fixture import make_image  # noqa: E402

LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
NEW = f"{REGISTRY_HOST}/inference-server:new"  # no node has it, so that none does without the registry
OTHER = f"{REGISTRY_HOST}/inference-server:arm64"
SOON = 5  # seconds
LIFE = int(os.environ.get("IC_CREDENTIAL_SECONDS") or 30)  # of one that is minted; it is exchanged after half of that
TENANT, PRINCIPAL, WORKLOAD = (f"{digit}1111111-2222-3333-4444-555555555555" for digit in "abc")


def push_for_another_architecture():
    """As a list, for which a node chooses before it fetches anything."""
    with tempfile.TemporaryDirectory() as place:
        folder = make_image(Path(place) / "image", "arm64")
        manifest = (folder / "manifest.json").read_bytes()
        digest = hashlib.sha256(manifest).hexdigest()
        (folder / f"{digest}.manifest.json").write_bytes(manifest)
        entry = {"mediaType": json.loads(manifest)["mediaType"], "size": len(manifest), "digest": f"sha256:{digest}",
                 "platform": {"os": "linux", "architecture": "arm64"}}
        (folder / "manifest.json").write_text(json.dumps({"schemaVersion": 2, "mediaType": LIST, "manifests": [entry]}))
        registry.push(STATE, f"dir:{folder}", "inference-server:arm64")


class Pulls(EndToEnd):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = Api(cluster_state(), STATE / "pki")
        push_for_another_architecture()
        cls.users.make_credentials("no-password", "puller", "not-the-password")
        cls.users.make_credentials("no-scope", "spare", password_of("spare"))

    def setUp(self):
        registry.configure(STATE, repositories={"spare": {"team/other": ["pull"]}})
        self.addCleanup(registry.configure, STATE)

    def ask_for(self, name, image, secret, preflight):
        resource = classifier(name, image=image, secret=secret, service={"type": "ClusterIP"})
        resource["spec"]["registry"] = {"preflight": preflight, **(resource["spec"]["registry"] if secret else {})}
        self.apply_for_this_test(resource)

    def listed(self, path):
        return self.api.call("GET", path)["items"]

    def follow(self, expected):
        """When each was met, and told of in Ready and ImageResolved: {name: {"pod", "Ready", "ImageResolved"}}, in seconds since
        the epoch, once Ready has had the reason that is expected of each and a pod of each has failed. expected: {name: reason}."""
        seen = {name: {} for name in expected}
        last = {}

        def look():
            for pod in self.listed(f"/api/v1/namespaces/{self.namespace}/pods"):
                name = pod["metadata"]["labels"].get("app.kubernetes.io/instance")
                waiting = [entry["state"].get("waiting", {}).get("reason") for entry in pod["status"].get("containerStatuses", [])]
                if name in expected and {"ErrImagePull", "ImagePullBackOff"} & set(waiting):
                    seen[name].setdefault("pod", time.time())
            for resource in self.listed(f"/apis/imageclassifier.dev/v1alpha1/namespaces/{self.namespace}/imageclassifiers"):
                name = resource["metadata"]["name"]
                for kind in ("Ready", "ImageResolved"):
                    entry = condition(resource, kind)
                    if name in expected and (entry.get("status"), entry.get("reason")) == ("False", expected[name]):
                        seen[name].setdefault(kind, time.time())
                last[name] = condition(resource, "Ready")
            return all({"pod", "Ready"} <= set(times) for times in seen.values())

        wait_until(look, 60, lambda: json.dumps({name: [expected[name], times, last.get(name)] for name, times in seen.items()
                                                 if not {"pod", "Ready"} <= set(times)}), interval=0.1)
        return seen

    def assert_told_soon(self, expected):
        for name, times in self.follow(expected).items():
            say(f"    {name}: {expected[name]} {times['Ready'] - times['pod']:+.1f} s after the pod's first failure")
            self.assertLessEqual(times["Ready"] - times["pod"], SOON, name)
            entry = condition(self.users.get("imageclassifier", name), "Ready")
            self.assert_named_with_remedy(entry)
            if name.startswith("looked-up"):
                # A look at all of them takes its time on a busy machine.
                self.assertLess(times["ImageResolved"], times["pod"] + 0.5, name)

    def test_each_cause_has_its_own_reason_soon_after_a_pod_has_met_it_and_before_if_it_was_looked_up(self):
        node = cluster_state()["node"]["address"]
        both = (("credential", NEW, "no-password", "CredentialRefused"), ("scope", NEW, "no-scope", "InsufficientScope"),
                ("tag", NEW, CREDENTIALS, "ManifestUnknown"), ("platform", OTHER, CREDENTIALS, "PlatformMismatch"))
        met_alone = (("secret", NEW, None, "CredentialMissing"),
                     ("name", "nowhere.azurecr.io/server:1", None, "RegistryUnreachable"),
                     ("port", f"{REGISTRY_HOST}:444/server:1", None, "RegistryUnreachable"),
                     ("authority", f"{node}/inference-server:new", None, "TLSUntrusted"))
        expected = {}
        for name, image, secret, reason in both + met_alone:
            self.ask_for(f"met-{name}", image, secret, "Off")
            expected[f"met-{name}"] = reason
        for name, image, secret, reason in both:
            self.ask_for(f"looked-up-{name}", image, secret, "Warn")
            expected[f"looked-up-{name}"] = reason
        self.assert_told_soon(expected)

    def test_a_registry_that_is_asked_too_often_is_named_and_left_behind_when_it_answers_again(self):
        registry.configure(STATE, faults={"manifest": {"status": 429, "headers": {"Retry-After": "1"}}})
        self.ask_for("throttled", OTHER, CREDENTIALS, "Off")
        self.assert_told_soon({"throttled": "Throttled"})
        registry.configure(STATE)
        self.wait_for_condition("throttled", "Ready", "False", "PlatformMismatch", timeout=60)

    def forget_image(self, reference):
        """So that the node asks the registry again, and shows what it has for that; what runs goes on."""
        run(CLUSTER, "run", "--state", STATE, "--", "ctr", "images", "rm", reference)

    def pulls_since(self, moment, subject):
        return [entry for entry in registry.requests(STATE) if entry["route"] == "manifest" and entry["status"] == 200
                and entry["agent"].startswith("containerd") and entry["subject"] == subject and entry["time"] > moment]

    def make_identities(self):
        """{resource: (client id, spec.registry.auth)}: a service principal, and an account that Entra trusts the cluster for."""
        of_image = {"tenant": TENANT, "repositories": {"inference-server": ["pull"]}}
        registry.configure(STATE, access_lifetime=LIFE, applications={
            PRINCIPAL: of_image | {"secret": "s"}, WORKLOAD: of_image | {"subject": f"system:serviceaccount:{self.namespace}:image-puller"}})
        self.users.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "application"}, "stringData": {"secret": "s"}})
        self.users.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "image-puller", "annotations": {
            "azure.workload.identity/client-id": WORKLOAD, "azure.workload.identity/tenant-id": TENANT}}})
        return {"principal": (PRINCIPAL, {"servicePrincipal": {"tenantID": TENANT, "clientID": PRINCIPAL,
                                                               "clientSecret": {"name": "application", "key": "secret"}}}),
                "workload": (WORKLOAD, {"workloadIdentity": {"serviceAccountName": "image-puller"}})}

    def let_operator_ask_for_tokens(self, resource):
        """As the condition TokenRequestForbidden says."""
        printed = run(BINARIES / "imageclassifier-operator", "render", "-f", "-", stdin=json.dumps(resource))
        self.users.kubectl("apply", "-f", "-", stdin=printed.split("# What the operator makes:")[0])

    def test_minted_credentials_pull_before_and_after_the_first_one_has_expired(self):
        identities = self.make_identities()
        self.forget_image(self.users.get("imageclassifier", "quickstart")["status"]["image"]["resolved"])
        begin = time.time()
        before = {}
        for name, (client, auth) in identities.items():
            resource = classifier(name, service={"type": "ClusterIP"})
            resource["spec"]["registry"]["auth"] = auth
            self.apply_for_this_test(resource)
            if name == "workload":
                self.wait_for_condition(name, "CredentialReady", "False", "TokenRequestForbidden")
                self.let_operator_ask_for_tokens(resource)
        for name, (client, _) in identities.items():
            self.wait_for_condition(name, "Ready", "True")
            status = self.users.get("imageclassifier", name)["status"]
            before[name] = (status, *(self.users.get(kind, of)["metadata"] for kind, of in (("deployment", name),
                                                                                            ("secret", status["pullSecret"]["name"]))))
        # Pods that find the image on their node show nothing to the registry.
        pulled = {client for client, _ in identities.values() if self.pulls_since(begin, client)}
        self.assertTrue(pulled, "the node pulled with what the operator has minted")
        expired = max(seconds(status["pullSecret"]["expiresAt"]) for status, _, _ in before.values())
        wait_until(lambda: time.time() > expired, 2 * LIFE, "the first credentials to expire", interval=0.5)
        for name, (client, _) in identities.items():
            status, deployment, secret = before[name]
            self.forget_image(status["image"]["resolved"])
            self.users.kubectl("delete", "pods", f"--selector=app.kubernetes.io/instance={name}", "--wait=false")
            wait_until(lambda: self.pulls_since(expired, client), 60, f"{name} to pull with the credential that came after it", interval=0.25)
            self.wait_for_condition(name, "Ready", "True")
            self.assertEqual(self.users.get("secret", secret["name"])["metadata"]["uid"], secret["uid"])
            self.assertEqual(self.users.get("deployment", name)["metadata"]["generation"], deployment["generation"])

    def test_a_node_whose_clock_is_wrong_is_told_from_a_registry_whose_certificate_has_ended(self):
        with tempfile.TemporaryDirectory() as place:
            registry.push(STATE, f"dir:{make_image(Path(place) / 'image')}", "inference-server:small")
        small = f"{REGISTRY_HOST}/inference-server:small"
        registry.configure(STATE, clock_ahead_at=cluster_state()["node"]["address"])
        self.ask_for("clock", small, CREDENTIALS, "Warn")
        self.ask_for("certificate", small, CREDENTIALS, "Off")
        self.assert_told_soon({"clock": "NodeClockSkew", "certificate": "TLSUntrusted"})


if __name__ == "__main__":
    end_to_end.main()
