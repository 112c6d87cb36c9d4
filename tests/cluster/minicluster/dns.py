"""Cluster DNS: Debian's dnsmasq for the answers, and a small program that keeps its hosts file true to the Services.

`<service>.<namespace>.svc.cluster.local` has the Service's cluster address. Not done, because nothing here needs it:
names of pods, headless Services, SRV records and reverse look-ups.
"""

import json
import os
import time
from pathlib import Path

from .control_plane import ApiClient
from .layout import INSIDE, INSIDE_SOURCE, REGISTRY_HOST, STORAGE_HOST
from .pki import Pki

_DOMAIN = "svc.cluster.local"
_HOSTS = INSIDE / "data" / "dns"


def start(supervisor, layout):
    _HOSTS.mkdir()
    supervisor.start("dns", "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=",
                     f"--listen-address={layout.node_address}", "--bind-interfaces", "--no-resolv", "--no-hosts",
                     "--local=//", "--local=/#/", f"--host-record={REGISTRY_HOST},{STORAGE_HOST},{layout.node_address}",
                     f"--hostsdir={_HOSTS}", "--local-ttl=2", "--log-facility=-")
    supervisor.start("dns-records", "/usr/bin/python3", INSIDE_SOURCE / "cluster" / "cluster", "dns-records")


def records(services):
    """The hosts file for these Services, {(namespace, name): cluster address}."""
    return "".join(f"{address} {name}.{namespace}.{_DOMAIN}\n" for (namespace, name), address in sorted(services.items()))


def _apply(services, event):
    metadata = event["object"]["metadata"]
    address = event["object"].get("spec", {}).get("clusterIP")
    key = (metadata["namespace"], metadata["name"])
    if event["type"] == "DELETED" or address in (None, "", "None"):
        services.pop(key, None)
    else:
        services[key] = address


def _write(services):
    temporary = _HOSTS.parent / "dns-records.new"
    temporary.write_text(records(services))
    os.replace(temporary, _HOSTS / "services")  # dnsmasq watches the folder


def serve():
    """Lists once, then watches; whatever goes wrong, it lists again."""
    api = ApiClient("https://127.0.0.1:6443", Pki(INSIDE / "pki"), "dns")
    while True:
        try:
            _follow(api)
        except (OSError, ValueError, KeyError) as error:
            print(f"starting over: {error}", flush=True)
        time.sleep(1)


def _follow(api):
    found = api.get("/api/v1/services")
    if found is None:
        return
    services = {}
    for item in found["items"]:
        _apply(services, {"type": "ADDED", "object": item})
    _write(services)
    version = found["metadata"]["resourceVersion"]
    with api.open(f"/api/v1/services?watch=1&resourceVersion={version}", timeout=None) as stream:
        for line in stream:
            event = json.loads(line)
            if event["type"] == "ERROR":
                return
            _apply(services, event)
            _write(services)
