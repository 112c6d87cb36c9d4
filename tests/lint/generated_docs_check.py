#!/usr/bin/python3
"""The generated pages of docs/ are what docs/generate writes (`make docs`), and say what the operator itself says.

usage: generated_docs_check.py [PROGRAM]   PROGRAM is imageclassifier-operator, whose `explain` is compared with the table as read
"""
import subprocess
import sys

import repository

sys.path.insert(0, str(repository.ROOT / "docs"))
import generator  # noqa: E402
from generator import reasons  # noqa: E402

problems, pages, table = [], {}, None
try:
    pages = generator.pages(repository.ROOT)
    table = reasons.read(repository.ROOT)
except generator.Unexpected as error:
    problems.append(f"docs/generate: {error}")
for path, text in pages.items():
    page = repository.ROOT / path
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        problems.append(f"{path} is not what docs/generate writes: run 'make docs' and commit the result")
for program in sys.argv[1:] if table else []:
    listed = subprocess.run([program, "explain"], capture_output=True, text=True, check=True, timeout=60).stdout
    if [line.split()[0] for line in listed.splitlines()] != [reason.name for reason in table.reasons]:
        problems.append("docs/generate reads other reasons from the table than the operator lists")
    for reason in table.reasons:
        said = subprocess.run([program, "explain", reason.name], capture_output=True, text=True, timeout=60).stdout
        remedy = f"  What to do: {reason.remedy}\n" if reason.remedy else ""
        if said != f"{reason.name}\n\n  {reason.message}\n{remedy}  {table.outlooks[reason.outlook]}\n":
            problems.append(f"docs/generate reads {reason.name} otherwise than the operator explains it: {said}")
repository.finish(problems, len(pages) or 1)
