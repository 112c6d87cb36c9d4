"""Process 1 of the node: it runs in its own network, mount and process namespace, and everything dies with it.

Steps, in order: private mounts, network, certificates, control plane, container runtime, kubelet, kube-proxy, load
balancer. node.json in the state folder tells the outside how far it is.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import dns, image_archive, node_files, state
from .control_plane import ApiClient, ControlPlane
from .layout import INSIDE, INSIDE_SOURCE, INSIDE_TOOLS, NODE_INTERFACE, REGISTRY_HOST, STORAGE_HOST
from .pki import Pki
from .processes import Supervisor
from .progress import Failure

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Programs write below these fixed paths; in the node's mount namespace they are empty, so that nothing reaches the machine.
_HIDDEN = ("/var/lib", "/var/log", "/opt")
_KUBELETS_SETTINGS = {"vm/overcommit_memory": 1, "vm/panic_on_oom": 0, "kernel/panic": 10, "kernel/panic_on_oops": 1,
                      "kernel/keys/root_maxkeys": 1000000, "kernel/keys/root_maxbytes": 25000000}


def _run(*command, check=True):
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise Failure(f"{' '.join(str(word) for word in command)}: {result.stderr.strip()}")
    return result


def _cover_kernel_settings():
    """The kubelet would set these, which are the whole machine's, and does not go on if it cannot. Here it reads files
    that have the values it wants, and so leaves the machine's alone."""
    for name, value in _KUBELETS_SETTINGS.items():
        cover = INSIDE / "data" / "settings" / name
        cover.parent.mkdir(parents=True, exist_ok=True)
        cover.write_text(f"{value}\n")
        _run("mount", "-n", "--bind", cover, Path("/proc/sys", name))


