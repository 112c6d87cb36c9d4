#!/usr/bin/python3
"""Nothing of a credential that is minted, nor of what it is minted from, is anywhere but in the pull Secret: not the client secret,
an account's token, the tokens of Entra and of the registry, nor a password; whole, in part or encoded; whatever answers quote."""

import base64
import json
import os
import subprocess
import unittest
import urllib.parse
import uuid
from pathlib import Path

import jwt
from minting_test import ISSUER, TENANT
from operator_rig import PROGRAM, condition, resource, wait_until
from registry_rig import RegistryTest, log_of
from sentinels import Sentinels
from stand import Fault

CLIENT_SECRET = "client-secret-sentinel:\"+/=&%\\" + uuid.uuid4().hex
PASSWORD = "password-sentinel:\"+/=&%\\" + uuid.uuid4().hex
PROOFS = {"client_secret": "client secret", "client_assertion": "account's token"}
PLUGIN = PROGRAM.with_name("kubectl-imageclassifier")


def as_error(text):
    """As Entra words a refusal."""
    return {"error": text, "error_codes": [7000215], "error_description": f"AADSTS7000215: {text} Trace ID: {text}"}


def as_errors(text):
    """As a registry words one."""
    return {"errors": [{"code": text, "message": text, "detail": text}], "access_token": text[:200], "refresh_token": text}


# What a server makes of the secrets that it was shown: the status, and (text) -> (body, headers).
QUOTES = [
    (400, lambda text: (json.dumps(as_error(text)), {})),
    (401, lambda text: (json.dumps(as_errors(text)), {"WWW-Authenticate": f'Bearer realm="https://{text[:400]}/",service="{text[:400]}",error="{text[:400]}"'})),
    (401, lambda text: (json.dumps(as_error(urllib.parse.quote(text, safe=""))), {})),
    (403, lambda text: (f"<html>{text}</html>", {"Content-Type": "text/html", "Location": f"https://{text[:400]}"})),
    (429, lambda text: (json.dumps(as_errors(text)), {"Retry-After": text[:400]})),
    (503, lambda text: (base64.b64encode(text.encode()).decode(), {"Content-Type": "text/plain"})),
    (200, lambda text: (json.dumps({"access_token": text, "refresh_token": text, "token": text, "expires_in": text}), {})),
    (200, lambda text: (json.dumps(as_errors(text)) * 20, {"Truncated": "yes"})),
    (307, lambda text: ("", {"Location": f"https://{text[:400]}/{text[:400]}"})),
]
ROUTES = ("entra", "exchange", "token")
CASES = [(route, quote) for route in ROUTES for quote in QUOTES]


