#!/usr/bin/python3
"""Credentials that the operator mints, on a real API server whose own tokens of accounts the stand-in for Entra checks: they are in
the pull Secret before there is a Deployment, are exchanged in place, and a failure never takes the place of what works."""

import base64
import json
import re
import ssl
import subprocess
import time
import unittest
import urllib.request
import uuid

import yaml

from chart_account import Account, whole_role
from kubelets import Kubelets
from metrics_test import NAMES_RESOURCES, NEEDS_A_REGISTRY, documented, exposed
from operator_rig import PROGRAM, condition, resource, wait_until
from registry_rig import RegistryTest

from machine import Machine

ISSUER = "https://kubernetes.default.svc.cluster.local"
TENANT, PRINCIPAL, WORKLOAD, MACHINE = (f"{digit}1111111-2222-3333-4444-555555555555" for digit in "abcd")
SECRET = "minting-secret-+/=&"


class Willing(Kubelets):
    """All pods serve, but those of `late`, a part of an image's name."""

    late = "none"

    def tag_of(self, pod):
        return "late" if self.late in pod["spec"]["containers"][0]["image"] else "good"


class Minting(RegistryTest):
    def setUp(self):
        super().setUp()
        self.stand.keys, self.stand.issuer = [(self.kubectl.folder / "data/pki/service-account.pub").read_text()], ISSUER
        rights = {"repositories": {"team/server": ["pull"], "team/next": ["pull"]}, "tenant": TENANT}
        self.stand.applications = {PRINCIPAL: {"secret": SECRET, **rights}}
        self.options = self.configuration(clouds={"Public": {"authority": self.stand.host, "servers": [self.stand.host]}})

    def start_minting(self):
        return self.start(*self.options)

    def put_secret(self, value):
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "application"}, "stringData": {"secret": value}})

    def minting(self, auth):
        return resource("pets") | {"spec": {"image": self.image("1.0.0"), "registry": {"auth": auth}}}

    def principal(self):
        return self.minting({"servicePrincipal": {"tenantID": TENANT, "clientID": PRINCIPAL, "clientSecret": {"name": "application", "key": "secret"}}})

    def touch(self):
        """Saves the wait until it is looked at again."""
        self.run_kubectl("annotate", "ic", "pets", f"example.com/touched={uuid.uuid4()}", "--overwrite")

    def annotations(self):
        found = self.get("secret", "pets-acr-pull").get("metadata", {}).get("annotations", {})
        return {name.removeprefix("imageclassifier.dev/"): value for name, value in found.items()}

    def opens(self, repository, get=None):
        """What a node would be answered with what it would pull with."""
        token = self.entry(get or self.get)["password"]
        context = ssl.create_default_context(cafile=self.stand.authority)
        asked = urllib.request.Request(f"https://{self.stand.host}/v2/{repository}/tags/list", headers={"Authorization": f"Bearer {token}"})
        try:
            return urllib.request.urlopen(asked, context=context, timeout=10).status
        except urllib.error.HTTPError as error:
            return error.code

    def entry(self, get):
        return json.loads(base64.b64decode(get("secret", "pets-acr-pull")["data"][".dockerconfigjson"]))["auths"][self.stand.host]

    def minting_routes(self):
        """What looking at the image asks for as well is left out."""
        return [entry["route"] for entry in self.stand.requests() if entry["route"] in ("challenge", "entra", "exchange")]

    def test_a_credential_is_there_before_the_deployment_and_is_exchanged_in_place_and_not_by_a_restart(self):
        self.stand.access_lifetime = 14
        operator = self.start_minting()
        self.put_secret("wrong")
        self.apply(self.principal())
        self.assertIn(f"the secret of application {PRINCIPAL} in Secret application",
                      self.wait_for("pets", "CredentialReady", "False", "ClientSecretInvalid")["message"])
        self.assertEqual(self.get("deployment", "pets"), {})
        self.put_secret(SECRET)
        self.touch()
        self.wait_for("pets", "CredentialReady", "True", "Minted")
        self.wait_for_children("pets")
        self.assertEqual(self.opens("team/server"), 200)
        self.wait_for("pets", "ImageResolved", "True", "Resolved")
        first, uid, generation = self.annotations(), self.uid("secret", "pets-acr-pull"), self.get("deployment", "pets")["metadata"]["generation"]
        second = wait_until(lambda: self.annotations() if self.annotations()["expires-at"] != first["expires-at"] else None, 30, "the rotation")
        self.assertEqual(second["inputs-hash"], first["inputs-hash"])
        self.assertEqual((self.uid("secret", "pets-acr-pull"), self.get("deployment", "pets")["metadata"]["generation"]), (uid, generation))
        self.assertEqual(self.minting_routes().count("exchange"), 1, "the identity's token serves several rotations")
        self.stand.access_lifetime = 4500
        lasting = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
        wait_until(lambda: self.annotations()["expires-at"] > lasting, 30, "a credential that lasts")
        wait_until(lambda: self.get("ic", "pets")["status"]["pullSecret"]["expiresAt"] == self.annotations()["expires-at"], 10, "the status")
        page, found = documented(), exposed(operator.ask("/metrics")[1])
        self.assertEqual({name: found.get(name) for name in NEEDS_A_REGISTRY}, {name: page[name] for name in NEEDS_A_REGISTRY})
        self.stop(operator)
        asked = self.minting_routes()
        restarted = self.start_minting()
        self.touch()
        wait_until(lambda: restarted.metric("controller_runtime_reconcile_total") >= 1, 20, "a pass")
        self.wait_until_settled()
        self.assertEqual(self.minting_routes(), asked)
        self.check_series(restarted)

    def check_series(self, operator):
        """What names a resource goes with it."""
        ends = operator.metric(NAMES_RESOURCES, namespace=self.namespace, server=self.stand.host)
        self.assertEqual(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)), self.annotations()["expires-at"])
        self.run_kubectl("delete", "ic", "pets")
        wait_until(lambda: NAMES_RESOURCES not in exposed(operator.ask("/metrics")[1]), 20, "its series to go")
        self.assertEqual(self.credentials_by_state(operator), {})

    def warnings(self, reasons):
        """One for each time that one of them was told."""
        return sorted(event["reason"] for event in self.get("events")["items"] if event["reason"] in reasons and event["type"] == "Warning"
                      for _ in range((event.get("series") or {"count": 1})["count"]))

    @staticmethod
    def credentials_by_state(operator):
        found = re.findall(r'^imageclassifier_credential_state{state="(\w+)"} (\d+)$', operator.ask("/metrics")[1], re.MULTILINE)
        return {state: int(count) for state, count in found if int(count)}

    def test_while_an_image_of_another_repository_is_rolled_out_pods_of_the_one_before_can_be_pulled_too(self):
        self.stand.access_lifetime = 12
        kubelets = Willing(self.api(), self.namespace)
        self.addCleanup(kubelets.end)
        self.push("1.0.0", repository="team/next")
        self.start_minting()
        self.put_secret(SECRET)
        self.apply(self.principal())
        status = lambda: self.get("ic", "pets").get("status", {})  # noqa: E731
        rolled_out = lambda: status().get("lastGoodRevision") == status().get("updateRevision", "none")  # noqa: E731
        wait_until(rolled_out, 20, "the first rollout")
        self.assertEqual((self.opens("team/server"), self.opens("team/next")), (200, 401))
        kubelets.late = "team/next"
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps({"spec": {"image": self.image("1.0.0", "team/next")}}))
        wait_until(lambda: "team/next" in self.running("pets"), 20, "the Deployment")
        exchanged = self.annotations()["expires-at"]
        wait_until(lambda: self.annotations()["expires-at"] != exchanged, 20, "a rotation while the old pods serve")
        self.assertEqual((self.opens("team/server"), self.opens("team/next")), (200, 200))
        kubelets.late = "none"
        wait_until(rolled_out, 20, "the second rollout")
        wait_until(lambda: self.opens("team/server") == 401, 20, "the next rotation")
        self.assertEqual(self.opens("team/next"), 200)

    def test_a_failure_never_takes_the_place_of_what_works_and_is_told_once(self):
        self.stand.access_lifetime = 16
        operator = self.start_minting()
        self.put_secret(SECRET)
        self.apply(self.principal())
        self.wait_for("pets", "CredentialReady", "True", "Minted")
        before = self.entry(self.get)
        wait_until(lambda: self.credentials_by_state(operator) == {"valid": 1}, 10, "the metric")
        self.stand.fault("token", status=503, body=b"sentinel", times=1000)
        told = self.wait_for("pets", "CredentialReady", "True", "RotationFailing")
        self.assertIn("HTTP status 503", told["message"])
        self.assertNotIn("sentinel", told["message"])
        self.assertEqual(self.credentials_by_state(operator), {"stale": 1})
        self.assertEqual(self.entry(self.get), before)
        writes = operator.metric("imageclassifier_status_writes_total")
        ended = self.wait_for("pets", "CredentialReady", "False", "Expired", 30)
        self.assertIn("HTTP status 503", ended["message"])
        self.assertEqual(self.credentials_by_state(operator), {"expired": 1})
        self.assertGreater(operator.metric("imageclassifier_registry_requests_total", server=self.stand.host, route="token", code="503"), 1)
        self.assertEqual(self.entry(self.get), before)
        wait_until(lambda: operator.metric("imageclassifier_credential_mints_total", result="failed") >= 2, 30, "another try")
        self.assertLessEqual(operator.metric("imageclassifier_status_writes_total") - writes, 3)
        told = ("RotationFailing", "RotationUrgent", "RotationCritical", "Expired")
        wait_until(lambda: self.warnings(told) == sorted(told), 10, "one event for each stage")
        self.stand.faults.clear()
        self.put_secret(SECRET + "2")
        self.stand.applications[PRINCIPAL]["secret"] = SECRET + "2"
        self.touch()
        self.wait_for("pets", "CredentialReady", "True", "Minted")
        self.assertNotEqual(self.entry(self.get), before)

    def test_an_account_is_shown_to_entra_once_a_role_allows_it_and_the_operator_holds_no_such_right(self):
        account = Account(self, whole_role(self.kubectl), *self.options)
        subject = f"system:serviceaccount:{account.namespace}:puller"
        self.stand.applications[WORKLOAD] = {"tenant": TENANT, "subject": subject, "repositories": {"team/server": ["pull"]}}
        account.put({"apiVersion": "v1", "kind": "ServiceAccount",
                     "metadata": {"name": "puller", "annotations": {"azure.workload.identity/client-id": WORKLOAD,
                                                                    "azure.workload.identity/tenant-id": TENANT}}})
        wanted = self.minting({"workloadIdentity": {"serviceAccountName": "puller"}})
        account.put(wanted)
        ready = lambda: condition(account.get("ic", "pets"), "CredentialReady")  # noqa: E731
        wait_until(lambda: ready().get("reason") == "TokenRequestForbidden", 20, "the refusal")
        told = ready()["message"]
        self.assertIn("kubectl imageclassifier render --grant", told)
        self.assertNotIn("entra", self.minting_routes())
        wanted["metadata"]["namespace"] = account.namespace
        grant = subprocess.run([PROGRAM.with_name("kubectl-imageclassifier"), "render", "--grant", "-f", "-", "--operator", f"{account.namespace}:operator"],
                               input=json.dumps(wanted), check=True, capture_output=True, text=True).stdout
        self.assertEqual(list(yaml.safe_load_all(grant)), yaml.safe_load(told.partition("as YAML: ")[2])["items"])
        self.kubectl.run("apply", "-f", "-", given=told.partition("as YAML: ")[2])
        wait_until(lambda: ready().get("reason") == "Minted", 30, "the credential")
        self.assertEqual(self.opens("team/server", account.get), 200)
        self.assertEqual(account.operators[0].credentials.held_by(account.log()), [])

    def test_an_identity_of_the_machine_is_for_the_namespace_that_the_configuration_lists_it_for(self):
        self.stand.applications = {MACHINE: {"tenant": TENANT, "repositories": {"team/server": ["pull"]}}}
        machine = self.enterContext(Machine(self.stand, {MACHINE: "/subscriptions/s/userAssignedIdentities/puller", WORKLOAD: "/other"}))
        machine.ill = [410]  # as while it is updated
        listed = {"namespace": self.namespace, "clientID": MACHINE}
        configuration = dict(clouds={"Public": {"authority": self.stand.host, "servers": [self.stand.host]}}, imds=machine.url)
        operator = self.start(*self.configuration(**configuration))
        self.apply(self.minting({"managedIdentity": {}}))
        self.wait_for("pets", "CredentialReady", "False", "IdentityNotListed")
        self.assertEqual(machine.asked, [])
        self.stop(operator)

        self.start(*self.configuration(**configuration, identities=[listed, {"namespace": "elsewhere", "clientID": WORKLOAD}]))
        self.wait_for("pets", "CredentialReady", "True", "Minted", 60)
        self.assertEqual(self.opens("team/server"), 200)
        self.assertEqual({query.get("client_id") for query in machine.asked}, {MACHINE})
        self.assertNotIn("entra", self.minting_routes())
        # That of another namespace; the credential that there is works on.
        self.apply(self.minting({"managedIdentity": {"clientID": WORKLOAD}}))
        self.assertIn(WORKLOAD, self.wait_for("pets", "CredentialReady", "True", "RotationFailing")["message"])
        self.assertEqual({query.get("client_id") for query in machine.asked}, {MACHINE})


if __name__ == "__main__":
    unittest.main()
