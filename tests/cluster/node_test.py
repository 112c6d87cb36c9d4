#!/usr/bin/python3
"""The running cluster does what the end-to-end tests rely on. IC_CLUSTER_STATE is its state folder (CTest fixture `cluster`)."""

import base64
import http.client
import json
import os
import socket
import ssl
import struct
import subprocess
import unittest
from contextlib import closing
from pathlib import Path

from support import HERE, Kubectl, fetch, push_hello, registry, wait_until

STATE = Path(os.environ["IC_CLUSTER_STATE"])


def look_up(server, name, kind=1):
    """One DNS question over UDP: (response code, number of answers, last four bytes as an address)."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack(">HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(5)
        channel.sendto(struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + question, (server, 53))
        reply = channel.recv(512)
    return reply[3] & 15, struct.unpack(">H", reply[6:8])[0], ".".join(str(byte) for byte in reply[-4:])


class NodeTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kubectl = Kubectl(STATE)
        cls.state = cls.kubectl.state
        cls.image = push_hello(STATE)
        cls.users = registry.users(STATE)

    def deploy(self, name, user="puller", password=None, image=None, replicas=1):
        self.kubectl.remove(name)
        self.addCleanup(self.kubectl.remove, name)
        self.kubectl.pull_secret(name, user, password or self.users[user])
        self.kubectl.deploy(name, image or self.image, replicas)

    def wait_ready(self, name, replicas=1):
        def ready():
            return self.kubectl.get("deployment", name).get("status", {}).get("readyReplicas", 0) >= replicas
        wait_until(ready, 60, f"{name} to be ready", interval=0.2)

    def test_the_node_is_ready_with_the_pinned_version(self):
        nodes = self.kubectl.get("nodes")["items"]
        self.assertEqual(["v1.34.4"], [node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes])
        self.assertIn(("Ready", "True"), [(one["type"], one["status"]) for one in nodes[0]["status"]["conditions"]])

    def test_a_restricted_pod_from_the_private_registry_answers_at_the_load_balancers_address(self):
        self.deploy("right", replicas=2)
        self.wait_ready("right", replicas=2)
        wait_until(lambda: self.kubectl.address("right"), 30, "an address", interval=0.2)
        address = self.kubectl.address("right")
        names = set()

        def both_answered():
            names.add((fetch(address) or "").strip())
            return len(names - {""}) == 2
        wait_until(both_answered, 30, "both pods to answer")
        self.assertTrue(all(name.startswith("right-") for name in names - {""}), names)

    def test_a_pod_reaches_another_through_a_service(self):
        self.deploy("peer")
        self.wait_ready("peer")
        service = self.kubectl.get("service", "peer")["spec"]["clusterIP"]
        pod = self.inside("pgrep", "-n", "-x", "hello").strip()
        ask = ["nsenter", "-t", pod, "-n", "curl", "-s", "-m", "5", f"http://{service}/"]
        wait_until(lambda: self.inside(*ask, check=False).startswith("peer-"), 20, "kube-proxy's rules", interval=0.2)

    def test_logs_and_the_kubelets_statistics_can_be_read(self):
        self.deploy("logs")
        self.wait_ready("logs")
        pod = self.kubectl.get("pods", "-l", "app=logs")["items"][0]["metadata"]["name"]
        self.kubectl.run("logs", pod)
        node = self.state["node"]["name"]
        self.assertIn("container_cpu_usage", self.kubectl.run("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics/resource").stdout)

    def test_a_wrong_password_is_refused_and_the_right_one_heals_the_same_pod(self):
        self.deploy("wrong", password="not-the-password", image=push_hello(STATE, "secret"))
        wait_until(lambda: any("401 Unauthorized" in message and "tests/hello:secret" in message
                               for message in self.kubectl.events("Failed")), 60, "the refusal", interval=0.2)
        before = self.kubectl.get("pods", "-l", "app=wrong")["items"][0]["metadata"]["name"]
        self.kubectl.pull_secret("wrong", "spare", self.users["spare"])
        self.wait_ready("wrong")
        self.assertEqual(before, self.kubectl.get("pods", "-l", "app=wrong")["items"][0]["metadata"]["name"])

    def test_a_missing_tag_is_named(self):
        self.deploy("missing", image=self.image.replace(":1", ":2"))
        wait_until(lambda: any("tests/hello:2" in message and "not found" in message
                               for message in self.kubectl.events("Failed")), 60, "the refusal", interval=0.2)

    def test_the_registry_takes_new_users_and_forgets_old_ones(self):
        def answer(user, password):
            shown = base64.b64encode(f"{user}:{password}".encode()).decode()
            trust = ssl.create_default_context(cafile=self.state["ca"])
            with closing(http.client.HTTPSConnection(self.state["node"]["address"], timeout=10, context=trust)) as connection:
                connection.request("GET", f"/oauth2/token?service={self.state['registry']['host']}",
                                   headers={"Authorization": f"Basic {shown}"})
                return connection.getresponse().status
        subprocess.run([HERE / "registry", "set-password", STATE, "guest"], check=True)
        first = registry.users(STATE)["guest"]
        self.assertEqual(200, answer("guest", first))
        subprocess.run([HERE / "registry", "set-password", STATE, "guest"], check=True)
        self.assertEqual(401, answer("guest", first))
        self.assertEqual(200, answer("guest", registry.users(STATE)["guest"]))
        subprocess.run([HERE / "registry", "remove-user", STATE, "guest"], check=True)
        self.assertEqual(401, answer("guest", first))

    def test_names_resolve_as_in_a_cluster(self):
        server = self.state["node"]["address"]
        self.assertEqual((0, 1, "10.96.0.1"), look_up(server, "kubernetes.default.svc.cluster.local"))
        self.assertEqual((0, 1, server), look_up(server, self.state["registry"]["host"]))
        self.assertEqual((0, 0), look_up(server, self.state["registry"]["host"], kind=28)[:2])  # no IPv6 address, yet a name
        for unknown in ("example.com", "contoso.azurecr.io.default.svc.cluster.local", "nobody.default.svc.cluster.local"):
            self.assertEqual((3, 0), look_up(server, unknown)[:2], unknown)
        self.deploy("named")
        address = self.kubectl.get("service", "named")["spec"]["clusterIP"]
        wait_until(lambda: look_up(server, "named.default.svc.cluster.local")[2] == address, 10, "the new Service's name")

    def test_the_audit_log_has_every_request(self):
        self.kubectl.run("get", "configmaps", "-n", "kube-public")
        with open(self.state["auditLog"]) as file:
            events = [json.loads(line) for line in file]
        self.assertTrue(any(event["verb"] == "list" and event["objectRef"].get("namespace") == "kube-public"
                            and event["user"]["username"] == "admin" for event in events if "objectRef" in event))
        self.assertTrue(any(event["verb"] == "watch" for event in events))

    def test_no_password_is_in_a_log_or_an_argument_list(self):
        secrets = [password.encode() for password in registry.users(STATE).values()]
        for place in [*STATE.glob("log/*.log"), Path(self.state["auditLog"])]:
            content = place.read_bytes()
            self.assertFalse(any(secret in content for secret in secrets), place)

    def inside(self, *command, check=True):
        return subprocess.run([HERE / "cluster", "run", "--state", STATE, "--", *command], check=check, capture_output=True,
                              text=True).stdout


if __name__ == "__main__":
    unittest.main()
