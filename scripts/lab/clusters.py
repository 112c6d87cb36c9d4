"""Where the demo runs: a cluster made here, the user's own, or kind. Each has up(), push() and down()."""

import json
import os
import shutil
import subprocess

from . import CLUSTER, ROOT, Failure, images
from .kubernetes import run
from .progress import say

BOX_REGISTRY = "contoso.azurecr.io"
KIND_NAME = "imageclassifier-demo"


def choose(kind, state):
    known = {"box": Box, "existing": Existing, "kind": Kind}
    if kind not in known:
        raise Failure(f"DEMO_CLUSTER={kind}: choose one of {', '.join(known)}")
    return known[kind](state)


def registry_options(registry, authority=None):
    """Helm's, so that the operator may ask this registry; authority: a file, if the system's do not vouch for it."""
    return ["--set", f"registry.servers={{{registry}}}",
            *(["--set-file", f"registry.certificateAuthorities={authority}"] if authority else [])]


def read_state(state):
    try:
        return json.loads((state / "state.json").read_text())
    except (OSError, ValueError):
        return {}


class Box:
    """The single-node cluster of tests/cluster with its private registry; instance 1, so that tests can run beside it."""

    name = "box"
    registry = BOX_REGISTRY

    def __init__(self, state):
        self.state = state

    def check(self):
        if os.geteuid() != 0:
            raise Failure("the cluster is made of namespaces and network devices: run 'make demo' as root, or use your own "
                          "cluster with DEMO_CLUSTER=existing")

    def up(self):
        if read_state(self.state).get("phase") == "ready" and self._call("status", quiet=True):
            say(f"the cluster in {self.state} is up already")
        elif not self._call("up", "--instance", "1"):
            raise Failure(f"the cluster did not come up; the lines above say why, its logs are in {self.state}/log")

    def push(self, built, targets):
        images.push_to_box(self.state, built, targets)
        self._forget_moved_tags({f"{BOX_REGISTRY}/{images.REPOSITORIES[name]}:{tag}": built[name]["digest"]
                                 for name, tags in targets.items() for tag in tags})

    def _forget_moved_tags(self, digests):
        """Neither a node that has a tag asks again for it, nor does the operator follow one that moves: after a rebuild they
        must not go on with the old image."""
        record = self.state / "pushed.json"
        before = json.loads(record.read_text()) if record.exists() else {}
        for reference in (one for one, digest in digests.items() if before.get(one, digest) != digest):
            say(f"{reference} is another image now: what runs it is made anew")
            run(CLUSTER, "run", "--state", self.state, "--", "ctr", "images", "rm", reference)
            for resource in json.loads(self._kubectl("get", "imageclassifiers", "--all-namespaces", "-o", "json"))["items"]:
                if resource["spec"]["image"] == reference:
                    self._kubectl("delete", "deployment", "--ignore-not-found", "--namespace", resource["metadata"]["namespace"],
                                  resource["metadata"]["name"])
        record.write_text(json.dumps(before | digests))

    def registry_options(self):
        return registry_options(self.registry, read_state(self.state)["ca"])

    def credentials(self):
        return "puller", json.loads((self.state / "registry/users.json").read_text())["puller"]

    def down(self, _kubernetes, _release):
        if not self._call("down"):
            raise Failure("the cluster could not be taken down; the lines above say why")
        shutil.rmtree(self.state, ignore_errors=True)

    def _kubectl(self, *words):
        return run(ROOT / "build/tools/kubectl", "--kubeconfig", self.state / "kubeconfig", *words)

    def _call(self, action, *words, quiet=False):
        output = subprocess.DEVNULL if quiet else None
        return subprocess.run([str(CLUSTER), action, "--state", str(self.state), *words], stdin=subprocess.DEVNULL,
                              stdout=output).returncode == 0


