"""libfaketime gives a process another wall clock than ours, by a file that it reads at every look; the steady clock stays."""

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

HOUR = 3600


def library():
    """Of Debian's package libfaketime, the one for programs with threads."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise AssertionError("libfaketime is missing: make deps")
    return str(found[0])


class WallClock:
    """A wall clock for processes that are started in its environment."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.ahead = 2 * HOUR
        self.jump(0)
        self.environment = {"LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def jump(self, seconds):
        self.ahead += seconds
        (self.file.parent / "new").write_text(f"{self.ahead:+d}\n")
        os.replace(self.file.parent / "new", self.file)

    def now(self):
        return datetime.now(timezone.utc) + timedelta(seconds=self.ahead)

    def error(self, moment):
        """By how many seconds a time that one of its processes wrote is off."""
        return abs((moment - self.now()).total_seconds())
