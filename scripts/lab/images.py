"""The two images of this repository: building, and pushing to a registry."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import REGISTRY, ROOT, Failure
from .kubernetes import run
from .progress import say

REPOSITORIES = {"operator": "imageclassifier-operator", "inference-server": "inference-server"}


def build(binaries, model):
    """{image: {reference, digest, ...}}; progress goes to standard output."""
    output = ROOT / "build/images" / f"built-{os.getpid()}.json"
    try:
        command = [str(ROOT / "docker/build-images"), "--bin", str(binaries), "--model", str(model), "--output", str(output)]
        if subprocess.run(command, stdin=subprocess.DEVNULL).returncode != 0:
            raise Failure("the images could not be built; the lines above say why")
        return json.loads(output.read_text())
    finally:
        output.unlink(missing_ok=True)


def tag(image):
    """A tag that says what is in it: a new build is a new tag, so that helm upgrade rolls it out."""
    return image["digest"].removeprefix("sha256:")[:12]


def push_to_box(state, built, targets):
    """targets: {image: [tag...]}. To the private registry of the cluster in this state folder."""
    for name, tags in targets.items():
        for one in tags:
            say(run(REGISTRY, "push", state, built[name]["reference"], f"{REPOSITORIES[name]}:{one}").strip())


def push_to_registry(host, username, password, built, targets):
    """The password goes through a private file: options are visible to every user of the machine."""
    with tempfile.TemporaryDirectory() as private:
        authfile = Path(private) / "auth.json"
        run("skopeo", "login", "--authfile", authfile, "--username", username, "--password-stdin", host, stdin=password)
        for name, tags in targets.items():
            for one in tags:
                target = f"{host}/{REPOSITORIES[name]}:{one}"
                run("skopeo", "--insecure-policy", "copy", "--quiet", "--dest-authfile", authfile, built[name]["reference"],
                    f"docker://{target}")
                say(target)


def demo_model():
    """The demo model's file; made when it is not in the cache yet. Progress goes to standard error."""
    result = subprocess.run([str(ROOT / "scripts/demo-model")], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Failure("the demo model could not be made; the lines above say why")
    return Path(result.stdout.strip())


def draw_held_out(binaries, folder, per_class=12):
    """JPEG files in a folder per label, none of which the model was fitted to."""
    shutil.rmtree(folder, ignore_errors=True)
    say(run(Path(binaries) / "inference-server", "draw-pictures", "--output", folder, "--set", "held-out",
            "--per-class", per_class).strip())
