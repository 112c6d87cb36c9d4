"""The operator's process as the machine sees it: the node's processes are visible from outside its namespaces."""

import os
import signal
from pathlib import Path

PROGRAM = "/usr/bin/imageclassifier-operator"


def _namespace(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def all_pids():
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def find(pod_uid):
    """The pids whose command line is the operator's and whose cgroup is the pod's."""
    found = []
    for pid in all_pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            groups = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue
        if words[0].decode(errors="replace") == PROGRAM and pod_uid in groups.replace("_", "-"):
            found.append(pid)
    return found


def beside(pid):
    """The processes that share the process's own pid namespace."""
    own = _namespace(pid)
    return [other for other in all_pids() if other != pid and own and _namespace(other) == own]


def children_ever(pid):
    """True when the process has waited for a child: the kernel adds a child's page faults and time to its parent's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    cminflt, cmajflt, cutime, cstime = (int(fields[index]) for index in (8, 10, 13, 14))
    return (cminflt, cmajflt, cutime, cstime) != (0, 0, 0, 0)


def kill(pid):
    os.kill(pid, signal.SIGKILL)
