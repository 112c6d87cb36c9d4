#!/usr/bin/python3
"""No credential in anything that the operator gives out at its most talkative level: log, metrics, health pages, events, status.

Each run goes wrong in one way that could make somebody print what was sent.
"""

import base64
import json
import os
import resource
import secrets
import shutil
import signal
import stat
import subprocess
import time
import unittest
from pathlib import Path

from operator_rig import NO_REGISTRIES, PROGRAM, OperatorTest, wait_until, with_basic

FAULTS = ("seed=3,any=reset:0.1,any=lose:0.05,any=status:0.1:code=503:retry=0,any=status:0.05:code=429:retry=0,"
          "watch=cut:0.3:bytes=6000")


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


class Secrets(OperatorTest):
    starts_operator = False

    def setUp(self):
        super().setUp()
        self.folder = self.temporary_folder()

    def plant(self, kind):
        """Long enough not to be there by chance."""
        return f"sentinel-{kind}-{secrets.token_urlsafe(40)}"

    def given_out(self, operator):
        parts = {"log": Path(operator.log.name).read_text()}
        if operator.process.poll() is None:
            for path in ("/metrics", "/healthz?verbose", "/readyz?verbose"):
                parts[path] = operator.ask(path)[1]
        for kind in ("ic", "events", "events.events.k8s.io"):
            parts[kind] = json.dumps([without_spec(item) for item in self.get(kind).get("items", [])])
        return parts

    def check_silence(self, operator, *planted):
        parts = self.given_out(operator)
        self.assertIn('"level":"', parts["log"])
        for secret in planted:
            for form in (secret, base64_of(secret), secret[-24:]):
                for name, text in parts.items():
                    self.assertFalse(form in text, f"a credential is in {name}")

    def run_with(self, user, sign, *planted, options=(), **cluster):
        """The operator as this user until its log holds `sign`."""
        operator = self.start("--log-level", "debug", *options, kubeconfig=self.kubeconfig_of(user, **cluster))
        wait_until(lambda: sign in Path(operator.log.name).read_text(), 30, f"the log to say: {sign}")
        time.sleep(1)
        self.check_silence(operator, *planted)
        operator.end()
        self.check_silence(operator, *planted)

    def test_a_run_with_faults_wrong_keys_and_a_new_password(self):
        token = self.make_account("operator")
        passwords = [self.plant("password") for _ in range(3)]
        self.make_credentials(password=passwords[0])
        self.make_credentials("other-server", password=passwords[2])
        operator = self.start("--log-level", "debug", "--inject-faults", FAULTS, kubeconfig=self.kubeconfig_of({"token": token}))
        self.apply(with_basic("pets"), with_basic("dogs", secret="nowhere"), with_basic("cats", secret="other-server", replicas=2))
        wait_until(lambda: self.password_in_pull_secret("pets") == passwords[0], 90, "the pull Secret")
        self.make_credentials(password=passwords[1])
        self.run_kubectl("annotate", "ic", "pets", "example.com/touched=yes")
        wait_until(lambda: self.password_in_pull_secret("pets") == passwords[1], 90, "the other password")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"registry": null}}')
        wait_until(lambda: not self.get("secret", "pets-acr-pull"), 90, "the pull Secret to go")
        docker = [base64_of(f"puller:{password}") for password in passwords]
        self.check_silence(operator, token, *passwords, *docker)
        self.assertEqual(operator.end(), 0)
        self.check_silence(operator, token, *passwords, *docker)

    def test_a_refused_token(self):
        token = self.plant("token")
        self.run_with({"token": token}, "Unauthorized", token)

    def test_a_token_of_a_file_that_is_refused(self):
        token = self.plant("token-file")
        (self.folder / "token").write_text(token)
        self.run_with({"tokenFile": str(self.folder / "token")}, "Unauthorized", token)

    def test_a_refused_user_with_password(self):
        password = self.plant("basic")
        self.run_with({"username": "somebody", "password": password}, "forbidden", password, base64_of(f"somebody:{password}"))

    def test_a_client_key_that_is_none(self):
        key = self.plant("key")
        admin = json.loads(self.kubectl.run("config", "view", "--raw", "--flatten", "-o", "json").stdout)["users"][0]["user"]
        pem = f"-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"
        self.run_with({"client-certificate-data": admin["client-certificate-data"], "client-key-data": base64_of(pem)}, '"level":"error"', key)

    def test_a_server_whose_ca_is_another(self):
        token = self.plant("token")
        key = self.folder / "key.pem"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        openssl("req", "-x509", "-new", "-key", key, "-subj", "/CN=another", "-days", "1", "-out", self.folder / "ca.pem")
        self.run_with({"token": token}, "failed", token, **{"certificate-authority-data": base64_of((self.folder / "ca.pem").read_text())})

    def test_a_proxy_with_a_password_that_is_not_there(self):
        token, password = self.plant("token"), self.plant("proxy")
        self.run_with({"token": token}, "failed", token, password, **{"proxy-url": f"http://somebody:{password}@127.0.0.1:1"})

    def test_a_user_with_password_in_the_url_of_the_server(self):
        password = self.plant("url")
        self.run_with({}, '"level":"error"', password, server=f"https://somebody:{password}@127.0.0.1:1")

    def plugin(self, text):
        program = self.folder / "plugin"
        program.write_text("#!/bin/sh\n" + text)
        program.chmod(stat.S_IRWXU)
        return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}}

    def test_a_plugin_whose_token_is_refused(self):
        token = self.plant("plugin")
        answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
        self.run_with(self.plugin(f"echo '{json.dumps(answer)}'\n"), "Unauthorized", token)

    def test_a_plugin_that_fails_and_prints_its_token(self):
        token = self.plant("plugin")
        self.run_with(self.plugin(f"echo 'cannot use {token}' >&2\necho '{token}'\nexit 1\n"), "plugin", token)

    def test_a_plugin_that_prints_its_token_where_json_belongs(self):
        token = self.plant("plugin")
        self.run_with(self.plugin(f"echo '{{\"status\": {{\"token\": \"{token}\"'\n"), "plugin", token)


