#!/usr/bin/python3
"""Every relative link of the Markdown pages leads to a file, and every #anchor to a heading."""
import re

import repository

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")  # a pattern may look like a link


def anchors(text):
    headings = re.findall(r"^#+\s+(.*)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


problems, checked = [], 0
for page in repository.files("*.md"):
    checked += 1
    text = (repository.ROOT / page).read_text(encoding="utf-8")
    for link in LINK.findall(CODE.sub("", FENCE.sub("", text))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (repository.ROOT / page).parent / target if target else repository.ROOT / page
        if not file.exists():
            problems.append(f"{page}: {link} leads nowhere")
        elif anchor and file.suffix == ".md" and anchor not in anchors(file.read_text(encoding="utf-8")):
            problems.append(f"{page}: {link} names no heading of {target or page}")
repository.finish(problems, checked)
