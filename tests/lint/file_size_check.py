#!/usr/bin/python3
"""Sources stay small: 600 lines are the limit for any C++ file, 400 for a script."""
import repository

LIMITS = {"*.cpp": 600, "*.hpp": 600, "*.py": 400, "*.sh": 400, "*.js": 600, "*.mjs": 400}

problems, checked = [], 0
for pattern, limit in LIMITS.items():
    for path in repository.files(pattern):
        checked += 1
        lines = len((repository.ROOT / path).read_bytes().splitlines())
        if lines > limit:
            problems.append(f"{path} has {lines} lines (limit {limit}): split it by responsibility")
repository.finish(problems, checked)
