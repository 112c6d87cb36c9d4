"""What the cluster's own tests share: kubectl, a test image, and waiting."""

import json
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from minicluster import image_archive, registry, state, tools  # noqa: E402
from minicluster.progress import wait_until  # noqa: E402

HERE = Path(__file__).resolve().parent
HELLO = """apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      imagePullSecrets: [{{name: {name}}}]
      terminationGracePeriodSeconds: 1
      securityContext: {{runAsNonRoot: true, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
      - name: hello
        image: {image}
        resources: {{limits: {{cpu: 200m, memory: 64Mi}}}}
        securityContext: {{allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {{drop: [ALL]}}}}
        readinessProbe: {{httpGet: {{path: /, port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{type: LoadBalancer, selector: {{app: {name}}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""


def cluster(*words, check=True):
    """Runs the cluster script; its output becomes part of the test's."""
    return subprocess.run([HERE / "cluster", *(str(word) for word in words)], check=check)


def own_address():
    """An address of this machine that the operator may ask; None if there is only loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            found = probe.getsockname()[0]
        except OSError:
            return None
    return None if found.startswith(("127.", "169.254.")) else found


class Kubectl:
    def __init__(self, folder):
        self.folder = Path(folder)
        self.state = state.read(folder)
        self.program = tools.folder("kubernetes") / "kubectl"

    def run(self, *words, given=None, check=True):
        command = [self.program, "--kubeconfig", self.folder / "kubeconfig", "--cache-dir", self.folder / "data" / "kubectl-cache"]
        result = subprocess.run([*command, *words], input=given, text=True, capture_output=True, check=False)
        if check and result.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(words)}: {result.stderr}")
        return result

    def get(self, *words):
        result = self.run("get", *words, "-o", "json", check=False)
        return json.loads(result.stdout) if result.returncode == 0 else {}

    def pull_secret(self, name, user, password):
        """Made from standard input: the password is in no argument list."""
        accounts = {"auths": {self.state["registry"]["host"]: {"username": user, "password": password}}}
        self.run("apply", "-f", "-", given=json.dumps({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": json.dumps(accounts)}}))

    def deploy(self, name, image, replicas=1):
        self.run("apply", "-f", "-", given=HELLO.format(name=name, image=image, replicas=replicas))

    def remove(self, name):
        self.run("delete", "deployment,service,secret", name, "--ignore-not-found", "--wait=true")

    def events(self, reason):
        return [event["message"] for event in self.get("events").get("items", []) if event["reason"] == reason]

    def address(self, service):
        """The load balancer's address, None while there is none."""
        ingress = self.get("service", service).get("status", {}).get("loadBalancer", {}).get("ingress", [])
        return ingress[0]["ip"] if ingress else None


def push_hello(folder, tag="1"):
    """Pushes the test image; returns its reference. A tag that is on the node already is not pulled again."""
    archive = Path(folder) / "data" / "hello.tar"
    image_archive.write(archive, "hello", "hello:1")
    return registry.push(folder, str(archive), f"tests/hello:{tag}")


def fetch(address, timeout=5):
    result = subprocess.run(["curl", "-s", "--noproxy", "*", "-m", str(timeout), f"http://{address}/"], capture_output=True,
                            text=True, check=False)
    return result.stdout if result.returncode == 0 else None


__all__ = ["HERE", "Kubectl", "cluster", "fetch", "push_hello", "registry", "state", "wait_until"]
