#!/usr/bin/python3
"""What the operator tells as Events, seen through kubectl and the API server's audit log."""

import json
import os
import signal
import subprocess
import time
import unittest

from operator_rig import ROOT, OperatorTest, condition, resource, wait_until, with_basic

EVENT_WRITES = {"create", "patch", "update", "delete"}


class Events(OperatorTest):
    def events(self, reason=None, name="pets"):
        """Objects of events.k8s.io about the resource, first seen first."""
        items = self.run_kubectl("get", "events.v1.events.k8s.io", "-o", "json").stdout
        found = [event for event in json.loads(items)["items"]
                 if (event["regarding"]["kind"], event["regarding"]["name"]) == ("ImageClassifier", name)]
        return sorted((event for event in found if reason in (None, event["reason"])), key=lambda event: event["eventTime"])

    def wait_for_event(self, reason, **how):
        return wait_until(lambda: self.events(reason, **how), 20, f"the event {reason}")[0]

    def event_writes(self):
        return [event for event in self.requests() if event["objectRef"].get("apiGroup") == "events.k8s.io" and event["verb"] in EVENT_WRITES]

    def describe(self):
        return self.run_kubectl("describe", "ic", "pets").stdout.partition("Events:")[2]

    def scale(self, replicas):
        self.run_kubectl("scale", "deployment/pets", f"--replicas={replicas}")
        wait_until(lambda: self.get("deployment", "pets")["spec"]["replicas"] == 1, 10, "the replicas to be put right")


