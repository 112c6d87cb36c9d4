"""The generated pages of docs/, as text."""
from . import api_reference, definition, markdown, reasons, troubleshooting
from .unexpected import Unexpected

__all__ = ["Unexpected", "pages"]


def pages(root):
    """Path (relative to root) -> text of every generated page."""
    version = definition.read(root / "crds/imageclassifiers.yaml")
    reference = api_reference.Reference(version)
    texts = {
        "docs/api-reference.md": reference.page(root / "crds/examples"),
        "docs/troubleshooting.md": troubleshooting.page(reasons.read(root), reference),
    }
    for path, text in texts.items():
        markdown.check_headings(path, text)
    return texts
