#!/usr/bin/python3
"""What the pods mount, on a real API server with the real controller manager: model files, labels, certificates, passwords, the
self-test's picture. What is missing is named, what is there reaches pods that fit the restricted Pod Security standard, and it goes
with its option."""

import base64
import json
import subprocess
import unittest
import uuid
from pathlib import Path

from operator_rig import OperatorTest, condition, resource, wait_until

LABELS = {"configMapKeyRef": {"name": "words", "key": "german.txt"}}
DIGEST = "a" * 64


class Mounts(OperatorTest):
    def patch(self, change, kind="ic", name="pets", *words):
        self.run_kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change), *words)

    def touch(self):
        """Saves the wait until it is looked at again."""
        self.run_kubectl("annotate", "ic", "pets", f"example.com/touched={uuid.uuid4()}", "--overwrite")

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

    def test_a_missing_config_map_or_key_is_named_and_nothing_starts_before_it_is_there(self):
        self.apply(resource("pets", model={"labels": LABELS}))
        self.assertIn("ConfigMap words, which spec.model.labels names", self.wait_for("pets", "Ready", "False", "ConfigMapNotFound")["message"])
        self.config_map(english="tench")
        self.touch()
        self.assertIn("german.txt", self.wait_for("pets", "Ready", "False", "ConfigMapMalformed")["message"])
        self.assertEqual(self.get("deployment", "pets"), {})
        self.config_map(**{"german.txt": "Schleie"})
        self.touch()
        wait_until(lambda: self.volumes() == {"tmp", "labels"}, 20, "the Deployment")

    def test_what_only_the_events_of_a_pod_tell_is_told_and_they_are_read_seldom(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        pod = wait_until(self.pod_of_now, 20, "the pod")
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/binding"
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": pod}, "target": {"kind": "Node", "name": "node"}}
        self.run_kubectl("create", "--raw", path, "-f", "-", given=json.dumps(binding))
        creating = {"name": "server", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}
        self.patch({"status": {"phase": "Pending", "containerStatuses": [creating]}}, "pod", pod, "--subresource=status")
        self.apply({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "pets.1"}, "type": "Warning", "reason": "FailedMount",
                    "involvedObject": {"kind": "Pod", "namespace": self.namespace, "name": pod, "uid": self.uid("pod", pod)},
                    "message": 'MountVolume.SetUp failed for volume "tls" : secret "certificate" not found', "lastTimestamp": "2026-01-31T08:00:05Z"})
        self.assertIn('secret "certificate" not found', self.wait_for("pets", "Ready", "False", "VolumeMountFailed")["message"])
        for _ in range(10):
            self.touch()
        self.wait_until_settled()
        lists = [event for event in self.requests() if "involvedObject.uid" in event["requestURI"]]
        self.assertIn(len(lists), (1, 2), "the second one ten seconds after the first")

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
        self.assertIn("initContainers", self.pod_spec(), "what runs is kept")
        self.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"},
                    "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}})
        self.touch()
        wait_until(lambda: "initContainers" not in self.pod_spec(), 20, "the new template")
        model, = (volume for volume in self.pod_spec()["volumes"] if volume["name"] == "model")
        self.assertNotIn("emptyDir", model)
        self.patch({"spec": {"model": None}})
        wait_until(lambda: self.volumes() == {"tmp"}, 20, "the volume to go")
        wait_until(lambda: condition(self.get("ic", "pets"), "Ready")["reason"] == "PodsStarting", 20, "the failure to be forgotten")

    def test_a_password_is_made_once_anew_when_it_is_deleted_told_nowhere_and_goes_with_its_option(self):
        self.apply(resource("pets", service={"authentication": {"type": "Basic"}}))
        self.wait_for_children("pets")
        self.assertEqual(self.get("ic", "pets")["status"]["accessSecret"], {"name": "pets-access"})
        first = self.password()
        self.assertGreaterEqual(len(first), 24)
        self.assertEqual(self.get("secret", "pets-access")["metadata"]["ownerReferences"][0]["name"], "pets")
        self.assertEqual(self.volumes(), {"tmp", "access"})
        self.touch()
        self.wait_until_settled()
        self.assertEqual(self.password(), first)
        self.run_kubectl("delete", "secret", "pets-access")
        self.patch({"spec": {"serving": {"topK": 3}}})
        wait_until(lambda: self.password() not in (None, first), 20, "another password")
        told = Path(self.operator.log.name).read_text() + json.dumps([self.get(kind) for kind in ("ic", "events", "deployment")])
        for password in (first, self.password()):
            self.assertNotIn(password, told)
        self.patch({"spec": {"service": {"authentication": None}}})
        wait_until(lambda: not self.get("secret", "pets-access") and self.volumes() == {"tmp"}, 20, "the password to go")
        self.assertNotIn("accessSecret", wait_until(lambda: self.settled_status(), 20, "the status"))

    def password(self):
        secret = self.get("secret", "pets-access")
        return base64.b64decode(secret["data"]["password"]).decode() if secret else None

    def settled_status(self):
        found = self.get("ic", "pets")
        return found["status"] if found["status"]["observedGeneration"] == found["metadata"]["generation"] else None

    def test_a_certificate_makes_probes_and_address_https_and_a_secret_of_another_type_is_named(self):
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "certificate"}, "stringData": {"tls.crt": "x"}},
                   resource("pets", service={"tls": {"secretName": "certificate"}}))
        self.assertIn("its type must be kubernetes.io/tls", self.wait_for("pets", "Ready", "False", "SecretMalformed")["message"])
        self.assertEqual(self.get("deployment", "pets"), {})
        folder = self.temporary_folder()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=pets",
                        "-keyout", folder / "key", "-out", folder / "crt"], check=True, capture_output=True)
        self.run_kubectl("delete", "secret", "certificate")
        self.run_kubectl("create", "secret", "tls", "certificate", f"--cert={folder / 'crt'}", f"--key={folder / 'key'}")
        self.touch()
        self.wait_for_children("pets")
        server, = self.pod_spec()["containers"]
        self.assertEqual({server[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}, {"HTTPS"})
        service = self.get("service", "pets")
        self.assertEqual(service["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-health-probe-protocol"], "https")
        self.assertEqual(service["spec"]["ports"][0]["port"], 443)
        ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "20.61.99.1"}]}}}
        self.patch(ingress, "service", "pets", "--subresource=status")
        self.assertIn("spec.service.scope to Public", self.wait_for("pets", "EndpointReady", "False", "EndpointPublic")["message"])
        self.assertEqual(self.get("ic", "pets")["status"]["endpoint"]["url"], "https://20.61.99.1/")

    def test_a_self_test_has_a_condition_while_it_is_wanted(self):
        self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "reference"}, "binaryData": {"tabby.jpg": "/9j/"}},
                   resource("pets", selfTest={"image": {"configMapKeyRef": {"name": "reference", "key": "tabby.jpg"}}, "expectedLabel": "tabby"}))
        self.wait_for_children("pets")
        self.wait_for("pets", "SelfTestPassed", "Unknown", "SelfTestPending")
        environment = {entry["name"]: entry.get("value") for entry in self.pod_spec()["containers"][0]["env"]}
        self.assertEqual(environment["INFERENCE_SELF_TEST_MINIMUM_SCORE"], "0.5")
        pod = wait_until(self.pod_of_now, 20, "the pod")
        said = json.dumps({"reason": "SelfTestFailed", "message": "it was taken for a dog"})
        ended = {"name": "server", "image": "x", "imageID": "", "ready": False, "restartCount": 1,
                 "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 78, "reason": "Error", "message": said}}}
        self.patch({"status": {"phase": "Running", "containerStatuses": [ended]}}, "pod", pod, "--subresource=status")
        self.wait_for("pets", "SelfTestPassed", "False", "SelfTestFailed")
        self.patch({"spec": {"selfTest": None}})
        wait_until(lambda: not condition(self.get("ic", "pets"), "SelfTestPassed"), 20, "the condition to go")


if __name__ == "__main__":
    unittest.main()
