#!/usr/bin/python3
"""C++ sources are as clang-format writes them (`make format`)."""
import subprocess

import repository

paths = [str(path) for path in repository.files("*.cpp", "*.hpp")]
result = subprocess.run(["clang-format", "--dry-run", "--Werror", *paths], cwd=repository.ROOT,
                        capture_output=True, text=True)
problems = [line for line in result.stderr.splitlines() if "error:" in line]
if problems:
    problems.append("run 'make format'")
elif result.returncode != 0:
    problems = [result.stderr or "clang-format failed"]
repository.finish(problems, len(paths))
