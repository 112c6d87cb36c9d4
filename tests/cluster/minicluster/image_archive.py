"""Container images of one static C program, written as docker-archive files without any container tool."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

from .progress import Failure

IMAGES = Path(__file__).resolve().parent.parent / "images"


def _add(archive, name, content, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mode = mode
    archive.addfile(entry, io.BytesIO(content))


def _tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content, mode in files:
            _add(archive, name, content, mode)
    return buffer.getvalue()


def write(path, name, image):
    """Compiles images/<name>.c and writes it to `path` as the only file of the image reference `image`."""
    program = Path(path).with_suffix(".program")
    command = ["gcc", "-Os", "-s", "-static", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(IMAGES / f"{name}.c")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"compiling {name}.c failed (are gcc and libc6-dev installed?): {result.stderr.strip()}")
    layer = _tar([(name, program.read_bytes(), 0o755)])
    program.unlink()
    machine = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    configuration = json.dumps({
        "architecture": machine, "os": "linux",
        "config": {"Entrypoint": [f"/{name}"], "User": "65532:65532"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }).encode()
    config_name = hashlib.sha256(configuration).hexdigest() + ".json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [image], "Layers": ["layer.tar"]}]).encode()
    Path(path).write_bytes(_tar([(config_name, configuration, 0o644), ("layer.tar", layer, 0o644),
                                 ("manifest.json", manifest, 0o644)]))
