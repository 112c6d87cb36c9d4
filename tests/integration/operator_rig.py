"""The operator as a process against the control plane of the fixture, and what its tests share."""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/cluster"))
sys.dont_write_bytecode = True

from api import Api, recorded  # noqa: E402
from credentials_of_run import Credentials  # noqa: E402
from support import Kubectl  # noqa: E402
from support import wait_until as wait_until_true  # noqa: E402

CRD = ROOT / "crds/imageclassifiers.yaml"
TRANSPORT = os.environ.get("IC_TRANSPORT", "cpprest")
PROGRAM = Path(os.environ.get("IC_BINARIES", ROOT / "build/release/bin")) / "imageclassifier-operator"
NO_REGISTRIES = ROOT / "tests/cluster/no_registries.yaml"
IMAGE = "contoso.azurecr.io/inference-server:demo"


def wait_until(asked, seconds, what):
    """The first answer that is true."""
    answers = []

    def answered():
        answers.append(asked())
        return bool(answers[-1])

    wait_until_true(answered, seconds, what)
    return answers[-1]


def install_definition(kubectl):
    kubectl.run("apply", "--server-side", "--force-conflicts", "-f", str(CRD))
    wait_until(lambda: kubectl.run("get", "ic", check=False).returncode == 0, 50, "the kind to be served")


def resource(name, **spec):
    return {"apiVersion": "imageclassifier.dev/v1alpha1", "kind": "ImageClassifier", "metadata": {"name": name},
            "spec": {"image": IMAGE, **spec}}


def with_basic(name, secret="acr-credentials", **spec):
    return resource(name, registry={"auth": {"basic": {"secretName": secret}}}, **spec)


def condition(obj, kind):
    return next((entry for entry in obj.get("status", {}).get("conditions", []) if entry["type"] == kind), {})


