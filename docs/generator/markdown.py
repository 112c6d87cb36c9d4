"""Text for GitHub's Markdown."""
import re

from .unexpected import Unexpected


def plain(text):
    """Text that stands in a page, also in a table, as it is."""
    return re.sub(r"([|*`\\])", r"\\\1", text).replace("<", "&lt;")


def code(text):
    return "`" + text.replace("|", r"\|") + "`"


def anchor(heading):
    """As GitHub makes it, for a heading that occurs once."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def check_headings(page, text):
    """Two headings with one anchor would make links lead to the wrong place."""
    known = {}
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE):
        if other := known.get(anchor(heading)):
            raise Unexpected(f"{page}: the headings {other} and {heading} have the same anchor")
        known[anchor(heading)] = heading
