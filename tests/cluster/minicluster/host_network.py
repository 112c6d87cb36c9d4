"""The cluster's two marks in the machine's network: one end of a veth pair, and three routes."""

import subprocess
from pathlib import Path

from .layout import NODE_INTERFACE
from .progress import Failure, wait_until


def _ip(*words, check=True):
    result = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise Failure(f"ip {' '.join(words)}: {result.stderr.strip()}")
    return result


def connect(layout, pid):
    """pid: a process in the node's network namespace."""
    _ip("link", "add", layout.host_interface, "type", "veth", "peer", "name", NODE_INTERFACE, "netns", str(pid))
    _ip("addr", "add", f"{layout.host_address}/24", "dev", layout.host_interface)
    _ip("link", "set", layout.host_interface, "up")
    for route in layout.routes:
        _ip("route", "replace", *route.split())


def disconnect(layout):
    _ip("link", "del", layout.host_interface, check=False)
    for route in layout.routes:
        _ip("route", "del", *route.split(), check=False)
    wait_until(lambda: not present(layout), 10, f"the network device {layout.host_interface} to go")


def present(layout):
    return Path(f"/sys/class/net/{layout.host_interface}").exists()


def routes(layout):
    """The routes for the cluster's addresses that the machine has now, as `ip route` prints them."""
    lines = _ip("route", "show", "table", "main").stdout.splitlines()
    prefixes = (layout.node_subnet, layout.pool_subnet)
    return [line.strip() for line in lines if any(prefix in line.split() for prefix in prefixes)]
