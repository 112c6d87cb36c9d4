"""The cluster's folders in the cgroup file systems: <root>/<name>/{system,...}; the kubelet adds its own below <name>.

Version 1 (one hierarchy per controller, all of them get the folder) and version 2 (one hierarchy) are both handled;
version 2 could not be tried on the machine where this was written.
"""

import os
import signal
import time
from pathlib import Path

from .progress import Failure


def hierarchies():
    """Mount points of the cgroup file systems that can hold processes of ours, with their version."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind = after.split()[0]
        if kind in ("cgroup", "cgroup2"):
            found.append((Path(before.split()[4]), 1 if kind == "cgroup" else 2))
    return list(dict.fromkeys(found))


def folders(name):
    return [root / name for root, _ in hierarchies()]


def make(name):
    """Creates the folders and returns the leaves that the cluster's own processes belong in."""
    leaves = []
    unified_only = all(version == 2 for _, version in hierarchies())
    for root, version in hierarchies():
        if version == 2 and not unified_only:
            continue  # beside version 1 it has no controllers; the kubelet still makes folders there: remove() knows
        leaf = root / name / "system"
        leaf.mkdir(parents=True, exist_ok=True)
        for folder in (leaf.parent, leaf):
            if version == 2:
                _delegate(folder.parent)
            elif (folder / "cpuset.cpus").exists():
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (folder / file).write_text((folder.parent / file).read_text())
        _weigh(leaf.parent)
        leaves.append(leaf)
    return leaves


def _weigh(folder):
    """A whole cluster stands beside single processes here: with the weight of one, a compiler or two would starve it."""
    for file, weight in (("cpu.shares", "8192"), ("cpu.weight", "800")):
        if (folder / file).exists():
            (folder / file).write_text(weight)


def _delegate(folder):
    available = (folder / "cgroup.controllers").read_text().split()
    for controller in {"cpu", "cpuset", "io", "memory", "pids", "hugetlb"} & set(available):
        try:
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError as error:
            raise Failure(f"cannot hand the controller {controller} down from {folder}: {error.strerror}") from error


def join(leaves):
    """Moves the calling process; for preexec_fn."""
    for leaf in leaves:
        (leaf / "cgroup.procs").write_text(str(os.getpid()))


def members(name):
    """Pids of all processes below the folders."""
    pids = set()
    for root in folders(name):
        for directory, _, files in os.walk(root):
            if "cgroup.procs" in files:
                try:
                    pids.update(int(pid) for pid in (Path(directory) / "cgroup.procs").read_text().split())
                except OSError:
                    continue  # removed meanwhile
    return pids - {0}


def kill(name, timeout=20):
    """Ends every process below the folders, however it was started."""
    limit = time.monotonic() + timeout
    while True:
        pids = members(name)
        if not pids:
            return
        if time.monotonic() > limit:
            raise Failure(f"processes of {name} do not end: {sorted(pids)}")
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)


def remove(name, timeout=10):
    """Removes the folders, deepest first; they must be free of processes."""
    limit = time.monotonic() + timeout
    while True:
        for root in folders(name):
            for directory, _, _ in os.walk(root, topdown=False):
                try:
                    os.rmdir(directory)
                except OSError:
                    pass
        left = [root for root in folders(name) if root.exists()]
        if not left:
            return
        if time.monotonic() > limit:
            raise Failure(f"cannot remove {', '.join(map(str, left))}")
        time.sleep(0.05)
