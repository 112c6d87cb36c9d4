"""Reads the custom resource definition; a schema that is copied from Kubernetes keeps the name of what it is copied from."""
import re

import yaml

from .unexpected import Unexpected

COPIED = "copied-from"  # key that stands for the whole rest of such a schema: (group and version, kind)
MARK = re.compile(r"# copied from (\S+/\S+) (\w+)\s*$")


def read(path):
    """The only version of the definition, with spec.names and spec.scope of the whole under "names" and "scope"."""
    text = path.read_text(encoding="utf-8")
    marks = {number: match.groups() for number, line in enumerate(text.splitlines()) if (match := MARK.search(line))}
    loader = yaml.SafeLoader(text)
    try:
        whole = _value(loader, loader.get_single_node(), marks)
    finally:
        loader.dispose()
    if marks:
        raise Unexpected(f"{path.name}:{min(marks) + 1}: \"copied from\" stands at no schema that begins on this line")
    spec = whole["spec"]
    if len(spec["versions"]) != 1:
        raise Unexpected(f"{path.name} has {len(spec['versions'])} versions; the reference knows how to describe one")
    return {**spec["versions"][0], "group": spec["group"], "names": spec["names"], "scope": spec["scope"]}


def _value(loader, node, marks):
    """The node as a Python value. Takes the marks that it used."""
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, marks) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node, deep=True)
    result = {}
    for key, value in node.value:
        name = key.value
        if name in result:
            raise Unexpected(f"line {key.start_mark.line + 1}: {name} stands twice")
        line = key.start_mark.line
        if line in marks and isinstance(value, yaml.MappingNode) and value.end_mark.line == line:
            described = loader.construct_object(value, deep=True)
            result[name] = {COPIED: marks.pop(line), "description": described.get("description", "")}
        else:
            result[name] = _value(loader, value, marks)
    return result
