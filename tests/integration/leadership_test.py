#!/usr/bin/python3
"""Several operators of which one works at a time, against a real API server whose audit log says who wrote when."""

import os
import signal
import statistics
import time
import unittest

from operator_rig import OperatorTest, resource, wait_until

import leaders as rig

ROUNDS = int(os.environ.get("IC_ROUNDS", "6"))
SEED = int(os.environ.get("IC_SEED", "1"))


class Leadership(OperatorTest):
    starts_operator = False

    def lead(self, count, *options):
        found = rig.Leaders(self.kubectl, self.namespace, count, *options)
        self.addCleanup(found.end)
        return found

    def record(self):
        return rig.Record(self.kubectl, self.namespace)

    def test_one_of_two_leads_the_other_is_ready_and_takes_over_at_once_when_the_first_ends(self):
        both = self.lead(2)
        first = wait_until(both.leading, 20, "a leader")
        second, = (one for one in both.all if one is not first)
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        wait_until(lambda: second.operator.ask("/readyz")[0] == 200, 20, "the follower to be ready")
        self.assertEqual(first.operator.metric("leader_election_master_status"), 1)
        self.assertEqual(second.operator.metric("leader_election_master_status"), 0)
        self.assertIn("[+]lease ok", second.operator.ask("/healthz?verbose")[1])
        first.send(signal.SIGTERM)
        self.assertEqual(first.operator.process.wait(timeout=10), 0)
        self.apply(resource("pets", replicas=3))
        wait_until(lambda: self.get("deployment", "pets")["spec"]["replicas"] == 3, 20, "the second to work")
        self.assertEqual({write["user"] for write in self.record().writes()}, {first.name, second.name})
        self.assertEqual(self.record().overlaps(), [])

    def test_after_the_crash_of_the_leader_the_other_one_leads_within_the_lease_and_two_retries(self):
        both = self.lead(2)
        first = wait_until(both.leading, 20, "a leader")
        second, = (one for one in both.all if one is not first)
        wait_until(lambda: second.operator.ask("/readyz")[0] == 200, 20, "the follower to be ready")
        crashed = time.time()
        first.send(signal.SIGKILL)
        took = wait_until(second.began_to_lead, rig.LONGEST_FAIL_OVER + 5, "the follower to lead") - crashed
        print(f"leadership: fail-over after a crash {took:.2f} s, at most {rig.LONGEST_FAIL_OVER:.2f} s", flush=True)
        self.assertLessEqual(took, rig.LONGEST_FAIL_OVER)
        self.assertEqual(both.leading(), second)

    def test_paused_killed_and_ended_leaders_never_write_beside_the_next_one(self):
        print(f"leadership: seed {SEED}, {ROUNDS} rounds", flush=True)
        both = self.lead(2)
        edits = rig.Edits(self.api(), self.namespace, ["pets", "cars", "birds"])
        self.addCleanup(edits.end)
        taken = rig.disturb(both, self.record(), ROUNDS, SEED)
        self.assertEqual(self.record().overlaps(), [])
        self.assertGreater(len(self.record().terms()), 1)
        if taken:
            print(f"leadership: hand-over p50 {statistics.median(taken):.2f} s, longest {max(taken):.2f} s of {len(taken)}", flush=True)

    def test_a_leader_that_is_frozen_in_the_middle_of_a_write_is_ended_before_others_may_take_over(self):
        slow = self.lead(1, "--inject-faults", "write=latency:ms=300")
        first = wait_until(slow.leading, 20, "a leader")
        edits = rig.Edits(self.api(), self.namespace, ["pets", "cars", "birds"])
        self.addCleanup(edits.end)
        wait_until(lambda: self.record().writes(), 20, "a first write")
        slow.start()
        for _ in range(20):
            first.send(signal.SIGSTOP)
            # Long enough for the timer, too short for the lease to run out if no write was under way: then once more.
            deadline = time.monotonic() + 1.4
            wait_until(lambda: not first.is_running() or time.monotonic() > deadline, 5, "the timer or the time")
            if not first.is_running():
                break
            first.send(signal.SIGCONT)
            wait_until(slow.leading, 20, "a leader")
        self.assertEqual(first.operator.process.returncode, -signal.SIGKILL)
        written = time.time()
        wait_until(lambda: self.record().first_write_after(written, first.name), 20, "another one to write")
        self.assertEqual(self.record().overlaps(), [])

    def test_a_leader_that_cannot_reach_its_lease_stops_writing_before_others_may_take_over(self):
        # Only the requests for the Lease are lost, as from the tenth on: its other connections work.
        cut_off = self.lead(1, "--inject-faults", "any@leases=reset:after=10,in-a-row=1000000")
        first = wait_until(cut_off.leading, 20, "a leader")
        edits = rig.Edits(self.api(), self.namespace, ["pets"])
        self.addCleanup(edits.end)
        second = rig.Leaders(self.kubectl, self.namespace, 0)
        second.started = 1
        self.addCleanup(second.end)
        other = second.start()
        wait_until(lambda: '"Started leading"' in other.log(), 20, "the other one to lead")
        self.assertIn('"Stopped leading"', first.log())
        count = len([write for write in self.record().writes() if write["user"] == other.name])
        wait_until(lambda: len([write for write in self.record().writes() if write["user"] == other.name]) > count, 20, "it to write")
        self.assertEqual(self.record().overlaps(), [])
        self.assertTrue(first.is_running(), "losing the lead ends no process")
        self.assertTrue([write for write in self.record().writes() if write["user"] == first.name])

    def test_a_leader_whose_request_hangs_ends_within_ten_seconds_of_SIGTERM(self):
        one = self.lead(1, "--inject-faults", "write@/deployments/=hold:after=1:ms=60000")
        wait_until(one.leading, 20, "a leader")
        self.apply(resource("pets"), resource("cars"))
        wait_until(lambda: self.get("service", "pets") or self.get("service", "cars") or self.get("deployment", "pets"), 20, "a first write")
        started = time.monotonic()
        one.all[0].send(signal.SIGTERM)
        self.assertEqual(one.all[0].operator.process.wait(timeout=15), 0)
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(one.holder(), "", "the Lease is given back")


if __name__ == "__main__":
    unittest.main()
