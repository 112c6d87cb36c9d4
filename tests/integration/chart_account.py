"""An operator that has the rights of the chart's roles, or some of them, and what it asked for."""

import json
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from operator_rig import ROOT, Operator, wait_until

from api import recorded
from minicluster import tools

LEASE = "test-imageclassifier-operator"  # as the chart names it for a release "test"
CHART = ROOT / "charts/imageclassifier-operator"


def rendered(kubectl):
    """The objects of the chart."""
    helm = tools.ensure(("helm",))["helm"] / "helm"
    text = subprocess.run([helm, "template", "test", CHART, "--namespace", "operator", "--kube-version", "1.34.0", "--set", "crds.install=false"],
                          check=True, text=True, stdout=subprocess.PIPE).stdout
    rest = kubectl.run("create", "--dry-run=client", "--validate=false", "-o", "json", "-f", "-", given=text).stdout.strip()
    while rest:
        parsed, end = json.JSONDecoder().raw_decode(rest)
        rest = rest[end:].lstrip()
        yield from parsed["items"] if parsed["kind"] == "List" else [parsed]


def whole_role(kubectl):
    """All rules of the chart, those for one namespace too."""
    return {"rules": [rule for obj in rendered(kubectl) if obj["kind"] in ("ClusterRole", "Role") for rule in obj["rules"]]}


def rights_of(role):
    return {(group, name, verb) for rule in role["rules"] for group in rule["apiGroups"] for name in rule["resources"] for verb in rule["verbs"]}


class Account:
    """A namespace with an operator that has exactly the rights of a role."""

    def __init__(self, test, role, *options):
        self.test, self.kubectl = test, test.kubectl
        self.namespace = f"test-{uuid.uuid4().hex[:8]}"
        self.operators = []
        self.user = f"system:serviceaccount:{self.namespace}:operator"
        subject = {"kind": "ServiceAccount", "name": "operator", "namespace": self.namespace}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator", "namespace": self.namespace}},
                   {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": self.namespace}, "rules": role["rules"]},
                   {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": self.namespace},
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": self.namespace}, "subjects": [subject]},
                   {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "acr-credentials", "namespace": self.namespace},
                    "stringData": {"username": "puller", "password": "first"}})
        test.addCleanup(self.end)
        self.began = time.monotonic()
        self.operator = self.start(*options)

    def age(self):
        """Seconds since the first operator was started."""
        return time.monotonic() - self.began

    def start(self, *options):
        operator = Operator(self.kubectl, self.namespace, "--leader-elect", "--leader-elect-resource-namespace", self.namespace,
                            "--leader-elect-resource-name", LEASE, *options, kubeconfig=self.kubeconfig())
        self.operators.append(operator)
        return operator

    def kubeconfig(self):
        token = wait_until(lambda: self.kubectl.run("create", "token", "operator", "-n", self.namespace, check=False).stdout.strip(), 10, "a token")
        admin = json.loads(self.kubectl.run("config", "view", "--raw", "--flatten", "-o", "json").stdout)
        admin["users"] = [{"name": admin["users"][0]["name"], "user": {"token": token}}]
        self.config = tempfile.NamedTemporaryFile("w", suffix=".kubeconfig")
        json.dump(admin, self.config)
        self.config.flush()
        return self.config.name

    def apply(self, *objects):
        self.kubectl.run("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def put(self, obj):
        self.apply({**obj, "metadata": {**obj["metadata"], "namespace": self.namespace}})

    def get(self, kind, name):
        return self.kubectl.get("-n", self.namespace, kind, name)

    def end(self):
        ended, self.operators = self.operators, []
        if not ended:
            return
        for operator in ended:
            operator.end()
        self.kubectl.run("delete", f"namespace/{self.namespace}", f"clusterrole/{self.namespace}", f"clusterrolebinding/{self.namespace}", "--wait=false")

    def log(self):
        return "".join(Path(operator.log.name).read_text() for operator in self.operators)

    def requests(self, stage="ResponseComplete"):
        events = recorded(self.kubectl.state, self.user, stage=stage)
        return [event for event in events if event["user"]["username"] == self.user]

    def refused(self):
        return [event for event in self.requests() if event.get("responseStatus", {}).get("code") == 403]


def right_asked(event):
    reference = event.get("objectRef", {})
    name = reference.get("resource", "") + ("/" + reference["subresource"] if "subresource" in reference else "")
    return reference.get("apiGroup", ""), name, event["verb"]
