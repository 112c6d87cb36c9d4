#!/usr/bin/python3
"""Helm, Flux (kstatus) and Argo CD (docs/argo-cd/health.lua) read the right state from live resources in every phase that needs no
node; a resource that works is judged on the real node (tests/e2e/install_test.py)."""

import json
import unittest

from operator_rig import OperatorTest, resource, wait_until, with_basic

from judges import judge  # its folder is on the path by then


class Judges(OperatorTest):
    def wait_for_judgement(self, name, kstatus, argo):
        def judged():
            found = judge(self.get("ic", name))
            return found if found[:2] == (kstatus, argo) else None
        return wait_until(judged, 20, f"{name} to be {kstatus} and {argo}; it is {judge(self.get('ic', name))}")[2]

    def patch(self, name, spec):
        self.run_kubectl("patch", "ic", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def test_a_resource_is_judged_in_the_words_of_its_conditions_from_its_first_moment_to_its_last(self):
        self.operator.end()
        self.apply(resource("pets"))
        self.assertEqual(judge(self.get("ic", "pets"))[:2], ("InProgress", "Progressing"), "nobody has looked at it")
        self.operator = self.start()
        self.wait_for_children("pets")
        self.wait_for_judgement("pets", "InProgress", "Progressing")
        self.patch("pets", {"suspend": True})
        message = self.wait_for_judgement("pets", "Current", "Suspended")
        self.assertIn("spec.suspend", message)
        self.patch("pets", {"suspend": False})
        self.wait_for_judgement("pets", "InProgress", "Progressing")
        self.patch("pets", {"image": "contoso.azurecr.io/UPPER:1"})
        message = self.wait_for_judgement("pets", "Failed", "Degraded")
        self.assertIn("InvalidReference", message)
        self.patch("pets", {"image": "contoso.azurecr.io/lower:1"})
        self.wait_for_judgement("pets", "InProgress", "Progressing")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"metadata": {"finalizers": ["example.com/wait"]}}')
        self.run_kubectl("delete", "ic", "pets", "--wait=false")
        self.assertEqual(judge(self.get("ic", "pets"))[0], "Terminating")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')

    def test_what_waits_for_a_Secret_is_in_progress_and_a_change_that_nobody_has_seen_yet_too(self):
        self.apply(with_basic("pets"))
        self.wait_for("pets", "Ready", "False", "SecretNotFound")  # before that it is in progress as well
        self.assertIn("SecretNotFound", self.wait_for_judgement("pets", "InProgress", "Progressing"))
        self.operator.end()
        self.make_credentials()
        self.patch("pets", {"suspend": True})
        self.assertEqual(judge(self.get("ic", "pets"))[:2], ("InProgress", "Progressing"), "the generation is newer than what was seen")


if __name__ == "__main__":
    unittest.main()
