#!/usr/bin/python3
"""Uninstalling the operator takes nothing from its users; deleting a resource takes exactly what was made for it."""

import end_to_end
from end_to_end import OPERATOR_NAMESPACE, RELEASE, EndToEnd, wait_until

CHILDREN = ("deployment/quickstart", "service/quickstart")


class Uninstall(EndToEnd):
    def uids(self):
        return [self.users.get(*child.split("/"))["metadata"]["uid"] for child in ("imageclassifier/quickstart", *CHILDREN)]

    def test_1_after_helm_uninstall_the_definition_the_resources_and_their_pods_are_still_there(self):
        url, uids = self.wait_until_ready("quickstart"), self.uids()
        self.system.helm("uninstall", RELEASE, "--namespace", OPERATOR_NAMESPACE, "--wait", "--timeout", "2m")
        self.assertIsNotNone(self.users.get("customresourcedefinition", "imageclassifiers.imageclassifier.dev"))
        self.assertIsNone(self.system.get("deployment", RELEASE))
        self.assertEqual(self.uids(), uids)
        self.assert_classifies(url)

    def test_2_without_an_operator_a_deleted_resource_still_takes_its_objects_with_it(self):
        self.users.kubectl("delete", "imageclassifier", "quickstart", "--timeout=30s")
        for child in CHILDREN:
            wait_until(lambda: self.users.get(*child.split("/")) is None, 60, f"{child} to be collected")

    def test_3_the_namespace_goes_without_hanging(self):
        self.users.kubectl("delete", "namespace", self.namespace, "--timeout=90s")


if __name__ == "__main__":
    end_to_end.main()