class Story(Events):
    def test_describe_and_get_events_tell_what_was_made_and_what_is_wrong(self):
        self.apply(with_basic("pets"))
        missing = self.wait_for_event("SecretNotFound")
        self.make_credentials()
        self.run_kubectl("annotate", "ic", "pets", "example.com/touched=yes")
        self.wait_for_children("pets")
        wait_until(lambda: len(self.events("Created")) == 4, 20, "the children to be told")
        self.assertEqual((missing["type"], missing["action"], missing["regarding"]["uid"]), ("Warning", "Reconcile", self.uid("ic", "pets")))
        self.assertEqual(missing["reportingController"], "imageclassifier-operator")
        self.assertRegex(missing["eventTime"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertRegex(missing["metadata"]["name"], r"^pets\.[0-9a-f]{16}$")
        told = self.describe()
        for words in (r"Warning +SecretNotFound .*imageclassifier-operator +Secret acr-credentials does not exist",
                      r"Normal +Created .*Created Secret pets-acr-pull\.", r"Normal +Created .*Created Deployment pets\.",
                      r"Normal +Created .*Created Service pets\.", r"Normal +Minted "):
            self.assertRegex(told, words)
        listed = self.run_kubectl("get", "events", "--field-selector",
                                  "involvedObject.kind=ImageClassifier,involvedObject.name=pets,reason=SecretNotFound").stdout
        self.assertIn("imageclassifier/pets", listed)
        related = {event["related"]["kind"] for event in self.events("Created")}
        self.assertEqual(related, {"Secret", "NetworkPolicy", "Deployment", "Service"})

    def test_reasons_are_those_of_the_status_and_a_name_that_is_taken_is_a_warning(self):
        self.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pets"}, "spec": {"ports": [{"port": 1234}]}},
                   resource("pets"))
        entry = self.wait_for("pets", "Ready", "False", "NameConflict")
        event = self.wait_for_event("NameConflict")
        self.assertEqual((event["type"], event["note"]), ("Warning", entry["message"]))

    def test_nothing_of_a_credential_is_told(self):
        self.make_credentials(password="planted-9f2c", user="planted-user")
        self.apply(with_basic("pets"))
        self.wait_for_children("pets")
        self.make_credentials(password="planted-new", user="planted-user")
        self.run_kubectl("annotate", "ic", "pets", "example.com/touched=yes")
        self.wait_for_event("Updated")
        told = json.dumps(self.events())
        for words in ("planted", "cGxhbnRlZC"):
            self.assertNotIn(words, told)


class Moderation(Events):
    def test_what_happens_again_becomes_a_series_whose_last_count_is_written_at_the_end(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        self.wait_until_settled()
        self.scale(4)
        self.assertNotIn("series", self.wait_for_event("Updated"))
        self.scale(5)
        wait_until(lambda: self.events("Updated")[0].get("series", {}).get("count") == 2, 10, "the series")
        for replicas in (6, 7, 8):
            self.scale(replicas)
        self.wait_until_settled()
        self.assertEqual([event["series"]["count"] for event in self.events("Updated")], [2])
        self.assertRegex(self.describe(), r"Updated .*\(x2 over ")
        self.assertEqual(self.operator.end(signal.SIGTERM), 0)
        event, = self.events("Updated")
        self.assertEqual(event["series"]["count"], 5)
        self.assertGreater(event["series"]["lastObservedTime"], event["eventTime"])
        writes = [write["verb"] for write in self.event_writes() if write["objectRef"].get("name") == event["metadata"]["name"]]
        self.assertEqual(writes.count("patch"), 2)

    def test_a_settled_resource_has_no_new_events(self):
        self.make_credentials()
        self.apply(with_basic("pets"))
        self.wait_for_children("pets")
        self.wait_until_settled()
        before = len(self.event_writes())
        self.assertGreater(before, 3)
        self.run_kubectl("annotate", "ic", "pets", "example.com/touched=yes")  # makes a pass
        time.sleep(3)
        self.assertEqual(len(self.event_writes()), before)
        self.operator.end()
        self.operator = self.start()
        wait_until(lambda: self.operator.metric("controller_runtime_reconcile_total") > 0, 20, "a pass of the new process")
        self.wait_until_settled()
        self.assertEqual(len(self.event_writes()), before, "a new process told what is old")

    def test_a_burst_of_different_events_about_one_resource_is_bounded(self):
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        for number in range(30):
            self.patch_auth({"basic": {"secretName": f"missing-{number}"}})
            self.wait_for_generation("SecretNotFound")
            self.patch_auth(None)
            self.wait_for_generation("NodeIdentity")
        self.wait_until_settled()
        self.assertGreater(self.operator.metric("event_recorder_lost_total", reason="rate_limited"), 5)
        self.assertLessEqual(len(self.event_writes()), 27)
        self.assertLessEqual(self.operator.metric("event_recorder_queue_depth"), 0)

    def patch_auth(self, auth):
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", json.dumps({"spec": {"registry": auth and {"auth": auth}}}))

    def wait_for_generation(self, reason):
        def reached():
            obj = self.get("ic", "pets")
            return (obj["status"]["observedGeneration"], condition(obj, "CredentialReady")["reason"]) == (obj["metadata"]["generation"], reason)
        wait_until(reached, 20, reason)


class Leaders(Events):
    starts_operator = False

    def test_only_the_leader_tells_and_it_writes_its_last_counts_before_the_lease_goes(self):
        options = "--leader-elect", "--leader-elect-resource-namespace", self.namespace
        leader = self.start(*options)
        wait_until(lambda: leader.metric("leader_election_master_status") == 1, 20, "a leader")
        follower = self.start(*options)
        wait_until(lambda: follower.ask("/readyz")[0] == 200, 20, "the follower to be ready")
        self.apply(resource("pets"))
        self.wait_for_children("pets")
        for replicas in (4, 5, 6):
            self.scale(replicas)
        wait_until(lambda: self.events("Updated")[0].get("series", {}).get("count") == 2, 10, "the series")
        self.assertEqual(follower.metric("event_recorder_writes_total"), 0)
        self.assertEqual(leader.end(signal.SIGTERM), 0)
        self.assertEqual([event["series"]["count"] for event in self.events("Updated")], [3])
        wait_until(lambda: follower.metric("leader_election_master_status") == 1, 20, "the follower to lead")
        self.scale(7)
        wait_until(lambda: len(self.events("Updated")) == 2, 10, "an event of the new leader")


class Losses(Events):
    def control_plane(self, action):
        subprocess.run([ROOT / "tests/integration/control_plane", action, "kube-controller-manager", "--state", os.environ["IC_CONTROL_PLANE"]],
                       check=True)

    def test_a_namespace_that_is_being_deleted_takes_no_events_and_nobody_is_alarmed(self):
        self.apply(resource("pets"))
        wait_until(lambda: len(self.events("Created")) == 3, 30, "the events")
        # Without the controller manager the namespace stays as it is: closed to what is new, with all that is in it.
        self.control_plane("hold")
        self.addCleanup(self.control_plane, "release")
        self.kubectl.run("delete", "namespace", self.namespace, "--wait=false")
        self.run_kubectl("patch", "ic", "pets", "--type=merge", "-p", '{"spec": {"replicas": 3}}')
        wait_until(lambda: self.operator.metric("event_recorder_lost_total", reason="namespace_deleted") > 0, 30, "an event to be lost")
        alarms = [line for line in self.operator.lines() if "Event" in line["message"] and line["level"] in ("warning", "error")]
        self.assertEqual(alarms, [])

    def test_an_event_whose_answer_was_lost_is_written_once(self):
        self.operator.end()
        self.operator = self.start("--inject-faults", "seed=1,post@events.k8s.io=lose:1:times=1")
        self.apply(resource("pets"))
        wait_until(lambda: len(self.events("Created")) == 3, 20, "the events")
        wait_until(lambda: self.operator.metric("event_recorder_queue_depth") == 0, 20, "the lost answer to be asked for again")
        self.wait_until_settled()
        notes = [event["note"] for event in self.events()]
        self.assertEqual(len(notes), len(set(notes)), notes)
        self.assertGreaterEqual(self.operator.metric("event_recorder_writes_total", result="failed"), 1)
        self.assertEqual(self.operator.metric("event_recorder_lost_total"), 0)


if __name__ == "__main__":
    unittest.main()
