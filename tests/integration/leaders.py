"""Several operators that elect a leader, each under a name of its own, and what the audit log says of who wrote when.

The names are impersonated users (operator-1, operator-2, ...): a process that is started anew has a new one.
"""

import json
import math
import random
import signal
import tempfile
import threading
import time
from pathlib import Path

from operator_rig import Operator, resource, wait_until

from api import WRITES, recorded, seconds

LEASE = "imageclassifier-operator"
# Seconds. A hand-over after a crash takes the first and a little.
TIMES = {"lease-duration": 1.5, "renew-deadline": 1.0, "retry-period": 0.2}
# Seconds for what a fail-over does beside waiting: a read and a write of the Lease, on a machine with other work.
ALLOWANCE = 0.5
# Others hear of the last renewal up to a retry period late, wait for the lease to run out (a Lease holds whole seconds), and look
# again within another.
LONGEST_FAIL_OVER = math.ceil(TIMES["lease-duration"]) + 2 * TIMES["retry-period"] + ALLOWANCE


class Leader:
    """One operator process with its impersonated name."""

    def __init__(self, kubectl, namespace, name, *options, environment=None):
        self.name = name
        config = json.loads(kubectl.run("config", "view", "--raw", "--flatten", "-o", "json").stdout)
        config["users"][0]["user"].update({"as": name, "as-groups": ["system:masters"]})
        self.config = tempfile.NamedTemporaryFile("w", suffix=".kubeconfig")
        json.dump(config, self.config)
        self.config.flush()
        times = [f"--leader-elect-{key}={int(value * 1000)}ms" for key, value in TIMES.items()]
        self.operator = Operator(kubectl, namespace, "--leader-elect", "--leader-elect-resource-namespace", namespace, *times, *options,
                                 kubeconfig=self.config.name, environment=environment)
        self.stopped = self.was_stopped = False

    def send(self, how):
        self.operator.process.send_signal(how)
        self.stopped = how == signal.SIGSTOP
        self.was_stopped |= self.stopped

    def log(self):
        return Path(self.operator.log.name).read_text()

    def began_to_lead(self):
        """When it did, first, as its log says; None before."""
        return next((seconds(line["time"]) for line in self.operator.lines() if line["message"] == "Started leading"), None)

    def leads_as(self, identity):
        text = self.log()
        return f'"identity":"{identity}"' in text and '"Started leading"' in text

    def is_running(self):
        return self.operator.process.poll() is None

    def end(self):
        if self.stopped:
            self.send(signal.SIGCONT)
        return self.operator.end()


class Leaders:
    """A changing set of operators over one namespace; ends them all at the end."""

    def __init__(self, kubectl, namespace, count=2, *options):
        self.kubectl, self.namespace, self.options = kubectl, namespace, options
        self.started = 0
        self.frozen = 0  # how many were ended by their timer
        self.all = []
        for _ in range(count):
            self.start()

    def start(self, environment=None):
        self.started += 1
        leader = Leader(self.kubectl, self.namespace, f"{self.namespace}-operator-{self.started}", *self.options, environment=environment)
        self.all.append(leader)
        return leader

    def replace_ended(self):
        """Others for those that were frozen in the middle of a write and ended by their timer; nobody else may have ended."""
        for one in [one for one in self.all if not one.is_running()]:
            code = one.operator.process.returncode
            if code != -signal.SIGKILL or not one.was_stopped:
                raise AssertionError(f"{one.name} ended with {code}")
            self.frozen += 1
            self.forget(one)
            self.start()

    def forget(self, one):
        """One that has ended; what it wrote to its log must be in order all the same."""
        one.end()
        self.all.remove(one)

    def holder(self):
        """The identity in the Lease."""
        lease = self.kubectl.get("-n", self.namespace, "lease", LEASE)
        return lease.get("spec", {}).get("holderIdentity", "") if lease else ""

    def leading(self):
        """The one whose identity is in the Lease; None if there is none."""
        holder = self.holder()
        return next((one for one in self.all if holder and one.leads_as(holder)), None)

    def end(self):
        return [one.end() for one in self.all]


