#!/usr/bin/python3
"""Images looked up in a registry before a node pulls them: on a real API server, before the stand-in for ACR."""

import hashlib
import unittest

from kubelets import Kubelets
from operator_rig import condition, resource, wait_until
from registry_rig import RegistryTest, log_of

from fixture import make_image  # its folder is on the path by then

QUICK = "--image-check-interval", "1s"
PASSWORD = "puller-password"


class Choosy(Kubelets):
    """All pods serve, but those of the digest `bad`, which never can."""

    bad = "none"

    def tag_of(self, pod):
        return "bad" if pod["spec"]["containers"][0]["image"].endswith(self.bad) else "good"


class Images(RegistryTest):
    def setUp(self):
        super().setUp()
        self.operator = self.start(*self.configuration(), *QUICK)
        self.make_credentials(password=PASSWORD)

    def ask_for(self, name, tag="1.0.0", secret="acr-credentials", **registry):
        self.apply(resource(name, image=self.image(tag), registry={"auth": {"basic": {"secretName": secret}}, **registry}))

    def wait_for_image(self, name, image):
        wait_until(lambda: self.running(name) == image, 20, f"{name} to run {image}")

    def pinned(self, digest):
        return f"{self.stand.host}/team/server@{digest}"

    def test_pods_run_what_the_tag_stood_for_and_what_becomes_of_it_is_told_or_followed(self):
        first = self.digest("1.0.0")
        self.ask_for("kept")
        self.ask_for("following", tagRefresh="5m")
        for name in ("kept", "following"):
            self.wait_for_image(name, self.pinned(first))
            self.wait_for(name, "ImageResolved", "True", "Resolved")
        status = self.get("ic", "kept")["status"]["image"]
        self.assertEqual(status, {"requested": self.image("1.0.0"), "resolved": self.pinned(first), "digest": first,
                                  "platforms": ["linux/amd64"]})
        generation = self.get("deployment", "kept")["metadata"]["generation"]

        self.push("1.0.0", "arm64")
        second = self.digest("1.0.0")
        self.wait_for("kept", "ImageResolved", "True", "TagMoved")
        self.assertEqual(self.get("ic", "kept")["status"]["image"]["tagDigest"], second)
        self.wait_for_image("following", self.pinned(second))
        wait_until(lambda: "TagMoved" in {event["reason"] for event in self.get("events")["items"]}, 20, "the event")

        # Another operator takes up where this one ends.
        self.stop(self.operator)
        self.operator = self.start(*self.configuration(), *QUICK)
        wait_until(lambda: self.operator.metric("controller_runtime_reconcile_total", result="requeue_after") >= 2, 20, "its first passes")
        self.assertEqual(self.running("kept"), self.pinned(first))
        self.assertEqual(self.get("deployment", "kept")["metadata"]["generation"], generation)
        self.assertEqual(condition(self.get("ic", "kept"), "ImageResolved")["reason"], "TagMoved")

        self.delete(first)
        self.wait_for("kept", "ImageResolved", "False", "PinnedDigestMissing")
        self.assertEqual(self.running("kept"), self.pinned(first))

    def test_a_digest_that_was_followed_and_failed_is_named_and_the_next_one_is_followed_too(self):
        kubelets = Choosy(self.api(), self.namespace)
        self.addCleanup(kubelets.end)
        self.ask_for("following", tagRefresh="5m")
        status = lambda: self.get("ic", "following").get("status", {})  # noqa: E731
        wait_until(lambda: status().get("lastGoodRevision") == status().get("updateRevision", "none"), 20, "the first rollout")
        first = self.digest("1.0.0")
        bad = kubelets.bad = "sha256:" + hashlib.sha256((self.images["arm64"] / "manifest.json").read_bytes()).hexdigest()
        self.push("1.0.0", "arm64")
        self.assertIn(bad, self.wait_for("following", "RolledBack", "True", "ModelInvalid")["message"])
        told = self.wait_for("following", "ImageResolved", "True", "ResolvedNotRun")["message"]
        self.assertIn(f"is {bad};", told)
        self.assertIn(f"run {self.pinned(first)}.", told)
        self.wait_for_image("following", self.pinned(first))
        image = status()["image"]
        self.assertEqual((image["resolved"], image["digest"], image["tagDigest"]), (self.pinned(first), first, bad))
        self.images["s390x"] = make_image(self.folder / "s390x", "s390x")
        self.push("1.0.0", "s390x")
        mended = self.digest("1.0.0")
        self.wait_for_image("following", self.pinned(mended))
        self.wait_for("following", "ImageResolved", "True", "Resolved")
        self.assertEqual(condition(self.get("ic", "following"), "RolledBack")["status"], "False")
        image = status()["image"]
        self.assertEqual((image["resolved"], image["digest"]), (self.pinned(mended), mended))
        self.assertNotIn("tagDigest", image)

    def test_what_is_wrong_is_told_before_a_node_meets_it_and_is_taken_up_when_it_is_mended(self):
        for name, password in (("wrong", "no-password"), ("stranger", "stranger-password")):
            self.make_credentials(name, password=password, user="puller" if name == "wrong" else name)
            self.ask_for(name, secret=name, preflight="Enforce")
        self.ask_for("absent", tag="2.0.0", preflight="Enforce")
        self.ask_for("warned", tag="2.0.0")
        self.wait_for("wrong", "ImageResolved", "False", "CredentialRefused")
        self.wait_for("stranger", "ImageResolved", "False", "InsufficientScope")
        self.wait_for("absent", "Ready", "False", "ManifestUnknown")
        self.wait_for("warned", "Ready", "False", "ManifestUnknown")
        for name in ("wrong", "stranger", "absent"):
            self.assertFalse(self.running(name), name)
        self.assertEqual(self.running("warned"), self.image("2.0.0"))

        self.push("2.0.0", "arm64")
        self.make_credentials("wrong", password=PASSWORD)
        self.wait_for_image("wrong", self.pinned(self.digest("1.0.0")))
        for name in ("absent", "warned"):
            self.wait_for_image(name, self.pinned(self.digest("2.0.0")))
        told = self.everything_told() + log_of(self.operator) + self.operator.ask("/metrics")[1]
        for password in (PASSWORD, "stranger-password", "no-password"):
            self.assertNotIn(password, told)

    def test_an_image_that_no_node_is_built_for_is_told_before_a_pod_is_made(self):
        for architecture in ("s390x", "arm64"):
            self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"{architecture}-{self.namespace}", "labels": {
                "kubernetes.io/os": "linux", "kubernetes.io/arch": architecture, "pool": f"{architecture}-{self.namespace}"}}})
            self.addCleanup(self.kubectl.run, "delete", "node", f"{architecture}-{self.namespace}")
        for name, pool in (("held", "s390x"), ("built", "arm64")):
            self.push(name, "arm64")
            self.apply(resource(name, image=self.image(name), pod={"nodeSelector": {"pool": f"{pool}-{self.namespace}"}},
                                registry={"auth": {"basic": {"secretName": "acr-credentials"}}, "preflight": "Enforce"}))
        message = self.wait_for("held", "Ready", "False", "PlatformMismatch")["message"]
        self.assertIn("It is built for linux/arm64; the nodes that it may run on are linux/s390x.", message)
        self.wait_for_image("built", self.pinned(self.digest("built")))
        self.assertFalse(self.running("held"))

    def test_a_registry_that_cannot_be_asked_holds_nothing_up_and_is_left_alone(self):
        first = self.digest("1.0.0")
        self.ask_for("before")
        self.wait_for_image("before", self.pinned(first))
        self.stand.fault("manifest", status=503, times=10000)
        asked = len(self.stand.requests("manifest"))
        for each in range(20):
            self.ask_for(f"after-{each}", preflight="Enforce")
        for each in range(20):
            self.wait_for_image(f"after-{each}", self.image("1.0.0"))
        self.wait_for("after-0", "ImageResolved", "Unknown", "Inconclusive")
        self.assertEqual(self.running("before"), self.pinned(first))
        self.assertLessEqual(len(self.stand.requests("manifest")) - asked, 20)

    def test_a_private_authority_may_come_from_the_resource(self):
        self.stop(self.operator)
        self.start(*self.configuration(trusted=False), *QUICK)
        bundle = {"configMapKeyRef": {"name": "authorities", "key": "ca.crt"}}
        self.ask_for("untrusting")
        self.ask_for("missing", caBundle=bundle)
        self.assertIn("does not trust", self.wait_for("untrusting", "ImageResolved", "Unknown", "Inconclusive")["message"])
        self.assertIn("does not exist", self.wait_for("missing", "ImageResolved", "Unknown", "Inconclusive")["message"])
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "authorities"},
                    "data": {"ca.crt": self.stand.authority.read_text()}})
        self.ask_for("trusting", caBundle=bundle)
        self.wait_for_image("trusting", self.pinned(self.digest("1.0.0")))


if __name__ == "__main__":
    unittest.main()