class Node:
    """layout: names and addresses. folder: the state folder. tools: {module: folder}."""

    def __init__(self, layout, folder, tools):
        self.layout = layout
        self.folder = Path(folder)
        self.tools = tools
        self.stages = []
        self.moment = time.monotonic()
        self.supervisor = None
        self.plane = None
        self.api = None

    def run(self):
        os.environ["PATH"] = _PATH
        os.environ["KUBECACHEDIR"] = str(INSIDE / "data" / "kubectl-cache")  # not in the user's home
        try:
            self._mounts()
            self._network()
            self.supervisor = Supervisor(INSIDE / "log", environment={"PATH": _PATH, "HOME": "/root"})
            self._start()
            self._tell("ready")
            while not self.supervisor.stopping and (INSIDE / "node.json").exists():
                if self.supervisor.tend():
                    self._tell("ready")
                time.sleep(0.2)
        except Failure as failure:
            self._tell("failed", str(failure))
            raise

    def _tell(self, phase, error=None):
        place = INSIDE if INSIDE.exists() else self.folder
        temporary = place / "node.json.new"
        components = self.supervisor.running if self.supervisor else {}
        temporary.write_text(json.dumps({"phase": phase, "error": error, "stages": self.stages, "components": components}))
        os.replace(temporary, place / "node.json")

    def _done(self, stage):
        now = time.monotonic()
        self.stages.append({"name": stage, "seconds": round(now - self.moment, 2)})
        self.moment = now
        self._tell("starting")

    def _mounts(self):
        """Everything the node needs is put below one tmpfs first, which then becomes /run."""
        stage = self.folder / "data" / "run"
        stage.mkdir(parents=True)
        _run("mount", "-n", "-t", "tmpfs", "-o", "mode=755", "tmpfs", stage)
        binds = {INSIDE: self.folder, INSIDE_SOURCE: Path(__file__).resolve().parent.parent.parent,
                 **{INSIDE_TOOLS / name: place for name, place in self.tools.items()}}
        for target, source in binds.items():
            place = stage / target.relative_to("/run")
            place.mkdir(parents=True)
            _run("mount", "-n", "--bind", source, place)
        _run("mount", "-n", "--rbind", stage, "/run")
        for place in _HIDDEN:
            if Path(place).is_dir():
                _run("mount", "-n", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
        for target, source in {"/var/lib/kubelet": INSIDE / "data" / "kubelet", "/var/log/pods": INSIDE / "log" / "pods"}.items():
            Path(target).mkdir()
            source.mkdir(parents=True, exist_ok=True)  # logs survive `down`
            _run("mount", "-n", "--bind", source, target)
        self.tools = {name: INSIDE_TOOLS / name for name in self.tools}
        config = INSIDE / "config"
        config.mkdir()
        (config / "hosts").write_text(f"127.0.0.1 localhost\n{self.layout.node_address} {self.layout.node_name} {REGISTRY_HOST} {STORAGE_HOST}\n")
        (config / "resolv.conf").write_text(f"nameserver {self.layout.node_address}\n")
        for name in ("hosts", "resolv.conf"):
            if Path("/etc", name).exists():
                _run("mount", "-n", "--bind", config / name, Path("/etc", name))
        _cover_kernel_settings()

    def _network(self):
        limit = time.monotonic() + 20
        while not Path(f"/proc/self/net/dev").read_text().count(f"{NODE_INTERFACE}:"):
            if time.monotonic() > limit:
                raise Failure("the node's network device did not appear")
            time.sleep(0.02)
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "addr", "add", f"{self.layout.node_address}/24", "dev", NODE_INTERFACE)
        _run("ip", "link", "set", NODE_INTERFACE, "up")
        # The node's own programs reach Services by these routes; there is no default route: nothing leaves the machine.
        for destination in ("10.96.0.0/16", self.layout.pool_subnet):
            _run("ip", "route", "add", destination, "dev", NODE_INTERFACE)
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self._done("namespaces, mounts and network")

    def _start(self):
        self._certificates()
        self._control_plane()
        self._runtime()
        self._node()
        self._load_balancer()

    def _certificates(self):
        layout = self.layout
        data = INSIDE / "data"
        self.plane = ControlPlane(self.tools, Pki(INSIDE / "pki"), data, bind="0.0.0.0", port=6443, etcd_port=2379,
                                  etcd_peer_port=2380, advertise=layout.node_address, with_node=True)
        pki = self.plane.pki
        pki.create("imageclassifier-cluster-ca")
        self.plane.issue_certificates([f"IP:{layout.node_address}"])
        pki.issue("kubelet", f"/O=system:nodes/CN=system:node:{layout.node_name}",
                  [f"DNS:{layout.node_name}", f"IP:{layout.node_address}", "IP:127.0.0.1"])
        pki.issue("kube-proxy", "/CN=system:kube-proxy")
        pki.issue("apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet-client")
        pki.issue("front-proxy", "/CN=front-proxy")
        pki.issue("load-balancer", "/O=system:masters/CN=metallb-controller")
        pki.issue("dns", "/O=system:masters/CN=cluster-dns")
        self.api = ApiClient(self.plane.server, pki)
        self._done("certificates")

    def _control_plane(self):
        self.supervisor.start("etcd", *self.plane.etcd())
        self.supervisor.start("kube-apiserver", *self.plane.kube_apiserver())
        self._start_containerd()  # meanwhile
        self._start_registry()
        self.supervisor.wait_until(self.api.ready, 120, "the API server")
        self.supervisor.start("kube-controller-manager", *self.plane.kube_controller_manager())
        self.supervisor.start("kube-scheduler", *self.plane.kube_scheduler())
        self.plane.pki.kubeconfig(INSIDE / "kubeconfig", f"https://{self.layout.node_address}:6443", "admin")
        self._done("etcd and API server")

    def _start_containerd(self):
        config = INSIDE / "config"
        (config / "containerd.toml").write_text(node_files.containerd(self._snapshotter()))
        trust = config / "certs.d" / REGISTRY_HOST
        trust.mkdir(parents=True)
        (trust / "hosts.toml").write_text(node_files.registry_trust())
        (config / "cni").mkdir()
        (config / "cni" / "10-pods.conflist").write_text(node_files.cni())
        self.supervisor.start("containerd", "containerd", "--config", config / "containerd.toml")

    def _snapshotter(self):
        """overlayfs, unless the state folder's file system cannot carry it (an overlay itself, for example)."""
        place = INSIDE / "data" / "overlay-check"
        for name in ("lower", "upper", "work", "merged"):
            (place / name).mkdir(parents=True)
        options = f"lowerdir={place}/lower,upperdir={place}/upper,workdir={place}/work"
        works = _run("mount", "-n", "-t", "overlay", "overlay", "-o", options, place / "merged", check=False).returncode == 0
        if works:
            _run("umount", place / "merged")
        shutil.rmtree(place)
        return "overlayfs" if works else "native"

    def _start_registry(self):
        (INSIDE / "data" / "registry").mkdir()
        self.supervisor.start("registry", INSIDE_SOURCE / "acr" / "serve", "--folder", INSIDE / "data" / "registry",
                              "--told", INSIDE / "registry", "--pki", INSIDE / "pki", "--requests", INSIDE / "log" / "registry-requests.log",
                              "--name", REGISTRY_HOST, "--storage", STORAGE_HOST, "--address", self.layout.node_address)

    def _registry_listens(self):
        with socket.socket() as channel:
            return channel.connect_ex((self.layout.node_address, 443)) == 0

    def _runtime(self):
        archive = INSIDE / "data" / "pause.tar"
        image_archive.write(archive, "pause", node_files.PAUSE_IMAGE)
        self.supervisor.wait_until(Path(node_files.CONTAINERD_SOCKET).exists, 60, "containerd")
        load = ("ctr", "-n", "k8s.io", "images", "import", archive)
        self.supervisor.wait_until(lambda: _run(*load, check=False).returncode == 0, 60, "containerd to take the pause image")
        self._done("container runtime")

    def _node(self):
        config = INSIDE / "config"
        for user in ("kubelet", "kube-proxy", "load-balancer", "dns"):
            self.plane.kubeconfig(user)
        (config / "kubelet.yaml").write_text(node_files.kubelet(self.layout))
        (config / "kube-proxy.yaml").write_text(node_files.kube_proxy(self.layout))
        programs = self.tools["kubernetes"]
        self.supervisor.start("kubelet", programs / "kubelet", "--config", config / "kubelet.yaml",
                              "--kubeconfig", INSIDE / "data" / "kubelet.kubeconfig",
                              "--hostname-override", self.layout.node_name, "--node-ip", self.layout.node_address)
        self.supervisor.start("kube-proxy", programs / "kube-proxy", "--config", config / "kube-proxy.yaml")
        dns.start(self.supervisor, self.layout)
        self._kubectl("apply", "--server-side", "-f", self.tools["metallb"] / "crds")
        self._let_the_node_read_secrets()
        self.supervisor.wait_until(self._node_ready, 120, "the node to become Ready")
        self._done("node Ready")

    def _let_the_node_read_secrets(self):
        """The Node authorizer learns of a pod by watch, on two cores often later than the kubelet: the first pull then goes
        without its Secret, is refused, and waits ten seconds."""
        self._kubectl("create", "clusterrole", "node-secrets", "--verb=get,list,watch", "--resource=secrets,configmaps")
        self._kubectl("create", "clusterrolebinding", "node-secrets", "--clusterrole=node-secrets", "--group=system:nodes")

    def _node_ready(self):
        node = self.api.get(f"/api/v1/nodes/{self.layout.node_name}") or {}
        conditions = {one["type"]: one["status"] for one in node.get("status", {}).get("conditions", [])}
        return conditions.get("Ready") == "True"

    def _load_balancer(self):
        self._kubectl("wait", "--for", "condition=Established", "crd", "--all", "--timeout=60s")
        pool = INSIDE / "config" / "address-pool.yaml"
        pool.write_text(node_files.address_pool(self.layout))
        self._kubectl("apply", "--server-side", "-f", pool)
        self.supervisor.start("metallb-controller", "env", f"KUBECONFIG={INSIDE}/data/load-balancer.kubeconfig",
                              self.tools["metallb"] / "metallb-controller", "--namespace=metallb-system",
                              "--webhook-mode=disabled", "--disable-cert-rotation", "--port=7472")
        self.supervisor.wait_until(self._registry_listens, 60, "the registry")
        self.supervisor.wait_until(lambda: self.api.get("/api/v1/namespaces/default/serviceaccounts/default"), 60,
                                   "the default service account, without which no pod starts")
        self._done("load balancer, registry and service account")

    def _kubectl(self, *words):
        _run(self.tools["kubernetes"] / "kubectl", "--kubeconfig", INSIDE / "kubeconfig", *words)