class Record:
    """What the API server recorded of these operators."""

    def __init__(self, kubectl, namespace):
        self.state, self.prefix = kubectl.state, f"{namespace}-operator-"

    def events(self):
        events = []
        for event in recorded(self.state, self.prefix):
            user = event.get("impersonatedUser", {}).get("username", "")
            if user.startswith(self.prefix) and event["verb"] in WRITES:
                events.append({"user": user, "resource": event["objectRef"]["resource"], "verb": event["verb"],
                               "code": event["responseStatus"]["code"], "from": seconds(event["requestReceivedTimestamp"]),
                               "to": seconds(event["stageTimestamp"])})
        return sorted(events, key=lambda event: event["to"])

    def terms(self):
        """(user, when its first write of the Lease came in) in order of time."""
        terms = []
        for event in self.events():
            if event["resource"] == "leases" and event["code"] < 300 and (not terms or terms[-1][0] != event["user"]):
                terms.append((event["user"], event["from"]))
        return terms

    def writes(self):
        return [event for event in self.events() if event["resource"] != "leases"]

    def overlaps(self):
        """Writes that began before their writer led, or ended after the next one had asked for the lead."""
        terms = self.terms()
        spans = [(user, begin, terms[i + 1][1] if i + 1 < len(terms) else float("inf")) for i, (user, begin) in enumerate(terms)]
        return [write for write in self.writes()
                if not any(user == write["user"] and begin <= write["from"] and write["to"] <= end for user, begin, end in spans)]

    def first_write_after(self, moment, but):
        """When the first write of another one than `but` came in after `moment`, or None."""
        return next((write["from"] for write in sorted(self.writes(), key=lambda write: write["from"])
                     if write["from"] > moment and write["user"] != but), None)


class Edits:
    """Keeps a leader busy: edits some resources again and again, on a thread of its own, until ended."""

    def __init__(self, api, namespace, names, pause=0.02):
        self.path = f"/apis/imageclassifier.dev/v1alpha1/namespaces/{namespace}/imageclassifiers"
        self.api, self.names, self.pause = api, names, pause
        self.count, self.error = 0, None
        self.over = threading.Event()
        for name in names:
            api.call("POST", self.path, resource(name))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over.wait(self.pause):
            self.count += 1
            name = self.names[self.count % len(self.names)]
            try:
                self.api.call("PATCH", f"{self.path}/{name}", {"spec": {"replicas": 1 + self.count % 4}}, "application/merge-patch+json")
            except (OSError, AssertionError) as error:
                self.error = error

    def end(self):
        self.over.set()
        self.thread.join()


def round_of(leaders, record, how, draw):
    """One disturbance of the leader and its consequences; the seconds until another one wrote, after SIGTERM."""
    def leading():
        leaders.replace_ended()
        return leaders.leading()

    victim = wait_until(leading, 20, "a leader")
    moment = time.time()
    victim.send(how)
    if how == signal.SIGSTOP:
        time.sleep(draw.uniform(0.05, 2 * TIMES["lease-duration"]))  # sometimes it keeps the lead, sometimes it has lost it meanwhile
        victim.send(signal.SIGCONT)
        return None
    code = victim.operator.process.wait(timeout=10)
    # On a busy machine a last write may take longer than the lease that it needs: then the timer ends the process.
    if how == signal.SIGTERM and code not in (0, -signal.SIGKILL):
        raise AssertionError(f"{victim.name} ended with {code} after SIGTERM")
    leaders.frozen += code == -signal.SIGKILL and how == signal.SIGTERM
    leaders.forget(victim)

    def written():
        leaders.replace_ended()
        return record.first_write_after(moment, victim.name)

    written = wait_until(written, 20, "another one to write")
    leaders.start()
    return written - moment if code == 0 else None


def disturb(leaders, record, rounds, seed):
    """So many rounds; the seconds of the hand-overs in good order."""
    draw = random.Random(seed)
    taken = []
    for _ in range(rounds):
        how = draw.choice([signal.SIGSTOP, signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM])
        took = round_of(leaders, record, how, draw)
        if took is not None:
            taken.append(took)
    return taken
