#!/usr/bin/python3
"""The operator against a real API server and controller manager, without a node: what it makes, repairs, leaves alone and says."""

import json
import signal
import time
import unittest
import urllib.request

from operator_rig import ROOT, OperatorTest, condition, resource, wait_until, with_basic

from api import WRITES



class Children(OperatorTest):
    def test_the_quickstart_becomes_a_pull_secret_a_deployment_and_a_service_that_belong_to_it(self):
        self.make_credentials()
        self.run_kubectl("apply", "-f", str(ROOT / "crds/examples/accepted/quickstart.yaml"))
        self.wait_for_children("quickstart")
        owner = self.uid("ic", "quickstart")
        for kind, name in (("secret", "quickstart-acr-pull"), ("deployment", "quickstart"), ("service", "quickstart")):
            child = self.get(kind, name, "--show-managed-fields")
            reference, = child["metadata"]["ownerReferences"]
            self.assertEqual((reference["uid"], reference["controller"], reference["kind"]), (owner, True, "ImageClassifier"))
            ours, = [entry["operation"] for entry in child["metadata"]["managedFields"] if entry["manager"] == "imageclassifier-operator"]
            self.assertEqual(ours, "Apply")
        self.assertEqual(self.password_in_pull_secret("quickstart"), "first")
        status = self.get("ic", "quickstart")["status"]
        self.assertEqual({entry["type"] for entry in status["conditions"]},
                         {"CredentialReady", "ImageResolved", "WorkloadAvailable", "EndpointReady", "RolledBack", "Suspended", "Ready", "Reconciling", "Stalled"})
        self.assertEqual(status["pullSecret"], {"name": "quickstart-acr-pull"})
        self.wait_for("quickstart", "CredentialReady", "True", "Minted")

    def test_pods_fit_the_restricted_pod_security_standard(self):
        self.kubectl.run("label", "namespace", self.namespace, "pod-security.kubernetes.io/enforce=restricted")
        self.apply(resource("pets"))
        wait_until(lambda: self.get("pods").get("items"), 20, "the controller manager to make a pod")

    def test_deleted_children_come_back_and_changed_ones_are_put_right(self):
        self.apply(resource("pets", replicas=2))
        self.wait_for_children("pets")
        before = self.uid("deployment", "pets"), self.uid("service", "pets")
        self.run_kubectl("delete", "deployment/pets", "service/pets")
        wait_until(lambda: self.uid("deployment", "pets") not in (None, before[0]), 10, "a new Deployment")
        wait_until(lambda: self.uid("service", "pets") not in (None, before[1]), 10, "a new Service")
        self.run_kubectl("scale", "deployment/pets", "--replicas=7")
        self.run_kubectl("patch", "service/pets", "--type=merge", "-p", '{"spec": {"selector": {"app.kubernetes.io/name": "x"}}}')
        self.run_kubectl("label", "service/pets", "app.kubernetes.io/managed-by-")
        wait_until(lambda: self.get("deployment", "pets")["spec"]["replicas"] == 2, 10, "the replicas to be put right")
        wait_until(lambda: self.get("service", "pets")["spec"]["selector"]["app.kubernetes.io/name"] == "imageclassifier", 10, "the selector")
        wait_until(lambda: "app.kubernetes.io/managed-by" in self.get("service", "pets")["metadata"]["labels"], 10, "the label")

    def test_what_others_add_stays(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        self.run_kubectl("annotate", "deployment/pets", "service/pets", "example.com/note=mine")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"serving": {"topK": 7}}}')
        wait_until(lambda: '"7"' in json.dumps(self.get("deployment", "pets")["spec"]), 10, "the change to arrive")
        for kind in ("deployment", "service"):
            self.assertEqual(self.get(kind, "pets")["metadata"]["annotations"]["example.com/note"], "mine")

    def test_an_option_that_is_removed_leaves_nothing_behind(self):
        self.make_credentials()
        self.apply(with_basic("pets", pod={"nodeSelector": {"disk": "fast"}}, service={"sourceRanges": ["10.0.0.0/8"]}))
        self.wait_for_children("pets")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p",
                         '{"spec": {"registry": null, "pod": null, "service": {"sourceRanges": null}}}')
        wait_until(lambda: not self.get("secret", "pets-acr-pull"), 20, "the pull Secret to go")
        template = self.get("deployment", "pets")["spec"]["template"]["spec"]
        self.assertNotIn("nodeSelector", template)
        self.assertNotIn("imagePullSecrets", template)
        wait_until(lambda: "loadBalancerSourceRanges" not in self.get("service", "pets")["spec"], 10, "the ranges to go")

    def test_a_deleted_resource_takes_its_children_along(self):
        self.make_credentials()
        self.apply(with_basic("pets"))
        self.wait_for_children("pets")
        self.run_kubectl("delete", "ic", "pets", "--timeout=10s")
        wait_until(lambda: not any(self.get(kind, name) for kind, name in
                                   (("deployment", "pets"), ("service", "pets"), ("secret", "pets-acr-pull"))), 30, "the children to go")

    def test_an_object_of_the_same_name_that_is_not_ours_is_named_and_left_alone(self):
        self.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pets"}, "spec": {"ports": [{"port": 1234}]}})
        foreign = self.get("service", "pets")
        self.apply(resource("pets"))
        entry = self.wait_for("pets", "Ready", "False", "NameConflict")
        self.assertIn("Service pets", entry["message"])
        self.assertEqual(condition(self.get("ic", "pets"), "Stalled")["status"], "True")
        self.assertEqual(self.get("service", "pets")["metadata"]["resourceVersion"], foreign["metadata"]["resourceVersion"])
        self.run_kubectl("delete", "service", "pets")
        wait_until(lambda: self.get("service", "pets").get("metadata", {}).get("ownerReferences"), 40, "our own Service")


