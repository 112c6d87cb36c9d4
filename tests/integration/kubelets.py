"""What kubelets and scheduler would say of the pods of a namespace, written into their status."""

import json
import threading

from operator_rig import condition

from api import MERGE  # its folder is on the path by then

IMAGE = "contoso.azurecr.io/inference-server:"
MODEL_INVALID = json.dumps({"reason": "ModelInvalid", "message": "it is cut short"})


def image_of(pod):
    return pod["spec"]["containers"][0]["image"].removeprefix(IMAGE)


class Kubelets:
    """Says of every new pod of the namespace what the tag of its image stands for: good ones serve, bad ones say that they never
    can, those that load do so until `loaded` is set and serve then, of those that are mixed the second one is bad and all others
    serve, and of others nothing. Those that could serve find no node while more than `room` pods are there."""

    def __init__(self, api, namespace, room=99):
        self.api, self.room, self.stop = api, room, threading.Event()
        self.loaded = False
        self.mixed = []  # names, in the order in which they came
        self.path = f"/api/v1/namespaces/{namespace}/pods"
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def end(self):
        self.stop.set()
        self.thread.join()

    def work(self):
        while not self.stop.wait(0.1):
            pods = [pod for pod in self.api.call("GET", self.path)["items"] if "deletionTimestamp" not in pod["metadata"]]
            # One after the other, so that no two get the last room.
            told = next(((pod, status) for pod in pods if (status := self.news(pod, len(pods) - 1))), None)
            if told:
                pod, status = told
                self.api.ask("PATCH", f"{self.path}/{pod['metadata']['name']}/status", {"status": status}, MERGE)
        self.api.close()

    def news(self, pod, others):
        """Its status, if it is not what the pod shows."""
        status = self.status_of(pod, others)
        if not status:
            return None
        shown = {entry["type"]: entry["status"] for entry in pod.get("status", {}).get("conditions", [])}
        return status if shown != {entry["type"]: entry["status"] for entry in status["conditions"]} else None

    def tag_of(self, pod):
        """For those that tell good from bad otherwise."""
        return image_of(pod)

    def status_of(self, pod, others):
        tag, name = self.tag_of(pod), pod["metadata"]["name"]
        ready = condition(pod, "Ready").get("status") == "True"
        if tag.startswith("mixed") and name not in self.mixed:
            self.mixed.append(name)
        if tag.startswith("bad") or name in self.mixed[1:2]:
            ended = {"terminated": {"exitCode": 78, "reason": "Error", "message": MODEL_INVALID}}
            return {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
                    "containerStatuses": [{"name": "server", "image": "x", "imageID": "x", "ready": False, "restartCount": 2, "lastState": ended,
                                           "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}
        if tag.startswith("loading") and not self.loaded:
            return {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}],
                    "containerStatuses": [{"name": "server", "image": "x", "imageID": "x", "ready": False, "started": False, "restartCount": 0,
                                           "state": {"running": {}}}]}
        if not tag.startswith(("good", "loading", "mixed")):
            return None
        if not ready and others >= self.room:
            return {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                                                        "message": "0/1 nodes are available: 1 Insufficient cpu."}]}
        return {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