class Operator:
    """One process with a user agent of its own in the audit log: the log tells apart operators by their source port only.

    However it ends, its log must hold nothing that a sanitizer says, and no credential that it was given.
    """

    def __init__(self, kubectl, namespace, *options, kubeconfig=None, transport=TRANSPORT, environment=None):
        self.log = tempfile.NamedTemporaryFile(prefix="operator-", suffix=".log")
        kubeconfig = kubeconfig or kubectl.folder / "kubeconfig"
        self.credentials = Credentials(kubectl.program, kubeconfig, environment)
        registries = () if "--registry-config" in options else ("--registry-config", NO_REGISTRIES)
        self.process = subprocess.Popen(
            [PROGRAM, "--kubeconfig", kubeconfig, "--namespace", namespace, "--listen", "127.0.0.1:0",
             "--transport", transport, *registries, *options],
            stdout=self.log, stderr=self.log, env={**os.environ, **(environment or {})})

    def port(self):
        def found():
            match = re.search(r'"Serving health and metrics".*"port":(\d+)', Path(self.log.name).read_text())
            return match and int(match.group(1))
        return wait_until(found, 20, "the operator to open its port")

    def lines(self):
        """The log, parsed."""
        return [json.loads(line) for line in Path(self.log.name).read_text().splitlines() if line.startswith("{")]

    def ask(self, path):
        """Status and body of a GET from the port of health and metrics."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port()}{path}", timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name, **labels):
        """Sum of the series of this name that have these labels."""
        _, text = self.ask("/metrics")
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
                   if re.match(name + r"[{ ]", line) and all(label in line for label in wanted))

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(timeout=10)
        # Most are killed, so that the exit code does not tell.
        text = Path(self.log.name).read_text(errors="replace")
        if "Sanitizer" in text or "runtime error:" in text:
            raise AssertionError(f"a sanitizer has found something:\n{text}")
        if held := self.credentials.held_by(text):
            raise AssertionError(f"the operator's log holds credentials: {', '.join(held)}")
        return code


class OperatorTest(unittest.TestCase):
    """A namespace and, unless a test starts its own, an operator for each test."""

    starts_operator = True

    @classmethod
    def setUpClass(cls):
        cls.kubectl = Kubectl(os.environ["IC_CONTROL_PLANE"])
        install_definition(cls.kubectl)

    def setUp(self):
        self.namespace = f"test-{uuid.uuid4().hex[:8]}"
        self.kubectl.run("create", "namespace", self.namespace)
        self.addCleanup(self.kubectl.run, "delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")
        wait_until(lambda: self.kubectl.get("serviceaccount", "default", "-n", self.namespace), 20, "the namespace's account")
        if self.starts_operator:
            self.operator = self.start()

    def temporary_folder(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        return Path(place.name)

    def start(self, *options, **how):
        operator = Operator(self.kubectl, self.namespace, *options, **how)
        self.addCleanup(self.stop, operator)
        return operator

    def kubeconfig_of(self, user, **cluster):
        """Path of the administrator's kubeconfig with another user, and with what else is given for the cluster."""
        config = json.loads(self.kubectl.run("config", "view", "--raw", "--flatten", "-o", "json").stdout)
        config["users"][0]["user"] = user
        config["clusters"][0]["cluster"].update(cluster)
        file = tempfile.NamedTemporaryFile("w", suffix=".kubeconfig")
        self.addCleanup(file.close)
        json.dump(config, file)
        file.flush()
        return file.name

    def make_account(self, name):
        """A ServiceAccount that may do everything; its token."""
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
        binding = f"{self.namespace}-{name}"
        self.kubectl.run("create", "clusterrolebinding", binding, "--clusterrole=cluster-admin", f"--serviceaccount={self.namespace}:{name}")
        self.addCleanup(self.kubectl.run, "delete", "clusterrolebinding", binding)
        return self.run_kubectl("create", "token", name).stdout.strip()

    def api(self, **options):
        return Api(self.kubectl.state, self.kubectl.folder / "data/pki", **options)

    def stop(self, operator):
        operator.end(signal.SIGKILL)
        if self._outcome and any(error for _, error in getattr(self._outcome, "errors", []) or []):
            print(Path(operator.log.name).read_text(), file=sys.stderr)

    def run_kubectl(self, *words, **options):
        return self.kubectl.run("-n", self.namespace, *words, **options)

    def apply(self, *objects):
        self.run_kubectl("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, kind, name=None, *words):
        return self.kubectl.get("-n", self.namespace, kind, *([name] if name else []), *words)

    def make_credentials(self, name="acr-credentials", password="first", user="puller"):
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                    "stringData": {"username": user, "password": password}})

    def password_in_pull_secret(self, name):
        secret = self.get("secret", f"{name}-acr-pull")
        config = json.loads(base64.b64decode(secret["data"][".dockerconfigjson"])) if secret else {"auths": {}}
        return config["auths"].get("contoso.azurecr.io", {}).get("password")

    def uid(self, kind, name):
        return self.get(kind, name).get("metadata", {}).get("uid")

    def wait_for_children(self, name):
        wait_until(lambda: self.uid("deployment", name) and self.uid("service", name), 20, f"the children of {name}")
        wait_until(lambda: self.get("ic", name)["status"]["observedGeneration"] >= 1, 20, f"the first status of {name}")

    def wait_for(self, name, kind, status, reason, timeout=20):
        def reached():
            entry = condition(self.get("ic", name), kind)
            return entry if (entry.get("status"), entry.get("reason")) == (status, reason) else None
        return wait_until(reached, timeout, f"{name}: {kind}={status}/{reason}")

    def wait_until_settled(self, seconds=2, asked=None):
        """No request of the operator for so long, watches aside. asked: what it has asked so far, else requests()."""
        asked = asked or self.requests

        def settled():
            count = len(asked())
            time.sleep(seconds)
            return len(asked()) == count
        wait_until(settled, 60, "the operator to have nothing to do")

    def requests(self, stage="ResponseComplete"):
        """What this test's operator asked of its namespace, from the API server's own record."""
        return recorded(self.kubectl.state, self.namespace, '"userAgent":"imageclassifier-operator', stage=stage)
