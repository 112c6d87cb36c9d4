#!/usr/bin/python3
"""The API server goes away for a while: how the operator waits for it, and with what it begins again.

The server is killed and comes back with empty watch caches. It then forgets what was before its start (410) for all kinds but events,
of which it keeps no watch cache; etcd's history serves their watches.
"""

import os
import subprocess
import time
import unittest
from collections import Counter, defaultdict

from operator_rig import ROOT, OperatorTest, resource, wait_until

from api import requests, seconds

OUTAGE = float(os.environ.get("IC_OUTAGE_SECONDS", "16"))
# Of the reflector: the first pause and the longest, in seconds; jitter at most doubles them.
FIRST, LONGEST = 0.8, 30
KINDS = {"imageclassifiers": ".imageclassifier.dev", "deployments": ".apps", "controllerrevisions": ".apps", "replicasets": ".apps", "pods": "", "services": "", "events": "",
         "networkpolicies": ".networking.k8s.io", "horizontalpodautoscalers": ".autoscaling", "poddisruptionbudgets": ".policy"}
LATE = 2.0  # seconds by which a busy machine may be late


class Outage(OperatorTest):
    def control_plane(self, action):
        subprocess.run([ROOT / "tests/integration/control_plane", action, "kube-apiserver", "--state", os.environ["IC_CONTROL_PLANE"]],
                       check=True)

    def test_a_server_that_is_away_is_asked_ever_more_seldom_and_nothing_is_fetched_twice_without_need(self):
        self.apply(resource("pets"), resource("dogs"))
        for name in ("pets", "dogs"):
            self.wait_for_children(name)
        self.wait_until_settled()
        self.assertEqual(self.contents(), Counter(dict.fromkeys(KINDS, 1)))
        self.control_plane("hold")
        away = time.time()
        time.sleep(OUTAGE)
        self.check_pauses(self.failures())
        back = time.time()
        self.control_plane("release")
        print(f"the API server was away for {time.time() - away:.1f} s", flush=True)
        wait_until(lambda: self.kubectl.run("get", "--raw", "/readyz", check=False).stdout == "ok", 60, "the API server")
        ready = time.time()
        self.apply(resource("pets", replicas=3))
        wait_until(lambda: self.get("deployment", "pets").get("spec", {}).get("replicas") == 3, 2 * LONGEST + 30, "the change to arrive")
        wait_until(lambda: self.watched_since(back) == set(KINDS), 2 * LONGEST + 30, "all watches to be opened again")
        wait_until(lambda: self.contents() == self.needed_contents(), 20, "what was forgotten to be asked for")
        print(f"{time.time() - ready:.1f} s after it was ready all was as before; forgotten: {self.forgotten()}", flush=True)
        self.wait_until_settled()
        self.assertEqual(self.contents(), self.needed_contents())
        self.assertEqual([event["requestURI"] for event in self.watched() if event["verb"] == "list"], [])
        self.assertEqual(self.forgotten()["events"], 0)
        self.assertLessEqual(max(self.forgotten().values()), 1)
        self.assertIsNone(self.operator.process.poll())

    def failures(self):
        """{kind: when its watch failed}"""
        found = defaultdict(list)
        for line in self.operator.lines():
            kind = line.get("resource", "").partition(".")[0]
            if line["message"] == "Watch failed" and kind in KINDS:
                found[kind].append(seconds(line["time"]))
        return found

    def check_pauses(self, failures):
        self.assertEqual(set(failures), set(KINDS))
        pauses = {kind: [later - earlier for earlier, later in zip(times, times[1:])] for kind, times in failures.items()}
        print({kind: [round(pause, 1) for pause in each] for kind, each in pauses.items()}, flush=True)
        for kind, each in pauses.items():
            with self.subTest(kind):
                self.assertGreaterEqual(len(each), 2)
                for number, pause in enumerate(each):
                    least = min(FIRST * 2 ** number, LONGEST)
                    self.assertGreaterEqual(pause, least - 0.01)
                    self.assertLessEqual(pause, 2 * least + LATE)
        first = [each[0] for each in pauses.values()]
        self.assertGreater(max(first) - min(first), 0.05, "six kinds at the same moment: there is no jitter")

    def watched(self):
        """Each list and watch that was not refused, of the killed server's too."""
        return [event for verb in ("list", "watch") for event in
                requests(self.kubectl.state, self.namespace, '"userAgent":"imageclassifier-operator', f'"verb":"{verb}"')
                if event["responseStatus"]["code"] < 300]

    def contents(self):
        """How often each kind was asked for as a whole."""
        return Counter(event["objectRef"]["resource"] for event in self.watched()
                       if event["verb"] == "list" or "sendInitialEvents" in event["requestURI"])

    def watched_since(self, moment):
        return {event["objectRef"]["resource"] for event in self.watched()
                if event["verb"] == "watch" and seconds(event["requestReceivedTimestamp"]) > moment}

    def forgotten(self):
        """{kind: how often the server said 410}"""
        return {kind: int(self.operator.metric("reflector_expired_total", resource=kind + group)) for kind, group in KINDS.items()}

    def needed_contents(self):
        return Counter({kind: 1 + times for kind, times in self.forgotten().items()})


if __name__ == "__main__":
    unittest.main()
