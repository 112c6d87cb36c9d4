"""kubectl and helm, as programs: the demo and the tests see what a user would see."""

import json
import os
import subprocess
from pathlib import Path

from . import Failure


def run(*command, stdin=None, timeout=600, check=True, environment=None):
    """Captured output as text. A command that fails is a Failure with the end of what it said."""
    words = [str(word) for word in command]
    try:
        result = subprocess.run(words, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True,
                                text=True, timeout=timeout, env={**os.environ, **(environment or {})})
    except FileNotFoundError as error:
        raise Failure(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise Failure(f"'{' '.join(words[:4])} ...' did not end within {timeout} s") from error
    if check and result.returncode != 0:
        said = "\n  ".join((result.stderr or result.stdout).strip().splitlines()[-12:])
        raise Failure(f"'{Path(words[0]).name} {' '.join(words[1:6])}' failed: {said}")
    return result.stdout


class Kubernetes:
    """One cluster, seen through a kubeconfig file, and one namespace in it."""

    def __init__(self, kubeconfig, namespace, kubectl="kubectl", helm="helm"):
        self.kubeconfig = Path(kubeconfig)
        self.namespace = namespace
        self._kubectl, self._helm = kubectl, helm

    def kubectl(self, *words, **options):
        return run(self._kubectl, "--kubeconfig", self.kubeconfig, "--namespace", self.namespace, *words, **options)

    def helm(self, *words, **options):
        return run(self._helm, "--kubeconfig", self.kubeconfig, *words, **options)

    def forget_interrupted_install(self, release):
        """Helm refuses to go on where an earlier run was killed in the middle: that release is removed first."""
        releases = json.loads(self.helm("list", "--namespace", self.namespace, "--all", "--output", "json"))
        if any(entry["name"] == release and entry["status"].startswith("pending") for entry in releases):
            self.helm("uninstall", release, "--namespace", self.namespace, "--wait")

    def get(self, kind, name=None, *words):
        """An object (None when there is none), or without a name the list of all in the namespace."""
        if name is None:
            return json.loads(self.kubectl("get", kind, *words, "-o", "json"))["items"]
        text = self.kubectl("get", kind, name, "--ignore-not-found", "-o", "json", *words)
        return json.loads(text) if text.strip() else None

    def apply(self, manifest):
        """manifest: a dict or a list of dicts."""
        items = manifest if isinstance(manifest, list) else [manifest]
        return self.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))

    def make_namespace(self):
        """Restricted Pod Security is enforced: whatever the operator and the chart make has to pass it."""
        return self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {
            "name": self.namespace, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})

    def make_credentials(self, name, username, password):
        """What spec.registry.auth.basic names."""
        return self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                           "stringData": {"username": username, "password": password}})

    def make_pull_secret(self, name, host, username, password):
        """For the operator's own image: the chart's imagePullSecrets."""
        content = json.dumps({"auths": {host: {"username": username, "password": password}}})
        return self.apply({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/dockerconfigjson",
                           "metadata": {"name": name}, "stringData": {".dockerconfigjson": content}})


def condition(thing, kind):
    """The condition of this type of an object, {} when it has none."""
    conditions = (thing or {}).get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})
