"""The pinned upstream programs, built from their Go modules into the cache.

Each module of tests/cluster/tools/ is built into $IC_CACHE/tools/<module>-<hash>/; the hash covers everything that
decides what comes out (go.mod, go.sum, our own Go files, the flags), so a folder that exists is complete and right.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from . import go_toolchain
from .progress import Failure, say

SOURCES = Path(__file__).resolve().parent.parent / "tools"
_KUBERNETES = "v1.34.4"
_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubelet")

# The Go build cache is keyed by these flags as well: changing one compiles everything again (13 minutes on 2 cores).
_STRIP = "-s -w"
_VERSION = (f"-X k8s.io/component-base/version.gitVersion={_KUBERNETES} -X k8s.io/component-base/version.gitMajor=1 "
            f"-X k8s.io/component-base/version.gitMinor=34 -X k8s.io/client-go/pkg/version.gitVersion={_KUBERNETES}")


@dataclass
class Module:
    programs: dict  # name of the program -> Go package
    ldflags: str = _STRIP
    links: dict = field(default_factory=dict)  # further name -> program
    copy: dict = field(default_factory=dict)  # name of a folder -> (module, folder inside it)


MODULES = {
    "etcd": Module({"etcd": "go.etcd.io/etcd/server/v3"}),
    "kubernetes": Module({"kubernetes": ".", "kubectl": "k8s.io/kubernetes/cmd/kubectl"}, f"{_STRIP} {_VERSION}",
                         links={component: "kubernetes" for component in _COMPONENTS}),
    "helm": Module({"helm": "helm.sh/helm/v3/cmd/helm"}),
    "judges": Module({"judges": "."}),
    "metrics-server": Module({"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"}),
    "metallb": Module({"metallb-controller": "go.universe.tf/metallb/controller"},
                      copy={"crds": ("go.universe.tf/metallb", "config/crd/bases")}),
}


def cache_folder():
    """$IC_CACHE, by default ~/.cache/imageclassifier."""
    return Path(os.environ.get("IC_CACHE") or Path.home() / ".cache" / "imageclassifier").absolute()


def folder(name):
    """Where the programs of a module are, or will be."""
    digest = hashlib.sha256(repr(MODULES[name]).encode())
    for file in sorted((SOURCES / name).iterdir()):
        digest.update(f"{file.name}\0".encode() + file.read_bytes() + b"\0")
    return cache_folder() / "tools" / f"{name}-{digest.hexdigest()[:16]}"


def ensure(names=tuple(MODULES)):
    """Builds what is missing; returns {module: folder}. Safe to run several times at once."""
    for name in names:
        if not folder(name).is_dir():
            _build_alone(name)
    return {name: folder(name) for name in names}


def _build_alone(name):
    target = folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target.parent / f".{name}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{name}: another build of it is running, waiting for that one")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return
        unfinished = target.with_name(f".{target.name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        begin = time.monotonic()
        _build(name, unfinished)
        unfinished.rename(target)
        say(f"{name}: built in {time.monotonic() - begin:.0f} s")


def _build(name, target):
    module = MODULES[name]
    go = go_toolchain.find(cache_folder(), _required_version())
    environment = dict(os.environ, CGO_ENABLED="0", GOTOOLCHAIN="local", GOWORK="off",
                       GOFLAGS="-mod=readonly -buildvcs=false -modcacherw",
                       GOCACHE=str(cache_folder() / "go-build"), GOMODCACHE=str(cache_folder() / "go-mod"))
    for program, package in module.programs.items():
        say(f"{name}: building {program} (minutes when cold, seconds when the Go cache is warm)")
        _run_with_progress(program, [go, "build", "-v", "-trimpath", "-ldflags", module.ldflags,
                                     "-o", str(target / program), package], SOURCES / name, environment)
    for link, program in module.links.items():
        (target / link).symlink_to(program)
    for directory, (path, inside) in module.copy.items():
        source = subprocess.run([go, "list", "-m", "-f", "{{.Dir}}", path], cwd=SOURCES / name, env=environment,
                                capture_output=True, text=True, check=True).stdout.strip()
        shutil.copytree(Path(source) / inside, target / directory, copy_function=shutil.copyfile)
        os.chmod(target / directory, 0o755)


def _run_with_progress(title, command, cwd, environment):
    """Runs `go build -v`, whose output is one line per compiled package; says every ten seconds how far it is."""
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: _collect(process.stderr, lines))
    reader.start()
    while reader.is_alive():
        reader.join(timeout=10)
        if reader.is_alive():
            say(f"  {title}: {_count(lines)} after {time.monotonic() - begin:.0f} s")
    if process.wait() != 0:
        raise Failure(f"building {title} failed:\n" + "".join(lines[-20:]))


def _count(lines):
    downloads = sum(line.startswith("go: downloading") for line in lines)
    return f"{downloads} modules fetched, {len(lines) - downloads} packages compiled"


def _required_version():
    """The newest `go` line of the modules, e.g. (1, 24)."""
    versions = []
    for module in MODULES:
        for line in (SOURCES / module / "go.mod").read_text().splitlines():
            if line.startswith("go "):
                versions.append(go_toolchain.version_numbers(line[3:]))
    return max(versions)


def _collect(stream, lines):
    for line in stream:
        lines.append(line)


def link(program, place):
    """Makes or replaces a symbolic link in one step."""
    temporary = place.with_name(f".{place.name}.{os.getpid()}")
    temporary.symlink_to(program)
    os.replace(temporary, place)
