"""Finds a Go that is new enough, or has an older one fetch it.

Debian 12 has Go 1.19. Any `go` can download the module golang.org/toolchain, which is how Go itself switches
toolchains since 1.21; its checksum is pinned here, and the older `go` checks it against the checksum database as well.
"""

import json
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from .progress import Failure, say

_TOOLCHAIN = "1.24.13"
_CHECKSUMS = {
    "linux-amd64": "h1:5sgfUhn9QCgVl4UYj32GrIYFHI3bi2UX55tNfupXwxc=",
}
_MACHINES = {"x86_64": "linux-amd64"}


def version_numbers(text):
    """"go1.24.13" or "1.24" -> (1, 24, 13) or (1, 24)."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number) for number in found.groups() if number is not None) if found else (0, 0)


def find(cache, required):
    """Path of a `go` program of at least version `required`, a tuple like (1, 24, 0)."""
    present = _present()
    for program in present:
        if _version(program) >= required:
            return program
    wanted = ".".join(str(number) for number in required)
    if not present:
        raise Failure(f"building the cluster's programs needs Go >= {wanted}, or any older Go that can fetch it: "
                      "install the Debian package golang-go")
    return _fetched(present[0], cache)


def _present():
    candidates = [shutil.which("go"), "/usr/local/go/bin/go", "/usr/lib/go/bin/go"]
    return [path for path in dict.fromkeys(candidates) if path and os.access(path, os.X_OK)]


def _version(program):
    result = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False,
                            env=dict(os.environ, GOTOOLCHAIN="local"), cwd="/")
    return version_numbers(result.stdout)


def _fetched(go, cache):
    target = cache / "go-toolchain" / f"go{_TOOLCHAIN}"
    program = target / "bin" / "go"
    if program.exists():
        return str(program)
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        raise Failure(f"no Go toolchain is pinned for {platform.machine()}: install Go >= {_TOOLCHAIN} yourself")
    say(f"fetching Go {_TOOLCHAIN} by means of {go} (about 75 MB)")
    module = f"golang.org/toolchain@v0.0.1-go{_TOOLCHAIN}.{machine}"
    result = subprocess.run([go, "mod", "download", "-json", module], capture_output=True, text=True, check=False, cwd="/",
                            env=dict(os.environ, GOMODCACHE=str(cache / "go-mod"), GOFLAGS="-modcacherw"))
    answer = json.loads(result.stdout or "{}")
    if result.returncode != 0:
        raise Failure(f"fetching {module} failed: {answer.get('Error') or result.stderr.strip()}")
    if answer.get("Sum") != _CHECKSUMS[machine]:
        raise Failure(f"{module} has the checksum {answer.get('Sum')}, expected {_CHECKSUMS[machine]}")
    _install(Path(answer["Dir"]), target)
    return str(program)


def _install(source, target):
    """Module archives carry no permission bits: the programs among the files get theirs here."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copytree(source, unfinished, copy_function=shutil.copyfile)
    for directory, _, files in os.walk(unfinished):
        os.chmod(directory, 0o755)
        if Path(directory).name == "bin" or "pkg/tool" in directory:
            for name in files:
                os.chmod(Path(directory) / name, 0o755)
    try:
        unfinished.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(unfinished)
