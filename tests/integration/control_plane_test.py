#!/usr/bin/python3
"""The control plane without a node: comes up for any user, does its work, and leaves nothing."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cluster"))
sys.dont_write_bytecode = True

from support import Kubectl, state, wait_until  # noqa: E402
from minicluster import processes  # noqa: E402


def control_plane(action, folder):
    subprocess.run([HERE / "control_plane", action, "--state", folder], check=True)


class ControlPlaneTest(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="control plane ")
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)
        self.addCleanup(control_plane, "down", self.folder)

    def up(self):
        control_plane("up", self.folder)
        return state.read(self.folder)

    def wait_gone(self, content):
        wait_until(lambda: not any(processes.alive(process) for process in content["processes"]), 20, "all processes to end")

    def test_controllers_work_and_down_leaves_the_logs_only(self):
        content = self.up()
        kubectl = Kubectl(self.folder)
        kubectl.deploy("web", "example.com/web:1")
        wait_until(lambda: kubectl.get("pods", "-l", "app=web").get("items"), 30, "the Deployment controller's pod")
        kubectl.run("delete", "deployment", "web", "--cascade=foreground", "--wait=true", "--timeout=30s")
        self.assertEqual([], kubectl.get("replicasets", "-l", "app=web")["items"])
        with open(content["auditLog"]) as file:
            users = {json.loads(line)["user"]["username"] for line in file}
        self.assertIn("admin", users)
        control_plane("down", self.folder)
        self.assertFalse(any(processes.alive(process) for process in content["processes"]))
        self.assertEqual(["log", "supervisor.log"], sorted(os.listdir(self.folder)))

    def test_two_control_planes_run_side_by_side_and_die_with_their_supervisor(self):
        content = self.up()
        with tempfile.TemporaryDirectory() as other:
            self.addCleanup(control_plane, "down", other)
            control_plane("up", other)
            os.kill(content["processes"][0]["pid"], signal.SIGKILL)
            self.wait_gone(content)
            self.assertEqual("default", Kubectl(other).get("namespace", "default")["metadata"]["name"])
            remaining = state.read(other)
            state.path(other).unlink()  # as when somebody removes the build folder
            self.wait_gone(remaining)

    def test_up_again_replaces_what_runs(self):
        first = self.up()
        second = self.up()
        self.assertFalse(any(processes.alive(process) for process in first["processes"]))
        self.assertTrue(all(processes.alive(process) for process in second["processes"]))


if __name__ == "__main__":
    unittest.main()
