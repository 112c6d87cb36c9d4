#!/usr/bin/python3
"""Queue, controller and write barrier of the operator's program against a real API server.

IC_IDLE_SECONDS (10) is the window in which a settled operator may write nothing.
"""

import json
import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from operator_rig import OperatorTest, resource, wait_until, with_basic

from api import WRITES

IDLE_SECONDS = float(os.environ.get("IC_IDLE_SECONDS", "10"))
LATE = "late:ms=1000-1000"


class Reconciles(OperatorTest):
    def test_settled_it_writes_nothing(self):
        self.make_credentials()
        self.apply(with_basic("pets"), resource("dogs"))
        for name in ("pets", "dogs"):
            self.wait_for_children(name)
        self.wait_until_settled()
        before = len(self.writes())
        time.sleep(IDLE_SECONDS)
        self.assertEqual(self.writes()[before:], [])

    def test_an_endpoint_that_does_not_answer_is_told_of_once_however_often_it_is_asked_and_by_whom(self):
        self.apply(resource("pets", service={"type": "ClusterIP"}))
        self.wait_for_children("pets")
        self.play_kubelet()
        self.wait_for("pets", "EndpointReady", "False", "EndpointUnhealthy", 60)
        self.wait_until_settled()
        before = len(self.writes())
        time.sleep(IDLE_SECONDS)
        self.assertEqual(self.writes()[before:], [])
        self.operator.end()
        self.operator = self.start()
        wait_until(lambda: self.operator.metric("controller_runtime_reconcile_total") >= 1, 20, "the next operator to look")
        time.sleep(IDLE_SECONDS)
        self.assertEqual(self.writes()[before:], [])

    def play_kubelet(self):
        """Says of the pod that it is ready; the API server's other components believe it."""
        pod = wait_until(lambda: self.kubectl.get("-n", self.namespace, "pods")["items"], 30, "the pod")[0]
        ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady", "PodScheduled", "Initialized")]
        patch = {"status": {"phase": "Running", "podIP": "192.0.2.9", "conditions": ready,
                            "containerStatuses": [{"name": "server", "image": "x", "imageID": "x", "ready": True, "restartCount": 0}]}}
        self.run_kubectl("patch", "pod", pod["metadata"]["name"], "--subresource=status", "--type=merge", "-p", json.dumps(patch))

    def writes(self):
        return [(event["verb"], event["requestURI"]) for event in self.requests()
                if event["verb"] in WRITES and event["objectRef"]["resource"] != "leases"]

    def test_every_line_of_a_reconcile_names_controller_reconcile_and_object(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        lines = [line for line in self.operator.lines() if line["message"] in ("Wrote a child object", "Changed the state of a resource")]
        self.assertTrue(lines)
        for line in lines:
            self.assertEqual(line["controller"], "imageclassifier")
            self.assertEqual(line["object"], {"kind": "ImageClassifier", "namespace": self.namespace, "name": "pets"})
            self.assertRegex(line["reconcileID"], "^[0-9a-f-]{36}$")


class LateWatches(OperatorTest):
    """Every line of the watches of resource and children arrives a second late, and a burst of them later still."""

    starts_operator = False

    def setUp(self):
        super().setUp()
        self.operator = self.start("--inject-faults", ",".join(
            ["seed=1", *(f"watch@/{kind}={LATE}" for kind in ("imageclassifiers", "deployments", "services", "networkpolicies", "poddisruptionbudgets"))]))
        wait_until(lambda: self.operator.ask("/readyz")[0] == 200, 20, "the operator to be ready")

    def test_nothing_is_made_twice_and_no_number_of_replicas_comes_back(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        history = self.watch_replicas()
        for replicas in (3, 2, 5):
            self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps({"spec": {"replicas": replicas}}))
            wait_until(lambda: self.get("deployment", "pets")["spec"]["replicas"] == replicas, 30, f"{replicas} replicas")
        wait_until(lambda: self.get("ic", "pets")["status"].get("observedGeneration") == self.get("ic", "pets")["metadata"]["generation"],
                   30, "the status to follow")
        self.wait_until_settled(4)
        creates = [event["objectRef"]["resource"] for event in self.requests()
                   if event["verb"] == "create" and event["objectRef"]["resource"] != "events"]
        self.assertEqual(sorted(creates), ["controllerrevisions", "deployments", "networkpolicies", "poddisruptionbudgets", "services"])
        self.assertEqual(history(), [1, 3, 2, 5])

    def watch_replicas(self):
        """A function that ends the watch and gives the numbers, repetitions left out."""
        command = [self.kubectl.program, "--kubeconfig", self.kubectl.folder / "kubeconfig", "-n", self.namespace, "get", "deployment",
                   "pets", "--watch", "-o", 'jsonpath={.spec.replicas}{"\\n"}']
        log = tempfile.NamedTemporaryFile()
        process = subprocess.Popen(command, stdout=log)
        self.addCleanup(process.kill)
        wait_until(lambda: Path(log.name).read_text(), 10, "the watch to begin")

        def end():
            process.kill()
            process.wait()
            numbers = [int(line) for line in Path(log.name).read_text().split()]
            return [number for i, number in enumerate(numbers) if i == 0 or numbers[i - 1] != number]
        return end


if __name__ == "__main__":
    unittest.main()
