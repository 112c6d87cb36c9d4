"""The machine's side of a cluster: makes the namespaces and what connects them, reports, and takes everything away."""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from . import cgroups, host_network, processes, registry, state, tools
from .layout import FIRST_FREE_INSTANCE, INSIDE, LAST_INSTANCE, REGISTRY_HOST, Layout
from .progress import Failure, Stages, say, wait_until

_PROGRAMS = ("containerd", "runc", "iptables", "conntrack", "ip", "unshare", "nsenter", "mount", "openssl", "gcc",
             "dnsmasq", "docker-registry", "skopeo")
_SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_TOOLS = ("etcd", "kubernetes", "metallb")
# What a cluster puts into its state folder; log/ stays behind for whoever wants to know what happened.
_OURS = ("config", "data", "kubeconfig", "node.json", "node.json.new", "pki", "registry", "state.json", "state.new")


class NotRoot(Failure):
    """Tests that need the node are left out then: exit status 77 is CTest's SKIP_RETURN_CODE."""

    status = 77


def _check_machine():
    os.environ["PATH"] += ":" + _SYSTEM_PATH
    if os.geteuid() != 0:
        raise NotRoot("the cluster makes namespaces and network devices: run it as root (tests that need it are left out)")
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if not Path("/usr/lib/cni/ptp").exists():
        missing.append("/usr/lib/cni/ptp (package containernetworking-plugins)")
    if importlib.util.find_spec("jwt") is None:
        missing.append("the Python module jwt (package python3-jwt)")
    if missing:
        raise Failure(f"missing on this machine: {', '.join(missing)} (run `make deps`)")
    attempt = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "mount", "-n", "-t", "tmpfs",
                              "tmpfs", "/run"], capture_output=True, text=True, check=False)
    if attempt.returncode != 0:
        raise Failure(f"this machine does not let root make namespaces and mounts: {attempt.stderr.strip()}")


@contextmanager
def _claiming():
    """Only one process at a time looks for a free instance and takes it."""
    place = tools.cache_folder()
    place.mkdir(parents=True, exist_ok=True)
    with open(place / ".instances.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _in_use(instance):
    return bool(cgroups.members(Layout(instance).cgroup))


def _free_instance():
    for instance in range(FIRST_FREE_INSTANCE, LAST_INSTANCE + 1):
        if not _in_use(instance):
            return instance
    raise Failure("all instance numbers are in use")


def _owner(instance):
    """The state folder of the live cluster with this number, told from the command line of its process 1."""
    for pid in cgroups.members(Layout(instance).cgroup):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "node" in words and "--state" in words:
            return words[words.index("--state") + 1]
    return None


def up(program, folder, instance, addresses):
    """program: the script that was called; it is called again as `program node ...` to be process 1 of the node.
    instance: a number, or None for the first that is free."""
    folder = Path(folder).resolve()
    _check_machine()
    tools.ensure(_TOOLS)
    stages = Stages("cluster")
    down(folder)
    shutil.rmtree(folder / "log", ignore_errors=True)
    (folder / "log").mkdir(parents=True)
    with _claiming():
        if instance is None:
            instance = _free_instance()
        elif _in_use(instance):
            raise Failure(f"instance {instance} is in use by the cluster in {_owner(instance)}: take that down first, "
                          "or use another number")
        layout = Layout(instance, addresses)
        state.write(folder, {"phase": "starting", "instance": instance})
        unshare = _cleaning_on_failure(layout, lambda: _start(program, folder, layout))
    _cleaning_on_failure(layout, lambda: _follow(folder, layout, stages, unshare))
    say(f"cluster: ready after {stages.total():.1f} s; export KUBECONFIG={folder}/kubeconfig")


def _cleaning_on_failure(layout, step):
    try:
        return step()
    except BaseException:
        _clean_machine(layout)
        raise


def _start(program, folder, layout):
    _clean_machine(layout)
    leaves = cgroups.make(layout.cgroup)
    registry.create_users(folder)
    command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, str(program),
               "node", "--state", str(folder), "--instance", str(layout.instance), "--addresses", str(layout.addresses)]
    with open(folder / "log" / "node.log", "wb") as log:
        unshare = subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                   preexec_fn=lambda: cgroups.join(leaves))
    wait_until(lambda: _children(unshare.pid) or unshare.poll() is not None, 20, "the namespaces")
    children = _children(unshare.pid)
    if not children:
        raise Failure(f"unshare failed: see {folder}/log/node.log")
    made = [processes.identity("unshare", unshare.pid), processes.identity("node", children[0])]
    state.write(folder, {"phase": "starting", "instance": layout.instance, "processes": made})
    host_network.connect(layout, children[0])
    return unshare


def _children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _follow(folder, layout, stages, unshare):
    """Prints the node's stages as they come, until it is ready; then writes the full state."""
    shown = 0
    while True:
        node = _node(folder)
        for stage in node.get("stages", [])[shown:]:
            say(f"cluster: {stage['name']} ({stage['seconds']:.1f} s)")
            stages.done.append(stage)
            shown += 1
        if node.get("phase") == "ready":
            break
        if node.get("error") or unshare.poll() is not None:
            raise Failure(f"the node did not come up: {node.get('error') or 'its process 1 ended'}; see {folder}/log/")
        time.sleep(0.05)
    state.write(folder, _describe(folder, layout, stages, node))


