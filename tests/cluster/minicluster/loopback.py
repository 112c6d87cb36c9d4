"""etcd, API server and controller manager on the loopback interface, as ordinary processes of any user.

One supervisor process holds them: they die with it (PR_SET_PDEATHSIG), so ending that one process ends everything,
and it ends itself when its folder disappears.
"""

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import processes, state, tools
from .control_plane import ApiClient, ControlPlane
from .pki import Pki
from .progress import Failure, Stages, say, wait_until


@dataclass
class Options:
    """second_server: one more API server on the same etcd, which it reaches by etcd_path.py. flags: more of them for kube-apiserver."""

    second_server: bool = False
    flags: list = field(default_factory=list)

    def words(self):
        return (["--second-server"] if self.second_server else []) + [f"--server-flag={flag}" for flag in self.flags]


def up(program, folder, options):
    """program: the script that was called; it is called again as `program supervise --state folder`."""
    folder = Path(folder).absolute()
    down(folder)
    tools.ensure(("etcd", "kubernetes"))
    folder.mkdir(parents=True, exist_ok=True)
    stages = Stages("control plane")
    with open(folder / "supervisor.log", "wb") as log:
        supervisor = subprocess.Popen([sys.executable, program, "supervise", "--state", str(folder), *options.words()],
                                      cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def ready():
        if supervisor.poll() is not None:
            raise Failure(f"it ended before it was ready: see {folder}/supervisor.log and {folder}/log/")
        return (state.read(folder) or {}).get("phase") == "ready"

    try:
        with stages.stage("etcd, API server and controller manager are ready"):
            wait_until(ready, 120, "the control plane")
    except BaseException:
        supervisor.kill()
        raise
    say(f"export KUBECONFIG={folder}/kubeconfig")


def down(folder):
    """Ends everything and removes what was made, but the logs; right after a crash as well."""
    folder = Path(folder).absolute()
    content = state.read(folder) or {}
    known = content.get("processes", [])
    for process in known:  # the supervisor comes first and takes the others with it
        processes.end(process, grace=10)
    for name in ("data", "kubeconfig", "state.json", "state.new"):
        place = folder / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def hold(folder, component):
    """Kills it and keeps it from being started again, until release()."""
    running = _component(folder, component)
    _held(folder, component).touch()
    os.kill(running["pid"], signal.SIGKILL)
    wait_until(lambda: not processes.alive(running), 10, f"the end of {component}")


def release(folder, component):
    """Returns when it runs; not when it is ready."""
    _held(folder, component).unlink()
    wait_until(lambda: _component(folder, component), 10, f"{component} to be started")


def _held(folder, component):
    return Path(folder).absolute() / "data" / f"{component}.held"


def _component(folder, name):
    known = (state.read(folder) or {}).get("processes", [])
    return next((process for process in known if process["name"] == name and processes.alive(process)), None)


def supervise(program, folder, options):
    folder = Path(folder).absolute()
    me = processes.identity("supervisor", os.getpid())
    state.write(folder, {"phase": "starting", "processes": [me]})
    supervisor = processes.Supervisor(folder / "log", held=lambda name: _held(folder, name).exists())
    try:
        plane = _start(supervisor, folder, options.flags)
        second = _start_second(supervisor, program, plane, options.flags) if options.second_server else {}
        _write_ready(supervisor, folder, me, plane, second)
        while not supervisor.stopping and state.path(folder).exists():
            if supervisor.tend():
                _write_ready(supervisor, folder, me, plane, second)
            time.sleep(0.2)
    finally:
        supervisor.end_all()


def _start(supervisor, folder, flags):
    data = folder / "data"
    data.mkdir(mode=0o700)
    ports = _free_ports(3)
    plane = ControlPlane(tools.ensure(("etcd", "kubernetes")), Pki(data / "pki"), data, bind="127.0.0.1",
                         port=ports[0], etcd_port=ports[1], etcd_peer_port=ports[2])
    plane.pki.create("imageclassifier-test-ca")
    plane.issue_certificates()
    supervisor.start("etcd", *plane.etcd())
    # For clients that ask for this name: a certificate that a test may replace, beside the one that everybody else relies on.
    changing = "changing.test"
    plane.pki.issue("changing", "/CN=kube-apiserver", [f"DNS:{changing}"])
    own = f"--tls-sni-cert-key={plane.pki.certificate('changing')},{plane.pki.key('changing')}:{changing}"
    supervisor.start("kube-apiserver", *plane.kube_apiserver(), own, *flags)
    api = ApiClient(plane.server, plane.pki)
    supervisor.wait_until(api.ready, 90, "the API server")
    supervisor.start("kube-controller-manager", *plane.kube_controller_manager())
    supervisor.wait_until(lambda: api.get("/api/v1/namespaces/default/serviceaccounts/default"), 60, "the controller manager")
    plane.pki.kubeconfig(folder / "kubeconfig", plane.server, "admin")
    return plane


def _start_second(supervisor, program, first, flags):
    """What state.json says about it."""
    folder = first.folder / "second"
    folder.mkdir()
    port, path, control = _free_ports(3)
    second = dataclasses.replace(first, folder=folder, port=port, etcd_port=path)
    supervisor.start("etcd-path", sys.executable, program, "etcd-path", "--ports", path, first.etcd_port, control)
    supervisor.wait_until(lambda: _listens(path), 20, "the path to etcd")
    supervisor.start("second-kube-apiserver", *second.kube_apiserver(), *flags)
    supervisor.wait_until(ApiClient(second.server, second.pki).ready, 90, "the second API server")
    return {"secondServer": second.server, "secondAuditLog": str(second.audit_log), "etcdPathControl": str(control)}


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _write_ready(supervisor, folder, me, plane, second):
    state.write(folder, {
        "phase": "ready",
        "server": plane.server,
        "etcd": f"http://127.0.0.1:{plane.etcd_port}",
        "kubeconfig": str(folder / "kubeconfig"),
        "ca": str(plane.pki.certificate("ca")),
        "auditLog": str(plane.audit_log),
        **second,
        "processes": [me, *supervisor.processes()],
    })


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
