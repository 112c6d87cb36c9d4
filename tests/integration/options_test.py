#!/usr/bin/python3
"""What only some specifications ask for, on a real API server with the real controller manager: autoscaler, disruption budget,
network policy, suspension. It comes with its option, is kept in shape, and goes with it."""

import json
import threading
import unittest

from operator_rig import ROOT, OperatorTest, condition, resource, wait_until

AUTOSCALED = {"minReplicas": 2, "maxReplicas": 6}


class Options(OperatorTest):
    def patch(self, kind, name, change):
        self.run_kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def spec(self, kind, name="pets"):
        return self.get(kind, name).get("spec", {})

    def wait_for_replicas(self, count):
        wait_until(lambda: self.spec("deployment").get("replicas") == count, 20, f"{count} replicas")

    def follow_replicas(self):
        """A list that gets every number of replicas that Deployments of the namespace have, in order."""
        seen, stop = [], threading.Event()

        def on_event(event):
            replicas = event["object"].get("spec", {}).get("replicas")
            if replicas is not None and seen[-1:] != [replicas]:
                seen.append(replicas)

        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments?watch=1"

        def follow():
            while not stop.is_set():  # a watch that is silent for long ends
                self.api().watch(path, on_event, stop)

        thread = threading.Thread(target=follow)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(stop.set)
        return seen

    def test_every_option_comes_and_goes_with_the_specification(self):
        self.apply(resource("pets", replicas=2))
        self.wait_for_children("pets")
        wait_until(lambda: self.uid("networkpolicy", "pets") and self.uid("pdb", "pets"), 20, "policy and budget")
        self.assertEqual(self.spec("pdb")["maxUnavailable"], 1)
        self.patch("ic", "pets", {"spec": {"replicas": 1, "networkPolicy": {"enabled": False}, "autoscaling": AUTOSCALED}})
        wait_until(lambda: self.uid("hpa", "pets") and not self.uid("networkpolicy", "pets"), 20, "the autoscaler in the policy's place")
        self.assertTrue(self.uid("pdb", "pets"), "two replicas are the least")
        self.patch("ic", "pets", {"spec": {"autoscaling": None}})
        wait_until(lambda: not self.uid("hpa", "pets") and not self.uid("pdb", "pets"), 20, "autoscaler and budget to go")
        self.wait_for_replicas(1)
        for child in ("deployment", "service"):
            self.assertTrue(self.uid(child, "pets"))

    def test_drift_of_an_option_is_repaired_and_what_others_add_stays(self):
        self.apply(resource("pets", replicas=2, networkPolicy={"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}))
        self.wait_for_children("pets")
        wait_until(lambda: self.uid("networkpolicy", "pets") and self.uid("pdb", "pets"), 20, "policy and budget")
        wanted = self.spec("networkpolicy")["ingress"]
        self.assertEqual(wanted[0]["from"][1]["podSelector"]["matchLabels"], {"app.kubernetes.io/name": "imageclassifier-operator"})
        self.run_kubectl("annotate", "pdb", "pets", "example.com/note=mine")
        self.patch("networkpolicy", "pets", {"spec": {"ingress": [{}]}})
        self.patch("pdb", "pets", {"spec": {"maxUnavailable": 2}})
        wait_until(lambda: self.spec("networkpolicy")["ingress"] == wanted and self.spec("pdb")["maxUnavailable"] == 1, 5, "the repair")
        self.run_kubectl("delete", "networkpolicy", "pets")
        wait_until(lambda: self.uid("networkpolicy", "pets"), 5, "the policy to be made anew")
        self.assertEqual(self.get("pdb", "pets")["metadata"]["annotations"]["example.com/note"], "mine")

    def test_what_an_apply_cannot_undo_is_taken_away_and_what_others_add_beside_stays(self):
        self.apply(resource("pets", replicas=2))
        self.wait_for_children("pets")
        wait_until(lambda: self.uid("pdb", "pets"), 20, "the budget")

        def edit(kind, change):
            """As `kubectl edit` does it."""
            def replaced():  # the status is written meanwhile
                live = self.get(kind, "pets")
                change(live["spec"])
                return self.run_kubectl("replace", "-f", "-", given=json.dumps(live), check=False).returncode == 0
            wait_until(replaced, 10, f"the edit of the {kind}")

        def server(spec):
            return next(entry for entry in spec["template"]["spec"]["containers"] if entry["name"] == "server")

        def add_sidecar(spec):
            spec["template"]["spec"]["containers"].append({"name": "sidecar", "image": "example.com/x"})

        def other_port(spec):
            spec["ports"][0]["port"] = 8088

        def other_container_port(spec):
            server(spec)["ports"][0]["containerPort"] = 9090

        def other_source(spec):
            variable = next(entry for entry in server(spec)["env"] if entry["name"] == "INFERENCE_TOP_K")
            del variable["value"]
            variable["valueFrom"] = {"fieldRef": {"fieldPath": "metadata.name"}}

        def other_probe(spec):
            del server(spec)["readinessProbe"]["httpGet"]
            server(spec)["readinessProbe"]["tcpSocket"] = {"port": 8080}

        def other_bound(spec):
            del spec["maxUnavailable"]
            spec["minAvailable"] = 1

        edit("deployment", add_sidecar)
        for kind, change in (("service", other_port), ("deployment", other_container_port), ("deployment", other_source),
                             ("deployment", other_probe), ("pdb", other_bound)):
            with self.subTest(change.__name__):
                before = self.spec(kind)
                edit(kind, change)
                wait_until(lambda: self.spec(kind) == before, 5, "the repair")
        self.assertEqual(len(self.spec("deployment")["template"]["spec"]["containers"]), 2)

        # What is dropped from the specification goes, as if nothing had been taken away.
        edit("service", other_port)
        self.patch("ic", "pets", {"spec": {"service": {"sourceRanges": ["10.9.0.0/16"]}, "pod": {"env": [{"name": "A", "value": "1"}]}}})
        wait_until(lambda: self.spec("service").get("loadBalancerSourceRanges") == ["10.9.0.0/16"] and self.spec("service")["ports"][0]["port"] == 80, 5, "the ranges")
        wait_until(lambda: "A" in [entry["name"] for entry in server(self.spec("deployment"))["env"]], 5, "the variable")
        edit("deployment", other_source)
        self.patch("ic", "pets", {"spec": {"suspend": True, "service": {"sourceRanges": None}, "pod": None}})
        wait_until(lambda: self.spec("deployment")["replicas"] == 0 and "loadBalancerSourceRanges" not in self.spec("service"), 5, "the suspension")
        wait_until(lambda: "A" not in [entry["name"] for entry in server(self.spec("deployment"))["env"]], 5, "the variable to go")
        for kind in ("service", "deployment", "pdb"):
            ours = [entry["operation"] for entry in self.get(kind, "pets", "--show-managed-fields")["metadata"]["managedFields"]
                    if entry["manager"] == "imageclassifier-operator"]
            self.assertEqual(ours, ["Apply"], kind)
        refused = [line for line in self.operator.lines() if line.get("result") in ("ServiceInvalid", "PodTemplateInvalid", "ObjectInvalid")]
        self.assertEqual(refused, [])

    def test_an_autoscaler_takes_over_without_a_jump_and_its_decision_stays(self):
        seen = self.follow_replicas()
        self.apply(resource("pets", replicas=4))
        self.wait_for_children("pets")
        self.patch("ic", "pets", {"spec": {"replicas": 1, "autoscaling": AUTOSCALED}})
        wait_until(lambda: self.uid("hpa", "pets"), 20, "the autoscaler")
        self.wait_until_settled()
        self.assertEqual(self.spec("deployment")["replicas"], 4)
        # As the autoscaler writes: through the subresource, as somebody else.
        self.run_kubectl("scale", "deployment/pets", "--replicas=5")
        self.patch("ic", "pets", {"spec": {"serving": {"topK": 3}}})
        self.wait_until_settled()
        self.assertEqual(self.spec("deployment")["replicas"], 5)
        wait_until(lambda: seen == [4, 5], 5, f"the replicas 4, 5 and no others: {seen}")

    def test_a_resource_that_is_born_autoscaled_starts_at_the_minimum(self):
        seen = self.follow_replicas()
        self.apply(resource("pets", autoscaling={"minReplicas": 3, "maxReplicas": 6}))
        self.wait_for_children("pets")
        wait_until(lambda: self.uid("hpa", "pets"), 20, "the autoscaler")
        self.wait_until_settled()
        self.assertEqual(seen, [3])
        managers = {entry["manager"]: entry for entry in self.get("deployment", "pets", "--show-managed-fields")["metadata"]["managedFields"]
                    if "f:replicas" in entry["fieldsV1"].get("f:spec", {})}
        self.assertNotIn("imageclassifier-operator", managers)
        entry = self.wait_for("pets", "AutoscalerActive", "False", "MetricsMissing", 40)
        self.assertIn("Install metrics-server", entry["message"])

    def test_scaling_by_hand_is_refused_while_an_autoscaler_decides(self):
        self.apply(resource("pets", autoscaling=AUTOSCALED))
        refused = self.run_kubectl("scale", "ic/pets", "--replicas=3", check=False)
        self.assertIn("change autoscaling.minReplicas and maxReplicas", refused.stderr)

    def test_suspension_ends_the_pods_and_keeps_the_address_and_resuming_brings_them_back(self):
        for spec in ({"replicas": 2}, {"autoscaling": AUTOSCALED}):
            name = "-".join(["pets", *spec]).lower()
            with self.subTest(name):
                self.apply(resource(name, **spec))
                self.wait_for_children(name)
                service = self.uid("service", name)
                wait_until(lambda: self.spec("deployment", name)["replicas"] == 2, 20, "the pods")
                self.patch("ic", name, {"spec": {"suspend": True}})
                self.wait_for(name, "Suspended", "True", "Suspended")
                wait_until(lambda: self.spec("deployment", name)["replicas"] == 0, 20, "no pods")
                self.assertEqual(self.uid("hpa", name), None)
                self.assertEqual(self.uid("service", name), service)
                self.wait_for(name, "Ready", "True", "Suspended")
                self.patch("ic", name, {"spec": {"suspend": False}})
                wait_until(lambda: self.spec("deployment", name)["replicas"] == 2, 20, "the pods to come back")
                self.wait_for(name, "Suspended", "False", "PodsWanted")

    def test_a_foreign_policy_of_the_name_is_named_and_left_alone(self):
        self.apply({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "pets"}, "spec": {"podSelector": {}}})
        self.apply(resource("pets"))
        entry = self.wait_for("pets", "Ready", "False", "NameConflict")
        self.assertIn("NetworkPolicy pets", entry["message"])
        self.wait_until_settled()
        self.assertIsNone(self.uid("deployment", "pets"), "nobody is let in without the policy")
        self.assertEqual(self.spec("networkpolicy")["podSelector"], {})

    def test_a_quota_for_policies_is_told_with_the_servers_words_and_without_a_hot_loop(self):
        self.run_kubectl("create", "quota", "none", "--hard=count/networkpolicies.networking.k8s.io=0")
        wait_until(lambda: "hard" in self.get("quota", "none").get("status", {}), 20, "the quota")
        self.apply(resource("pets"))
        entry = self.wait_for("pets", "Ready", "False", "ObjectRefused")
        self.assertIn("exceeded quota", entry["message"])
        for kind in ("deployment", "service"):
            self.assertIsNone(self.uid(kind, "pets"), "nobody is let in without the policy")
        self.run_kubectl("delete", "quota", "none")
        wait_until(lambda: self.uid("networkpolicy", "pets"), 40, "the policy")
        self.wait_for_children("pets")
        wait_until(lambda: condition(self.get("ic", "pets"), "Ready")["reason"] != "ObjectRefused", 40, "the refusal to be forgotten")

    def test_a_policy_that_the_API_server_finds_invalid_is_for_the_user_to_mend(self):
        self.apply(resource("pets", networkPolicy={"allowFrom": [{"ipBlock": {"cidr": "10.0.0.0/33"}}]}))
        entry = self.wait_for("pets", "Stalled", "True", "ObjectInvalid")
        self.assertIn("10.0.0.0/33", entry["message"])
        self.assertIsNone(self.uid("deployment", "pets"), "nobody is let in without the policy")
        self.patch("ic", "pets", {"spec": {"networkPolicy": {"allowFrom": None}}})
        self.wait_for_children("pets")

    def test_the_fields_that_are_passed_on_reach_the_pods_and_stay_as_they_are(self):
        example = json.loads(self.run_kubectl("create", "--dry-run=client", "-o", "json", "-f", str(ROOT / "crds/examples/accepted/passed-on.yaml")).stdout)
        example["metadata"] = {"name": "pets"}
        self.apply(example)
        self.wait_for_children("pets")
        template = self.spec("deployment")["template"]
        wanted = example["spec"]["pod"]
        self.assertEqual(template["spec"]["affinity"], wanted["affinity"])
        self.assertEqual(template["spec"]["runtimeClassName"], "gvisor")
        self.assertLessEqual({entry["name"] for entry in wanted["env"]}, {entry["name"] for entry in template["spec"]["containers"][0]["env"]})
        self.assertEqual(template["metadata"]["labels"]["team"], "pets")
        generation = self.get("deployment", "pets")["metadata"]["generation"]
        self.wait_until_settled()
        self.assertEqual(self.get("deployment", "pets")["metadata"]["generation"], generation)


if __name__ == "__main__":
    unittest.main()
