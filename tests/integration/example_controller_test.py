#!/usr/bin/python3
"""The runtime as a library: a controller over ConfigMaps that links nothing of this operator, run against a real API server."""

import os
import re
import signal
import subprocess
import unittest
import uuid
from pathlib import Path

from operator_rig import ROOT, OperatorTest, wait_until

README = ROOT / "operator/runtime/README.md"
SOURCE = ROOT / "operator/runtime/example/config_map_counter.cpp"
PROGRAM = Path(os.environ.get("IC_BINARIES", ROOT / "build/release/bin")) / "config_map_counter"


class Example(OperatorTest):
    starts_operator = False

    def config_map(self, name, **data):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"example.com/count": "yes"}}, "data": data}

    def counted(self, name):
        return self.get("configmap", name)["metadata"].get("annotations", {}).get("example.com/keys")

    def test_it_follows_config_maps_and_ends_in_order(self):
        self.apply(self.config_map("old", a="1", b="2"))
        environment = dict(os.environ, KUBECONFIG=str(self.kubectl.folder / "kubeconfig"))
        process = subprocess.Popen([PROGRAM], env=environment, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        wait_until(lambda: self.counted("old") == "2", 20, "what was there before")
        self.apply(self.config_map("new", a="1"))
        wait_until(lambda: self.counted("new") == "1", 10, "what is new")
        self.run_kubectl("patch", "configmap", "new", "--type=merge", "-p", '{"data": {"b": "2", "c": "3"}}')
        wait_until(lambda: self.counted("new") == "3", 10, "the change")
        self.run_kubectl("annotate", "configmap", "new", "example.com/keys=9", "--overwrite")
        wait_until(lambda: self.counted("new") == "3", 10, "the count to be put right")
        self.run_kubectl("delete", "configmap", "old")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
        self.assertEqual(process.returncode, 0, log)
        self.assertRegex(log, f'"Counted the keys","keys":3,"controller":"counter","reconcileID":"[0-9a-f-]+",'
                              f'"object":{{"kind":"ConfigMap","namespace":"{self.namespace}","name":"new"}}')

    def test_without_a_cluster_it_says_why(self):
        environment = dict(os.environ, KUBECONFIG=f"/nonexistent-{uuid.uuid4().hex}")
        ended = subprocess.run([PROGRAM], env=environment, capture_output=True, text=True, timeout=20)
        self.assertEqual(ended.returncode, 1)
        self.assertIn("Could not work", ended.stderr)

    def test_the_code_in_the_readme_is_that_of_the_program(self):
        block, = re.findall(r"```cpp\n(.*?)```", README.read_text(), re.DOTALL)
        self.assertIn(block, SOURCE.read_text())

    def test_neither_library_nor_program_knows_the_operators_kind(self):
        for folder in ("operator/kubernetes", "operator/runtime"):
            for file in (ROOT / folder).rglob("*.[ch]pp"):
                text = re.sub(r"namespace imageclassifier|imageclassifier::|using namespace imageclassifier|imageclassifier-operator", "", file.read_text())
                self.assertNotRegex(text, "(?i)image_?classifiers?", str(file))


if __name__ == "__main__":
    unittest.main()
