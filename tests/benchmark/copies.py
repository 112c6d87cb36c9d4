"""Many copies of one ImageClassifier with its children, written into etcd behind the API server.

The first set is made by the real components, so that its objects are as large as they are in a cluster; the copies
differ in names, uids and addresses, and carry the hash that the operator would compute for them.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import json
import uuid
from urllib.parse import urlsplit

BATCH = 64  # operations in one transaction: below etcd's 128 and its 1.5 MB
HASH = "imageclassifier.dev/applied-hash"
# What the API server fills in at a POST counts as the maker's, though the operator did not say it.
DEFAULTED = {"imagePullPolicy", "scheme", "successThreshold", "dnsPolicy", "restartPolicy", "schedulerName", "sessionAffinity",
             "internalTrafficPolicy", "allocateLoadBalancerNodePorts", "serviceAccount"}


def owned(value, fields):
    """The part of value that a managedFields entry names."""
    if not fields or fields.keys() == {"."}:
        return value
    if isinstance(value, list):
        keys = [json.loads(name[2:]) for name in fields if name.startswith("k:")]
        part = []
        for item in value:
            for key in keys:
                if all(item.get(name) == wanted for name, wanted in key.items()):
                    part.append(owned(item, fields["k:" + json.dumps(key, separators=(",", ":"))]))
        return part
    return {name[2:]: owned(value[name[2:]], inner) for name, inner in fields.items()
            if name.startswith("f:") and name[2:] not in DEFAULTED}


def applied(child):
    """What the operator applied, as the text that it computes the hash from; AssertionError if it is another."""
    entry = next(entry for entry in child["metadata"]["managedFields"]
                 if entry["manager"] == "imageclassifier-operator" and entry["operation"] == "Apply")
    body = owned(child, entry["fieldsV1"])
    body |= {"apiVersion": child["apiVersion"], "kind": child["kind"]}
    body["metadata"] |= {"name": child["metadata"]["name"], "namespace": child["metadata"]["namespace"]}
    annotations = body["metadata"]["annotations"]
    del annotations[HASH]
    if not annotations and child["kind"] != "Service":
        del body["metadata"]["annotations"]
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    found = hashlib.sha256(text.encode()).hexdigest()[:16]
    if found != child["metadata"]["annotations"][HASH]:
        raise AssertionError(f"the hash of {child['kind']} is not that of what was applied: {text}")
    return text


def digest_of_template(deployment):
    """The end of its revision's name, from the text of what was applied; AssertionError if it is another."""
    template = json.dumps(json.loads(deployment)["spec"]["template"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(template.encode()).hexdigest()[:10]
    if f'-{digest}"' not in deployment:
        raise AssertionError(f"{digest} is not the digest of the pod template: {deployment}")
    return digest, template


class Copies:
    def __init__(self, etcd, name, objects):
        """objects: (etcd's prefix, object as the API server returns it) of the set called name."""
        self.etcd = urlsplit(etcd).netloc
        self.name = name
        self.objects, self.texts, self.uids = [], {}, []
        for prefix, found in objects:
            found["metadata"].pop("resourceVersion", None)
            self.uids.append(found["metadata"]["uid"])
            self.objects.append((prefix, found["metadata"]["name"], json.dumps(found, separators=(",", ":"))))
            if found["kind"] in ("Deployment", "Service", "NetworkPolicy", "ControllerRevision"):
                self.texts[found["metadata"]["annotations"][HASH]] = applied(found)
            if found["kind"] == "Deployment":
                self.digest, self.template = digest_of_template(applied(found))
            if found["kind"] == "Service":
                self.address = found["spec"]["clusterIP"]

    def bytes_of_one(self):
        return {prefix.split("/")[2]: len(text) for prefix, _, text in self.objects}

    def copy(self, name, number):
        uids = {uid: str(uuid.UUID(int=(uuid.UUID(uid).int + number) % (1 << 128))) for uid in self.uids}

        def renamed(text):
            for uid, other in uids.items():
                text = text.replace(uid, other)
            return text.replace(self.name, name)

        digest = hashlib.sha256(renamed(self.template).encode()).hexdigest()[:10]

        def copied(text):
            return renamed(text).replace(self.digest, digest)

        hashes = {known: hashlib.sha256(copied(text).encode()).hexdigest()[:16] for known, text in self.texts.items()}
        for prefix, object_name, text in self.objects:
            text = copied(text).replace(f'"{self.address}"', f'"10.96.{64 + number // 250}.{number % 250 + 1}"')
            for known, other in hashes.items():
                text = text.replace(known, other)
            yield prefix + copied(object_name), text

    def write(self, names, progress):
        """Numbers start with 1; names: of the copies."""
        def send(batch):
            connection = http.client.HTTPConnection(self.etcd, timeout=120)
            operations = [{"requestPut": {"key": base64.b64encode(key.encode()).decode(),
                                          "value": base64.b64encode(text.encode()).decode()}}
                          for number, name in batch for key, text in self.copy(name, number)]
            for at in range(0, len(operations), BATCH):
                connection.request("POST", "/v3/kv/txn", json.dumps({"success": operations[at:at + BATCH]}))
                reply = connection.getresponse()
                text = reply.read()
                if reply.status != 200:
                    raise AssertionError(f"etcd: {reply.status} {text[:300]!r}")
            connection.close()
            return len(batch)

        numbered, done = list(enumerate(names, 1)), 0
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for count in pool.map(send, [numbered[at:at + 100] for at in range(0, len(numbered), 100)]):
                done += count
                progress(done)
