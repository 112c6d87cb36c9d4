#!/usr/bin/python3
"""The search for credentials in logs finds each kind when it is planted, and nothing in a log that is clean."""

import json
import tempfile
import unittest
from pathlib import Path

from credentials_of_run import Credentials, base64_of

KEY = "".join(f"{line}\n" for line in ("-----BEGIN PRIVATE KEY-----", "TUlHSEFnRUFNQk1HQnlxR1NNNDlBZ0VHQ0Nx", "R1NNNDlBd0VIQkcwd2F3SUJBUVFn",
                                       "-----END PRIVATE KEY-----"))
USER = {"token": "inline-token", "tokenFile": "token", "username": "somebody", "password": "inline-password",
        "client-key-data": base64_of(KEY), "client-key": "key.pem"}
CLUSTER = {"server": "https://a:server-password@host", "proxy-url": "http://a:proxy%2Fpassword@proxy"}


class Search(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folder = Path(place.name)
        (self.folder / "token").write_text("token-of-a-file\n")
        (self.folder / "key.pem").write_text(KEY.replace("TUlH", "RmlsZQ"))
        self.view = {"users": [{"name": "u", "user": USER}], "clusters": [{"name": "c", "cluster": CLUSTER}]}
        (self.folder / "config").write_text("stands for any kubeconfig")
        # In kubectl's place: prints what kubectl would make of the file.
        self.kubectl = self.folder / "kubectl"
        self.kubectl.write_text(f"#!/bin/sh\ncat {self.folder}/view\n")
        self.kubectl.chmod(0o700)
        self.show()

    def show(self):
        (self.folder / "view").write_text(json.dumps(self.view))

    def search(self):
        return Credentials(self.kubectl, self.folder / "config", {"HTTPS_PROXY": "http://b:proxy-of-environment@proxy", "PATH": "/usr/bin"})

    def test_each_kind_is_found_when_it_is_planted(self):
        for planted, what in [
                ("inline-token", "token"), (base64_of("inline-token"), "token"), ("token-of-a-file", "token of a file"),
                ("inline-password", "password"), (base64_of("somebody:inline-password"), "password"),
                ("server-password", "password in server"), ("proxy%2Fpassword", "password in proxy-url"),
                ("proxy/password", "password in proxy-url"), ("proxy-of-environment", "password in HTTPS_PROXY"),
                (base64_of(KEY), "client key"), ("TUlHSEFnRUFNQk1HQnlxR1NNNDlBZ0VHQ0Nx", "client key"),
                ("RmlsZQSEFnRUFNQk1HQnlxR1NNNDlBZ0VHQ0Nx", "client key of a file")]:
            with self.subTest(planted=planted):
                self.assertIn(what, self.search().held_by(f'{{"level":"error","msg":"it failed","error":"sent {planted} away"}}'))

    def test_a_clean_log_holds_none(self):
        self.assertEqual(self.search().held_by('{"level":"info","msg":"Starting","server":"host","user":"somebody"}'), [])

    def test_a_token_that_was_swapped_is_still_searched_for_and_the_new_one_too(self):
        search = self.search()
        (self.folder / "token").write_text("another-token")
        self.assertEqual(search.held_by("token-of-a-file"), ["token of a file"])
        self.assertEqual(search.held_by("another-token"), ["token of a file"])

    def test_a_kubeconfig_and_files_that_are_gone_hold_nothing_more(self):
        search = self.search()
        for name in ("config", "token", "key.pem"):
            (self.folder / name).unlink()
        self.assertEqual(search.held_by("nothing"), [])
        self.assertEqual(search.held_by("inline-token"), ["token"])

    def test_short_texts_are_not_searched_for(self):
        self.view["users"][0]["user"] = {"token": "a"}
        self.show()
        self.assertEqual(self.search().held_by("a log"), [])


if __name__ == "__main__":
    unittest.main()
