"""A registry before which the operator asks: the stand-in for ACR and Entra, at an address that is not loopback."""

import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path

from operator_rig import ROOT, OperatorTest

sys.path.insert(0, str(ROOT / "tests/acr"))

from fixture import make_image  # noqa: E402
from stand import Stand  # noqa: E402

ADMIN = ("admin", "admin-password")


def outward_address():
    """One of this machine's own: the operator refuses loopback and link-local ones. No packet is sent.

    TEST-NET-3 (RFC 5737) is nobody's: TEST-NET-2 is not asked for, as endpoint_test.py takes routes into it away."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("203.0.113.1", 9))
        return probe.getsockname()[0]


class RegistryTest(OperatorTest):
    """The stand-in holds team/server:1.0.0 for amd64; push() more. It is trusted by --registry-config alone."""

    starts_operator = False

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        address = outward_address()
        self.stand = Stand(self.folder / "stand", name=address, address=address)
        self.stand.users = {ADMIN[0]: (ADMIN[1], {"*": ["pull", "push", "delete"]}),
                            "puller": ("puller-password", {"team/server": ["pull"]}),
                            "stranger": ("stranger-password", {})}
        self.enterContext(self.stand)
        trust = self.folder / "trust"
        trust.mkdir()
        (trust / "ca.crt").write_bytes(self.stand.authority.read_bytes())
        self.images = {each: make_image(self.folder / each, each) for each in ("amd64", "arm64")}
        self.push("1.0.0")

    def configuration(self, trusted=True, **settings):
        """Options of an operator that may ask the stand-in."""
        authorities = {"certificateAuthorities": self.stand.authority.read_text()} if trusted else {}
        file = self.folder / f"registries-{len(list(self.folder.iterdir()))}.yaml"
        file.write_text(json.dumps({"servers": [self.stand.host], **authorities, **settings}))
        return "--registry-config", str(file)

    def image(self, tag, repository="team/server"):
        return f"{self.stand.host}/{repository}:{tag}"

    def push(self, tag, architecture="amd64", repository="team/server"):
        self.skopeo("copy", "--dest-creds", ":".join(ADMIN), "--dest-cert-dir", self.folder / "trust", f"dir:{self.images[architecture]}",
                    f"docker://{self.image(tag, repository)}")

    def digest(self, tag):
        manifest = self.skopeo("inspect", "--raw", "--creds", ":".join(ADMIN), "--cert-dir", self.folder / "trust",
                               f"docker://{self.image(tag)}")
        return "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()

    def delete(self, digest):
        self.skopeo("delete", "--creds", ":".join(ADMIN), "--cert-dir", self.folder / "trust",
                    f"docker://{self.stand.host}/team/server@{digest}")

    @staticmethod
    def skopeo(*words):
        return subprocess.run(["skopeo", "--insecure-policy", *map(str, words)], check=True, capture_output=True, text=True).stdout

    def running(self, name):
        """The image of a Deployment's pods; nothing if there is none."""
        deployment = self.get("deployment", name)
        return deployment and deployment["spec"]["template"]["spec"]["containers"][0]["image"]

    def everything_told(self):
        """What may be read by those who may not read Secrets."""
        return "".join(json.dumps(self.get(kind)) for kind in ("ic", "events", "deployments", "controllerrevisions"))


def log_of(operator):
    return Path(operator.log.name).read_text()
