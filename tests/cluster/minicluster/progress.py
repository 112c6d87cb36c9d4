"""What the user sees while something takes its time, and the stage times that are reported afterwards."""

import sys
import time
from contextlib import contextmanager


def say(message):
    print(message, flush=True)


class Stages:
    """Prints each stage when it is done, with the seconds it took, and keeps the list for state.json."""

    def __init__(self, title):
        self.title = title
        self.done = []
        self.begin = time.monotonic()

    @contextmanager
    def stage(self, name):
        begin = time.monotonic()
        yield
        seconds = time.monotonic() - begin
        self.done.append({"name": name, "seconds": round(seconds, 2)})
        say(f"{self.title}: {name} ({seconds:.1f} s)")

    def total(self):
        return time.monotonic() - self.begin


class Failure(Exception):
    """An expected failure: its text is one sentence for the user, no traceback is shown."""

    status = 1


def exit_with_sentence(program, main):
    """Runs main and turns a Failure into one line on stderr and its exit status."""
    try:
        sys.exit(main())
    except Failure as failure:
        print(f"{program}: {failure}", file=sys.stderr)
        sys.exit(failure.status)
    except KeyboardInterrupt:
        print(f"{program}: interrupted", file=sys.stderr)
        sys.exit(130)


def wait_until(condition, timeout, what, interval=0.05, between=None):
    """Polls condition() until it is true; raises Failure after timeout seconds. between() runs after each try."""
    end = time.monotonic() + timeout
    while not condition():
        if between:
            between()
        if time.monotonic() > end:
            raise Failure(f"gave up waiting for {what} after {timeout:.0f} s")
        time.sleep(interval)
