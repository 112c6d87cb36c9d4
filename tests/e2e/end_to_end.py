"""What every end-to-end test builds on: the real node, the operator that Helm installed, and waiting on conditions.

The tests act as users do: kubectl, helm, HTTP through the load balancer's address, the registry's own accounts. None of
them writes the status of a pod or a Service.
"""

import json
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/cluster")]
sys.dont_write_bytecode = True

from api import recorded  # noqa: E402
from minicluster import registry  # noqa: E402

from lab import CHART, QUICKSTART, classify, images  # noqa: E402
from lab.kubernetes import Kubernetes, condition, run  # noqa: E402
from lab.progress import say, wait_until  # noqa: E402

STATE = Path(os.environ["IC_CLUSTER_STATE"])
BINARIES = Path(os.environ["IC_BINARIES"])
PICTURES = STATE.parent / "e2e-pictures"
BUILT = STATE.parent / "e2e-images.json"
TOOLS = ROOT / "build/tools"
REGISTRY_HOST = "contoso.azurecr.io"
RELEASE = "imageclassifier-operator"
OPERATOR_NAMESPACE = "imageclassifier-system"
OPERATOR_USER = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{RELEASE}"
SERVER_IMAGE = f"{REGISTRY_HOST}/inference-server:demo"
CREDENTIALS = "acr-credentials"
SMALL = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}


def cluster_state():
    return json.loads((STATE / "state.json").read_text())


def password_of(user):
    return registry.users(STATE)[user]


def classifier(name, image=SERVER_IMAGE, secret=CREDENTIALS, **spec):
    return {"apiVersion": "imageclassifier.dev/v1alpha1", "kind": "ImageClassifier", "metadata": {"name": name},
            "spec": {"image": image, "registry": {"auth": {"basic": {"secretName": secret}}}, "resources": SMALL, **spec}}


def audit_events(begin, end=None):
    """The API server's own record of what the operator's account asked for; times as the API server writes them."""
    return [event for event in recorded(cluster_state(), OPERATOR_USER, stage=None) if event["user"]["username"] == OPERATOR_USER
            and begin <= event["requestReceivedTimestamp"] <= (end or "9")]


def now():
    """As the audit log spells it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1000 % 1000000:06d}Z"


class EndToEnd(unittest.TestCase):
    """A class's tests share the namespace; each test makes its own resources and takes them away again."""

    maxDiff = None
    namespace = "e2e"

    @classmethod
    def setUpClass(cls):
        cls.users = Kubernetes(STATE / "kubeconfig", cls.namespace, TOOLS / "kubectl", TOOLS / "helm")
        cls.system = Kubernetes(STATE / "kubeconfig", OPERATOR_NAMESPACE, TOOLS / "kubectl", TOOLS / "helm")

    def run(self, result=None):
        """Says how long a test took, and after a failure what the cluster looked like."""
        before, begin = len(result.failures) + len(result.errors), time.monotonic()
        super().run(result)
        say(f"  {time.monotonic() - begin:6.1f} s  {self._testMethodName.removeprefix('test_').replace('_', ' ')}")
        if len(result.failures) + len(result.errors) > before:
            self.dump()
        return result

    def dump(self):
        for what, k8s, words in (
                ("resources", self.users, ["get", "imageclassifiers", "-o", "yaml"]),
                ("objects", self.users, ["get", "deployments,pods,services,replicasets", "-o", "wide"]),
                ("pods", self.users, ["describe", "pods"]),
                ("events", self.users, ["get", "events", "--sort-by=.lastTimestamp"]),
                ("servers' logs", self.users, ["logs", "--selector=app.kubernetes.io/managed-by=imageclassifier-operator", "--tail=40", "--prefix"]),
                ("operator", self.system, ["describe", "pods"]),
                ("operator's log", self.system, ["logs", f"deployment/{RELEASE}", "--tail=80"])):
            text = k8s.kubectl(*words, check=False)
            print(f"----- {what}\n{text[-12000:]}", file=sys.stderr, flush=True)

    def apply_for_this_test(self, *manifests):
        """Applied now, deleted with all that hangs on it when the test ends."""
        for manifest in manifests:
            self.users.apply(manifest)
            name = f"{manifest['kind']}/{manifest['metadata']['name']}"
            self.addCleanup(self.users.kubectl, "delete", name, "--ignore-not-found", "--wait=false", check=False)

    def wait_for_condition(self, name, kind, status, reason=None, timeout=120):
        """The condition, once it is as wanted for the resource's present generation."""
        last = {}

        def reached():
            resource = self.users.get("imageclassifier", name)
            last["seen"] = entry = condition(resource, kind)
            current = entry.get("observedGeneration") == (resource or {}).get("metadata", {}).get("generation")
            return entry if current and entry.get("status") == status and reason in (None, entry.get("reason")) else None

        wanted = f"{name}: {kind}={status}{f'/{reason}' if reason else ''}"
        return wait_until(reached, timeout, lambda: f"{wanted}; it is {json.dumps(last.get('seen'))}", interval=0.25)

    def wait_until_ready(self, name, timeout=120):
        """The address, once the resource says that it is Ready."""
        self.wait_for_condition(name, "Ready", "True", timeout=timeout)
        return self.users.get("imageclassifier", name)["status"]["endpoint"]["url"].rstrip("/")

    def assert_named_with_remedy(self, entry, *words):
        """A message says what is wrong, names the object, and ends with what to do."""
        for word in words:
            self.assertIn(word, entry["message"])
        self.assertLessEqual(len(entry["message"]), 1024)
        self.assertRegex(entry["message"], r"[.!)\"'`]?$")

    def assert_classifies(self, url, picture=None):
        label, path = (classify.held_out(PICTURES) if picture is None else [picture])[0]
        predictions = classify.classify(url, path)
        self.assertEqual(len(predictions), 5)
        self.assertEqual(predictions, sorted(predictions, key=lambda one: -one["probability"]))
        self.assertEqual(predictions[0]["label"], label)


def main(failfast=False):
    unittest.main(module="__main__", verbosity=0, failfast=failfast)
