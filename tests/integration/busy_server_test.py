#!/usr/bin/python3
"""The operator beside others who ask more of the API server than it serves: API Priority and Fairness turns it away with 429.

The server of this fixture serves four reads and two writes at a time. All accounts of the test's namespace share one seat and no
queue, and some of them never stop asking.
"""

import threading
import unittest
from collections import defaultdict

from operator_rig import OperatorTest, resource, wait_until

from api import Api, seconds

FLOW_CONTROL = "flowcontrol.apiserver.k8s.io/v1"
NOISY = 6


class BusyServer(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.narrow()
        self.token = self.make_account("operator")
        self.noisy = self.make_account("noisy")
        self.operator = self.start(kubeconfig=self.kubeconfig_of({"token": self.token}))
        wait_until(lambda: self.operator.ask("/readyz")[0] == 200, 20, "the operator to be ready")

    def narrow(self):
        """One seat and no queue for whoever is an account of this namespace."""
        name = self.namespace
        self.apply({"apiVersion": FLOW_CONTROL, "kind": "PriorityLevelConfiguration", "metadata": {"name": name},
                    "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 1, "lendablePercent": 0, "borrowingLimitPercent": 0,
                                                            "limitResponse": {"type": "Reject"}}}},
                   {"apiVersion": FLOW_CONTROL, "kind": "FlowSchema", "metadata": {"name": name},
                    "spec": {"matchingPrecedence": 100, "priorityLevelConfiguration": {"name": name}, "rules": [{
                        "subjects": [{"kind": "Group", "group": {"name": f"system:serviceaccounts:{name}"}}],
                        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}],
                    }]}})
        self.addCleanup(self.kubectl.run, "delete", f"flowschema/{name}", f"prioritylevelconfiguration/{name}")
        wait_until(lambda: any(entry["type"] == "Dangling" and entry["status"] == "False" for entry in
                               self.kubectl.get("flowschema", name).get("status", {}).get("conditions", [])), 20, "the flow schema")

    def make_noise(self):
        """Lists that take long, without a pause, until the test's end; a function that ends them."""
        for number in range(10):
            self.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"large-{number}"}, "data": {"x": "x" * 200_000}})
        over = threading.Event()
        api = Api(self.kubectl.state, token=self.noisy, user_agent="noisy")

        def ask():
            while not over.is_set():
                api.ask("GET", f"/api/v1/namespaces/{self.namespace}/configmaps")
            api.close()
        threads = [threading.Thread(target=ask) for _ in range(NOISY)]
        for thread in threads:
            thread.start()

        def end():
            over.set()
            for thread in threads:
                thread.join()
        self.addCleanup(end)
        return end

    def test_it_waits_as_long_as_the_server_asks_and_gets_there_in_the_end(self):
        end = self.make_noise()
        wait_until(lambda: self.operator.metric("rest_client_requests_total", code="429") >= 3 or self.edit(), 100, "three refusals")
        self.edit()
        end()
        wanted = self.get("ic", "pets")["spec"]["replicas"]
        wait_until(lambda: self.get("deployment", "pets").get("spec", {}).get("replicas") == wanted, 60, "the Deployment")
        wait_until(lambda: self.uid("service", "pets"), 60, "the Service")
        generation = self.get("ic", "pets")["metadata"]["generation"]
        wait_until(lambda: self.get("ic", "pets")["status"].get("observedGeneration") == generation, 60, "the status")

        requests = defaultdict(list)
        for event in self.requests():
            if event["objectRef"]["resource"] == "events":
                continue  # different ones are made at one address
            requests[event["verb"], event["requestURI"]].append(
                (seconds(event["requestReceivedTimestamp"]), event["responseStatus"]["code"]))
        refused = sum(code == 429 for asked in requests.values() for _, code in asked)
        print(f"{refused} requests of the operator were refused with 429")
        self.assertGreater(refused, 0)
        for key, asked in requests.items():
            asked.sort()
            for (before, code), (after, _) in zip(asked, asked[1:]):
                if code == 429:
                    self.assertGreater(after - before, 0.95, f"{key} was sent again {after - before:.3f} s after its refusal")
        told = [line for line in self.operator.lines() if line["message"].startswith("API server rejected a request for now")]
        self.assertEqual(len(told), 1)
        self.assertEqual(told[0]["flowSchemaUID"], self.kubectl.get("flowschema", self.namespace)["metadata"]["uid"])
        self.assertEqual([line for line in self.operator.lines() if line["message"].startswith("Reconcile failed for good")], [])

    def edit(self):
        """More to do, so that the operator's requests meet the others'."""
        self.edits = getattr(self, "edits", 0) + 1
        self.apply(resource("pets", replicas=1 + self.edits % 5))
        return False


if __name__ == "__main__":
    unittest.main()