class CoreFiles(OperatorTest):
    starts_operator = False

    def test_a_process_that_is_aborted_leaves_no_core_file(self):
        most = resource.getrlimit(resource.RLIMIT_CORE)[1]

        def left_by(*command, ready=lambda: True):
            place = self.temporary_folder()
            unlimited = lambda: resource.setrlimit(resource.RLIMIT_CORE, (most, most))  # noqa: E731
            process = subprocess.Popen(command, cwd=place, preexec_fn=unlimited, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: ready() and Path(f"/proc/{process.pid}/comm").read_text().strip() == Path(command[0]).name[:15], 10, "the program")
            process.send_signal(signal.SIGABRT)
            self.assertEqual(process.wait(timeout=20), -signal.SIGABRT)
            return list(place.iterdir())

        if most != 0 and not Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):
            self.assertTrue(left_by("/bin/sleep", "60"), "nothing leaves a core file here")
        self.assertEqual(left_by(str(PROGRAM), "--kubeconfig", str(self.kubectl.folder / "kubeconfig"), "--namespace", self.namespace,
                                 "--listen", "127.0.0.1:0", "--registry-config", str(NO_REGISTRIES), "--leader-elect",
                                 "--leader-elect-resource-namespace", self.namespace, ready=lambda: self.get("leases")["items"]), [])

    def test_its_memory_and_environment_are_not_even_for_other_processes_of_its_user(self):
        place = self.temporary_folder()
        place.chmod(0o755)
        program = Path(shutil.copy(PROGRAM, place))
        (place / "kubeconfig").write_text(self.kubectl.run("config", "view", "--raw", "--flatten").stdout)
        user = {"user": 65532, "group": 65532, "extra_groups": []} if os.geteuid() == 0 else {}

        def owners(*command):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            files = [f"/proc/{process.pid}/{name}" for name in ("mem", "environ")]
            wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == Path(command[0]).name[:15], 10, "the program")
            return lambda: {os.stat(file).st_uid for file in files}, files

        owner, files = owners(str(program), "--kubeconfig", str(place / "kubeconfig"), "--namespace", self.namespace, "--listen", "127.0.0.1:0")
        wait_until(lambda: owner() == {0}, 10, "root to own them")
        for file in files:
            self.assertIn("denied", subprocess.run(["head", "-c", "1", file], capture_output=True, text=True, check=False, **user).stderr)
        owner, files = owners("/bin/sleep", "60")
        self.assertEqual(owner(), {user.get("user", os.getuid())}, "those of any other process are its user's")


def without_spec(item):
    """What the operator writes, not what people have written."""
    return {key: value for key, value in item.items() if key not in ("spec", "metadata")}


def openssl(*words):
    subprocess.run(["openssl", *(str(word) for word in words)], check=True, capture_output=True)


def load_tests(_loader, tests, _pattern):
    """Without CoreFiles where a sanitizer's runtime needs what the operator forbids otherwise."""
    sanitized = any(mark in PROGRAM.read_bytes() for mark in (b"__asan_init", b"__tsan_init"))
    return unittest.TestSuite(case for suite in tests for case in suite if not (sanitized and isinstance(case, CoreFiles)))


if __name__ == "__main__":
    unittest.main()