class Credentials(OperatorTest):
    def test_a_missing_secret_is_named_and_found_within_thirty_seconds(self):
        self.apply(with_basic("pets"))
        entry = self.wait_for("pets", "Ready", "False", "SecretNotFound")
        self.assertIn("acr-credentials", entry["message"])
        self.assertEqual(self.get("deployment", "pets"), {})
        self.make_credentials()
        self.wait_for("pets", "CredentialReady", "True", "Minted", timeout=30)
        self.wait_for_children("pets")

    def test_a_corrected_password_reaches_the_pull_secret_in_place(self):
        self.make_credentials(password="wrong")
        self.apply(with_basic("pets"))
        self.wait_for_children("pets")
        before = self.uid("secret", "pets-acr-pull")
        self.make_credentials(password="right")
        wait_until(lambda: self.password_in_pull_secret("pets") == "right", 40, "the new password")
        self.assertEqual(self.uid("secret", "pets-acr-pull"), before)

    def test_a_secret_without_the_key_and_one_for_another_server_are_named(self):
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "acr-credentials"}, "stringData": {"username": "u"}},
                   {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}, "type": "kubernetes.io/dockerconfigjson",
                    "stringData": {".dockerconfigjson": '{"auths": {"example.com": {"auth": "dTpw"}}}'}},
                   with_basic("no-key"), resource("other-server", registry={"auth": {"existingSecret": {"name": "other"}}}))
        self.assertIn("no key password", self.wait_for("no-key", "CredentialReady", "False", "SecretMalformed")["message"])
        self.assertIn("contoso.azurecr.io", self.wait_for("other-server", "CredentialReady", "False", "ServerMismatch")["message"])

    def test_an_image_name_that_is_none_is_stalled(self):
        self.apply(resource("pets", image="contoso.azurecr.io/Inference Server"))
        self.wait_for("pets", "Stalled", "True", "InvalidReference")


class Diagnosis(OperatorTest):
    def test_the_load_balancers_event_is_heard(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        self.apply({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "pets.1"}, "type": "Warning", "reason": "AllocationFailed",
                    "message": f'Failed to allocate IP for "{self.namespace}/pets": no available IPs', "source": {"component": "metallb-controller"},
                    "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:00:00Z",
                    "involvedObject": {"apiVersion": "v1", "kind": "Service", "namespace": self.namespace, "name": "pets", "uid": self.uid("service", "pets")}})
        self.assertIn("Service pets", self.wait_for("pets", "EndpointReady", "False", "LoadBalancerAddressesExhausted")["message"])

    def test_a_quota_that_forbids_pods_is_named(self):
        self.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
        wait_until(lambda: "hard" in self.get("quota", "none").get("status", {}), 20, "the quota to count")
        self.apply(resource("pets"))
        entry = self.wait_for("pets", "Ready", "False", "PodCreationForbidden")
        self.assertIn("exceeded quota: none", entry["message"])

    def test_a_pull_that_fails_names_the_pull_secret_that_is_missing(self):
        self.apply(resource("pets", pod={"imagePullSecrets": [{"name": "team"}]}))
        pod = wait_until(lambda: self.get("pods").get("items"), 20, "a pod")[0]["metadata"]["name"]
        waiting = {"reason": "ErrImagePull", "message": "failed to pull and unpack image: unexpected status code [manifests demo]: 401 Unauthorized"}
        status = {"containerStatuses": [{"name": "server", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"waiting": waiting}}]}
        self.run_kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        entry = self.wait_for("pets", "CredentialReady", "False", "PullSecretMissing")
        self.assertIn("Secret team, which spec.pod.imagePullSecrets names", entry["message"])
        self.run_kubectl("create", "secret", "docker-registry", "team", "--docker-server=contoso.azurecr.io", "--docker-username=u", "--docker-password=p")
        self.run_kubectl("annotate", "ic", "pets", "example.com/touched=yes")  # saves the wait until it is looked at again
        self.wait_for("pets", "Ready", "False", "CredentialRefused")

    def test_a_deployment_that_somebody_has_paused_is_told_and_goes_on_when_it_is_resumed(self):
        self.apply(resource("pets"))
        wait_until(lambda: self.get("pods").get("items"), 20, "a pod")
        self.run_kubectl("rollout", "pause", "deployment/pets")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"serving": {"topK": 7}}}')
        entry = self.wait_for("pets", "Ready", "False", "DeploymentPaused")
        self.assertIn("kubectl rollout resume deployment/pets", entry["message"])
        self.wait_for("pets", "Stalled", "True", "DeploymentPaused")
        self.run_kubectl("rollout", "resume", "deployment/pets")
        self.wait_for("pets", "Stalled", "False", "Reconciling")
        self.assertEqual(len(wait_until(lambda: self.get("rs")["items"][1:], 20, "the other ReplicaSet")), 1)

    def test_an_annotation_that_the_api_server_refuses_is_named_and_pods_are_made_anyway(self):
        self.apply(resource("pets", service={"annotations": {"not a key": "x"}}))
        self.wait_for("pets", "EndpointReady", "False", "ServiceInvalid")
        self.assertTrue(self.get("deployment", "pets"))

    def test_zero_replicas_are_as_wanted(self):
        self.apply(resource("pets", replicas=0))
        self.wait_for("pets", "WorkloadAvailable", "True", "ScaledToZero")


