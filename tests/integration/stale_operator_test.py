#!/usr/bin/python3
"""The operator on an API server that lags behind etcd, the second one of the fixture: it makes, removes and changes nothing of what
only old caches say, and does all of it once the server has caught up.

What a leader before it has done meanwhile is done by another operator on the first server.
"""

import json
import signal
import socket
import tempfile
import time
import unittest
from urllib.parse import urlsplit

from operator_rig import OperatorTest, condition, resource, wait_until, with_basic

from api import WRITES, recorded
from switch import Switch

WINDOW = 5  # seconds
OTHER_IMAGE = "contoso.azurecr.io/inference-server:other"


class StaleServer(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        state = self.kubectl.state
        self.first, self.second = (urlsplit(state[name]).port for name in ("server", "secondServer"))
        self.control = socket.create_connection(("127.0.0.1", int(state["etcdPathControl"])))
        self.addCleanup(self.control.close)
        self.addCleanup(self.path, "open")
        self.switch = Switch(self.first)
        self.addCleanup(self.switch.close)
        config = tempfile.NamedTemporaryFile("w", suffix=".kubeconfig")
        self.addCleanup(config.close)
        config.write((self.kubectl.folder / "kubeconfig").read_text().replace(f":{self.first}", f":{self.switch.port}"))
        config.flush()
        self.kubeconfig = config.name
        self.make_credentials()
        self.apply(resource("pets"), resource("dogs"), resource("birds"), with_basic("cats"), with_basic("fish"))
        self.operator = self.start(kubeconfig=self.kubeconfig)
        for name in ("pets", "dogs", "birds", "cats", "fish"):
            self.wait_for_children(name)
        self.wait_until_settled()

    def path(self, *words):
        self.control.sendall((" ".join(words) + "\n").encode())
        self.assertEqual(self.control.recv(3), b"ok\n")

    def writes_by_second(self):
        """To children: a status or an Event that is old is only that."""
        events = recorded(self.kubectl.state, self.namespace, '"userAgent":"imageclassifier-operator', log="secondAuditLog")
        return [(event["verb"], event["requestURI"]) for event in events
                if event["verb"] in WRITES and event["objectRef"]["resource"] not in ("imageclassifiers", "events", "leases")]

    def change_everything(self):
        """In the resources, and in the children too by an operator that sees it."""
        patch = lambda name, spec: self.run_kubectl("patch", "ic", name, "--type=merge", "-p", json.dumps({"spec": spec}))  # noqa: E731
        other = self.start()
        patch("pets", {"replicas": 3})
        patch("birds", {"image": OTHER_IMAGE})
        patch("cats", {"registry": None})
        self.run_kubectl("delete", "ic", "dogs", "--timeout=20s")
        self.make_credentials(password="second")
        self.run_kubectl("annotate", "ic", "fish", "example.com/touched=yes")
        wait_until(self.is_as_wanted, 40, "the other operator")
        self.wait_until_settled()  # it has done the rest too
        self.assertEqual(other.end(), 0)

    def is_as_wanted(self):
        birds = self.get("deployment", "birds").get("spec", {}).get("template", {}).get("spec", {}).get("containers", [{}])
        return (self.get("deployment", "pets").get("spec", {}).get("replicas") == 3 and birds[0].get("image") == OTHER_IMAGE
                and not self.get("secret", "cats-acr-pull") and self.password_in_pull_secret("fish") == "second"
                and not self.get("deployment", "dogs") and not self.get("service", "dogs"))

    def stays(self):
        end = time.monotonic() + WINDOW
        while time.monotonic() < end:
            self.assertTrue(self.is_as_wanted(), "something was changed back")
            time.sleep(0.3)
        self.assertEqual(self.writes_by_second(), [])

    def converges(self):
        """After the thaw: what comes is done, what came meanwhile is known."""
        self.path("open")
        self.apply(resource("later"))
        self.wait_for_children("later")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"replicas": 2}}')
        wait_until(lambda: self.get("deployment", "pets")["spec"]["replicas"] == 2, 20, "the number of replicas")
        for name in ("birds", "cats", "fish"):
            self.assertEqual(condition(self.get("ic", name), "Ready")["observedGeneration"], self.get("ic", name)["metadata"]["generation"])
        self.assertEqual(self.get("deployment", "dogs"), {})

    def test_with_resources_older_than_their_children_nothing_is_done_to_the_children(self):
        self.path("watches", "/registry/imageclassifier.dev/")
        self.switch.to(self.second)
        self.operator.process.send_signal(signal.SIGSTOP)  # or it would look live in the middle, and do what is left to do
        self.change_everything()
        self.operator.process.send_signal(signal.SIGCONT)
        # It has seen that the children are no longer as its resources say, and has looked at them live.
        wait_until(lambda: self.operator.metric("imageclassifier_live_observations_total", why="destructive") >= 3, 20, "the look at what is live")
        self.stays()
        self.converges()

    def test_with_children_older_than_their_resources_nothing_is_done_twice(self):
        self.path("watches", "/registry/deployments/", "/registry/services/", "/registry/secrets/", "/registry/networkpolicies/",
                  "/registry/poddisruptionbudgets/", "/registry/controllerrevisions/")
        self.switch.to(self.second)
        self.operator.process.send_signal(signal.SIGSTOP)  # or both operators would do what is wanted
        self.change_everything()
        self.operator.process.send_signal(signal.SIGCONT)
        self.stays()
        self.converges()

    def test_restarted_on_a_server_that_lags_it_begins_from_what_is_true(self):
        self.path("watches")
        self.change_everything()
        self.assertEqual(self.operator.end(), 0)
        self.switch.to(self.second)
        self.operator = self.start(kubeconfig=self.kubeconfig)
        wait_until(lambda: self.operator.ask("/readyz")[0] == 200, 60, "the operator to be ready")
        self.stays()
        self.converges()


if __name__ == "__main__":
    unittest.main()
