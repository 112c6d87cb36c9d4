"""Random specifications of an ImageClassifier: pieces of the accepted examples, thrown together and changed as the schema
allows. Most are valid; the API server has the last word."""
import copy
import functools
import pathlib
import random
import subprocess
import tempfile

import yaml

from rounds import ROOT

EXAMPLES = ROOT / "crds/examples/accepted"
DEFINITION = ROOT / "crds/imageclassifiers.yaml"
# Handed on as they are: only the API server knows what else they may hold, and it is asked when the child is made.
PASSED_ON = {"tolerations", "affinity", "topologySpreadConstraints", "env", "allowFrom"}
# Nobody mints here: of a fresh resource no pod would be started, while one that had pods before keeps them.
MINTED = {"servicePrincipal", "workloadIdentity", "managedIdentity"}
CLAIM = {"accessModes": ["ReadOnlyMany"], "resources": {"requests": {"storage": "1Gi"}}}
TAKE, CHANGE, LEAVE_OUT = 0.35, 0.3, 0.1  # chances of a piece, of a value in it, of a member of it


class Specifications:
    def __init__(self, seed):
        self.random = random.Random(seed)
        specs = [yaml.safe_load(file.read_text())["spec"] for file in sorted(EXAMPLES.glob("*.yaml"))]
        self.pieces = {}
        for spec in specs:
            for field, value in spec.items():
                if field == "registry" and MINTED & set(value.get("auth", {})):
                    continue
                self.pieces.setdefault(field, []).append(value)
        definition = yaml.safe_load(DEFINITION.read_text())
        self.schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]

    def draw(self):
        spec = {}
        for field, values in sorted(self.pieces.items()):
            if field == "image" or self.random.random() < TAKE:
                piece = copy.deepcopy(self.random.choice(values))
                spec[field] = self.changed(self.schema["properties"][field], piece)
        return spec

    def changed(self, schema, value):
        if isinstance(value, dict):
            known = schema.get("properties", {})
            kept = {key: member for key, member in value.items()
                    if key in schema.get("required", []) or self.random.random() >= LEAVE_OUT}
            return {key: member if key in PASSED_ON else self.changed(known.get(key, {}), member) for key, member in kept.items()}
        if isinstance(value, list):
            return [self.changed(schema.get("items", {}), entry) for entry in value]
        if self.random.random() >= CHANGE:
            return value
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if schema.get("type") == "boolean":
            return not value
        if schema.get("type") == "integer" and "maximum" in schema:
            least = schema.get("minimum", 0)
            return self.random.choice([least, schema["maximum"], min(value + 1, schema["maximum"]), max(value - 1, least)])
        return value

    def references(self):
        """The Secrets, ConfigMaps and claims that the examples name, with all keys that they may ask of them."""
        secrets, maps, claims = {}, {}, set()

        def walk(field, value):
            if isinstance(value, dict):
                if field == "basic":
                    keys = (value.get("usernameKey", "username"), value.get("passwordKey", "password"))
                    secrets.setdefault(value["secretName"], {"stringData": {}})["stringData"].update(dict.fromkeys(keys, "x"))
                if field == "existingSecret":
                    secrets[value["name"]] = {"type": "kubernetes.io/dockerconfigjson",
                                              "stringData": {".dockerconfigjson": '{"auths": {"contoso.azurecr.io": {"auth": "eDp4"}}}'}}
                if field == "authentication" and "secretName" in value:
                    secrets[value["secretName"]] = {"stringData": {"username": "x", "password": "x"}}
                if field == "tls":
                    secrets[value["secretName"]] = {"type": "kubernetes.io/tls", "stringData": certified()}
                if field == "configMapKeyRef":
                    # A picture is asked for as binary data; both are taken as files otherwise.
                    kind = "binaryData" if value["key"].endswith((".png", ".jpg", ".jpeg")) else "data"
                    maps.setdefault(value["name"], {}).setdefault(kind, {})[value["key"]] = "eHg="
                if field == "persistentVolumeClaim":
                    claims.add(value["claimName"])
                for key, member in value.items():
                    walk(key, member)
            if isinstance(value, list):
                for entry in value:
                    walk(field, entry)

        for field, values in self.pieces.items():
            walk(field, values)
        return ([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **body} for name, body in secrets.items()]
                + [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, **body} for name, body in maps.items()]
                + [{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": CLAIM} for name in claims])


@functools.cache
def certified():
    """A certificate with its key, as a Secret of type kubernetes.io/tls has them."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = pathlib.Path(folder, "key"), pathlib.Path(folder, "certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=pets",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        return {"tls.crt": certificate.read_text(), "tls.key": key.read_text()}
