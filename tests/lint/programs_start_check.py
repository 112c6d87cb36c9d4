#!/usr/bin/python3
"""The Python programs that no test calls, such as the long campaigns, can at least say what they are for (--help)."""
import subprocess

import repository

problems, checked = [], 0
for path in repository.files("scripts/campaign", "tests/campaign/*", "tests/benchmark/*"):
    whole = repository.ROOT / path
    if not whole.read_bytes().startswith(b"#!/usr/bin/python3"):
        continue
    checked += 1
    result = subprocess.run([whole, "--help"], capture_output=True, text=True, timeout=60)
    if result.returncode != 0 or "usage:" not in result.stdout:
        problems.append(f"{path} --help: {(result.stderr or result.stdout).strip().splitlines()[-1:]}")
repository.finish(problems, checked)
