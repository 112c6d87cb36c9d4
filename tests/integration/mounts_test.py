#!/usr/bin/python3
"""What the pods mount, on a real API server with the real controller manager: model files, labels. What is missing is named, what
is there reaches pods that fit the restricted Pod Security standard, and it goes with its option."""

import json
import unittest

from operator_rig import OperatorTest, condition, resource, wait_until

LABELS = {"configMapKeyRef": {"name": "words", "key": "german.txt"}}
DIGEST = "a" * 64


class Mounts(OperatorTest):
    def patch(self, change, kind="ic", name="pets", *words):
        self.run_kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change), *words)

    def touch(self):
        """Saves the wait until it is looked at again."""
        self.run_kubectl("annotate", "ic", "pets", "example.com/touched=yes", "--overwrite")

    def config_map(self, **data):
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": data})

    def pod_spec(self):
        return self.get("deployment", "pets").get("spec", {}).get("template", {}).get("spec", {})

    def volumes(self):
        return {volume["name"] for volume in self.pod_spec().get("volumes", [])}

    def pod_of_now(self):
        """The pod of the newest revision, once there is one and no other."""
        image_hash = max(self.get("rs")["items"], key=lambda item: int(item["metadata"]["annotations"]["deployment.kubernetes.io/revision"]))
        pods = [pod for pod in self.get("pods")["items"] if pod["metadata"]["ownerReferences"][0]["uid"] == image_hash["metadata"]["uid"]]
        return pods[0]["metadata"]["name"] if len(pods) == 1 else None

    def test_a_missing_config_map_or_key_is_named_and_found_within_thirty_seconds(self):
        self.apply(resource("pets", model={"labels": LABELS}))
        self.assertIn("ConfigMap words, which spec.model.labels names", self.wait_for("pets", "Ready", "False", "ConfigMapNotFound")["message"])
        self.config_map(english="tench")
        self.touch()
        self.assertIn("german.txt", self.wait_for("pets", "Ready", "False", "ConfigMapMalformed")["message"])
        self.assertEqual(self.get("deployment", "pets"), {})
        self.config_map(**{"german.txt": "Schleie"})
        wait_until(lambda: self.volumes() == {"tmp", "labels"}, 30, "the Deployment")

    def test_a_model_is_downloaded_by_pods_that_fit_the_restricted_standard_and_failures_of_it_are_told(self):
        self.run_kubectl("label", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=restricted")
        self.apply(resource("pets", model={"source": {"url": {"url": "https://models.example.com/own.safetensors"}}, "sha256": DIGEST}))
        self.wait_for_children("pets")
        pod = wait_until(self.pod_of_now, 20, "the pod")
        ports = [port["port"] for rule in self.get("networkpolicy", "pets")["spec"]["egress"] for port in rule["ports"]]
        self.assertEqual(ports, [53, 53, 443])
        said = json.dumps({"reason": "ModelUnavailable", "message": "models.example.com answered HTTP status 404"})
        ended = {"name": "fetch-model", "image": "x", "imageID": "", "ready": False, "restartCount": 1,
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": said}}}
        self.patch({"status": {"phase": "Pending", "initContainerStatuses": [ended]}}, "pod", pod, "--subresource=status")
        self.assertIn("HTTP status 404", self.wait_for("pets", "Ready", "False", "ModelUnavailable")["message"])
        self.assertEqual(self.get("ic", "pets")["status"]["lastFailure"]["containerName"], "fetch-model")
        self.patch({"spec": {"model": {"source": {"url": None, "persistentVolumeClaim": {"claimName": "models", "path": "/own.safetensors"}}}}})
        self.wait_for("pets", "Ready", "False", "VolumeClaimNotFound")
        self.assertNotIn("initContainers", self.pod_spec())
        model, = (volume for volume in self.pod_spec()["volumes"] if volume["name"] == "model")
        self.assertNotIn("emptyDir", model)
        self.patch({"spec": {"model": None}})
        wait_until(lambda: self.volumes() == {"tmp"}, 20, "the volume to go")
        wait_until(lambda: condition(self.get("ic", "pets"), "Ready")["reason"] == "PodsStarting", 20, "the failure to be forgotten")


if __name__ == "__main__":
    unittest.main()
