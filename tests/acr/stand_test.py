#!/usr/bin/python3
"""The stand-in for ACR and Entra, seen by clients that know nothing of it: skopeo, and plain requests as the protocols have them."""

import http.client
import json
import unittest
import urllib.parse

from fixture import PRINCIPAL, PULL, STRANGER, TENANT, WORKLOAD, StandFixture, basic
from stand import NOBODY


class StandTest(StandFixture):
    def test_skopeo_pulls_with_a_scope_map_token_and_is_refused_with_a_wrong_password(self):
        pulled = self.inspect("puller", "p")
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        self.assertIn("invalid username/password", self.inspect("puller", "wrong").stderr)

    def test_a_service_principal_comes_to_a_refresh_token_that_skopeo_pulls_with(self):
        status, _, entra = self.entra(PRINCIPAL, client_secret="s+/=&")
        self.assertEqual(status, 200)
        _, _, exchanged = self.refresh_token(entra["access_token"])
        pulled = self.inspect(NOBODY, exchanged["refresh_token"])
        self.assertEqual(pulled.returncode, 0, pulled.stderr)
        status, _, answer = self.ask("POST", "/oauth2/token", form={"grant_type": "refresh_token", "service": self.stand.host, "scope": PULL,
                                                                    "refresh_token": exchanged["refresh_token"]})
        self.assertEqual((status, sorted(answer)), (200, ["access_token"]))
        self.assertEqual(self.manifest(answer["access_token"])[0], 200)

    def test_a_federated_assertion_is_checked_against_the_clusters_keys(self):
        self.assertEqual(self.entra(WORKLOAD, **self.assertion())[0], 200)
        for code, wrong in ((700024, {"life": -60}), (700212, {"audience": "api://other"}), (70021, {"subject": "system:serviceaccount:zoo:other"}),
                            (700211, {"issuer": "https://other"})):
            status, _, answer = self.entra(WORKLOAD, **self.assertion(**wrong))
            self.assertEqual((status, answer["error_codes"]), (400, [code]))
            self.assertIn(f"AADSTS{code}", answer["error_description"])

    def test_entra_names_each_of_its_refusals(self):
        for code, call in ((7000215, {"client": PRINCIPAL, "client_secret": "wrong"}), (700016, {"client": "nobody", "client_secret": "s"}),
                           (90002, {"client": PRINCIPAL, "tenant": "other", "client_secret": "s+/=&"}),
                           (500011, {"client": PRINCIPAL, "scope": "https://other/.default", "client_secret": "s+/=&"})):
            self.assertEqual(self.entra(**call)[2]["error_codes"], [code])

    def test_who_has_no_role_is_refused_at_the_exchange_and_who_lacks_one_repository_at_the_registry(self):
        _, _, entra = self.entra(STRANGER, client_secret="s")
        self.assertEqual(self.refresh_token(entra["access_token"])[0], 401)
        status, headers, _ = self.manifest(self.access_token(scope="repository:other:pull"), repository="other")
        self.assertEqual(status, 401)
        self.assertIn('error="insufficient_scope"', headers["WWW-Authenticate"])

    def test_a_tag_that_is_absent_an_expired_token_and_a_forged_one_are_told_as_the_registry_does(self):
        status, _, answer = self.manifest(self.access_token(), tag="absent")
        self.assertEqual((status, answer["errors"][0]["code"]), (404, "MANIFEST_UNKNOWN"))
        self.stand.skew = -4500 - 120  # beyond the registry's leeway
        self.addCleanup(setattr, self.stand, "skew", 0)
        status, headers, _ = self.manifest(self.access_token())
        self.assertEqual(status, 401)
        self.assertIn('error="invalid_token"', headers["WWW-Authenticate"])
        self.assertEqual(self.manifest("a.b.c")[0], 401)

    def test_content_is_redirected_to_a_storage_that_wants_no_second_authorization(self):
        token = self.access_token()
        _, _, manifest = self.manifest(token)
        bearer = {"Authorization": f"Bearer {token}"}
        status, headers, _ = self.ask("GET", f"/v2/team/server/blobs/{manifest['config']['digest']}", bearer)
        self.assertEqual(status, 307)
        place = urllib.parse.urlsplit(headers["Location"])
        self.assertEqual(self.ask("GET", f"{place.path}?{place.query}")[2]["architecture"], "amd64")
        self.assertEqual(self.ask("GET", f"{place.path}?{place.query}", bearer)[0], 400)

    def test_faults_hit_their_route_so_many_times_and_stand_in_the_log_without_a_secret(self):
        self.stand.fault("token", status=429, headers={"Retry-After": "7"}, times=2)
        for expected in (429, 429, 200):
            status, headers, _ = self.ask("GET", f"/oauth2/token?scope={PULL}", {"Authorization": basic("puller", "p")})
            self.assertEqual((status, headers["Retry-After"]), (expected, "7" if expected == 429 else None))
        self.assertEqual([entry["fault"] for entry in self.stand.requests("token")[-3:]], [True, True, False])
        self.stand.fault("manifest", truncate=10)
        with self.assertRaises(http.client.IncompleteRead):
            self.manifest(self.access_token())
        self.assertNotIn(basic("puller", "p"), json.dumps(self.stand.requests()))


if __name__ == "__main__":
    unittest.main()
