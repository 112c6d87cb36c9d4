#!/usr/bin/python3
"""Microsoft's own Python clients, unmodified, against the stand-in for ACR and Entra: so that the operator and the stand-in do not
agree on the same mistake. They live in an environment of their own in $IC_CACHE, made when it is missing."""

import fcntl
import os
import subprocess
import sys
import unittest
from pathlib import Path

WANTED = ("azure-containerregistry==1.2.0", "azure-identity==1.27.0", "PyJWT[crypto]==2.6.0", "cryptography==38.0.4")
CACHE = Path(os.environ.get("IC_CACHE") or Path.home() / ".cache/imageclassifier").absolute()


def in_environment():
    """Starts this program again with the clients at hand."""
    folder = CACHE / "tools/azure-clients"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = folder / "installed.txt"
        if not marker.exists() or marker.read_text() != "\n".join(WANTED):
            print("azure clients: installing", ", ".join(WANTED), flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", *WANTED], check=True)
            marker.write_text("\n".join(WANTED))
    os.execv(folder / "bin/python", [folder / "bin/python", *sys.argv])


try:
    from azure.containerregistry import ContainerRegistryClient
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
    from azure.identity import ClientSecretCredential, WorkloadIdentityCredential
except ImportError:
    if sys.prefix != sys.base_prefix:
        raise
    in_environment()

from fixture import PRINCIPAL, SUBJECT, TENANT, WORKLOAD, StandFixture  # noqa: E402
from tokens import AUDIENCE  # noqa: E402


class PublicClients(StandFixture):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ["REQUESTS_CA_BUNDLE"] = str(cls.stand.authority)

    def client(self, credential):
        return self.enterContext(ContainerRegistryClient(f"https://{self.stand.host}", credential, audience=AUDIENCE, retry_total=0))

    def principal(self, secret="s+/=&"):
        return ClientSecretCredential(TENANT, PRINCIPAL, secret, authority=f"https://{self.stand.host}", disable_instance_discovery=True,
                                      retry_total=0)

    def workload(self, subject=SUBJECT):
        token = self.folder / "token"
        token.write_text(self.assertion(subject=subject)["client_assertion"])
        return WorkloadIdentityCredential(tenant_id=TENANT, client_id=WORKLOAD, token_file_path=str(token),
                                          authority=f"https://{self.stand.host}", disable_instance_discovery=True, retry_total=0)

    def test_a_service_principal_and_a_workload_identity_read_a_manifest(self):
        for credential in (self.principal(), self.workload()):
            manifest = self.client(credential).get_manifest("team/server", "1.0.0")
            self.assertTrue(manifest.digest.startswith("sha256:"))

    def test_a_blob_is_read_by_way_of_the_storage(self):
        client = self.client(self.principal())
        digest = client.get_manifest("team/server", "1.0.0").manifest["config"]["digest"]
        self.assertIn(b"amd64", b"".join(client.download_blob("team/server", digest)))
        self.assertEqual([entry["shown"] for entry in self.stand.requests("storage")], [""])

    def test_they_understand_the_refusals(self):
        with self.assertRaisesRegex(ClientAuthenticationError, "AADSTS7000215"):
            self.client(self.principal("wrong")).get_manifest("team/server", "1.0.0")
        with self.assertRaisesRegex(ClientAuthenticationError, "AADSTS70021"):
            self.client(self.workload("system:serviceaccount:zoo:other")).get_manifest("team/server", "1.0.0")
        with self.assertRaises(ResourceNotFoundError):
            self.client(self.principal()).get_manifest("team/server", "absent")
        with self.assertRaises(HttpResponseError) as refused:
            self.client(self.principal()).get_manifest("other", "1.0.0")
        self.assertEqual(refused.exception.status_code, 401)


if __name__ == "__main__":
    unittest.main()
