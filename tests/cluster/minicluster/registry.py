"""The private registry's users, what it does wrong, what it was asked, and pushing images to it."""

import base64
import json
import os
import re
import secrets
import subprocess
import tempfile
from pathlib import Path

from . import state
from .progress import Failure

PUBLISHER = "publisher"  # pushes the images
USERS = (PUBLISHER, "puller", "spare")  # puller: for pull Secrets; spare: a second right answer, for rotation


def _write_private(path, text):
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    os.replace(temporary, path)


def users(folder):
    """{name: password} of the cluster in this state folder."""
    try:
        return json.loads((Path(folder) / "registry" / "users.json").read_text())
    except OSError as error:
        raise Failure(f"no cluster with a registry in {folder}") from error


def write_users(folder, accounts):
    """The registry notices the new file by itself at the next request."""
    place = Path(folder) / "registry"
    place.mkdir(exist_ok=True, mode=0o700)
    _write_private(place / "users.json", json.dumps(accounts, indent=2) + "\n")


def create_users(folder):
    write_users(folder, {name: secrets.token_urlsafe(18) for name in USERS})


def set_password(folder, name):
    """Adds the user, or gives it a new password: the old one stops working at once."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", name):
        raise Failure(f"{name!r} cannot be a user name")
    write_users(folder, users(folder) | {name: secrets.token_urlsafe(18)})


def remove_user(folder, name):
    accounts = users(folder)
    if accounts.pop(name, None) is None:
        raise Failure(f"there is no user {name}")
    write_users(folder, accounts)


def configure(folder, **settings):
    """What differs from every user's right to pull, and from a registry that works: see tests/acr/serve. Without settings, nothing."""
    _write_private(Path(folder) / "registry" / "stand.json", json.dumps(settings))


def requests(folder):
    """What was asked, and answered, since the cluster came up: entries as tests/acr/stand.py records them, without credentials."""
    return [json.loads(line) for line in (Path(folder) / "log" / "registry-requests.log").read_text().splitlines()]


def push(folder, image, target):
    """image: an archive file (docker save, buildah push docker-archive:), or a skopeo transport such as
    containers-storage:NAME. target: repository:tag. Returns the reference under which pods pull it."""
    content = state.read(folder)
    if not content or content.get("phase") != "ready":
        raise Failure(f"no cluster is up in {folder}")
    registry = content["registry"]
    source = image if re.match(r"[a-z-]+:", image) else f"docker-archive:{Path(image).absolute()}"
    token = base64.b64encode(f"{PUBLISHER}:{users(folder)[PUBLISHER]}".encode()).decode()
    with tempfile.TemporaryDirectory() as private:
        (Path(private) / "ca.crt").write_bytes(Path(content["ca"]).read_bytes())
        authfile = Path(private) / "auth.json"
        _write_private(authfile, json.dumps({"auths": {registry["address"]: {"auth": token}}}))
        command = ["skopeo", "--insecure-policy", "copy", "--all", "--quiet", "--dest-cert-dir", private,
                   "--dest-authfile", str(authfile), source, f"docker://{registry['address']}/{target}"]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"pushing {image} failed: {result.stderr.strip()}")
    return f"{registry['host']}/{target}"
