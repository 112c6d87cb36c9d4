#!/usr/bin/python3
"""Things that are taken away come back, and an operator that dies in the middle of its work finishes it."""

import end_to_end
import operator_process
from end_to_end import EndToEnd, classifier, wait_until


class Resilience(EndToEnd):
    def operator_pods(self):
        return {pod["metadata"]["name"]: pod for pod in self.system.get("pods", None, "--selector=app.kubernetes.io/name=imageclassifier-operator")
                if "deletionTimestamp" not in pod["metadata"]}

    def leader(self):
        """The pod that holds the Lease."""
        def held():
            lease, = [lease for lease in self.system.get("leases", None)]
            return self.operator_pods().get(lease["spec"].get("holderIdentity", "").partition("_")[0])
        return wait_until(held, 60, "a leader")

    def uid(self, kind, name):
        return (self.users.get(kind, name) or {}).get("metadata", {}).get("uid")

    def wait_for_another(self, kind, name, uid):
        return wait_until(lambda: self.uid(kind, name) not in (None, uid), 60, f"a new {kind} {name}")

    def test_a_deployment_deleted_by_hand_comes_back(self):
        url = self.wait_until_ready("quickstart")
        uid = self.uid("deployment", "quickstart")
        self.users.kubectl("delete", "deployment", "quickstart")
        self.wait_for_another("deployment", "quickstart", uid)
        self.wait_until_available("quickstart")
        self.assertEqual(self.wait_until_ready("quickstart"), url)
        self.assert_classifies(url)

    def test_a_service_deleted_by_hand_comes_back_with_an_address(self):
        self.wait_until_ready("quickstart")
        uid = self.uid("service", "quickstart")
        self.users.kubectl("delete", "service", "quickstart")
        self.wait_for_another("service", "quickstart", uid)

        def reported():
            ingress = self.users.get("service", "quickstart")["status"]["loadBalancer"].get("ingress")
            url = self.users.get("imageclassifier", "quickstart")["status"].get("endpoint", {}).get("url", "")
            return ingress and ingress[0]["ip"] in url

        wait_until(reported, 60, "the new Service's address in the status")
        self.assert_classifies(self.wait_until_ready("quickstart"))

    def test_an_operator_killed_between_two_writes_finishes_after_its_restart_and_makes_nothing_twice(self):
        self.apply_for_this_test(classifier("interrupted"))
        wait_until(lambda: self.uid("deployment", "interrupted"), 30, "the first object")
        leader = self.leader()
        pid, = operator_process.find(leader["metadata"]["uid"])
        operator_process.kill(pid)
        deployment = self.uid("deployment", "interrupted")
        self.assert_classifies(self.wait_until_ready("interrupted"))
        self.assertEqual(self.uid("deployment", "interrupted"), deployment)
        name = leader["metadata"]["name"]
        wait_until(lambda: self.operator_pods()[name]["status"]["containerStatuses"][0]["restartCount"] >= 1, 60, "the process to be started anew")
        self.assertEqual(len(self.users.get("replicasets", None, "--selector=app.kubernetes.io/instance=interrupted")), 1)

    def test_what_changes_while_no_operator_runs_is_done_by_the_next_one(self):
        self.apply_for_this_test(classifier("meanwhile"))
        self.wait_until_ready("meanwhile")
        pods = set(self.operator_pods())
        self.system.kubectl("delete", "pod", *pods, "--force", "--grace-period=0", "--wait=false")
        self.users.kubectl("delete", "deployment/meanwhile", "service/meanwhile")
        self.users.kubectl("patch", "imageclassifier", "meanwhile", "--type=merge", "--patch", '{"spec": {"replicas": 2}}')
        self.wait_until_available("meanwhile", replicas=2)
        self.assert_classifies(self.wait_until_ready("meanwhile"))
        self.assertEqual(set(self.operator_pods()) & pods, set())

    def wait_until_available(self, name, replicas=1):
        wait_until(lambda: (self.users.get("deployment", name) or {}).get("status", {}).get("availableReplicas") == replicas,
                   90, f"{replicas} available pods of {name}")


if __name__ == "__main__":
    end_to_end.main()
