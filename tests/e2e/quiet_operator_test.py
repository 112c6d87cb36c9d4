#!/usr/bin/python3
"""How the operator behaves towards the machine and the API server: one process, watches, and no LIST by the clock."""

import collections
import re

import end_to_end
import operator_process
from end_to_end import OPERATOR_NAMESPACE, EndToEnd, audit_events, run


class QuietOperator(EndToEnd):
    def pids(self):
        for pod in self.system.get("pods", None, "--selector=app.kubernetes.io/name=imageclassifier-operator"):
            yield from operator_process.find(pod["metadata"]["uid"])

    def test_the_operator_is_one_process_that_never_had_a_child(self):
        pids = list(self.pids())
        self.assertEqual(len(pids), 2)
        for pid in pids:
            self.assertEqual(operator_process.beside(pid), [])
            self.assertFalse(operator_process.children_ever(pid))

    def test_its_image_holds_no_other_program(self):
        pid = next(self.pids())
        found = run("find", f"/proc/{pid}/root/usr/bin", f"/proc/{pid}/root/usr/lib", "-type", "f", "(", "-path", "*/bin/*", "-o", "-name", "sh", ")")
        self.assertEqual([path.rpartition("/")[2] for path in found.split()], ["imageclassifier-operator"])

    def test_each_kind_is_listed_at_most_once_per_start_of_the_operator_over_the_whole_run(self):
        events = audit_events("")
        watched = {event["objectRef"]["resource"] for event in events if event["verb"] == "watch"}
        self.assertLessEqual({"imageclassifiers", "deployments", "services", "pods"}, watched)
        starts = self.starts()
        # The events of a pod that does not start are read by its uid; of nodes, one is asked for at a time.
        small = re.compile("/events[?].*involvedObject.uid|/nodes[?](.*&)?limit=1(&|$)")
        lists = collections.Counter(event["objectRef"]["resource"] for event in events if (event["verb"], event["stage"]) == ("list", "ResponseComplete")
                                    and not small.search(event["requestURI"]))
        for resource, count in lists.items():
            self.assertLessEqual(count, starts, lists)

    def starts(self):
        """Each container start is one; the pods that are gone are counted from the node's events."""
        events = self.system.get("events", None, "--field-selector=reason=Started")
        return sum(event.get("count", 1) for event in events if OPERATOR_NAMESPACE == event["involvedObject"]["namespace"])

    def test_secrets_are_read_by_name_and_never_listed_or_watched(self):
        verbs = {event["verb"] for event in audit_events("") if event.get("objectRef", {}).get("resource") == "secrets"}
        self.assertEqual(verbs & {"list", "watch", "deletecollection"}, set())

    def test_the_operator_was_refused_nothing_but_what_a_role_of_the_user_grants(self):
        """The token of an account, before e2e_pull lets it be asked for."""
        refused = [(event["verb"], event["requestURI"]) for event in audit_events("")
                   if event.get("responseStatus", {}).get("code") in (401, 403) and not event["requestURI"].endswith("/serviceaccounts/image-puller/token")]
        self.assertEqual(refused, [])


if __name__ == "__main__":
    end_to_end.main()
