"""TCP connections of a process, as the kernel tells them."""

import os
import threading
from pathlib import Path

LISTENING = "0A"


def _sockets(pid):
    """Inodes of the sockets that the process has open."""
    found = set()
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        try:
            kind, _, inode = os.readlink(descriptor.path).partition(":")
        except OSError:
            continue  # closed meanwhile
        if kind == "socket":
            found.add(inode.strip("[]"))
    return found


def _remote_ports(pid):
    """{inode: remote port} of the TCP connections of all processes."""
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
    return {fields[9]: int(fields[2].rpartition(":")[2], 16) for fields in lines if fields[3] != LISTENING}


def remote_ports(pid):
    """The remote port of each TCP connection that the process has open or is opening."""
    ports = _remote_ports(pid)
    return [ports[inode] for inode in _sockets(pid) if inode in ports]


class Peak:
    """The largest number of connections to a port that a process was seen with; looks every few milliseconds until ended."""

    def __init__(self, pid, port):
        self.pid, self.port = pid, port
        self.most = self.looks = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def end(self):
        self.over.set()
        self.thread.join()

    def _run(self):
        ports = {}
        while not self.over.wait(0.002):
            sockets = _sockets(self.pid)
            if sockets - ports.keys():  # only then: the table is long
                ports = {**dict.fromkeys(sockets), **_remote_ports(self.pid)}
            self.most = max(self.most, sum(ports[inode] == self.port for inode in sockets))
            self.looks += 1
