#!/usr/bin/python3
"""What goes wrong on real clusters: provoked for real, named in the status with a remedy, and gone once it is mended."""

import json

import end_to_end
from end_to_end import BUILT, REGISTRY_HOST, STATE, EndToEnd, classifier, cluster_state, images, password_of, wait_until


class Failures(EndToEnd):
    def image_that_no_node_has(self):
        """A tag of its own for the image: a node that has a tag does not ask the registry, so no password is tried."""
        built = json.loads(BUILT.read_text())
        images.push_to_box(STATE, built, {"inference-server": ["never-pulled"]})
        return f"{REGISTRY_HOST}/inference-server:never-pulled"

    def test_a_wrong_registry_password_is_named_and_once_corrected_the_same_resource_becomes_ready(self):
        self.users.make_credentials("rotated-away", "puller", "not-the-password")
        self.apply_for_this_test(classifier("wrong-password", image=self.image_that_no_node_has(), secret="rotated-away"))
        entry = self.wait_for_condition("wrong-password", "Ready", "False", "CredentialRefused", timeout=60)
        self.assert_named_with_remedy(entry, REGISTRY_HOST, "rotated-away")
        self.wait_for_condition("wrong-password", "CredentialReady", "False", "CredentialRefused", timeout=10)
        self.users.make_credentials("rotated-away", "puller", password_of("puller"))
        self.assert_classifies(self.wait_until_ready("wrong-password", timeout=150))

    def test_a_secret_that_does_not_exist_is_named_and_found_when_it_appears(self):
        self.apply_for_this_test(classifier("no-secret", secret="comes-later"))
        entry = self.wait_for_condition("no-secret", "Ready", "False", timeout=30)
        self.assert_named_with_remedy(entry, "comes-later")
        self.users.make_credentials("comes-later", "puller", password_of("puller"))
        self.wait_until_ready("no-secret", timeout=90)

    def test_a_missing_tag_is_named_and_the_corrected_image_becomes_ready(self):
        self.apply_for_this_test(classifier("missing-tag", image=f"{REGISTRY_HOST}/inference-server:no-such-tag"))
        entry = self.wait_for_condition("missing-tag", "Ready", "False", "ManifestUnknown", timeout=60)
        self.assert_named_with_remedy(entry, f"{REGISTRY_HOST}/inference-server:no-such-tag")
        self.users.apply(classifier("missing-tag"))
        self.wait_until_ready("missing-tag", timeout=90)

    def test_when_no_load_balancer_address_is_left_the_status_says_so_and_a_freed_address_is_used(self):
        fillers = [{"apiVersion": "v1", "kind": "Service",
                    "metadata": {"name": f"filler-{number}", "labels": {"e2e": "filler"}},
                    "spec": {"type": "LoadBalancer", "selector": {"app": "nothing"}, "ports": [{"port": 80}]}}
                   for number in range(cluster_state()["loadBalancer"]["addresses"])]
        self.addCleanup(self.users.kubectl, "delete", "services", "--selector=e2e=filler", "--wait=false", check=False)
        self.users.apply(fillers)

        def one_got_none():
            names = [event["involvedObject"]["name"] for event in self.users.get("events", None, "--field-selector=reason=AllocationFailed")]
            return any(name.startswith("filler-") for name in names)

        wait_until(one_got_none, 60, "the pool to run out of addresses")
        self.apply_for_this_test(classifier("no-address"))
        entry = self.wait_for_condition("no-address", "EndpointReady", "False", "LoadBalancerAddressesExhausted", timeout=60)
        self.assert_named_with_remedy(entry, "no-address")
        summary = self.wait_for_condition("no-address", "Ready", "False", "LoadBalancerAddressesExhausted", timeout=60)
        self.assert_named_with_remedy(summary, "no-address")
        self.wait_for_condition("no-address", "WorkloadAvailable", "True")
        self.users.kubectl("delete", "services", "--selector=e2e=filler")
        self.assert_classifies(self.wait_until_ready("no-address", timeout=90))


if __name__ == "__main__":
    end_to_end.main()
