#!/usr/bin/python3
"""The rights that the shipped chart gives: enough for everything, nothing that is not used, and each one missed by name.

The operator runs as a ServiceAccount bound to the chart's ClusterRole, against a real API server whose audit log says what was
asked, allowed and refused.
"""

import copy
import json
import subprocess
import tempfile
import time
import unittest
import uuid
from collections import Counter
from pathlib import Path

from operator_rig import ROOT, Operator, OperatorTest, resource, wait_until, with_basic

from api import recorded
from minicluster import tools

LEASE = "test-imageclassifier-operator"  # as the chart names it for a release "test"
CHART = ROOT / "charts/imageclassifier-operator"
# Rights that this scenario cannot use: (group, resource, verb) -> why the role has them.
NOT_USED = {
    ("imageclassifier.dev", "imageclassifiers/finalizers", "update"):
        "asked for by the admission plug-in OwnerReferencesPermissionEnforcement (OpenShift), which is off here",
}
# Without these there is no operator: it says so and is not ready. All others concern one resource, which says so too.
CACHES = {"list", "watch"}
MOUNTED = {"source": {"persistentVolumeClaim": {"claimName": "models", "path": "/own.safetensors"}},
           "labels": {"configMapKeyRef": {"name": "words", "key": "words.txt"}}}
# What only this resource needs.
OF_CARS = {"horizontalpodautoscalers", "configmaps", "persistentvolumeclaims"}
# What a pass may ask for in vain, at most, in the window below: some back-off steps of 5 ms, 10 ms, 20 ms...
MOST_REFUSED = 40
MOST_REQUESTS = 120  # in the window; a look at what is live, which a watch that is missing leads to, takes a dozen for each resource
WINDOW = 5
AT_A_TIME = 16


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


def rights_of(role):
    return {(group, name, verb) for rule in role["rules"] for group in rule["apiGroups"] for name in rule["resources"] for verb in rule["verbs"]}


def without(role, right):
    group, name, verb = right
    rules = []
    for rule in copy.deepcopy(role["rules"]):
        if group not in rule["apiGroups"] or name not in rule["resources"]:
            rules.append(rule)
            continue
        rules.append({**rule, "resources": [other for other in rule["resources"] if other != name]})
        rules.append({**rule, "resources": [name], "verbs": [other for other in rule["verbs"] if other != verb]})
    return {"rules": [rule for rule in rules if rule["resources"] and rule["verbs"]]}


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
        self.operator = self.start(*options)

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


