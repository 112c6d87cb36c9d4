#!/usr/bin/python3
"""Images, registry, chart and the quickstart, as a newcomer does it. The other end-to-end tests use what this one leaves."""

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

import end_to_end
from end_to_end import (BINARIES, BUILT, CHART, CREDENTIALS, OPERATOR_NAMESPACE, PICTURES, QUICKSTART, REGISTRY_HOST, RELEASE, ROOT, STATE, EndToEnd,
                        cluster_state, images, password_of, registry)
from judges import judge

from lab.clusters import registry_options
from lab.kubernetes import run


class Install(EndToEnd):
    def test_1_images_are_built_and_pushed_to_the_private_registry(self):
        built = images.build(BINARIES, images.demo_model())
        BUILT.write_text(json.dumps(built))
        type(self).operator_tag = images.tag(built["operator"])
        self.assertLess(built["operator"]["bytes"], 40_000_000)
        for name, image in built.items():
            bill = json.loads((ROOT / f"build/images/{name}.spdx.json").read_text())
            self.assertEqual(f"sha256:{bill['packages'][0]['checksums'][0]['checksumValue']}", image["digest"])
        images.push_to_box(STATE, built, {"operator": [self.operator_tag], "inference-server": ["demo"]})

    def test_1_push_images_copies_them_as_they_are_to_a_registry_that_one_is_logged_in_to(self):
        address = cluster_state()["registry"]["address"]
        with tempfile.TemporaryDirectory() as private:
            shutil.copyfile(cluster_state()["ca"], Path(private) / "ca.crt")
            authfile = Path(private) / "auth.json"
            run("skopeo", "login", "--authfile", authfile, "--cert-dir", private, "--username", registry.PUBLISHER, "--password-stdin", address,
                stdin=password_of(registry.PUBLISHER))
            said = run(ROOT / "docker/push-images", address, "--tag", "pushed", "--built", BUILT, "--authfile", authfile, "--cert-dir", private)
            for image, name in (("operator", "imageclassifier-operator"), ("inference-server", "inference-server")):
                digest = json.loads(BUILT.read_text())[image]["digest"]
                self.assertIn(f"{address}/{name}@{digest}", said)
                # The manifest alone: what is behind it lies at an address that only the cluster knows.
                manifest = run("skopeo", "inspect", "--raw", "--authfile", authfile, "--cert-dir", private, f"docker://{address}/{name}:pushed")
                self.assertEqual(f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}", digest)

    def test_2_helm_installs_the_operator_under_restricted_pod_security(self):
        self.system.make_namespace()
        self.system.forget_interrupted_install(RELEASE)
        self.system.make_pull_secret("registry", REGISTRY_HOST, "puller", password_of("puller"))
        self.system.helm("upgrade", "--install", RELEASE, CHART, "--namespace", OPERATOR_NAMESPACE, "--wait", "--timeout", "2m", "--take-ownership",
                         "--set", f"image.repository={REGISTRY_HOST}/imageclassifier-operator", "--set-string", f"image.tag={self.operator_tag}",
                         "--set", "imagePullSecrets[0].name=registry", *registry_options(REGISTRY_HOST, cluster_state()["ca"]),
                         "--set", f"registry.clouds.Public.authority={REGISTRY_HOST},registry.clouds.Public.servers={{{REGISTRY_HOST}}}")
        pods = self.system.get("pods", None, "--selector=app.kubernetes.io/name=imageclassifier-operator")
        self.assertEqual([pod["status"]["phase"] for pod in pods], ["Running", "Running"])

    def test_3_one_kubectl_apply_of_the_quickstart_becomes_an_address_that_classifies(self):
        self.users.make_namespace()
        self.users.make_credentials(CREDENTIALS, "puller", password_of("puller"))
        images.draw_held_out(BINARIES, PICTURES)
        self.users.kubectl("apply", "-f", QUICKSTART)
        url = self.wait_until_ready("quickstart", timeout=240)
        self.assertTrue(url.startswith("http://10.98."), url)
        self.assert_classifies(url)

    def test_4_the_status_says_what_runs_for_the_generation_that_was_applied(self):
        resource = self.users.get("imageclassifier", "quickstart")
        self.assertEqual(resource["status"]["observedGeneration"], resource["metadata"]["generation"])
        self.assertEqual(resource["status"]["readyReplicas"], 1)
        self.assertRegex(resource["status"]["image"]["resolved"], f"^{REGISTRY_HOST}/inference-server@sha256:[0-9a-f]{{64}}$")
        self.assertEqual(resource["status"]["image"]["platforms"], ["linux/amd64"])
        conditions = {entry["type"]: entry["status"] for entry in resource["status"]["conditions"]}
        for kind in ("CredentialReady", "ImageResolved", "WorkloadAvailable", "EndpointReady", "Ready"):
            self.assertEqual(conditions[kind], "True", conditions)
        self.users.kubectl("wait", "--for=condition=Ready", "imageclassifier/quickstart", "--timeout=5s")
        self.assertEqual(judge(resource)[:2], ("Current", "Healthy"))

    def test_5_the_node_pulled_the_digest_that_the_operator_found_with_the_secret_that_it_made(self):
        pod, = self.users.get("pods", None, "--selector=app.kubernetes.io/instance=quickstart")
        digest = self.users.get("imageclassifier", "quickstart")["status"]["image"]["digest"]
        self.assertEqual(pod["spec"]["containers"][0]["image"], f"{REGISTRY_HOST}/inference-server@{digest}")
        pulls = [(entry["status"], entry["subject"]) for entry in registry.requests(STATE) if entry["agent"].startswith("containerd")
                 and entry["path"] == f"/v2/inference-server/manifests/{digest}"]
        self.assertIn((200, "puller"), pulls)
        secret, = [entry["name"] for entry in pod["spec"]["imagePullSecrets"]]
        self.assertEqual(self.users.get("secret", secret)["type"], "kubernetes.io/dockerconfigjson")
        for kind, name in (("secret", secret), ("deployment", "quickstart"), ("service", "quickstart")):
            owner, = self.users.get(kind, name)["metadata"]["ownerReferences"]
            self.assertEqual((owner["kind"], owner["name"], owner["controller"]), ("ImageClassifier", "quickstart", True))


if __name__ == "__main__":
    end_to_end.main(failfast=True)
