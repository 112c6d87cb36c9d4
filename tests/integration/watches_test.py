#!/usr/bin/python3
"""What the operator asks for when it fills its caches and keeps them: selectors in every list and watch, read from the audit log."""

import unittest
from urllib.parse import parse_qs, urlsplit

from operator_rig import OperatorTest, resource, wait_until

from api import requests

OURS = {"labelSelector": ["app.kubernetes.io/managed-by=imageclassifier-operator"]}
ASKED = {"imageclassifiers": {}, "deployments": OURS, "controllerrevisions": OURS, "replicasets": OURS, "pods": OURS, "services": OURS,
         "networkpolicies": OURS, "horizontalpodautoscalers": OURS, "poddisruptionbudgets": OURS,
         "servicemonitors": OURS, "events": {"fieldSelector": ["involvedObject.kind=Service"]}}
SERVED = set(ASKED) - {"servicemonitors"}  # a kind of others, which is looked for again and again


class Watches(OperatorTest):
    starts_operator = False

    def asked(self, verb):
        """(resource, query) of every request of this verb, answered or still open."""
        events = requests(self.kubectl.state, self.namespace, '"userAgent":"imageclassifier-operator', f'"verb":"{verb}"')
        return [(event["objectRef"]["resource"], parse_qs(urlsplit(event["requestURI"]).query)) for event in events]

    def check(self, option, lists):
        self.start(option, "--watch-idle-timeout", "1")
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        wait_until(lambda: all([kind for kind, _ in self.asked("watch")].count(kind) >= 3 for kind in SERVED), 30, "watches to be opened anew")
        for kind, query in self.asked("list") + self.asked("watch"):
            with self.subTest(kind):
                selectors = {key: value for key, value in query.items() if key.endswith("Selector")}
                self.assertEqual(selectors, ASKED[kind])
        listed = [kind for kind, _ in self.asked("list") if kind in SERVED]
        streamed = [kind for kind, query in self.asked("watch") if kind in SERVED and "sendInitialEvents" in query]
        self.assertEqual(sorted(listed), sorted(SERVED) if lists else [])
        self.assertEqual(sorted(streamed), [] if lists else sorted(SERVED))

    def test_children_are_streamed_and_watched_by_their_label(self):
        self.check("--stream-lists", lists=False)

    def test_children_are_listed_and_watched_by_their_label(self):
        self.check("--no-stream-lists", lists=True)


if __name__ == "__main__":
    unittest.main()
