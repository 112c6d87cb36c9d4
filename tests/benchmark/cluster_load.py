"""Many ImageClassifiers with children, and what the API server says of them, for the operator's benchmark."""

import asyncio
import http.client
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from api import WRITES, AuditLog, seconds

RESOURCES = "/apis/imageclassifier.dev/v1alpha1/namespaces/{}/imageclassifiers"
PODS = "/api/v1/namespaces/{}/pods"
NO_REGISTRIES = Path(__file__).resolve().parent.parent / "cluster/no_registries.yaml"
OURS = "labelSelector=app.kubernetes.io%2Fmanaged-by%3Dimageclassifier-operator"


def name_of(number):
    return f"classifier-{number:05d}"


def progress(title, done, total, last=[0.0]):
    if time.monotonic() - last[0] > 5:
        last[0] = time.monotonic()
        print(f"  {title}: {done()} of {total}", flush=True)


def wait_for(title, count, total, seconds):
    """Polls count() until it reaches total; says how far it is. AssertionError when it does not move for `seconds`."""
    best, moved = -1, time.monotonic()
    while (now := count()) < total:
        if now > best:
            best, moved = now, time.monotonic()
        if time.monotonic() - moved > seconds:
            raise AssertionError(f"{title}: stuck at {now} of {total} for {seconds} s")
        progress(title, lambda: now, total)
        time.sleep(0.5)


PORT = 18080  # of what answers for the servers


def answer_as_server(address):
    """Says to everybody who asks that the server is ready. Does not return."""
    body = json.dumps({"status": "ready", "model": {"architecture": "resnet101", "weights_sha256": "0" * 64, "precision": "float32"}})
    text = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()

    async def answer(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(text)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def serve():
        server = await asyncio.start_server(answer, address, PORT, backlog=1024)
        await server.serve_forever()
    asyncio.run(serve())


def classifier(namespace, number, load_balancer=False):
    return {"apiVersion": "imageclassifier.dev/v1alpha1", "kind": "ImageClassifier",
            "metadata": {"name": name_of(number), "namespace": namespace},
            "spec": {"image": "registry.example.com/vision/inference-server:1.0",
                     "service": {"type": "LoadBalancer", "port": PORT} if load_balancer else {"type": "ClusterIP"}}}


def create_classifiers(api, namespace, count, load_balancer=False):
    made = [0]

    def create(number):
        api.call("POST", RESOURCES.format(namespace), classifier(namespace, number, load_balancer))
        made[0] += 1
        progress("ImageClassifiers created", lambda: made[0], count)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(count)))


def count_of(api, path):
    """From the API server's own count: one item and what remains."""
    page = api.call("GET", f"{path}{'&' if '?' in path else '?'}limit=1")
    return len(page["items"]) + page["metadata"].get("remainingItemCount", 0)


def pod_status(pod):
    """What a kubelet reports of a pod that serves."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"status": {
        "phase": "Running", "podIP": "10.0.0.9", "startTime": now,
        "conditions": [{"type": kind, "status": "True", "lastTransitionTime": now}
                       for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")],
        "containerStatuses": [{"name": entry["name"], "image": entry["image"], "imageID": "sha256:" + "0" * 64,
                               "ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": now}}}
                              for entry in pod["spec"]["containers"]]}}


def make_pods_ready(api, namespace, count):
    """Plays the kubelet for the pods that the controller manager makes."""
    done = set()

    def make_ready(pod):
        name = pod["metadata"]["name"]
        api.call("PATCH", f"{PODS.format(namespace)}/{name}/status", pod_status(pod), "application/strategic-merge-patch+json")
        done.add(name)

    moved = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        while len(done) < count:
            token, before = "", len(done)
            while True:
                page = api.call("GET", f"{PODS.format(namespace)}?limit=500&{OURS}&continue={token}")
                list(pool.map(make_ready, [pod for pod in page["items"] if pod["metadata"]["name"] not in done]))
                progress("pods made ready", lambda: len(done), count)
                token = page["metadata"].get("continue", "")
                if not token:
                    break
            moved = time.monotonic() if len(done) > before else moved
            if time.monotonic() - moved > 120:
                raise AssertionError(f"pods: stuck at {len(done)} of {count}")
            time.sleep(0.2)


def quiet(operator_writes, seconds, limit):
    """Waits until the operator has not written for `seconds`; AssertionError after `limit` seconds."""
    end, seen, since = time.monotonic() + limit, -1, time.monotonic()
    while time.monotonic() - since < seconds:
        now = operator_writes()
        if now != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() > end:
            raise AssertionError(f"the operator still writes after {limit} s")
        progress("waiting for the last write; writes so far", lambda: now, "?")
        time.sleep(0.5)


def is_write(event):
    return event["verb"] in WRITES and event.get("objectRef", {}).get("resource") not in ("leases", "tokenreviews", "subjectaccessreviews")


class EditsInAudit:
    """Patches of resources from now on, by one who edits one after the other, and of the Services that follow from them."""

    def __init__(self, state, editor):
        self.log = AuditLog(state, '"verb":"patch"', from_now=True)
        self.kinds = {("imageclassifiers", editor): [], ("services", "imageclassifier-operator"): []}

    def count(self):
        """How many edits are recorded together with their Service."""
        for event in self.log.more():
            place = event["objectRef"]
            found = self.kinds.get((place["resource"], event["userAgent"].partition("/")[0]))
            if found is not None and "subresource" not in place:
                found.append((place["name"], seconds(event["requestReceivedTimestamp"]), seconds(event["stageTimestamp"])))
        return len(self.parts())

    def parts(self):
        """For each edit the seconds in the API server, from its end to the arrival of the Service's patch, in the API server for that."""
        edits, services = (sorted(found, key=lambda each: each[1]) for found in self.kinds.values())
        found = []
        for name, begin, end in edits:
            patch = next((each for each in services if each[0] == name and each[1] > begin), None)
            if patch:
                found.append((end - begin, patch[1] - end, patch[2] - patch[1]))
        return found


class Operator:
    """The program under test as a process of its own."""

    def __init__(self, program, kubeconfig, namespace, port, log, options=()):
        self.port = port
        self.started = time.monotonic()
        with open(log, "wb") as sink:
            self.process = subprocess.Popen([program, "--kubeconfig", kubeconfig, "--namespace", namespace, "--listen",
                                             f"127.0.0.1:{port}", "--registry-config", NO_REGISTRIES, *options], stdout=sink, stderr=sink)

    def ask(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def seconds_to_ready(self, limit=300):
        while self.ask("/readyz")[0] != 200:
            if self.process.poll() is not None:
                raise AssertionError(f"the operator ended with {self.process.returncode}")
            if time.monotonic() - self.started > limit:
                raise AssertionError(f"the operator is not ready after {limit} s")
            time.sleep(0.005)
        return time.monotonic() - self.started

    def metric(self, name):
        """The sum over all series of this name, but those about a kind that the cluster does not have: it is looked for without end."""
        lines = self.ask("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith((name + "{", name + " ")) and "servicemonitors" not in line)

    def memory(self, field):
        """VmRSS or VmHWM in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(field)

    def forget_peak(self):
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=30)