class Rights(OperatorTest):
    starts_operator = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        objects = list(rendered(cls.kubectl))
        cls.role, = (obj for obj in objects if obj["kind"] == "ClusterRole")
        cls.namespaced = [obj for obj in objects if obj["kind"] == "Role"]

    def whole_role(self):
        return {"rules": self.role["rules"] + [rule for role in self.namespaced for rule in role["rules"]]}

    def scenario(self, account):
        """Everything that a life of a resource holds; waits for nothing that a missing right could keep from happening."""
        account.put(with_basic("pets", replicas=2))
        account.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"words.txt": "tench"}})
        account.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"},
                     "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}})
        account.put(resource("cars", autoscaling={"maxReplicas": 2}, model=MOUNTED))

    def test_the_shipped_role_is_enough_and_nothing_in_it_is_unused(self):
        account = Account(self, self.whole_role())
        self.scenario(account)
        wait_until(lambda: account.get("deployment", "pets") and account.get("service", "pets"), 20, "the children")
        self.rotate(account)
        follower = account.start()
        wait_until(lambda: "Another process leads" in Path(follower.log.name).read_text(), 20, "a second operator to follow")
        wait_until(lambda: ("coordination.k8s.io", "leases", "watch") in {right_asked(event) for event in account.requests("ResponseStarted")},
                   20, "it to watch the Lease")
        run = lambda *words: account.kubectl.run("-n", account.namespace, *words)  # noqa: E731
        self.disturb(account)
        run("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"service": {"port": 8080}}}')
        wait_until(lambda: account.get("service", "pets")["spec"]["ports"][0]["port"] == 8080, 10, "the port")
        wait_until(lambda: account.get("hpa", "cars"), 20, "the autoscaler")
        self.take_options_away(account)
        gone = lambda: not (account.get("secret", "pets-acr-pull") or account.get("networkpolicy", "pets") or account.get("pdb", "pets")  # noqa: E731
                            or account.get("hpa", "cars"))
        wait_until(gone, 20, "what is no longer wanted to go")
        run("delete", "ic", "pets", "--timeout=20s")
        wait_until(lambda: not account.get("deployment", "pets"), 30, "the children to go")
        self.assertEqual(account.operator.end(), 0)
        self.assertEqual(follower.end(), 0)
        # API servers before 1.32 have no streaming lists.
        account.operator = account.start("--no-stream-lists")
        wait_until(lambda: account.operator.ask("/readyz")[0] == 200, 20, "the caches to be filled by lists")
        self.assertEqual(account.operator.end(), 0)
        self.assertEqual([(right_asked(event), event["requestURI"]) for event in account.refused()], [])
        used = {right_asked(event) for event in account.requests()}
        unused = rights_of(self.whole_role()) - used - set(NOT_USED)
        self.assertEqual(sorted(unused), [], "rights that the chart gives and nothing uses")

    def take_options_away(self, account):
        for name, spec in (("pets", {"registry": None, "replicas": 1, "networkPolicy": {"enabled": False},
                                     "rollout": {"autoRollback": False, "revisionHistoryLimit": 0}}), ("cars", {"autoscaling": None})):
            account.kubectl.run("-n", account.namespace, "patch", "ic", name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def disturb(self, account):
        """The same event twice: the second one is a patch."""
        for replicas in (4, 5):
            account.kubectl.run("-n", account.namespace, "scale", "deployment/pets", f"--replicas={replicas}")
            wait_until(lambda: account.get("deployment", "pets")["spec"]["replicas"] == 2, 10, "the replicas to be put right")

    def rotate(self, account):
        """Another password reaches the pull Secret; touching the resource saves the half minute until it is looked at again."""
        before = account.get("secret", "pets-acr-pull")["data"]
        account.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "acr-credentials", "namespace": account.namespace},
                       "stringData": {"username": "puller", "password": "second"}})
        account.kubectl.run("-n", account.namespace, "annotate", "ic", "pets", "example.com/touched=yes")
        wait_until(lambda: account.get("secret", "pets-acr-pull")["data"] != before, 20, "the new password")

    def test_each_right_that_is_missing_is_named_and_asked_for_in_moderation(self):
        rights = sorted(rights_of(self.whole_role()) - set(NOT_USED))
        # An operator whose caches do not fill ends after two minutes: so many at a time are through by then.
        for first in range(0, len(rights), AT_A_TIME):
            self.check_missing(rights[first:first + AT_A_TIME])

    def check_missing(self, rights):
        accounts = {right: Account(self, without(self.whole_role(), right), *(["--no-stream-lists"] if right[2] == "list" else []))
                    for right in rights}
        for account in accounts.values():
            self.scenario(account)
        for right, account in accounts.items():
            with self.subTest(right):
                self.provoke(right, account)
        for _ in range(3):  # those that came last may have work to do
            for account in accounts.values():
                account.before = len(account.requests())
            time.sleep(WINDOW)
            if all(len(account.requests()) - account.before < MOST_REQUESTS for account in accounts.values()):
                break
        for right, account in accounts.items():
            with self.subTest(right):
                self.assertIsNone(account.operator.process.poll(), "the operator has ended")
                counts = Counter(right_asked(event) for event in account.refused())
                self.assertEqual(set(counts), {right})
                self.assertLessEqual(counts[right], MOST_REFUSED)
                self.assertLess(len(account.requests()) - account.before, MOST_REQUESTS, "a hot loop")
        for account in accounts.values():
            account.end()

    def provoke(self, right, account):
        group, name, verb = right
        if name == "leases":
            return self.provoke_lease(verb, account)
        # Whatever can be done without the right is done, so that the operator needs it.
        if verb not in CACHES and (name, verb) != ("secrets", "get"):
            self.move_on(right, account)
        sentence = f'cannot {verb} resource \\"{name}\\"'
        wait_until(lambda: sentence.replace("\\", "") in account.log().replace("\\", ""), 30, f"the log to say: {sentence}")
        if group == "events.k8s.io":
            self.assert_nothing_else_suffers(account)
        elif verb in CACHES:
            if verb == "list":
                self.assertEqual(account.operator.ask("/readyz")[0], 500)
        elif name != "imageclassifiers/status":
            subject = "cars" if name in OF_CARS else "pets"
            wait_until(lambda: f"cannot {verb} resource" in json.dumps(account.get("ic", subject).get("status", {})), 30,
                       "the resource's condition to name it")

    def assert_nothing_else_suffers(self, account):
        wait_until(lambda: account.get("deployment", "pets") and account.get("service", "pets"), 20, "the children")
        wait_until(lambda: account.get("ic", "pets").get("status"), 20, "the status")
        warnings = [line for line in account.operator.lines() if line["level"] == "warning"]
        self.assertEqual(len(warnings), 1, warnings)
        self.assertIn("verbs create and patch on events", warnings[0]["message"])

    def provoke_lease(self, verb, account):
        """Without a right for its Lease an operator does not work, and says why; a follower that may not watch looks by the clock."""
        if verb == "watch":
            wait_until(lambda: "Started leading" in account.log(), 20, "a leader")
            account.start()
        wait_until(lambda: f'cannot {verb} resource "leases"' in account.log().replace("\\", ""), 30, f"the log to name {verb} of the Lease")

    def move_on(self, right, account):
        group, name, verb = right
        if (name, verb) == ("secrets", "patch"):
            wait_until(lambda: account.get("secret", "pets-acr-pull"), 20, "the pull Secret")
            account.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "acr-credentials", "namespace": account.namespace},
                           "stringData": {"username": "puller", "password": "second"}})
            account.kubectl.run("-n", account.namespace, "annotate", "ic", "pets", "example.com/touched=yes")
        elif (group, verb) == ("events.k8s.io", "patch"):
            wait_until(lambda: account.get("deployment", "pets"), 20, "the Deployment")
            self.disturb(account)
        elif verb in ("delete", "get"):
            wait_until(lambda: account.get("deployment", "pets") and account.get("service", "pets"), 20, "the children")
            wait_until(lambda: account.get("hpa", "cars") or verb == "get", 20, "the autoscaler")
            self.take_options_away(account)
        # A right to patch is needed without more: what a POST has made is taken over by a patch.


if __name__ == "__main__":
    unittest.main()
