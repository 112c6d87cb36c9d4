#!/usr/bin/python3
"""The rights that the shipped chart gives: enough for everything, nothing that is not used, and each one missed by name.

The operator runs as a ServiceAccount bound to the chart's ClusterRole, against a real API server whose audit log says what was
asked, allowed and refused. IC_ROUNDS rights of a fixed, mixed order are taken away, those after the ones of the seeds before
IC_SEED; the campaign `rights` goes through all of them.
"""

import copy
import json
import os
import random
import time
import unittest
from collections import Counter
from pathlib import Path

from chart_account import Account, right_asked, rights_of, whole_role
from operator_rig import OperatorTest, resource, wait_until, with_basic

# Rights that this scenario cannot use: (group, resource, verb) -> why the role has them.
NOT_USED = {
    ("imageclassifier.dev", "imageclassifiers/finalizers", "update"):
        "asked for by the admission plug-in OwnerReferencesPermissionEnforcement (OpenShift), which is off here",
    ("", "nodes", "list"): "only for an image that a registry has answered for: the test images",
    ("", "serviceaccounts", "get"): "only workload identity asks for it: the test minting",
    **{("monitoring.coreos.com", "servicemonitors", verb): "the kind is not installed here; the test monitoring uses it"
       for verb in ("get", "create", "patch", "delete")},
}
# Without these there is no operator: it says so and is not ready. All others concern one resource, which says so too.
CACHES = {"list", "watch"}
MOUNTED = {"source": {"persistentVolumeClaim": {"claimName": "models", "path": "/own.safetensors"}},
           "labels": {"configMapKeyRef": {"name": "words", "key": "words.txt"}}}
# What only this resource needs.
OF_CARS = {"horizontalpodautoscalers", "configmaps", "persistentvolumeclaims"}
# What may be asked for in vain: the back-off steps of 5 ms, 10 ms, 20 ms... of each object, and about once a second.
MOST_REFUSED = 40
MOST_REFUSED_IN_A_SECOND = 1
MOST_REQUESTS = 120  # in the window; a look at what is live, which a watch that is missing leads to, takes a dozen for each resource
WINDOW = 5
# An operator whose caches do not fill ends after two minutes: so many at a time are through by then.
AT_A_TIME = 6
ROUNDS = int(os.environ.get("IC_ROUNDS", "12"))
SEED = int(os.environ.get("IC_SEED", "1"))


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


class Rights(OperatorTest):
    starts_operator = False

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.role = whole_role(cls.kubectl)

    def scenario(self, account):
        """Everything that a life of a resource holds; waits for nothing that a missing right could keep from happening."""
        account.put(with_basic("pets", replicas=2))
        account.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "words"}, "data": {"words.txt": "tench"}})
        account.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models"},
                     "spec": {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}})
        account.put(resource("cars", autoscaling={"maxReplicas": 2}, model=MOUNTED))

    def test_the_shipped_role_is_enough_and_nothing_in_it_is_unused(self):
        account = Account(self, self.role)
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
        unused = rights_of(self.role) - used - set(NOT_USED)
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
        rights = sorted(rights_of(self.role) - set(NOT_USED))
        random.Random(1).shuffle(rights)
        first = (SEED - 1) * ROUNDS
        chosen = [rights[i % len(rights)] for i in range(first, first + min(ROUNDS, len(rights)))]
        print(f"rbac: {len(chosen)} of {len(rights)} rights, seed {SEED}", flush=True)
        for first in range(0, len(chosen), AT_A_TIME):
            self.check_missing(chosen[first:first + AT_A_TIME])

    def check_missing(self, rights):
        accounts = {right: Account(self, without(self.role, right), *(["--no-stream-lists"] if right[2] == "list" else []))
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
                self.assertLessEqual(counts[right], MOST_REFUSED + account.age() * MOST_REFUSED_IN_A_SECOND)
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
