"""What the tests of the stand-in begin with, and the requests of ACR's and Entra's protocols."""

import base64
import hashlib
import http.client
import json
import ssl
import subprocess
import tempfile
import time
import unittest
import urllib.parse
from pathlib import Path

import jwt

from stand import Stand
from tokens import AUDIENCE, EXCHANGE_AUDIENCE

TENANT, PRINCIPAL, WORKLOAD, STRANGER = "tenant-1", "principal-1", "workload-1", "stranger-1"
SUBJECT = "system:serviceaccount:zoo:puller"
PULL = "repository:team/server:pull"


def basic(name, password):
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def make_image(folder, architecture="amd64"):
    """The smallest image that a registry takes, as skopeo's dir: has it."""
    folder.mkdir()
    configuration = json.dumps({"os": "linux", "architecture": architecture, "config": {}, "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    digest = hashlib.sha256(configuration).hexdigest()
    (folder / digest).write_bytes(configuration)
    (folder / "version").write_text("Directory Transport Version: 1.1\n")
    (folder / "manifest.json").write_text(json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": [],
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": len(configuration), "digest": f"sha256:{digest}"}}))
    return folder


class StandFixture(unittest.TestCase):
    """A stand-in that holds one image, with an admin, a scope-map token and three applications."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        key = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True, text=True).stdout
        public = subprocess.run(["openssl", "rsa", "-pubout"], input=key, check=True, capture_output=True, text=True).stdout
        cls.key = key
        cls.stand = cls.enterClassContext(Stand(cls.folder / "stand", service_account_keys=[public], issuer="https://cluster"))
        cls.stand.users = {"admin": ("admin-password", {"*": ["pull", "push"]}), "puller": ("p", {"team/server": ["pull"]})}
        cls.stand.applications = {PRINCIPAL: {"tenant": TENANT, "secret": "s+/=&", "repositories": {"team/server": ["pull"]}},
                                  WORKLOAD: {"tenant": TENANT, "subject": SUBJECT, "repositories": {"*": ["pull"]}},
                                  STRANGER: {"tenant": TENANT, "secret": "s", "repositories": {}}}
        cls.context = ssl.create_default_context(cafile=cls.stand.authority)
        trust = cls.folder / "trust"
        trust.mkdir()
        (trust / "ca.crt").write_bytes(cls.stand.authority.read_bytes())
        cls.image = make_image(cls.folder / "image")
        cls.skopeo("copy", "--dest-creds", "admin:admin-password", "--dest-cert-dir", trust, f"dir:{cls.image}", cls.reference("1.0.0"))

    @classmethod
    def reference(cls, tag):
        return f"docker://{cls.stand.host}/team/server:{tag}"

    @classmethod
    def skopeo(cls, *words, check=True):
        return subprocess.run(["skopeo", "--insecure-policy", *map(str, words)], check=check, capture_output=True, text=True)

    def inspect(self, user, password):
        return self.skopeo("inspect", "--raw", "--creds", f"{user}:{password}", "--cert-dir", self.folder / "trust", self.reference("1.0.0"),
                           check=False)

    def ask(self, method, path, headers=None, form=None):
        """(status, headers, body as JSON or bytes)."""
        connection = http.client.HTTPSConnection("localhost", self.stand.port, context=self.context, timeout=10)
        try:
            body = urllib.parse.urlencode(form) if form else None
            kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
            connection.request(method, path, body, {**kind, **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
            try:
                return answer.status, answer.headers, json.loads(content)
            except ValueError:
                return answer.status, answer.headers, content
        finally:
            connection.close()

    def entra(self, client, tenant=TENANT, scope=AUDIENCE + "/.default", **credential):
        return self.ask("POST", f"/{tenant}/oauth2/v2.0/token", form={"grant_type": "client_credentials", "client_id": client, "scope": scope,
                                                                      **credential})

    def assertion(self, life=600, audience=EXCHANGE_AUDIENCE, subject=SUBJECT, issuer="https://cluster"):
        return {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": jwt.encode({"iss": issuer, "sub": subject, "aud": [audience], "exp": int(time.time()) + life}, self.key, "RS256")}

    def refresh_token(self, access_token):
        return self.ask("POST", "/oauth2/exchange", form={"grant_type": "access_token", "service": self.stand.host, "access_token": access_token})

    def manifest(self, token, tag="1.0.0", repository="team/server"):
        return self.ask("GET", f"/v2/{repository}/manifests/{tag}", {"Authorization": f"Bearer {token}",
                                                                    "Accept": "application/vnd.docker.distribution.manifest.v2+json"})

    def access_token(self, user="puller", password="p", scope=PULL):
        query = urllib.parse.urlencode({"service": self.stand.host, "scope": scope})
        return self.ask("GET", f"/oauth2/token?{query}", {"Authorization": basic(user, password)})[2]["access_token"]