def _node(folder):
    try:
        return state.json.loads((Path(folder) / "node.json").read_text())
    except (OSError, ValueError):
        return {}


def _describe(folder, layout, stages, node):
    known = state.read(folder)["processes"]
    first = known[1]["pid"]
    return {
        "phase": "ready",
        "instance": layout.instance,
        "seconds": round(stages.total(), 1),
        "stages": stages.done,
        "kubeconfig": str(folder / "kubeconfig"),
        "server": f"https://{layout.node_address}:6443",
        "ca": str(folder / "pki" / "ca.crt"),
        "auditLog": str(folder / "data" / "audit.log"),
        "node": {"name": layout.node_name, "address": layout.node_address},
        "loadBalancer": {"subnet": layout.pool_subnet, "first": layout.pool_first, "last": layout.pool_last,
                         "addresses": layout.addresses},
        "registry": {"host": REGISTRY_HOST, "address": f"{layout.node_address}:443",
                     "users": str(folder / "registry" / "users.json")},
        "interfaces": [layout.host_interface],
        "routes": layout.routes,
        "cgroups": [str(place) for place in cgroups.folders(layout.cgroup) if place.exists()],
        "mounts": [],  # the machine's mount table is not touched
        "mountsInNamespace": _mounts(first),
        "processes": known + _components(first, node),
    }


def _components(first, node):
    """node.json has the pids of the node's own process namespace; here they get those of the machine."""
    inside = {pid: name for name, pid in node.get("components", {}).items()}
    return [processes.identity(inside[number], pid) for pid in _descendants(first) if (number := _pid_inside(pid)) in inside]


def _descendants(pid):
    found = []
    for child in _children(pid):
        found += [child, *_descendants(child)]
    return found


def _pid_inside(pid):
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                numbers = line.split()[1:]
                return int(numbers[1]) if len(numbers) > 1 else None
    except OSError:
        return None
    return None


def _mounts(pid):
    """Mount points that exist in the node's mount namespace only."""
    def points(text):
        return [line.split()[4] for line in text.splitlines()]
    outside = points(Path("/proc/self/mountinfo").read_text())
    return [point for point in points(Path(f"/proc/{pid}/mountinfo").read_text()) if point not in outside]


def down(folder):
    """Takes away what the cluster in this state folder made: also a half-made one, or one whose starter was killed."""
    folder = Path(folder).resolve()
    content = state.read(folder)
    if content:
        with _claiming():
            if _owner(content["instance"]) in (None, str(folder)):
                _clean_machine(Layout(content["instance"]))
    for place in (folder / name for name in _OURS):
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)


def clean_instance(instance):
    """For a cluster whose state folder is gone."""
    with _claiming():
        _clean_machine(Layout(instance))


def _clean_machine(layout):
    cgroups.kill(layout.cgroup)
    host_network.disconnect(layout)
    cgroups.remove(layout.cgroup)


def leftovers(layout):
    """Sentences about what of this cluster is still on the machine; empty when nothing is."""
    found = [f"process {pid} in cgroup {layout.cgroup}" for pid in sorted(cgroups.members(layout.cgroup))]
    found += [f"cgroup {place}" for place in cgroups.folders(layout.cgroup) if place.exists()]
    if host_network.present(layout):
        found.append(f"network device {layout.host_interface}")
    found += [f"route {line}" for line in host_network.routes(layout)]
    return found


def status(folder):
    """Prints a few lines; true when the cluster is up."""
    content = state.read(folder)
    if not content:
        say("down")
        return False
    known = content.get("processes", [])
    living = [process for process in known[:2] if processes.alive(process)]
    if len(living) == 2:
        living += _components(known[1]["pid"], _node(folder))
    names = {process["name"] for process in living}
    ended = [process["name"] for process in known if process["name"] not in names]
    say(f"{content['phase']}, instance {content['instance']}, {len(living)} processes live")
    for process in living:
        say(f"  {process['name']:24} {process['pid']:8}")
    if ended:
        say(f"  ended: {', '.join(ended)}")
    return content["phase"] == "ready" and not ended


def run(folder, command):
    """Replaces this process by the command, inside the node's network, mount and process namespace."""
    content = state.read(folder)
    if not content or content.get("phase") != "ready":
        raise Failure(f"no cluster is up in {folder}")
    first = content["processes"][1]["pid"]
    environment = dict(os.environ, CONTAINERD_ADDRESS="/run/containerd/containerd.sock", CONTAINERD_NAMESPACE="k8s.io",
                       KUBECONFIG=str(INSIDE / "kubeconfig"), PATH=f"{_SYSTEM_PATH}:/usr/bin:/bin:/run/tools/kubernetes")
    sys.stdout.flush()
    os.execvpe("nsenter", ["nsenter", "-t", str(first), "-n", "-m", "-p", "--wd=/", *command], environment)
