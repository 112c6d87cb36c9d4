"""What `make bench-inference` says, and what it remembers of its targets."""

import sys
import time

TIE = 1.05  # differences under 5 % are ties
RESULTS = []


def say(text):
    print(text, flush=True)


class Progress:
    """Says on standard error what goes on, no more often than every two seconds."""

    def __init__(self, title):
        self.title, self.last = title, time.monotonic()

    def at(self, text):
        if time.monotonic() - self.last >= 2:
            self.last = time.monotonic()
            print(f"  ... {self.title}: {text}", file=sys.stderr, flush=True)


def report(name, measured, target, met):
    RESULTS.append(met)
    say(f"{name} {measured} {target} {'met' if met else 'missed'}")


def at_most(name, value, limit, unit=""):
    report(name, f"{value:.2f}{unit}", f"<={limit}{unit}", value <= limit)


def at_least(name, value, limit, unit=""):
    report(name, f"{value:.2f}{unit}", f">={limit}{unit}", value >= limit)
