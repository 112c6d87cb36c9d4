"""What the demo and the end-to-end tests share: kubectl and helm, the images, and classifying pictures over HTTP."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLUSTER = ROOT / "tests/cluster/cluster"
REGISTRY = ROOT / "tests/cluster/registry"
CHART = ROOT / "charts/imageclassifier-operator"
QUICKSTART = ROOT / "crds/examples/accepted/quickstart.yaml"


class Failure(Exception):
    """An expected failure: its text is one sentence for the user, no traceback is shown."""
