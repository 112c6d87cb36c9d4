#!/usr/bin/python3
"""The chart by itself: it lints, renders the only copy of the definition, and refuses values that make no sense."""

import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

from lab import CHART  # noqa: E402
from lab.kubernetes import run  # noqa: E402

HELM = ROOT / "build/tools/helm"


def render(*words):
    return run(HELM, "template", "release", CHART, "--namespace", "system", "--kube-version", "1.32.0", *words)


class Chart(unittest.TestCase):
    def test_it_passes_helm_lint_strict(self):
        run(HELM, "lint", "--strict", CHART)

    def test_the_definition_comes_from_the_only_copy_through_a_link_and_is_kept_on_uninstall(self):
        self.assertEqual((CHART / "files/crds").resolve(), ROOT / "crds")
        rendered = render("--show-only", "templates/crds.yaml")
        self.assertEqual(rendered.count("kind: CustomResourceDefinition\n"), len(list((ROOT / "crds").glob("*.yaml"))))
        self.assertIn("helm.sh/resource-policy: keep", rendered)
        self.assertNotIn("kind: ImageClassifier\n    metadata", rendered)

    def test_the_definition_can_be_left_out(self):
        self.assertNotIn("CustomResourceDefinition", render("--set", "crds.install=false"))

    def test_the_role_has_no_wildcard_and_no_way_to_list_or_watch_secrets(self):
        rendered = render("--show-only", "templates/rbac.yaml")
        self.assertNotIn("*", rendered)
        rules = rendered.split("resources: ")
        secrets, = [rule for rule in rules if rule.startswith("[secrets]")]
        self.assertNotRegex(secrets.split("verbs: ")[1].splitlines()[0], "list|watch")

    def test_values_that_make_no_sense_are_refused(self):
        for words in (["--set", "replicaCount=-1"], ["--set", "logLevel=loud"], ["--set", "image.digest=sha256:12"], ["--set", "imgae.tag=1"]):
            result = subprocess.run([HELM, "template", "release", CHART, "--kube-version", "1.32.0", *words], capture_output=True, text=True)
            self.assertNotEqual(result.returncode, 0, words)
            self.assertIn("values don't meet the specifications of the schema", result.stderr)


if __name__ == "__main__":
    unittest.main()