class MintedSecrets(RegistryTest):
    def setUp(self):
        super().setUp()
        self.sentinels = Sentinels()
        self.stand.keys, self.stand.issuer = [(self.kubectl.folder / "data/pki/service-account.pub").read_text()], ISSUER
        self.stand.users["puller"] = (PASSWORD, {"team/server": ["pull"]})
        self.sentinels.add("client secret", CLIENT_SECRET)
        self.sentinels.add("password", PASSWORD)
        self.sign, self.stand.signer.sign = self.stand.signer.sign, self.signed
        self.stand.choose = self.choose
        self.quoting, self.quoted = False, set()
        rights = {"repositories": {"team/server": ["pull"]}, "tenant": TENANT}
        self.clients = {str(uuid.uuid4()): case for case in CASES}
        self.account = str(uuid.uuid4())
        subject = f"system:serviceaccount:{self.namespace}:puller"
        self.stand.applications = {client: {"secret": CLIENT_SECRET, **rights} for client in self.clients}
        self.stand.applications[self.account] = {"subject": subject, **rights}

    def signed(self, *words, **claims):
        token = self.sign(*words, **claims)
        kinds = {"refresh_token": "refresh token", "access_token": "access token"}
        self.sentinels.add(kinds.get(claims.get("grant_type"), "Entra's token"), token)
        return token

    def choose(self, route, form):
        """Notes what is shown, and lets the case of the application that shows it happen."""
        shown = {name: values[0] for name, values in form.items()}
        for name, what in PROOFS.items():
            self.sentinels.add(what, shown.get(name))
        if not self.quoting:
            return None
        token = shown.get("access_token") or shown.get("refresh_token")
        claims = jwt.decode(token, options={"verify_signature": False}) if token else {}
        client = shown.get("client_id") or claims.get("appid") or claims.get("sub")
        if client == self.account:
            where, (status, quote) = "entra", QUOTES[0]
        else:
            where, (status, quote) = self.clients.get(client, ("", (0, None)))
        # A look at an image shows none in a form: what was given out for others is quoted.
        if not shown and route == "manifest":
            where, (status, quote) = route, QUOTES[0]
        if where != route:
            return None
        came = [shown.get(name) for name in (*PROOFS, "access_token", "refresh_token")]
        text = " ".join(value for value in [*came, *self.sentinels.of("access token", "client secret", "password")[:3]] if value)
        body, headers = quote(text)
        self.quoted.add((route, client))
        return Fault(status=status, body=body.encode(), headers=headers, truncate=1500 if "Truncated" in headers else None)

    def resources(self):
        def wants(name, auth):
            return resource(name, image=self.image("1.0.0"), registry={"auth": auth})
        secret = {"name": "application", "key": "secret"}
        for number, client in enumerate(self.clients):
            yield wants(f"principal-{number}", {"servicePrincipal": {"tenantID": TENANT, "clientID": client, "clientSecret": secret}})
        yield wants("account", {"workloadIdentity": {"serviceAccountName": "puller", "clientID": self.account, "tenantID": TENANT}})
        yield wants("password", {"basic": {"secretName": "acr-credentials"}})

    def credentials(self):
        """{name: reason of CredentialReady}"""
        return {item["metadata"]["name"]: condition(item, "CredentialReady").get("reason") for item in self.get("ic")["items"]}

    def objects(self):
        """All of the namespace but the content of Secrets."""
        names = self.run_kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").stdout.split()
        kinds = ",".join(name for name in names if not name.startswith("secrets"))
        return [*self.get(kinds)["items"], *({**item, "data": None} for item in self.get("secrets")["items"])]

    def kept(self):
        """Kinds of what the pull Secrets hold."""
        configs = [json.loads(base64.b64decode(item["data"][".dockerconfigjson"])) for item in self.get("secrets")["items"]
                   if item["type"] == "kubernetes.io/dockerconfigjson"]
        return {self.sentinels.known[entry["password"]] for config in configs for entry in config["auths"].values()}

    def given_out(self, operator, examined):
        yield "log", log_of(operator)
        for path in ("/metrics", "/healthz?verbose", "/readyz?verbose"):
            yield path, operator.ask(path)[1]
        for name in ("cmdline", "environ", "comm"):
            yield name, Path(f"/proc/{operator.process.pid}/{name}").read_text(errors="replace")
        for item in self.objects():
            yield f"{item['kind']} {item['metadata']['name']}", json.dumps(item)
        environment = {**os.environ, "KUBECONFIG": str(self.kubectl.folder / "kubeconfig")}
        for name in examined:
            done = subprocess.run([PLUGIN, "doctor", name, "-n", self.namespace], capture_output=True, text=True, env=environment, timeout=60)
            self.assertIn("secret", done.stdout)
            yield "doctor", done.stdout + done.stderr

    def check_silence(self, operator, *examined):
        found = {where: held for where, text in self.given_out(operator, examined) if (held := self.sentinels.held_by(text))}
        self.assertEqual(found, {})

    def policy(self, action, quote):
        """Quotes what is written into the pull Secret of the resource that has the name of `action`."""
        kind = "ValidatingAdmissionPolicy"
        meta = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": f"{self.namespace}-{action.lower()}"}}
        self.addCleanup(self.kubectl.run, "delete", f"{kind},{kind}Binding", meta["metadata"]["name"])
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["secrets"], "operations": ["CREATE"]}
        quoting = {"expression": "false", "messageExpression": f"'it holds ' + {quote}"}
        where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}}, "resourceRules": [rule]}
        mine = [{"name": "mine", "expression": f"object.metadata.name == '{action.lower()}-acr-pull'"}]
        self.apply({**meta, "kind": kind, "spec": {"matchConstraints": where, "matchConditions": mine, "validations": [quoting]}},
                   {**meta, "kind": f"{kind}Binding", "spec": {"policyName": meta["metadata"]["name"], "validationActions": [action]}})
        probe = ("create", "secret", "generic", f"{action.lower()}-acr-pull", "--dry-run=server", "--from-literal=.dockerconfigjson=sentinel-of-the-probe-itself")
        wait_until(lambda: "it holds" in self.run_kubectl(*probe, check=False).stderr, 30, "the policy to be in force")

    def test_an_api_server_that_quotes_what_is_written_into_a_secret_is_not_quoted(self):
        self.run_kubectl("create", "secret", "generic", "acr-credentials", "--from-literal=username=puller", f"--from-literal=password={PASSWORD}")
        self.policy("Deny", "object.data['.dockerconfigjson'].substring(9)")
        self.policy("Warn", "object.data['.dockerconfigjson']")
        operator = self.start("--log-level", "debug", *self.configuration())
        basic = {"registry": {"auth": {"basic": {"secretName": "acr-credentials"}}}}
        self.apply(*(resource(name, image=self.image("1.0.0"), **basic) for name in ("deny", "warn")))
        self.assertIn("it holds", self.wait_for("deny", "Ready", "False", "ObjectRefused")["message"])
        wait_until(lambda: "API server sent a warning" in log_of(operator), 20, "the warning")
        self.check_silence(operator, "deny", "warn")

    def test_whatever_is_answered_nothing_of_a_credential_leaves_but_into_the_pull_secret(self):
        # An apply would leave a copy in an annotation.
        self.run_kubectl("create", "secret", "generic", "application", f"--from-literal=secret={CLIENT_SECRET}")
        self.run_kubectl("create", "secret", "generic", "acr-credentials", "--from-literal=username=puller", f"--from-literal=password={PASSWORD}")
        self.run_kubectl("create", "serviceaccount", "puller")
        wanted = list(self.resources())
        operator = self.start("--log-level", "debug", "--image-check-interval", "3s", *self.configuration(clouds={"Public": {"authority": self.stand.host, "servers": [self.stand.host]}}))
        self.apply(*wanted)
        wait_until(lambda: set(self.credentials().values()) == {"Minted"} and len(self.credentials()) == len(wanted), 60, "all credentials")
        self.assertEqual(self.sentinels.kinds(), {"client secret", "account's token", "Entra's token", "refresh token", "access token", "password"})
        self.assertEqual(self.kept(), {"access token", "password"})
        self.assertEqual(self.sentinels.held_by(f"cut {CLIENT_SECRET[3:19]}, {base64.b64encode(b'x' + PASSWORD.encode()).decode()}"),
                         ["client secret", "password"], "it would be found")
        self.check_silence(operator, "principal-0", "account", "password")

        # From now on all answers quote what was shown: another secret, and another account's token.
        for client in self.clients:
            self.stand.applications[client]["secret"] = CLIENT_SECRET[::-1]
        self.sentinels.add("client secret", CLIENT_SECRET[::-1])
        self.quoting = True
        self.run_kubectl("patch", "secret", "application", "-p", json.dumps({"stringData": {"secret": CLIENT_SECRET[::-1]}}))
        self.run_kubectl("delete", "serviceaccount", "puller")
        self.run_kubectl("create", "serviceaccount", "puller")
        self.run_kubectl("annotate", "ic", "--all", "example.com/touched=yes")
        wait_until(lambda: sum(reason == "RotationFailing" for reason in self.credentials().values()) == len(wanted) - 1, 40, "each to have failed")
        wait_until(lambda: any(route == "manifest" for route, _ in self.quoted), 40, "a look at an image")
        self.assertEqual({route for route, _ in self.quoted}, {*ROUTES, "manifest"})
        self.check_silence(operator, "principal-0", "account", "password")
        operator.end()
        self.assertEqual(self.sentinels.held_by(log_of(operator)), [])
        self.assertEqual({what for item in self.objects() for what in self.sentinels.held_by(json.dumps(item))}, set())


if __name__ == "__main__":
    unittest.main()
