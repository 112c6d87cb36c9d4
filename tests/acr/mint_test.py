#!/usr/bin/python3
"""How the operator mints credentials, over TLS at the stand-in for ACR and Entra, and that containers' tools pull with them."""

import json
import os
import subprocess
import unittest
from pathlib import Path

from fixture import PRINCIPAL, STRANGER, TENANT, WORKLOAD, StandFixture
from stand import NOBODY, Stand

from minicluster.progress import wait_until

MINT = Path(os.environ["IC_BINARIES"]) / "mint"
WAY = ["challenge", "entra", "exchange", "token"]


class Mint(StandFixture):
    def setUp(self):
        self.before = len(self.stand.requests())

    def tearDown(self):
        self.stand.skew, self.stand.access_lifetime = 0, 4500

    def question(self, client=PRINCIPAL, tenant=TENANT, whole=False, **proof):
        return {"server": self.stand.host, "repositories": [] if whole else ["team/server"], "tenant": tenant, "client": client, **proof}

    def mint(self, *questions, authority=None, servers=None, shown=None):
        told = {"authority": (authority or self.stand.authority).read_text(), "servers": servers or [self.stand.host],
                "shown": shown or [self.stand.host], "entra": self.stand.host, "questions": questions}
        done = subprocess.run([MINT], input=json.dumps(told), check=True, capture_output=True, text=True)
        self.assertNotIn("sentinel", done.stdout + done.stderr)
        results = json.loads(done.stdout)
        return results[0] if len(results) == 1 else results

    def problem(self, *questions, **how):
        result = self.mint(*(questions or [self.question(secret="s+/=&")]), **how)
        return result.get("problem"), result.get("detail")

    def asked(self):
        return [entry["route"] for entry in self.stand.requests()[self.before:]]

    def test_a_secret_and_an_accounts_token_become_credentials_that_pull_their_repository(self):
        account = self.question(WORKLOAD, assertion=self.assertion()["client_assertion"])
        for question in (self.question(secret="s+/=&"), account):
            minted = self.mint(question)
            self.assertEqual(minted["username"], NOBODY)
            self.assertAlmostEqual(minted["left"], 4500, delta=5)
            self.assertEqual(self.manifest(minted["password"])[0], 200)
        self.assertEqual(self.asked()[:4], WAY)

    def test_the_token_for_the_whole_registry_is_a_password_that_skopeo_pulls_with(self):
        minted = self.mint(self.question(whole=True, secret="s+/=&"))
        self.assertAlmostEqual(minted["left"], 3 * 3600, delta=5)
        self.assertEqual(self.inspect(minted["username"], minted["password"]).returncode, 0)

    def test_many_with_one_identity_cost_one_request_at_entras(self):
        self.mint(*[self.question(secret="s+/=&")] * 5, self.question(whole=True, secret="s+/=&"))
        self.assertEqual(self.asked().count("entra"), 1)
        self.assertEqual(self.asked().count("exchange"), 1)

    def test_each_refusal_of_an_identity_has_its_problem(self):
        for expected, question in ((("ClientSecretInvalid", "AADSTS7000215"), self.question(secret="wrong")),
                                   (("IdentityNotFound", "AADSTS90002"), self.question(tenant="other", secret="s+/=&")),
                                   (("IdentityNotFound", "AADSTS700016"), self.question(client="nobody", secret="s")),
                                   (("ExchangeDenied", "HTTP status 401"), self.question(client=STRANGER, secret="s"))):
            self.assertEqual(self.problem(question), expected)
        for expected, how in ((("FederationNotFound", "AADSTS70021"), {"subject": "system:serviceaccount:zoo:other"}),
                              (("FederationNotFound", "AADSTS700211"), {"issuer": "https://elsewhere"}),
                              (("FederationNotFound", "AADSTS700212"), {"audience": "https://kubernetes"}),
                              (("AssertionExpired", "AADSTS700024"), {"life": -60})):
            self.assertEqual(self.problem(self.question(WORKLOAD, assertion=self.assertion(**how)["client_assertion"])), expected)
        self.assertEqual(self.problem(self.question(WORKLOAD, assertion="e.y.J")), ("IdentityRefused", "AADSTS50027"))

    def test_each_way_to_be_ill_has_its_problem_and_the_pause_that_is_asked_for(self):
        for route in WAY:
            busy = "IdentityProviderUnavailable" if route == "entra" else "Throttled"
            ill = "IdentityProviderUnavailable" if route == "entra" else "RegistryUnreachable"
            for status, expected in ((429, busy), (503, ill)):
                self.stand.fault(route, status=status, headers={"Retry-After": "9"}, body=b"sentinel")
                result = self.mint(self.question(secret="s+/=&"))
                self.assertEqual((result["problem"], result["retryAfter"]), (expected, 9), route)
            self.stand.fault(route, truncate=20)
            self.assertEqual(self.problem(), (ill, "its answer is cut short"), route)
        self.stand.fault("challenge", status=403)
        self.assertEqual(self.problem()[0], "RegistryForbidden")
        self.stand.fault("token", delay=6)
        answered = len(self.stand.requests("token"))
        self.assertEqual(self.problem(), ("RegistryUnreachable", "it does not answer in time"))
        wait_until(lambda: len(self.stand.requests("token")) > answered, 10, "the late answer, which other tests are not to count")

    def test_short_lives_and_other_clocks(self):
        self.stand.access_lifetime = 90
        self.assertAlmostEqual(self.mint(self.question(secret="s+/=&"))["left"], 90, delta=3)
        self.stand.access_lifetime = 4500
        for skew in (-4 * 3600, 3600):
            self.stand.skew = skew
            self.assertEqual(self.problem(), ("ClockSkew", self.stand.host))
        self.stand.skew = -200
        self.assertEqual(self.problem()[0], None)

    def test_nobody_else_gets_anything_secret(self):
        for how in ({"servers": ["azurecr.io"]}, {"shown": ["azurecr.io"]}):
            self.assertEqual(self.problem(**how), ("ServerNotAllowed", self.stand.host))
        self.assertEqual(self.asked(), [])
        self.assertEqual(self.problem(authority=self.stand.pki.certificate("signer")),
                         ("TLSUntrusted", "it was issued by an authority that is not known"))
        with Stand(self.folder / "rogue") as rogue:
            self.stand.fault("challenge", status=401, headers={"WWW-Authenticate": f'Bearer realm="https://{rogue.host}/oauth2/token",service="s"'})
            self.assertEqual(self.mint(self.question(secret="s+/=&"))["host"], rogue.host)
            self.assertEqual(self.asked(), ["challenge"])
            for route, expected in (("exchange", "RegistryAnswerInvalid"), ("token", "RegistryAnswerInvalid"),
                                    ("entra", "IdentityProviderUnavailable")):
                self.stand.fault(route, status=307, headers={"Location": f"https://{rogue.host}/oauth2/{route}"})
                self.assertEqual(self.problem(), (expected, "HTTP status 307"))
            self.assertEqual(rogue.requests(), [])


if __name__ == "__main__":
    unittest.main()
