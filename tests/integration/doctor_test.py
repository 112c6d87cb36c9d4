#!/usr/bin/python3
"""kubectl imageclassifier doctor: the first broken link between a resource and its answer, on a real API server."""

import json
import os
import subprocess
import unittest

from operator_rig import PROGRAM, OperatorTest, resource, wait_until, with_basic

PLUGIN = PROGRAM.with_name("kubectl-imageclassifier")


class Doctor(OperatorTest):
    def ask(self, *words, kubeconfig=None):
        """Exit status and what is printed; kubectl finds the plugin in PATH, as it does for users."""
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig or self.kubectl.folder / "kubeconfig"), "PATH": f"{PLUGIN.parent}:{os.environ['PATH']}"}
        done = subprocess.run([self.kubectl.program, "imageclassifier", *words], capture_output=True, text=True, env=environment, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def examine(self, name="pets", **how):
        return self.ask("doctor", name, "-n", self.namespace, **how)

    def wait_for_verdict(self, headline, name="pets"):
        return wait_until(lambda: (text := self.examine(name)[1]).splitlines()[0].endswith(headline) and text, 30, headline)

    def patch_pod(self, **status):
        pod = wait_until(lambda: self.get("pods")["items"], 30, "the pod")[0]["metadata"]["name"]
        self.run_kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def test_each_link_that_breaks_is_named_with_its_remedy_and_the_next_one_once_it_is_mended(self):
        self.operator.end()
        self.apply(with_basic("pets"))
        code, text = self.examine()
        self.assertEqual(code, 1)
        self.assertIn("broken at resource\n", text)
        self.assertIn("What to do: If that stays so", text)

        self.operator = self.start()
        text = self.wait_for_verdict(": broken at secret")
        self.assertIn("SecretNotFound: Secret acr-credentials does not exist", text)
        self.assertIn("What to do: Create it", text)

        self.make_credentials()
        self.wait_for_children("pets")
        waiting = {"name": "server", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"waiting": {
            "reason": "ErrImagePull", "message": 'failed to pull and unpack image "contoso.azurecr.io/inference-server:demo": not found'}}}
        self.patch_pod(phase="Pending", containerStatuses=[waiting])
        text = self.wait_for_verdict(": broken at image")
        self.assertIn("ManifestUnknown", text)
        self.assertRegex(text, "(?m)^  secret +ok ")
        self.assertRegex(text, "(?m)^  pods +waiting +They wait for the image")

        crashed = {"name": "server", "image": "x", "imageID": "x", "ready": False, "restartCount": 3, "state": {
            "terminated": {"exitCode": 78, "message": '{"reason": "ModelInvalid", "message": "it is no safetensors file"}'}}}
        self.patch_pod(phase="Running", containerStatuses=[crashed])
        text = self.wait_for_verdict(": broken at pods")
        self.assertIn("ModelInvalid", text)
        self.assertRegex(text, "(?m)^  image +ok ")

        running = {"name": "server", "image": "x", "imageID": "x", "ready": True, "restartCount": 3, "state": {"running": {}}}
        ready = [{"type": kind, "status": "True"} for kind in ("Ready", "ContainersReady", "PodScheduled", "Initialized")]
        self.patch_pod(phase="Running", podIP="192.0.2.9", conditions=ready, containerStatuses=[running])
        text = self.wait_for_verdict(": waiting at load balancer")
        self.assertRegex(text, "(?m)^  pods +ok ")

        self.run_kubectl("patch", "service", "pets", "--subresource=status", "--type=merge", "-p",
                         '{"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}]}}}')
        text = self.wait_for_verdict(": broken at http")
        self.assertIn("http://192.0.2.10 does not answer HTTP 200 on /readyz to this machine", text)
        self.assertIn("What to do: Look whether the load balancer's health probe", text)

        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"suspend": true}}')
        text = self.wait_for_verdict(": all is well")
        self.assertEqual(self.examine()[0], 0)

    def test_what_the_API_server_refuses_is_the_fault_and_not_what_waits_for_it(self):
        self.run_kubectl("create", "quota", "none", "--hard=services=0")
        wait_until(lambda: "hard" in self.get("quota", "none").get("status", {}), 20, "the quota")
        self.apply(resource("pets"))
        text = self.wait_for_verdict(": broken at load balancer")
        self.assertRegex(text, "(?m)^  load balancer +BROKEN +ObjectRefused: The operator says: .*exceeded quota")
        both = {"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
        self.apply(resource("pets", pod={"env": [both]}))
        text = self.wait_for_verdict(": broken at pods")
        self.assertRegex(text, "(?m)^  pods +BROKEN +PodTemplateInvalid: The operator says: ")

    def test_what_cannot_be_told_ends_with_a_sentence_and_status_2(self):
        code, text = self.examine("nobody")
        self.assertEqual((code, text.count("\n")), (2, 1))
        self.assertIn(f"There is no ImageClassifier nobody in namespace {self.namespace}", text)
        code, text = self.examine(kubeconfig="/nonexistent")
        self.assertEqual((code, text.count("\n")), (2, 1))

    def test_who_may_not_read_Secrets_is_told_so_and_what_the_operator_says_of_them(self):
        self.make_credentials()
        self.make_credentials("callers")
        self.apply(with_basic("pets", service={"authentication": {"type": "Basic", "secretName": "callers"}}))
        self.wait_for_children("pets")
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "viewer"}})
        for role in ("view", "imageclassifier-view-for-tests"):
            if role != "view":
                self.run_kubectl("create", "role", role, "--verb=get", "--resource=imageclassifiers.imageclassifier.dev")
            self.run_kubectl("create", "rolebinding", role, f"--{'cluster' if role == 'view' else ''}role={role}", f"--serviceaccount={self.namespace}:viewer")
        token = self.run_kubectl("create", "token", "viewer").stdout.strip()
        viewer = self.kubeconfig_of({"token": token})
        code, text = wait_until(lambda: (answer := self.examine(kubeconfig=viewer)) and answer[0] == 1 and answer, 20, "the viewer's rights")
        lacking = f"You lack the right to get {{}} in namespace {self.namespace}, which its administrator can grant you; the operator says: "
        self.assertIn(lacking.format("secrets") + "Secret pets-acr-pull holds", text)
        self.assertIn(lacking.format("Secret callers") + "The pods are being started", text)
        self.run_kubectl("delete", "secret", "callers")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"serving": {"topK": 3}}}')
        self.wait_for("pets", "WorkloadAvailable", "False", "SecretNotFound")
        text = self.examine(kubeconfig=viewer)[1]
        self.assertIn("broken at pods", text)
        self.assertIn("SecretNotFound: ", text)
        self.assertNotIn("operator may not", text)
        self.run_kubectl("delete", "rolebinding", "view")
        code, text = wait_until(lambda: (answer := self.examine(kubeconfig=viewer)) and answer[0] == 2 and answer, 20, "the viewer's rights to go")
        self.assertIn(f"who administers namespace {self.namespace} can grant it to you", text)

    def test_reasons_and_manifests_are_explained_and_rendered_without_a_cluster(self):
        code, text = self.ask("explain", "ManifestUnknown")
        self.assertEqual(code, 0)
        self.assertIn("What to do: Push the image", text)
        self.assertEqual(self.ask("explain", "Nonsense")[0], 2)
        folder = self.temporary_folder()
        (folder / "pets.yaml").write_text(json.dumps(resource("pets")))
        code, text = self.ask("render", "-f", str(folder / "pets.yaml"))
        self.assertEqual(code, 0)
        self.assertIn("kind: Deployment", text)
        self.assertIn("ic/NAME", self.ask("doctor", "pod/pets", "-n", self.namespace)[1])


if __name__ == "__main__":
    unittest.main()