class Existing:
    """The cluster of the current kubeconfig, and a registry that its nodes can reach."""

    name = "existing"
    explanation = """DEMO_CLUSTER=existing uses the current kubeconfig and needs a registry that the cluster's nodes can pull from:

  az acr login --name myregistry --expose-token   (or a scope-map token, or the admin user)
  DEMO_REGISTRY=myregistry.azurecr.io DEMO_REGISTRY_USERNAME=... DEMO_REGISTRY_PASSWORD=... make demo DEMO_CLUSTER=existing"""

    def __init__(self, state):
        self.state = state
        self.registry = os.environ.get("DEMO_REGISTRY", "").rstrip("/")

    def check(self):
        if not (self.registry and os.environ.get("DEMO_REGISTRY_USERNAME") and os.environ.get("DEMO_REGISTRY_PASSWORD")):
            raise Failure(self.explanation)

    def up(self):
        content = run(ROOT / "build/tools/kubectl", "config", "view", "--minify", "--flatten", "--raw")
        write_private(self.state / "kubeconfig", content)
        run(ROOT / "build/tools/kubectl", "--kubeconfig", self.state / "kubeconfig", "get", "--raw", "/readyz")
        write_private(self.state / "state.json", json.dumps(nothing_of_the_machine(self.name)))

    def push(self, built, targets):
        images.push_to_registry(self.registry, *self.credentials(), built, targets)

    def registry_options(self):
        return registry_options(self.registry)

    def credentials(self):
        return os.environ["DEMO_REGISTRY_USERNAME"], os.environ["DEMO_REGISTRY_PASSWORD"]

    def down(self, kubernetes, release):
        """What the demo made in it: the release and the namespace. The definition stays, as the chart promises."""
        kubernetes.helm("uninstall", release, "--namespace", kubernetes.namespace, "--ignore-not-found", "--wait")
        kubernetes.kubectl("delete", "namespace", kubernetes.namespace, "--ignore-not-found")
        shutil.rmtree(self.state, ignore_errors=True)


class Kind:
    """kind, where a docker daemon answers. Not tried on a machine without one; `make demo` says so."""

    name = "kind"
    registry = BOX_REGISTRY  # the images are loaded under this name; nothing is pulled

    def __init__(self, state):
        self.state = state

    def check(self):
        for program in ("kind", "docker", "cloud-provider-kind"):
            if not shutil.which(program):
                raise Failure(f"DEMO_CLUSTER=kind needs the program {program} on the PATH (cloud-provider-kind gives Services their address)")
        if subprocess.run(["docker", "info"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode != 0:
            raise Failure("DEMO_CLUSTER=kind is untested here: no docker daemon answers 'docker info'")

    def up(self):
        if KIND_NAME not in run("kind", "get", "clusters").split():
            run("kind", "create", "cluster", "--name", KIND_NAME, "--wait", "120s")
        write_private(self.state / "kubeconfig", run("kind", "get", "kubeconfig", "--name", KIND_NAME))
        write_private(self.state / "state.json", json.dumps(nothing_of_the_machine(self.name)))
        say("start cloud-provider-kind in another terminal, if it does not run yet: it gives the Service its address")

    def push(self, built, targets):
        for name, tags in targets.items():
            for one in tags:
                archive = self.state / f"{name}.tar"
                target = f"{self.registry}/{images.REPOSITORIES[name]}:{one}"
                archive.unlink(missing_ok=True)
                run("skopeo", "--insecure-policy", "copy", "--quiet", built[name]["reference"], f"docker-archive:{archive}:{target}")
                run("kind", "load", "image-archive", archive, "--name", KIND_NAME)
                archive.unlink()
                say(target)

    def registry_options(self):
        return []

    def credentials(self):
        return "kind", "nothing-is-pulled"

    def down(self, _kubernetes, _release):
        run("kind", "delete", "cluster", "--name", KIND_NAME)
        shutil.rmtree(self.state, ignore_errors=True)


def nothing_of_the_machine(kind):
    """state.json of a cluster that was not made out of this machine's own parts."""
    return {"phase": "ready", "cluster": kind, "interfaces": [], "mounts": [], "cgroups": [], "processes": []}


def write_private(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
