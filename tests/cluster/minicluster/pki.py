"""Certificates and kubeconfigs of a throw-away cluster, made with the openssl program."""

import base64
import os
import subprocess
from pathlib import Path

from .progress import Failure

# `openssl req -x509` takes its extensions from a file; the machine's own openssl.cnf would mark every certificate as a CA.
_CONFIG = """[req]
distinguished_name = name
prompt = no
[name]
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth,clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
"""


def _openssl(*arguments):
    result = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Failure(f"openssl {arguments[0]} failed: {result.stderr.strip()}")


class Pki:
    """One certificate authority in one folder, and what it has issued. All private keys are mode 0600."""

    DAYS = "365"

    def __init__(self, folder):
        self.folder = Path(folder)

    def create(self, name):
        self.folder.mkdir(parents=True, mode=0o700)
        (self.folder / "openssl.cnf").write_text(_CONFIG)
        self._request("ca", f"/CN={name}", "authority")
        _openssl("genrsa", "-out", str(self.key("service-account")), "2048")
        _openssl("rsa", "-in", str(self.key("service-account")), "-pubout", "-out", str(self.folder / "service-account.pub"))
        os.chmod(self.key("service-account"), 0o600)

    def issue(self, name, subject, names=()):
        """names: subjectAltName entries as openssl spells them, e.g. "DNS:localhost" or "IP:127.0.0.1"."""
        signing = ["-CA", str(self.certificate("ca")), "-CAkey", str(self.key("ca"))]
        alternative = ["-addext", "subjectAltName=" + ",".join(names)] if names else []
        self._request(name, subject, "leaf", *signing, *alternative)

    def _request(self, name, subject, extensions, *more):
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-sha256",
                 "-config", str(self.folder / "openssl.cnf"), "-extensions", extensions, "-days", self.DAYS,
                 "-subj", subject, "-keyout", str(self.key(name)), "-out", str(self.certificate(name)), *more)
        os.chmod(self.key(name), 0o600)

    def certificate(self, name):
        return self.folder / f"{name}.crt"

    def key(self, name):
        return self.folder / f"{name}.key"

    def kubeconfig(self, path, server, user):
        """Writes a kubeconfig with everything embedded, so that it can be copied; mode 0600."""
        def embedded(file):
            return base64.b64encode(file.read_bytes()).decode()
        text = f"""apiVersion: v1
kind: Config
clusters:
- name: imageclassifier
  cluster:
    server: {server}
    certificate-authority-data: {embedded(self.certificate("ca"))}
users:
- name: {user}
  user:
    client-certificate-data: {embedded(self.certificate(user))}
    client-key-data: {embedded(self.key(user))}
contexts:
- name: imageclassifier
  context:
    cluster: imageclassifier
    user: {user}
current-context: imageclassifier
"""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
