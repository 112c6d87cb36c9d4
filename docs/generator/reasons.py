"""Reads the closed list of reasons from the C++ that holds it, and where each is found from the sources that name it.

The table is data in one form; every character of it that is not in this form is an error.
"""
import collections
import pathlib
import re

from .unexpected import Unexpected

Reason = collections.namedtuple("Reason", "name outlook message remedy place")
Table = collections.namedtuple("Table", "reasons outlooks conditions")

TABLE = pathlib.PurePosixPath("operator/diagnosis/reason_table.cpp")
COMMANDS = pathlib.PurePosixPath("operator/cli/commands.cpp")
OUTLOOKS = ("kGood", "kWaiting", "kFailing", "kStalled")
STRINGS = r'((?:"[^"\\\n]*"\s*)+)'
ROW = re.compile(r'\s*Reason\{\s*"([A-Za-z]+)",\s*(k[A-Za-z]+),\s*\d+,\s*' + STRINGS + r",\s*" + STRINGS + r"\},")

# Which part of the status a source speaks about. The first place that fits is a reason's.
PLACES = ("object", "pull", "credential", "image", "workload", "endpoint", "autoscaler", "advice", "summary")
DIAGNOSIS = {"pull_error": "pull", "workload": "workload", "pod": "workload", "pod_events": "workload", "load_balancer": "endpoint",
             "autoscaler": "autoscaler"}  # any mention of a reason, but as the name of a condition
RECONCILER = {"credential": "credential", "mint_finding": "credential", "image": "image", "mounted": "workload", "access": "workload", "plan": "object", "execute": "object", "reconciler": "object", "advice": "advice"}  # calls only
ASPECTS = {"credential_aspect": "credential", "workload_aspect": "workload", "endpoint_aspect": "endpoint",
           "probe_aspect": "endpoint", "pending": "endpoint", "self_test_aspect": "workload"}  # functions of the other files there
CALL = re.compile(r'\b(?:make_finding|finding_about|about_secret|about|absent|finding|malformed)\(\s*"([A-Za-z]+)"')
FUNCTION = re.compile(r"^[A-Za-z][\w:<>,*& ]*?\b(\w+)\(", re.MULTILINE)


def read(root):
    """The reasons by name, the sentence of each outlook, and the names of the conditions."""
    rows = _rows((root / TABLE).read_text(encoding="utf-8"))
    places = _places(root, {name for name, *_ in rows})
    unsaid = sorted(name for name, *_ in rows if name not in places)
    if unsaid:
        raise Unexpected(f"no source under operator/diagnosis or operator/reconciler gives the reason {', '.join(unsaid)}")
    return Table([Reason(*row, places[row[0]]) for row in rows], _outlooks(root), _conditions(root))


def _rows(text):
    begin = re.search(r"^constexpr std::array kReasons = \{$", text, re.MULTILINE)
    end = text.find("\n};", begin.end()) if begin else -1
    if end < 0:
        raise Unexpected(f"{TABLE} has no table kReasons")
    rows, at = [], begin.end()
    while text[at:end].strip():
        match = ROW.match(text, at, end)
        if not match:
            line = text.count("\n", 0, at + len(text[at:end]) - len(text[at:end].lstrip())) + 1
            raise Unexpected(f"{TABLE}:{line}: this is no row in the form that docs/generator/reasons.py reads")
        name, outlook, message, remedy = match.groups()
        message, remedy = ("".join(re.findall(r'"([^"]*)"', strings)) for strings in (message, remedy))
        if outlook not in OUTLOOKS or not message:
            raise Unexpected(f"{TABLE}: {name} has no message, or an outlook that is unknown: {outlook}")
        rows.append((name, outlook, message, remedy))
        at = match.end()
    names = [name for name, *_ in rows]
    if not rows or names != sorted(set(names)):
        raise Unexpected(f"{TABLE}: the table is empty, not sorted or names a reason twice")
    return rows


def _places(root, names):
    found = collections.defaultdict(set)
    for path in sorted((root / "operator/diagnosis").glob("*.cpp")):
        if path.stem in DIAGNOSIS:
            for name in re.findall(r'(?<!conditions, )"([A-Za-z]+)"', path.read_text(encoding="utf-8")):
                found[name].add(DIAGNOSIS[path.stem])
    for path in sorted((root / "operator/reconciler").glob("*.cpp")):
        text = path.read_text(encoding="utf-8")
        for call in CALL.finditer(text):
            function = [match[1] for match in FUNCTION.finditer(text, 0, call.start())][-1:]
            if path.stem in RECONCILER:
                place = RECONCILER[path.stem]
            else:
                place = ASPECTS.get(function[0] if function else "", "summary")
            if call[1] not in names:
                raise Unexpected(f"operator/reconciler/{path.name} gives the reason {call[1]}, which {TABLE} does not have")
            found[call[1]].add(place)
    return {name: min(found[name], key=PLACES.index) for name in names if found[name]}


def _outlooks(root):
    """What `explain` says of each outlook."""
    text = (root / COMMANDS).read_text(encoding="utf-8")
    said = dict(re.findall(r'case diagnosis::Outlook::(k\w+):\s*return "([^"\\]+)";', text))
    if set(said) != set(OUTLOOKS):
        raise Unexpected(f"{COMMANDS} does not say a sentence for each of {', '.join(OUTLOOKS)}")
    return said


def _conditions(root):
    """Names of the conditions, in the order in which the status is made."""
    found = {}
    for path in sorted((root / "operator/reconciler").glob("*.cpp")):
        found.update(dict.fromkeys(re.findall(r'\bconditions\.add\("(\w+)"', path.read_text(encoding="utf-8"))))
    if "Ready" not in found:
        raise Unexpected("no source under operator/reconciler adds the condition Ready")
    return list(found)
