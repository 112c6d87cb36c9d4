#!/usr/bin/python3
"""spec.schedule on a real API server: pods go and come at the windows' edges by the operator's wall clock, which is another than
ours so that nobody waits for the next minute."""

import unittest
from datetime import timedelta
from zoneinfo import ZoneInfo

from operator_rig import OperatorTest, condition, resource, wait_until

from wall_clock import WallClock

ZONE = "Asia/Kolkata"  # half an hour beside the full one
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BEFORE = 15  # seconds


def window(begin, end):
    """Both in UTC."""
    local = begin.astimezone(ZoneInfo(ZONE)), end.astimezone(ZoneInfo(ZONE))
    return {"days": [DAYS[local[0].weekday()]], "start": f"{local[0]:%H:%M}", "end": f"{local[1]:%H:%M}"}


class Schedule(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.clock = WallClock(self.temporary_folder())
        self.clock.jump((60 - BEFORE - self.clock.now().second) % 60)
        self.edge = (self.clock.now() + timedelta(seconds=60)).replace(second=0, microsecond=0)
        self.start(environment=self.clock.environment)

    def replicas(self):
        return self.get("deployment", "pets").get("spec", {}).get("replicas")

    def status(self):
        return self.get("ic", "pets").get("status", {})

    def wait_for_edge(self, replicas):
        """The number changes at the edge, not before it and soon after it."""
        wait_until(lambda: self.replicas() == replicas, BEFORE + 30, f"{replicas} replicas")
        late = (self.clock.now() - self.edge).total_seconds()
        print(f"{late:.1f} s after the edge", flush=True)
        self.assertGreaterEqual(late, 0)
        self.assertLess(late, 5)

    def test_pods_go_when_the_last_window_closes_and_the_address_stays(self):
        self.apply(resource("pets", replicas=2, schedule={"timeZone": ZONE, "windows": [window(self.edge - timedelta(hours=1), self.edge)]}))
        self.wait_for_children("pets")
        self.assertEqual(self.replicas(), 2)
        self.assertEqual(self.status()["nextScheduledChange"], f"{self.edge:%Y-%m-%dT%H:%M:%SZ}")
        service = self.uid("service", "pets")
        self.wait_for_edge(0)
        self.wait_for("pets", "Suspended", "True", "Suspended")
        self.assertIn("no window of spec.schedule is open", condition(self.get("ic", "pets"), "Suspended")["message"])
        self.assertEqual(self.uid("service", "pets"), service)
        self.wait_until_settled()

    def test_pods_come_when_a_window_opens_with_the_replicas_that_it_names(self):
        peak = {**window(self.edge, self.edge + timedelta(hours=1)), "replicas": 3}
        self.apply(resource("pets", schedule={"timeZone": ZONE, "windows": [peak]}))
        self.wait_for_children("pets")
        self.wait_for("pets", "Suspended", "True", "Suspended")
        self.assertEqual(self.replicas(), 0)
        self.wait_for_edge(3)
        self.wait_for("pets", "Suspended", "False", "PodsWanted")

    def test_a_time_zone_that_does_not_exist_is_named_and_takes_nothing_down(self):
        self.apply(resource("pets", replicas=2))
        self.wait_for_children("pets")
        wait_until(lambda: self.replicas() == 2, 20, "the pods")
        self.apply(resource("pets", replicas=2, schedule={"timeZone": "Europe/Atlantis", "windows": [window(self.edge, self.edge + timedelta(hours=1))]}))
        entry = self.wait_for("pets", "Stalled", "True", "TimeZoneInvalid")
        self.assertIn("Europe/Atlantis", entry["message"])
        self.assertEqual(self.replicas(), 2)


if __name__ == "__main__":
    unittest.main()
