#!/usr/bin/python3
"""Two hundred resources of one identity, and two operators: Entra is asked once for each rotation, and not by the one that takes
over."""

import functools
import os
import time
import unittest
import uuid
from itertools import pairwise

import leaders
from metrics_test import NAMES_RESOURCES
from operator_rig import resource, wait_until
from registry_rig import RegistryTest

TENANT, PRINCIPAL = (f"{digit}1111111-2222-3333-4444-555555555555" for digit in "ab")
RESOURCES, REPOSITORIES = 200, 10
ROTATED = int(os.environ.get("IC_ROTATED", "40"))  # of them, see three rotations one after the other
LIFE = 16  # seconds of every token
SERVES = 0.8  # of its life: how long a token of Entra's, or the registry's for it, is shown again (kUsableShare of registry/mint.cpp)


class Shared(RegistryTest):
    def moments(self, route, since=0.0):
        """When it was asked, in seconds; in order."""
        return sorted(entry["time"] for entry in self.stand.requests(route) if entry["grant"] != "" and entry["time"] >= since)

    def renewals(self, route, changed):
        """The same for what is asked with the secret of since then: of an exchange, from Entra's first token for it on."""
        return self.moments(route, min(self.moments("entra", changed), default=time.time()))

    def asked(self, route):
        return len(self.moments(route))

    def minted(self):
        ready = [self.condition_of(item) for item in self.get("ic")["items"]]
        return sum(entry == "Minted" for entry in ready)

    @staticmethod
    def condition_of(item):
        return next((entry["reason"] for entry in item.get("status", {}).get("conditions", []) if entry["type"] == "CredentialReady"), "")

    def start_one(self):
        times = [word for name, seconds in leaders.TIMES.items() for word in (f"--leader-elect-{name}", f"{int(seconds * 1000)}ms")]
        return self.start(*self.configuration(clouds={"Public": {"authority": self.stand.host, "servers": [self.stand.host]}}), "--leader-elect",
                          "--leader-elect-resource-namespace", self.namespace, *times)

    def leads(self, operator):
        return operator.metric("leader_election_master_status") == 1

    @staticmethod
    def ends_told(operator):
        """Of how many resources it tells when their credentials end."""
        return operator.ask("/metrics")[1].count(f"\n{NAMES_RESOURCES}{{")

    def test_one_identity_is_shown_once_for_each_rotation_however_many_resources_have_it(self):
        rights = {"repositories": {"*": ["pull"]}, "tenant": TENANT}
        self.stand.applications = {PRINCIPAL: {"secret": "s", **rights}}
        both = [self.start_one(), self.start_one()]
        principal = {"tenantID": TENANT, "clientID": PRINCIPAL, "clientSecret": {"name": "application", "key": "secret"}}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "application"}, "stringData": {"secret": "s"}},
                   *(resource(f"r-{number}", image=self.image("1", f"team/r-{number % REPOSITORIES}"), suspend=True,
                              registry={"auth": {"servicePrincipal": principal}, "preflight": "Off"}) for number in range(RESOURCES)))
        wait_until(lambda: self.minted() == RESOURCES, 300, "all credentials")
        # Each repository has a token of its own, shared by those who want it at the same time.
        asked = self.asked("entra"), self.asked("exchange"), self.asked("token")
        self.assertEqual(asked[:2], (1, 1))
        self.assertLess(asked[2], RESOURCES / 4)

        leader = wait_until(lambda: next((one for one in both if self.leads(one)), None), 10, "a leader")
        other, = [one for one in both if one is not leader]
        wait_until(lambda: self.ends_told(leader) == RESOURCES, 20, "the metrics of the leader")
        self.assertEqual(self.ends_told(other), 0)
        self.stop(leader)
        wait_until(lambda: self.leads(other), 20, "the other one to lead")
        self.run_kubectl("annotate", "ic", "--all", f"example.com/touched={uuid.uuid4()}")
        wait_until(lambda: other.metric("controller_runtime_reconcile_total") >= RESOURCES, 60, "a pass over each")
        wait_until(lambda: self.ends_told(other) == RESOURCES, 20, "the metrics of the new leader")
        self.assertEqual((self.asked("entra"), self.asked("exchange"), self.asked("token")), asked)

        # From now on tokens are short-lived, beginning with another secret.
        if left := [f"r-{number}" for number in range(ROTATED, RESOURCES)]:
            self.run_kubectl("delete", "ic", *left)
        failures = functools.partial(other.metric, "imageclassifier_credential_mints_total", result="failed")
        failed_before = failures()
        self.stand.access_lifetime = self.stand.refresh_lifetime = self.stand.entra_lifetime = LIFE
        # Before it a resource that goes may have been seen without its credential, and have asked with the former secret.
        changed = time.time()
        self.stand.applications[PRINCIPAL]["secret"] = "t"
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "application"}, "stringData": {"secret": "t"}})
        self.run_kubectl("annotate", "ic", "--all", f"example.com/touched={uuid.uuid4()}", "--overwrite")
        third = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2.3 * LIFE))
        wait_until(lambda: self.get("secret", "r-0-acr-pull")["metadata"]["annotations"]["imageclassifier.dev/expires-at"] >= third
                   and all(len(self.renewals(route, changed)) > 1 for route in ("entra", "exchange")), 20 * LIFE, "three rotations")
        # On a starved machine a token ends on its way, which fails a credential: only then may somebody ask before it is time.
        failed = failures() - failed_before
        # What Entra says in expires_in begins with its answer; the registry's exp is a whole second, so up to one sooner.
        for route, life in (("entra", LIFE), ("exchange", LIFE - 1)):
            moments = self.renewals(route, changed)
            early = [later - former for former, later in pairwise(moments) if later - former < SERVES * life]
            self.assertLessEqual(len(early), failed, f"{route}: seconds between two of {moments}")


if __name__ == "__main__":
    unittest.main()
