#!/usr/bin/python3
"""Clusters come and go without a trace: also two at a time, also after a crash. Needs root."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from support import HERE, Kubectl, cluster, fetch, push_hello, registry, state, wait_until
from minicluster import cgroups, host, processes
from minicluster.layout import Layout

if os.geteuid() != 0:
    print("left out: starting clusters needs root", file=sys.stderr)
    sys.exit(77)


def machine():
    """What a cluster could leave on the machine: links, routes, mounts, and folders where its programs like to write."""
    def lines(*command):
        return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
    places = ("/var/lib/kubelet", "/var/lib/cni", "/var/lib/containerd", "/var/log/pods", "/var/log/containers", "/run/cluster",
              "/run/containerd", "/run/cni", "/run/netns", "/opt/containerd", "/opt/cni", "/etc/cni", "/usr/libexec/kubernetes")
    settings = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys",
                "kernel/keys/root_maxbytes")
    return {
        "links": sorted(os.listdir("/sys/class/net")),
        "routes": lines("ip", "route", "show", "table", "all"),
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "settings": {name: Path("/proc/sys", name).read_text().strip() for name in settings},
        "places": [place for place in places if Path(place).exists()],
    }


class LifeTest(unittest.TestCase):
    def setUp(self):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        place = tempfile.TemporaryDirectory(prefix="a cluster's state, at a path that is long and has spaces " + "x" * 60)
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)
        self.addCleanup(cluster, "down", "--state", self.folder)

    def up(self, folder=None, *words):
        folder = folder or self.folder
        cluster("up", "--state", folder, *words)
        return state.read(folder)

    def assert_gone(self, content):
        self.assertEqual([], host.leftovers(Layout(content["instance"])))
        self.assertEqual([], [process for process in content.get("processes", []) if processes.alive(process)])
        self.assertEqual([], [place for place in content.get("cgroups", []) if Path(place).exists()])

    def test_down_leaves_nothing(self):
        before = machine()
        content = self.up()
        kubectl = Kubectl(self.folder)
        kubectl.pull_secret("hello", "puller", registry.users(self.folder)["puller"])
        kubectl.deploy("hello", push_hello(self.folder))
        wait_until(lambda: kubectl.address("hello") and fetch(kubectl.address("hello")), 60, "an answer", interval=0.2)
        cluster("down", "--state", self.folder)
        self.assert_gone(content)
        self.assertEqual(["log"], os.listdir(self.folder))
        # Other programs may add something meanwhile; what is of the cluster carries its number or lies in its folder.
        after = machine()
        self.assertEqual(before["places"], after["places"])
        self.assertEqual(before["settings"], after["settings"])
        for kind, mark in (("links", content["interfaces"][0]), ("routes", content["loadBalancer"]["subnet"]),
                           ("mounts", str(self.folder))):
            self.assertFalse([line for line in after[kind] if mark in line], kind)

    def test_two_clusters_run_side_by_side(self):
        with tempfile.TemporaryDirectory() as other:
            self.addCleanup(cluster, "down", "--state", other)
            first, second = self.up(), self.up(other)
            self.assertNotEqual(first["instance"], second["instance"])
            names = [Kubectl(folder).get("nodes")["items"][0]["metadata"]["name"] for folder in (self.folder, other)]
            self.assertEqual([first["node"]["name"], second["node"]["name"]], names)
            cluster("down", "--state", self.folder)
            self.assert_gone(first)
            self.assertEqual(0, cluster("status", "--state", other).returncode)
            cluster("down", "--state", other)
            self.assert_gone(second)

    def test_a_number_in_use_by_another_folder_is_refused(self):
        content = self.up()
        with tempfile.TemporaryDirectory() as other:
            refused = subprocess.run([HERE / "cluster", "up", "--state", other, "--instance", str(content["instance"])],
                                     capture_output=True, text=True, check=False)
            self.assertEqual(1, refused.returncode)
            self.assertIn(str(self.folder), refused.stderr)
        self.assertEqual(0, cluster("status", "--state", self.folder).returncode)

    def test_up_cleans_what_a_crash_left(self):
        content = self.up()
        os.kill(content["processes"][0]["pid"], signal.SIGKILL)  # the kernel takes the whole namespace with it
        wait_until(lambda: not cgroups.members(Layout(content["instance"]).cgroup), 30, "all processes to end")
        again = self.up(None, "--instance", str(content["instance"]))
        self.assertEqual("ready", again["phase"])
        cluster("down", "--state", self.folder)
        self.assert_gone(again)

    def test_down_works_when_the_starter_was_killed_half_way(self):
        starter = subprocess.Popen([HERE / "cluster", "up", "--state", self.folder], stdout=subprocess.DEVNULL)
        wait_until(lambda: (self.folder / "log" / "kube-apiserver.log").exists(), 60, "the API server's start")
        starter.kill()
        starter.wait()
        content = state.read(self.folder)
        self.assertTrue(cgroups.members(Layout(content["instance"]).cgroup))
        cluster("down", "--state", self.folder)
        self.assert_gone(content)

    def test_a_component_that_dies_is_started_again(self):
        content = self.up()
        victim = next(process for process in content["processes"] if process["name"] == "kube-controller-manager")
        os.kill(victim["pid"], signal.SIGKILL)
        wait_until(lambda: not processes.alive(victim), 10, "its end")
        wait_until(lambda: cluster("status", "--state", self.folder, check=False).returncode == 0, 30, "its return", interval=0.5)

    def test_no_traffic_leaves_the_machine_when_the_node_is_gone(self):
        content = self.up()
        os.kill(content["processes"][1]["pid"], signal.SIGKILL)
        wait_until(lambda: not Path(f"/sys/class/net/{content['interfaces'][0]}").exists(), 30, "the network device to go")
        for address in (content["loadBalancer"]["first"], content["node"]["address"]):
            route = subprocess.run(["ip", "route", "get", address], capture_output=True, text=True, check=False)
            self.assertNotEqual(0, route.returncode, route.stdout)

    def test_the_pool_runs_empty_when_it_is_small(self):
        self.up(None, "--addresses", "1")
        kubectl = Kubectl(self.folder)
        for name in ("one", "two"):
            kubectl.deploy(name, "contoso.azurecr.io/none:1", replicas=0)
        wait_until(lambda: any("no available IPs" in message for message in kubectl.events("AllocationFailed")), 30,
                   "the load balancer's complaint", interval=0.2)
        self.assertEqual(1, sum(kubectl.address(name) is not None for name in ("one", "two")))


if __name__ == "__main__":
    unittest.main()
