"""state.json: what was made, so that it can be used and taken away again."""

import json
import os
from pathlib import Path


def path(folder):
    return Path(folder) / "state.json"


def read(folder):
    """None when there is none, or it was cut short by a crash."""
    try:
        return json.loads(path(folder).read_text())
    except (OSError, ValueError):
        return None


def write(folder, content):
    """Replaces the file as a whole: a reader sees the old content or the new."""
    temporary = path(folder).with_suffix(".new")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path(folder))
