#!/usr/bin/python3
"""A rollout and its way back on a real API server with the real controller manager: what kubelets and scheduler would say of the
pods is written into their status here."""

import json
import signal
import subprocess
import threading
import unittest

from kubelets import IMAGE, Kubelets, image_of
from operator_rig import OperatorTest, condition, resource, wait_until

# What Go escapes in JSON: the API server compares the bytes of a revision, and writes them anew when it is patched.
ENV = [{"name": "NOTE", "value": 'a<b>&"c" \u2028'}]


class Rollout(OperatorTest):
    def play_kubelets(self, **how):
        kubelets = Kubelets(self.api(), self.namespace, **how)
        self.addCleanup(kubelets.end)
        return kubelets

    def change(self, **spec):
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps({"spec": spec}))

    def deployment(self):
        return self.get("deployment", "pets")

    def running(self):
        """Tag of the image that the Deployment wants."""
        return image_of(self.deployment()["spec"]["template"])

    def status(self):
        return self.get("ic", "pets").get("status", {})

    def start_with(self, tag, **spec):
        self.apply(resource("pets", **{"image": IMAGE + tag, "pod": {"env": ENV}, **spec}))
        self.wait_for_good(tag)

    def wait_for_good(self, tag):
        def good():
            status = self.status()
            return status.get("lastGoodRevision") and status["lastGoodRevision"] == status.get("updateRevision") and self.running() == tag
        wait_until(good, 20, f"{tag} to be rolled out")

    def images_of_replica_sets(self):
        return sorted(image_of(item["spec"]["template"]) for item in self.get("replicasets")["items"])

    def events(self, reason):
        return [event for event in self.get("events.events.k8s.io").get("items", []) if event["reason"] == reason]

    def test_a_revision_that_fails_is_left_for_the_last_good_one_until_the_specification_changes(self):
        self.play_kubelets()
        self.start_with("good-1")
        good = self.status()["lastGoodRevision"]
        pods = {pod["metadata"]["name"] for pod in self.get("pods")["items"]}
        self.change(image=IMAGE + "bad")
        entry = self.wait_for("pets", "RolledBack", "True", "ModelInvalid")
        bad = self.status()["updateRevision"]
        for word in (good, bad, "it is cut short"):
            self.assertIn(word, entry["message"])
        self.wait_for("pets", "Stalled", "True", "RolledBack")
        wait_until(lambda: self.running() == "good-1", 10, "the good one to be restored")
        self.wait_for("pets", "WorkloadAvailable", "True", "Available")
        self.assertLessEqual(pods, {pod["metadata"]["name"] for pod in self.get("pods")["items"]})
        self.assertEqual(condition(self.get("ic", "pets"), "Ready")["reason"], "ModelInvalid")
        self.assertIn(good, self.run_kubectl("get", "ic", "pets", "-o", "wide").stdout)
        wait_until(lambda: self.events("RolledBack") and self.events("RolledOut"), 10, "the events")

        # Neither another operator, nor one that finds no status, nor a change that does not reach the pods tries it again.
        self.operator.end(signal.SIGKILL)
        self.run_kubectl("patch", "ic", "pets", "--subresource=status", "--type=merge", "-p", '{"status": null}')
        self.change(replicas=2)
        self.operator = self.start()
        wait_until(lambda: self.deployment()["spec"]["replicas"] == 2, 20, "the replicas")
        self.wait_for("pets", "RolledBack", "True", "ModelInvalid")
        self.wait_for("pets", "WorkloadAvailable", "True", "Available")
        self.change(suspend=True)
        self.wait_for("pets", "Ready", "True", "Suspended")
        self.assertEqual(condition(self.get("ic", "pets"), "RolledBack")["status"], "True")
        self.change(suspend=False)
        self.wait_for("pets", "WorkloadAvailable", "True", "Available")
        self.wait_until_settled()
        generation = self.deployment()["metadata"]["generation"]

        # What runs already is wanted again: nothing restarts.
        self.change(image=IMAGE + "good-1")
        self.wait_for("pets", "RolledBack", "False", "NotRolledBack")
        self.assertEqual(self.deployment()["metadata"]["generation"], generation)
        self.change(image=IMAGE + "good-2")
        self.wait_for_good("good-2")
        self.assertEqual(self.images_of_replica_sets(), ["bad", "good-1", "good-2"])
        self.assertNotIn("ModelInvalid", json.dumps(self.get("controllerrevisions")))

    def test_a_rollout_that_makes_no_progress_is_given_up_at_its_deadline(self):
        self.play_kubelets()
        self.start_with("good-1", rollout={"progressDeadlineSeconds": 10})
        self.change(image=IMAGE + "slow")
        self.wait_for("pets", "RolledBack", "True", "ProgressDeadlineExceeded", timeout=40)
        wait_until(lambda: self.running() == "good-1", 10, "the good one to be restored")

        # The same again is tried when its revision is deleted; another one, and old ones go.
        self.run_kubectl("delete", "controllerrevision", self.status()["updateRevision"])
        wait_until(lambda: self.running() == "slow", 10, "another try")
        for tag in ("good-2", "good-3", "good-4"):
            self.change(image=IMAGE + tag, rollout={"revisionHistoryLimit": 1})
            self.wait_for_good(tag)
        wait_until(lambda: len(self.get("controllerrevisions")["items"]) == 2, 10, "the history to be cut")
        kept = sorted(item["data"]["spec"]["template"]["spec"]["containers"][0]["image"] for item in self.get("controllerrevisions")["items"])
        self.assertEqual(kept, [IMAGE + "good-3", IMAGE + "good-4"])
        self.wait_until_settled()

    def model_ports(self):
        """Those to which the network policy lets the pods out."""
        return [port["port"] for rule in self.get("networkpolicy", "pets")["spec"]["egress"] if "to" in rule for port in rule["ports"]]

    def test_a_model_that_loads_for_longer_than_the_deadline_is_not_given_up_and_pods_of_both_revisions_are_let_out_meanwhile(self):
        def model(port):
            return {"source": {"url": {"url": f"https://models.example.com:{port}/x"}}, "sha256": "0" * 64}
        kubelets = self.play_kubelets()
        self.start_with("good-1", rollout={"progressDeadlineSeconds": 10}, model=model(8443))
        self.assertEqual(self.model_ports(), [8443])
        self.change(image=IMAGE + "loading", model=model(9443))
        self.wait_for("pets", "Ready", "False", "ModelLoading", timeout=40)
        self.assertEqual(self.model_ports(), [8443, 9443])
        self.assertEqual(condition(self.deployment(), "Progressing")["status"], "False")
        self.wait_until_settled()
        self.assertEqual(self.running(), "loading")
        kubelets.loaded = True
        self.wait_for_good("loading")
        wait_until(lambda: self.model_ports() == [9443], 10, "the way of the old pods to be closed")

    def test_one_pod_that_ends_again_and_again_does_not_take_back_a_revision_whose_others_serve(self):
        kubelets = self.play_kubelets()
        self.start_with("good-1", replicas=3)
        self.change(image=IMAGE + "mixed")
        entry = self.wait_for("pets", "Ready", "False", "ModelInvalid")
        self.assertIn("it is cut short", entry["message"])
        self.wait_for("pets", "RolledBack", "False", "NotRolledBack")
        self.wait_until_settled()
        self.assertEqual(self.running(), "mixed")
        self.run_kubectl("delete", "pod", kubelets.mixed[1], "--wait=false")
        self.wait_for_good("mixed")

    def test_without_room_for_one_more_pod_an_old_one_makes_it_unless_it_is_the_only_one(self):
        self.play_kubelets(room=1)
        self.start_with("good-1")
        self.change(image=IMAGE + "good-2")
        entry = self.wait_for("pets", "Ready", "False", "RolloutBlocked")
        self.assertIn("spec.rollout.strategy to Recreate", entry["message"])
        self.wait_until_settled()
        self.assertEqual(self.deployment()["spec"]["strategy"]["rollingUpdate"]["maxSurge"], 1)
        self.assertEqual(self.deployment()["status"]["availableReplicas"], 1)
        self.change(rollout={"strategy": "Recreate"})
        self.wait_for_good("good-2")

    def test_two_pods_without_room_for_a_third_are_exchanged_one_by_one(self):
        self.play_kubelets(room=2)
        self.start_with("good-1", replicas=2)
        least = self.follow_available()
        self.change(image=IMAGE + "good-2")
        self.wait_for_good("good-2")
        wait_until(lambda: self.deployment()["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 1, 10, "the surge to come back")
        self.assertGreaterEqual(min(least), 1)
        self.wait_until_settled()

    def test_callers_are_led_to_the_pods_that_answer_whatever_the_specification_says_by_then(self):
        self.play_kubelets()
        self.start_with("good-1", service={"scope": "Public", "sourceRanges": ["10.1.0.0/16", "10.2.0.0/16"]})
        folder = self.temporary_folder()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=pets",
                        "-keyout", folder / "key", "-out", folder / "crt"], check=True, capture_output=True)
        self.run_kubectl("create", "secret", "tls", "certificate", f"--cert={folder / 'crt'}", f"--key={folder / 'key'}")
        self.change(image=IMAGE + "bad", service={"tls": {"secretName": "certificate"}, "authentication": {"type": "Basic"},
                                                  "sourceRanges": ["10.2.0.0/24", "10.3.0.0/16"]})
        self.wait_for("pets", "RolledBack", "True", "ModelInvalid")
        wait_until(lambda: self.running() == "good-1", 10, "the good one to be restored")
        service = self.wait_for_service(["10.2.0.0/24"])
        self.assertEqual((service["ports"][0]["name"], service["ports"][0]["port"]), ("http", 80))
        self.run_kubectl("delete", "service", "pets")
        self.assertEqual(self.wait_for_service(None)["type"], "ClusterIP")
        self.change(image=IMAGE + "good-2")
        self.wait_for_good("good-2")
        service = self.wait_for_service(["10.2.0.0/24", "10.3.0.0/16"])
        self.assertEqual((service["ports"][0]["name"], service["ports"][0]["port"]), ("https", 443))

    def test_a_password_opens_nothing_while_pods_that_do_not_ask_for_it_exist_or_may_come_back(self):
        self.play_kubelets()
        self.start_with("good-1", rollout={"strategy": "Recreate"})

        def internal():
            return "service.beta.kubernetes.io/azure-load-balancer-internal" in self.get("service", "pets")["metadata"]["annotations"]
        self.change(image=IMAGE + "bad", service={"scope": "Public", "authentication": {"type": "Basic"}})
        self.wait_for("pets", "RolledBack", "True", "ModelInvalid")
        self.assertTrue(internal())
        self.wait_for("pets", "WorkloadAvailable", "True", "Available")
        self.assertTrue(internal())
        with self.subTest("the last good revision is gone, and the number of pods is still followed"):
            self.run_kubectl("delete", "controllerrevision", self.status()["lastGoodRevision"])
            self.run_kubectl("scale", "ic", "pets", "--replicas=2")
            wait_until(lambda: self.deployment()["spec"]["replicas"] == 2, 10, "the replicas")
            self.change(suspend=True)
            wait_until(lambda: self.deployment()["spec"]["replicas"] == 0, 10, "the pods to go")
            self.assertEqual(self.running(), "good-1")
        self.change(image=IMAGE + "good-2", suspend=False)
        self.wait_for_good("good-2")
        wait_until(lambda: not internal(), 10, "the Service to be opened")

    def wait_for_service(self, ranges):
        def found():
            spec = self.get("service", "pets").get("spec")
            return spec if spec and spec.get("loadBalancerSourceRanges") == ranges else None
        return wait_until(found, 20, f"a Service for {ranges}")

    def follow_available(self):
        """A list that gets every number of available pods of Deployments, in order."""
        seen, stop = [], threading.Event()

        def on_event(event):
            seen.append(event["object"].get("status", {}).get("availableReplicas", 0))

        def follow():
            while not stop.is_set():  # a watch that is silent for long ends
                self.api().watch(f"/apis/apps/v1/namespaces/{self.namespace}/deployments?watch=1", on_event, stop)

        thread = threading.Thread(target=follow)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        return seen


if __name__ == "__main__":
    unittest.main()
