#!/usr/bin/python3
"""How the operator looks an image up, over TLS in a real docker-registry behind the stand-in for ACR and Entra."""

import hashlib
import json
import os
import subprocess
import unittest
from pathlib import Path

from fixture import PRINCIPAL, StandFixture
from stand import NOBODY, Stand

from minicluster.progress import wait_until

LOOK_UP = Path(os.environ["IC_BINARIES"]) / "look_up"


class Preflight(StandFixture):
    def look_up(self, *credential, image="team/server:1.0.0", authority=None, allowed=None):
        done = subprocess.run([LOOK_UP, authority or self.stand.authority, allowed or self.stand.host, f"{self.stand.host}/{image}", *credential],
                              check=True, capture_output=True, text=True)
        return json.loads(done.stdout)

    def verdict(self, *credential, **how):
        return self.look_up(*credential, **how)["verdict"]

    def asked(self, call):
        """What the stand-in was asked meanwhile."""
        before = len(self.stand.requests())
        result = call()
        return result, self.stand.requests()[before:]

    def test_an_image_is_found_with_its_digest_and_the_platform_that_the_storage_tells(self):
        digest = "sha256:" + hashlib.sha256((self.image / "manifest.json").read_bytes()).hexdigest()
        found, asked = self.asked(lambda: self.look_up("puller", "p"))
        self.assertEqual((found["verdict"], found["digest"], found["platforms"]), ("Resolved", digest, ["linux/amd64"]))
        self.assertEqual([(entry["route"], entry["shown"], entry["status"]) for entry in asked],
                         [("manifest", "", 401), ("token", "Basic", 200), ("manifest", "Bearer", 200), ("blob", "Bearer", 307), ("storage", "", 200)])
        self.assertEqual(self.verdict("puller", "p", image=f"team/server@{digest}"), "Resolved")

    def test_what_was_found_before_is_looked_at_without_its_content(self):
        digest = self.look_up("puller", "p")["digest"]
        asks = lambda known: self.asked(lambda: self.look_up("puller", "p", known))  # noqa: E731
        found, asked = asks(digest)
        self.assertEqual((found["verdict"], found["digest"], found["platforms"]), ("Resolved", digest, ["linux/amd64"]))
        self.assertEqual([(entry["route"], entry["method"], entry["status"]) for entry in asked],
                         [("manifest", "HEAD", 401), ("token", "GET", 200), ("manifest", "HEAD", 200)])
        found, asked = asks("sha256:" + "0" * 64)
        self.assertEqual((found["verdict"], found["digest"]), ("Resolved", digest))
        self.assertEqual([(entry["route"], entry["method"], entry["status"]) for entry in asked][2:],
                         [("manifest", "HEAD", 200), ("manifest", "GET", 200), ("blob", "GET", 307), ("storage", "GET", 200)])
        # A registry, or what stands before it, may have nothing to say to HEAD: the first is the challenge.
        for odd in ({"status": 405}, {"status": 404}, {"status": 304}, {"status": 200}):
            self.stand.fault("manifest", **odd)
            found, asked = asks(digest)
            self.assertEqual((found["verdict"], found["digest"]), ("Resolved", digest))
            self.assertIn(("manifest", "GET", 200), [(entry["route"], entry["method"], entry["status"]) for entry in asked])
        gone = "sha256:" + "0" * 64
        self.assertEqual(self.verdict("puller", "p", gone, image=f"team/server@{gone}"), "ManifestUnknown")
        self.assertEqual(self.verdict("puller", "wrong", digest), "CredentialRefused")
        self.assertEqual(self.verdict("puller", "p", digest, image="team/other:1.0.0"), "InsufficientScope")

    def test_a_minted_refresh_token_serves_as_the_password_of_nobody(self):
        _, _, entra = self.entra(PRINCIPAL, client_secret="s+/=&")
        _, _, exchanged = self.refresh_token(entra["access_token"])
        self.assertEqual(self.verdict(NOBODY, exchanged["refresh_token"]), "Resolved")
        self.assertEqual(self.verdict(NOBODY, "eyJ.eyJ.x"), "CredentialRefused")

    def test_each_thing_that_is_wrong_has_its_verdict(self):
        self.assertEqual(self.verdict("puller", "wrong"), "CredentialRefused")
        self.assertEqual(self.verdict(), "CredentialMissing")
        self.assertEqual(self.verdict("puller", "p", image="team/server:absent"), "ManifestUnknown")
        self.assertEqual(self.verdict("puller", "p", image="team/other:1.0.0"), "InsufficientScope")
        self.assertEqual(self.verdict("puller", "p", image=f"team/server@sha256:{'0' * 64}"), "ManifestUnknown")
        self.assertEqual(self.verdict("puller", "p", authority=self.stand.pki.certificate("signer")), "Untrusted")
        self.assertEqual(self.verdict("puller", "p", allowed="azurecr.io"), "ServerNotAllowed")

    def test_a_registry_that_is_ill_or_refuses_is_told_from_one_that_does_not_have_the_image(self):
        for status, verdict in ((403, "Forbidden"), (429, "Throttled"), (503, "Unavailable"), (500, "Unavailable"), (302, "AnswerInvalid")):
            for route in ("manifest", "token"):
                self.stand.fault(route, status=status, headers={"Retry-After": "9"}, body=b"sentinel")
                found = self.look_up("puller", "p")
                self.assertEqual(found["verdict"], verdict, route)
                self.assertEqual(found["retryAfter"], 9 if status >= 429 else 0)
                self.assertNotIn("sentinel", json.dumps(found))
        self.stand.fault("token", truncate=20)
        self.assertEqual(self.verdict("puller", "p"), "Unavailable")
        self.stand.fault("token", delay=6)
        answered = len(self.stand.requests("token"))
        self.assertEqual(self.verdict("puller", "p"), "Unavailable")
        wait_until(lambda: len(self.stand.requests("token")) > answered, 10, "the late answer, which other tests are not to count")

    def test_a_token_server_elsewhere_gets_no_credential(self):
        with Stand(self.folder / "rogue") as rogue:
            self.stand.fault("manifest", status=401, headers={"WWW-Authenticate": f'Bearer realm="https://{rogue.host}/oauth2/token",service="s"'})
            self.assertEqual(self.verdict("puller", "p"), "ServerNotAllowed")
            self.assertEqual(rogue.requests(), [])

    def test_a_redirect_elsewhere_is_not_followed_and_content_of_another_digest_not_believed(self):
        self.stand.fault("blob", status=307, headers={"Location": "https://evil.example/"})
        found = self.look_up("puller", "p")
        self.assertEqual((found["verdict"], found["platforms"]), ("Resolved", None))
        self.stand.fault("storage", status=200, body=b"{}")
        self.assertEqual(self.look_up("puller", "p")["platforms"], None)
        # The first request of a look is only to learn the challenge.
        self.stand.fault("manifest", status=200, headers={"Docker-Content-Digest": "sha256:" + "0" * 64}, body=b'{"config": {}}')
        self.assertEqual(self.verdict("puller", "p"), "DigestMismatch")


if __name__ == "__main__":
    unittest.main()
