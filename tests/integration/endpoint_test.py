#!/usr/bin/python3
"""Whom the operator asks whether a classifier answers, on a real API server: addresses are put on this machine's loopback interface,
where something answers in the place of load balancer and Service."""

import json
import os
import random
import subprocess
import unittest

from endpoints import Answering
from kubelets import IMAGE, Kubelets
from operator_rig import OperatorTest, condition, resource, wait_until

BALANCER = f"198.51.100.{random.randrange(1, 255)}"  # for documentation: nobody else has it
PATIENCE = 60  # three tries of ten seconds and the pauses between


@unittest.skipIf(os.geteuid() != 0, "only root may give this machine an address")
class EndpointTruth(OperatorTest):
    def have_address(self, address):
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        self.addCleanup(self.lose_address, address)

    def lose_address(self, address):
        subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=False, capture_output=True)

    def change(self, **spec):
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps({"spec": spec}))

    def wait_for_answer(self, status, reason, probed_from, *words):
        entry = self.wait_for("pets", "EndpointReady", status, reason, PATIENCE)
        wait_until(lambda: self.get("ic", "pets")["status"]["endpoint"].get("probedFrom") == probed_from, 10, f"the probe to be from {probed_from}")
        for word in words:
            self.assertIn(word, entry["message"])

    def test_an_address_that_is_not_reached_from_inside_is_answered_for_by_the_Service_until_it_was_reached(self):
        server = Answering()
        self.addCleanup(server.end)
        self.addCleanup(Kubelets(self.api(), self.namespace).end)
        url = f"http://{BALANCER}:{server.port}/"
        self.apply(resource("pets", image=IMAGE + "good-1", service={"port": server.port}))
        self.wait_for_children("pets")
        self.have_address(self.get("service", "pets")["spec"]["clusterIP"])
        subprocess.run(["ip", "route", "add", "blackhole", f"{BALANCER}/32"], check=True)
        self.addCleanup(subprocess.run, ["ip", "route", "delete", "blackhole", f"{BALANCER}/32"], check=False, capture_output=True)
        self.run_kubectl("patch", "service", "pets", "--subresource=status", "--type=merge", "-p",
                         json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}))
        self.wait_for_answer("True", "AnsweringInside", "ClusterNetwork", f"{url} cannot be reached from the operator", f"Ask {url}readyz")
        self.assertIn("in the cluster network its Service answered", condition(self.get("ic", "pets"), "Ready")["message"])

        # The next operator does not doubt it, nor does it write.
        self.operator.end()
        version = self.get("ic", "pets")["metadata"]["resourceVersion"]
        self.operator = self.start()
        wait_until(lambda: self.operator.metric("controller_runtime_reconcile_total") >= 1, 20, "the next operator to look")
        self.wait_until_settled()
        self.assertEqual(self.get("ic", "pets")["metadata"]["resourceVersion"], version)

        self.have_address(BALANCER)  # its route is the kernel's now
        self.change(replicas=2)  # asks at once
        self.wait_for_answer("True", "Answering", "LoadBalancer", f"{url} answered")
        self.lose_address(BALANCER)
        self.change(replicas=1)
        self.wait_for_answer("False", "EndpointUnhealthy", "LoadBalancer", f"{url} did not answer", "in the cluster network its Service answers")


if __name__ == "__main__":
    unittest.main()
