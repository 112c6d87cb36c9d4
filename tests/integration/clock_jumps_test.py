#!/usr/bin/python3
"""A wall clock that jumps by an hour while the operator leads: nothing happens.

The clock begins two hours ahead, so that no certificate of the control plane is ever from the future.
"""

import os
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

from operator_rig import OperatorTest, resource, wait_until

import leaders as rig
from api import requests
from wall_clock import HOUR, WallClock

RENEWALS = 12  # with a retry period of 0.2 s more than the time in which a lease runs out


class ClockJumps(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.clock = WallClock(self.temporary_folder())
        self.leaders = rig.Leaders(self.kubectl, self.namespace, 0)
        self.addCleanup(self.leaders.end)
        self.leader = self.leaders.start(self.clock.environment)
        wait_until(self.leaders.leading, 20, "a leader")
        self.leaders.start()  # with our clock; ready to take over
        self.apply(resource("pets"), resource("dogs"))
        for name in ("pets", "dogs"):
            self.wait_for_children(name)
        self.wait_until_settled(asked=self.asked)

    def lease(self):
        return self.get("lease", rig.LEASE)["spec"]

    def renewed(self):
        return datetime.fromisoformat(self.lease()["renewTime"].replace("Z", "+00:00"))

    def asked(self):
        """[(user, verb, URI)] of both operators so far, but for the Lease, and for a kind of others, which is looked for again and
        again; of open watches too."""
        events = requests(self.kubectl.state, self.namespace, '"userAgent":"imageclassifier-op')
        return [(event["impersonatedUser"]["username"], event["verb"], event["requestURI"]) for event in events
                if event["objectRef"]["resource"] not in ("leases", "servicemonitors")]

    def renewals(self):
        return sum(event["resource"] == "leases" for event in rig.Record(self.kubectl, self.namespace).events())

    def test_jumps_by_an_hour_make_nobody_list_write_or_lose_the_lead(self):
        before, lease = self.asked(), self.lease()
        log = len(self.leader.operator.lines())
        for jump in (HOUR, -HOUR, -HOUR, HOUR):
            self.clock.jump(jump)
            wait_until(lambda: self.clock.error(self.renewed()) < 60, 10, "the jump to be seen")
            count = self.renewals()
            wait_until(lambda: self.renewals() >= count + RENEWALS, 20, "the lease to be renewed often")
        self.assertEqual(self.asked()[len(before):], [])
        for field in ("holderIdentity", "leaseTransitions", "acquireTime"):
            self.assertEqual(self.lease().get(field), lease.get(field))
        self.assertEqual([line["message"] for line in self.leader.operator.lines()[log:]], [])
        self.apply(resource("pets", replicas=3))
        wait_until(lambda: self.get("deployment", "pets")["spec"]["replicas"] == 3, 20, "it to go on working")
        self.assertEqual({write["user"] for write in rig.Record(self.kubectl, self.namespace).writes()}, {self.leader.name})
        self.assertTrue(self.leader.is_running())


if __name__ == "__main__":
    unittest.main()
