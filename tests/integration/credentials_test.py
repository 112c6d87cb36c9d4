#!/usr/bin/python3
"""Credentials that end while the operator runs: token files, credential plugins and certificates against a real API server."""

import json
import os
import socket
import ssl
import stat
import time
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

from operator_rig import OperatorTest, resource, wait_until

from minicluster.pki import Pki
from switch import Switch

# Writes one line per run; answers with the token in the file, and when it ends.
PLUGIN = """#!/bin/sh
echo run >> {folder}/runs
cat {folder}/answer
"""


class Rig(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()
        self.number = 0

    def put(self, name, text):
        """As a kubelet does: the whole file at once."""
        (self.folder / "new").write_text(text)
        os.replace(self.folder / "new", self.folder / name)

    def users(self, code=range(200, 300)):
        return [event["user"].get("username", "").rpartition(":")[2] for event in self.requests() if event["responseStatus"]["code"] in code]

    def change(self):
        """Something that the operator has to write."""
        self.number += 1
        self.apply(resource("pets", replicas=self.number))
        wait_until(lambda: self.get("deployment", "pets").get("spec", {}).get("replicas") == self.number, 40, f"{self.number} replicas")


class Tokens(Rig):
    def setUp(self):
        super().setUp()
        self.first, self.second = self.make_account("first"), self.make_account("second")

    def end_of_first(self):
        """Its account is gone; the API server remembers a good token for up to ten seconds."""
        self.run_kubectl("delete", "serviceaccount", "first")

        def refused():
            return "Unauthorized" in self.kubectl.run("--token", self.first, "--client-certificate=", "--client-key=", "--kubeconfig",
                                                      self.no_user, "get", "--raw", "/api", check=False).stderr
        self.no_user = self.kubeconfig_of({})
        wait_until(refused, 30, "the old token to be refused")

    def check_change_of_user(self):
        self.change()
        self.assertEqual(set(self.users()), {"first"})
        self.end_of_first()
        before = len(self.users())
        self.change()
        self.assertEqual(set(self.users()[before:]), {"second"})
        self.assertLessEqual(len(self.users(code=[401])), 10)

    def test_a_token_file_with_the_token_of_another_account_is_read_anew_when_the_old_one_is_refused(self):
        self.put("token", self.first)
        self.start(kubeconfig=self.kubeconfig_of({"tokenFile": str(self.folder / "token")}))
        self.change()
        self.put("token", self.second)
        self.check_change_of_user()

    def plugin(self, version):
        program = self.folder / "plugin"
        program.write_text(PLUGIN.format(folder=self.folder))
        program.chmod(stat.S_IRWXU)
        self.version = version
        return self.kubeconfig_of({"exec": {"apiVersion": f"client.authentication.k8s.io/{version}", "command": str(program),
                                            "interactiveMode": "Never"}})

    def answer(self, token, seconds=None):
        status = {"token": token}
        if seconds is not None:
            status["expirationTimestamp"] = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.put("answer", json.dumps({"apiVersion": f"client.authentication.k8s.io/{self.version}", "kind": "ExecCredential", "status": status}))

    def runs(self):
        path = self.folder / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def check_plugin(self, version):
        config = self.plugin(version)
        self.answer(self.first)
        self.start(kubeconfig=config)
        self.change()
        self.assertEqual(self.runs(), 1)
        self.answer(self.second)
        self.check_change_of_user()
        self.assertEqual(self.runs(), 2)

    def test_a_plugin_runs_once_until_its_token_is_refused_and_then_once_more(self):
        self.check_plugin("v1")

    def test_a_plugin_of_v1beta1_does_the_same(self):
        self.check_plugin("v1beta1")

    def test_a_plugin_runs_again_when_its_token_has_expired(self):
        config = self.plugin("v1")
        self.answer(self.first, seconds=6)
        self.start(kubeconfig=config)
        self.change()
        self.assertEqual(self.runs(), 1)
        self.answer(self.second, seconds=3600)

        def second_used():
            self.change()
            return "second" in self.users()
        wait_until(second_used, 30, "the token that follows")
        self.assertEqual(self.runs(), 2)
        self.assertEqual(self.users(code=[401]), [])


class Certificates(Rig):
    """The API server's, under a name for which it has one of its own in files that it follows, and the operator's."""

    name = "changing.test"

    def setUp(self):
        super().setUp()
        self.port = urlsplit(self.kubectl.state["server"]).port
        self.pki = Pki(self.kubectl.folder / "data/pki")
        self.next = Pki(self.folder / "next")
        self.next.create("the next CA")
        for user in ("first", "second"):
            self.pki.issue(user, f"/O=system:masters/CN={user}")

    def put_user(self, user):
        self.put("tls.crt", self.pki.certificate(user).read_text())
        self.put("tls.key", self.pki.key(user).read_text())

    def present(self, authority):
        """The API server's certificate, of this authority from now on."""
        authority.issue("made", "/CN=kube-apiserver", [f"DNS:{self.name}"])
        for made, place in ((authority.key("made"), self.pki.key("changing")), (authority.certificate("made"), self.pki.certificate("changing"))):
            os.replace(made, place)
        context = ssl.create_default_context(cafile=authority.certificate("ca"))

        def presented():
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain, context.wrap_socket(plain, server_hostname=self.name):
                    return True
            except ssl.SSLError:
                return False
        wait_until(presented, 20, "the API server to read its certificate")

    def test_certificate_files_of_both_sides_are_changed_without_a_restart(self):
        way = Switch(self.port)
        self.addCleanup(way.close)
        self.present(self.pki)
        self.addCleanup(self.present, self.pki)
        old, new = (pki.certificate("ca").read_text() for pki in (self.pki, self.next))
        self.put("ca.crt", old)
        self.put_user("first")
        operator = self.start(kubeconfig=self.kubeconfig_of(
            {"client-certificate": str(self.folder / "tls.crt"), "client-key": str(self.folder / "tls.key")},
            **{"server": f"https://127.0.0.1:{way.port}", "tls-server-name": self.name, "certificate-authority-data": "",
               "certificate-authority": str(self.folder / "ca.crt")}))
        self.change()
        self.assertEqual(set(self.users()), {"first"})
        self.put("ca.crt", old + new)
        self.put_user("second")

        def read():
            time.sleep(2)
            self.change()  # by a request the files are looked at, once in a minute
            return "second" in self.users()
        wait_until(read, 90, "the files to be read")
        self.present(self.next)
        way.to(self.port)  # every connection is made anew
        cut = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.change()
        self.change()
        since = [event for event in self.requests(stage=None) if event["requestReceivedTimestamp"] > cut]
        self.assertIn("watch", {event["verb"] for event in since})
        self.assertEqual({event["user"]["username"] for event in since}, {"second"})
        self.assertEqual(self.users(code=[401]), [])
        self.assertNotIn("not trusted", Path(operator.log.name).read_text())
        self.assertEqual([event["requestURI"] for event in self.requests() if event["verb"] == "list"], [])


if __name__ == "__main__":
    unittest.main()
