"""docs/api-reference.md: one table for each object of the definition's schema, every field once."""
import yaml

from .definition import COPIED
from .markdown import anchor, code, plain, table
from .unexpected import Unexpected

# What the page shows of a schema; anything else would be a limit that nobody reads about.
KNOWN = {COPIED, "type", "format", "description", "default", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern",
         "maxItems", "minItems", "maxProperties", "minProperties", "required", "properties", "items", "additionalProperties",
         "anyOf", "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
         "x-kubernetes-validations"}
INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
QUANTITY = (r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)"
            r"|(\.[0-9]+))))?$")
QUANTITY_PAGE = "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"
METADATA_PAGE = "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-meta/"
HEAD = ["field", "type", "default", "limits", "description"]


def kubernetes_page(version, kind):
    """Where a type of Kubernetes is described."""
    group, version = version.split("/")
    if group == "meta":
        return f"https://pkg.go.dev/k8s.io/apimachinery/pkg/apis/meta/{version}#{kind}"
    return f"https://pkg.go.dev/k8s.io/api/{group.split('.')[0]}/{version}#{kind}"


def inline(value):
    """YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10000).removesuffix("\n").removesuffix("\n...")


def spanned(low, high, unit=""):
    if low is not None and high is not None:
        return f"{low} to {high}{unit}"
    return f"at least {low}{unit}" if low is not None else f"at most {high}{unit}"


class Reference:
    """The schema as sections, one for each object that has fields."""

    def __init__(self, version):
        self._version = version
        self._root = version["schema"]["openAPIV3Schema"]
        self._sections = {}  # path -> schema, in the schema's order
        self._paths = set()
        self._collect("", self._root)

    def _collect(self, path, schema):
        self._sections[path] = schema
        for name, field in schema["properties"].items():
            whole = f"{path}.{name}".lstrip(".")
            self._paths.add(whole)
            if whole == "metadata":
                continue
            self._check(whole, field)
            below, suffix = field, ""
            while COPIED not in below and ("items" in below or "additionalProperties" in below):
                suffix += "[]" if "items" in below else ".*"
                below = below.get("items") or below["additionalProperties"]
                self._check(whole + suffix, below)
            if "properties" in below:
                self._collect(whole + suffix, below)

    def _check(self, path, schema):
        if unknown := set(schema) - KNOWN:
            raise Unexpected(f"the schema of {path} has {', '.join(sorted(unknown))}, which docs/generator does not show yet")
        if schema.get("anyOf", INT_OR_STRING) != INT_OR_STRING or ("anyOf" in schema and not
                                                                   schema.get("x-kubernetes-int-or-string")):
            raise Unexpected(f"the schema of {path} has an anyOf that docs/generator does not show yet")
        if not path.endswith(("[]", ".*")) and not schema.get("description"):
            raise Unexpected(f"the schema of {path} has no description")
        for rule in schema.get("x-kubernetes-validations", []):
            if not rule.get("message"):
                raise Unexpected(f"a rule of {path} has no message: {rule['rule']}")

    def link(self, path):
        """Address of the section that describes a field ("spec.image"), relative to docs/; None if there is no such field."""
        if path in self._paths:
            section = path if path in self._sections else path.rpartition(".")[0]
            return "api-reference.md#" + anchor(section)
        parent, _, _ = path.rpartition(".")  # a key of a map
        if parent in self._paths and "additionalProperties" in self._field(parent):
            return self.link(parent)
        return None

    def _field(self, path):
        section, _, name = path.rpartition(".")
        return self._sections[section]["properties"][name]

    def page(self, examples):
        group, names, version = self._version["group"], self._version["names"], self._version["name"]
        out = [f"# API reference: {names['kind']}", "",
               "<!-- Written by docs/generate from crds/imageclassifiers.yaml (make docs). -->", "",
               plain(self._root["description"]), "",
               f"`apiVersion: {group}/{version}`, `kind: {names['kind']}`; {self._version['scope'].lower()}; for kubectl "
               f"`{names['plural']}`, `{names['singular']}` or {' or '.join(map(code, names.get('shortNames', [])))}"
               f"{self._categories()}. `kubectl explain {names['singular']}.spec` shows the fields too.", ""]
        out += self._examples(examples)
        out += ["## Objects", ""]
        out += [f"{'  ' * (path.count('.') - path.count('.*'))}- [`{path}`](#{anchor(path)})" for path in self._sections if path]
        out += ["", "A field that is left out gets its default; in an object that is given, a field that is left out gets its "
                "own.", ""]
        for path, schema in self._sections.items():
            out += self._section(path, schema)
        out += self._columns() + self._scale()
        return "\n".join(out).rstrip("\n") + "\n"

    def _categories(self):
        names = self._version["names"].get("categories", [])
        return f"; also listed by {' and '.join(code('kubectl get ' + name) for name in names)}" if names else ""

    def _examples(self, folder):
        accepted = sorted((folder / "accepted").glob("*.yaml"))
        smallest = (folder / "accepted/smallest.yaml").read_text(encoding="utf-8").rstrip("\n")
        rows = []
        for file in accepted:
            given = self._given("spec", yaml.safe_load(file.read_text(encoding="utf-8"))["spec"])
            rows.append([f"[{file.stem}](../crds/examples/accepted/{file.name})", ", ".join(map(code, given))])
        return ["## Examples", "", "The smallest:", "", "```yaml", smallest, "```", "",
                "All of these are accepted; those in [crds/examples/rejected](../crds/examples/rejected) are not.", "",
                *table(["example", "sets, of the spec"], rows)]

    def _given(self, path, value):
        """The fields that an example sets, as deep as the schema names them."""
        found = []
        for name, below in value.items():
            whole = f"{path}.{name}"
            if whole not in self._paths:
                raise Unexpected(f"an accepted example sets {whole}, which the schema does not have")
            if whole in self._sections:
                found += self._given(whole, below)
            else:
                found.append(whole.removeprefix("spec."))
        return found

    def _section(self, path, schema):
        out = [f"## `{path}`" if path else f"## {self._version['names']['kind']}", ""]
        rows = [self._row(f"{path}.{name}".lstrip("."), name, field, name in schema.get("required", []))
                for name, field in schema["properties"].items()]
        out += table(HEAD, rows)
        rules = self._rules(schema)
        if rules:
            out += ["Rules:", "", *[f"- {plain(rule)}" for rule in rules], ""]
        return out

    def _rules(self, schema):
        """Messages of the rules of an object and of its fields that have no section of their own."""
        messages = [rule["message"] for rule in schema.get("x-kubernetes-validations", [])]
        for field in schema.get("properties", {}).values():
            while COPIED not in field and "properties" not in field:
                messages += [rule["message"] for rule in field.get("x-kubernetes-validations", [])]
                if not (field.get("items") or field.get("additionalProperties")):
                    break
                field = field.get("items") or field["additionalProperties"]
        return messages

    def _row(self, path, name, field, required):
        if path == "metadata":
            return [code(name), f"[ObjectMeta]({METADATA_PAGE})", "", "", "Name, namespace, labels and annotations."]
        description = plain(field["description"])
        below = field.get("items") or field.get("additionalProperties")
        if below and below.get("description"):
            description += " Each: " + plain(below["description"])
        default = self._default(field)
        if required:
            default = "always there" if path.startswith("status.") else "**required**"
        return [code(name), self._type(path, field), default, "; ".join(self._limits(field)), description]

    def _default(self, field):
        if "default" not in field:
            return ""
        value, fields = field["default"], field.get("properties", {})
        if isinstance(value, dict) and all(fields.get(name, {}).get("default") == each for name, each in value.items()):
            return "that of its fields"
        return code(inline(value))

    def _type(self, path, schema):
        if COPIED in schema:
            version, kind = schema[COPIED]
            return f"[{kind}]({kubernetes_page(version, kind)}) of Kubernetes"
        if schema.get("x-kubernetes-int-or-string"):
            return f"[quantity]({QUANTITY_PAGE})" if schema.get("pattern") == QUANTITY else "integer or string"
        if schema["type"] == "array":
            collection = "set of " if schema.get("x-kubernetes-list-type") == "set" else "list of "
            return collection + self._type(f"{path}[]", schema["items"])
        if schema["type"] == "object":
            if "additionalProperties" in schema:
                return "map of string to " + self._type(f"{path}.*", schema["additionalProperties"])
            return f"[object](#{anchor(path)})" if path in self._sections else "object without fields: `{}`"
        formats = {"date-time": "time (RFC 3339)", "int32": "integer", "int64": "integer", None: schema["type"]}
        if schema.get("format") not in formats:
            raise Unexpected(f"the format {schema['format']} of {path} has no name in docs/generator yet")
        return formats[schema.get("format")]

    def _limits(self, schema):
        limits = [spanned(schema.get(low), schema.get(high), unit) for low, high, unit in (
            ("minimum", "maximum", ""), ("minLength", "maxLength", " characters"), ("minItems", "maxItems", " entries"),
            ("minProperties", "maxProperties", " entries")) if low in schema or high in schema]
        if "enum" in schema:
            *others, last = (code(inline(value)) for value in schema["enum"])
            limits.append(" or ".join([", ".join(others), last] if others else [last]))
        if "pattern" in schema and schema["pattern"] != QUANTITY:
            limits.append("matches " + code(schema["pattern"]))
        if keys := schema.get("x-kubernetes-list-map-keys"):
            limits.append("one entry for each " + " and ".join(map(code, keys)))
        below = schema.get("items") or schema.get("additionalProperties")
        if below and COPIED not in below and (inner := self._limits(below)):
            limits.append("each: " + ", ".join(inner))
        return limits

    def _columns(self):
        rows = [[column["name"], "" if column.get("priority", 0) == 0 else "with `-o wide`", code(column["jsonPath"]),
                 plain(column.get("description", ""))] for column in self._version["additionalPrinterColumns"]]
        return ["## Columns of `kubectl get`", "", *table(["column", "shown", "from", "description"], rows)]

    def _scale(self):
        scale = self._version.get("subresources", {}).get("scale")
        if not scale:
            return []
        return ["## Scale", "", f"`kubectl scale` and autoscalers set {code(scale['specReplicasPath'][1:])}, read "
                f"{code(scale['statusReplicasPath'][1:])} and find the pods by {code(scale['labelSelectorPath'][1:])}.", ""]