class Behaviour(OperatorTest):
    def test_once_all_is_as_wanted_nothing_is_written_and_nothing_ever_listed_twice(self):
        self.make_credentials()
        self.apply(with_basic("pets"), resource("dogs"))
        self.wait_for_children("pets")
        self.wait_for_children("dogs")

        def settled():
            count = len(self.requests())
            time.sleep(2)
            return len(self.requests()) == count
        wait_until(settled, 30, "the first passes to end")
        before = [event for event in self.requests() if event["verb"] in WRITES]
        for resource_name in ("pets", "dogs"):  # every change of the resource makes a pass
            self.run_kubectl("annotate", "ic", resource_name, "example.com/touched=yes")
        wait_until(lambda: sum(event["verb"] == "get" for event in self.requests()) > 0, 10, "a pass")
        time.sleep(3)
        after = [event for event in self.requests() if event["verb"] in WRITES]
        self.assertEqual([(event["verb"], event["requestURI"]) for event in after[len(before):]], [])
        lists = [event["objectRef"]["resource"] for event in self.requests() if event["verb"] == "list"]
        self.assertEqual(len(lists), len(set(lists)), lists)
        self.assertNotIn("secrets", lists)

    def test_killed_in_the_middle_it_finishes_after_a_restart_and_makes_nothing_twice(self):
        self.make_credentials()
        names = [f"pets-{number}" for number in range(8)]
        self.apply(*(with_basic(name) for name in names))
        wait_until(lambda: self.get("deployments").get("items"), 20, "the first object")
        self.operator.end(signal.SIGKILL)
        made = {name: self.uid("deployment", name) for name in names}
        self.start()
        for name in names:
            self.wait_for_children(name)
            self.assertIn(made[name], (None, self.uid("deployment", name)))
            for kind in ("deployment", "service", "secret"):
                child = f"{name}-acr-pull" if kind == "secret" else name
                wait_until(lambda: self.operations(kind, child) == {"Apply"}, 20, f"{kind} {child} to be managed by apply")

    def operations(self, kind, name):
        fields = self.get(kind, name, "--show-managed-fields").get("metadata", {}).get("managedFields", [])
        return {entry["operation"] for entry in fields if entry["manager"] == "imageclassifier-operator"}

    def test_sigterm_ends_it_in_order(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        started = time.monotonic()
        self.assertEqual(self.operator.end(signal.SIGTERM), 0)
        self.assertLess(time.monotonic() - started, 10)

    def test_health_readiness_and_metrics_are_served(self):
        base = f"http://127.0.0.1:{self.operator.port()}"
        for path in ("/healthz", "/readyz"):
            wait_until(lambda: self.status_of(base + path) == 200, 20, path)
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        text = urllib.request.urlopen(base + "/metrics", timeout=5).read().decode()
        for name in ("controller_runtime_reconcile_total", "workqueue_depth", "rest_client_requests_total", "process_open_fds",
                     "imageclassifier_status_writes_total", 'imageclassifier_child_writes_total{kind="Deployment",step="create"} 1'):
            self.assertIn(name, text)

    def status_of(self, url):
        try:
            return urllib.request.urlopen(url, timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code


if __name__ == "__main__":
    unittest.main()
