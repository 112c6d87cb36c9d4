#!/usr/bin/python3
"""A burst of edits against a real API server. It runs alone: beside other tests the edits are read too slowly to be a burst.

IC_MOST_RECONCILES (3) is what a hundred edits may lead to. With a sanitizer they are no burst either, but one reconcile still comes
no sooner than 25 ms after another.
"""

import os
import signal
import unittest

from operator_rig import OperatorTest, resource, wait_until

from api import MERGE

MOST_RECONCILES = int(os.environ.get("IC_MOST_RECONCILES", "3"))


class Burst(OperatorTest):
    def test_a_hundred_edits_that_arrive_in_a_burst_make_at_most_three_reconciles(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        self.wait_until_settled()
        # A machine that is busy with other things reads the edits too slowly for a burst: then once more.
        for _ in range(5):
            made = self.reconciles_of_a_burst()
            print(f"100 edits: {made:.0f} reconciles")
            if made <= MOST_RECONCILES:
                break
        self.assertLessEqual(made, MOST_RECONCILES)
        self.assertGreaterEqual(made, 1)

    def reconciles_of_a_burst(self):
        before = self.operator.metric("controller_runtime_reconcile_total")
        adds = self.operator.metric("workqueue_adds_total")
        # While it stands still the edits wait in its socket; then they come as fast as they can be read.
        self.operator.process.send_signal(signal.SIGSTOP)
        try:
            api = self.api()
            for number in range(100):
                api.call("PATCH", f"/apis/imageclassifier.dev/v1alpha1/namespaces/{self.namespace}/imageclassifiers/pets",
                         {"metadata": {"annotations": {"example.com/edit": str(number)}}}, MERGE)
            api.close()
        finally:
            self.operator.process.send_signal(signal.SIGCONT)
        wait_until(lambda: self.operator.metric("workqueue_adds_total") > adds, 10, "the edits to arrive")
        self.wait_until_settled()
        return self.operator.metric("controller_runtime_reconcile_total") - before


if __name__ == "__main__":
    unittest.main()
