"""What is printed while something takes its time, and the table of stages at the end."""

import time
from contextlib import contextmanager

from . import Failure


def say(message=""):
    print(message, flush=True)


class Stages:
    """A list of named stages, run one after the other. A stage that fails stops the list; the rest counts as skipped."""

    def __init__(self, names):
        self.names = list(names)
        self.done = []  # (name, seconds, outcome)
        self.begin = time.monotonic()

    @contextmanager
    def stage(self, name):
        say(f"\n== {name}")
        begin = time.monotonic()
        outcome = "failed"
        try:
            yield
            outcome = "passed"
        finally:
            self.done.append((name, time.monotonic() - begin, outcome))

    def print_table(self):
        say("\nWhat took the time:")
        for name, seconds, outcome in self.done:
            say(f"  {seconds:7.1f} s  {name}{'' if outcome == 'passed' else f'  ({outcome})'}")
        say(f"  {time.monotonic() - self.begin:7.1f} s  together")

    def print_count(self):
        """The last line of a run. True when everything passed."""
        passed = sum(outcome == "passed" for _, _, outcome in self.done)
        failed = len(self.done) - passed
        say(f"{passed} passed, {failed} failed, {len(self.names) - len(self.done)} skipped")
        return failed == 0 and passed == len(self.names)


def wait_until(condition, timeout, what, interval=0.2):
    """The first value of condition() that is true; Failure after timeout seconds. what: a text, or a function that
    makes one from what was last seen."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"gave up after {timeout:.0f} s waiting for {what() if callable(what) else what}")
        time.sleep(interval)
