#!/usr/bin/python3
"""What docs/generate shows of a definition, and that it ends at everything it does not understand."""
import pathlib
import shutil
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "docs"))
import generator  # noqa: E402

TABLE = "operator/diagnosis/reason_table.cpp"
DEFINITION = "crds/imageclassifiers.yaml"
REPLICAS = "\n                replicas:\n"  # of the spec; new fields of the tests go before it


class GeneratorTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for part in ("operator", "crds"):
            shutil.copytree(ROOT / part, self.root / part)

    def change(self, path, before, after):
        text = (self.root / path).read_text()
        self.assertIn(before, text)
        (self.root / path).write_text(text.replace(before, after, 1))

    def add_field(self, lines):
        self.change(DEFINITION, REPLICAS, "\n" + "".join(f"                {line}\n" for line in lines) + REPLICAS[1:])

    def reference(self):
        return generator.pages(self.root)["docs/api-reference.md"]

    def assert_refused(self, message):
        with self.assertRaisesRegex(generator.Unexpected, message):
            generator.pages(self.root)

    def test_a_schema_copied_from_kubernetes_is_one_row_that_links_to_the_type(self):
        self.add_field(['seat: {"description": "Where.", "type": "object", "properties": {"a": {"type": "string", "odd": 1}}}'
                        "  # copied from core/v1 Affinity"])
        self.assertIn("| `seat` | [Affinity](https://pkg.go.dev/k8s.io/api/core/v1#Affinity) of Kubernetes |  |  | Where. |",
                      self.reference())
        self.assertNotIn("`spec.seat`", self.reference())

    def test_a_list_of_schemas_copied_from_kubernetes_is_one_row(self):
        self.add_field(["peers:", "  type: array", "  description: Who.", "  maxItems: 3",
                        '  items: {"type": "object", "properties": {}}  # copied from networking.k8s.io/v1 NetworkPolicyPeer'])
        self.assertIn("| `peers` | list of [NetworkPolicyPeer](https://pkg.go.dev/k8s.io/api/networking/v1#NetworkPolicyPeer) of "
                      "Kubernetes |  | at most 3 entries | Who. |", self.reference())

    def test_limits_and_text_cannot_break_the_table(self):
        self.add_field(["odd:", "  type: string", "  description: A <b> | c.", "  pattern: ^(a|b)*$", "  maxLength: 9"])
        self.assertIn(r"| `odd` | string |  | at most 9 characters; matches `^(a\|b)*$` | A &lt;b> \| c. |", self.reference())

    def test_every_field_has_one_row_and_every_rule_one_line(self):
        page = self.reference()
        section, seen = "", []
        for line in page[page.index("\n## ImageClassifier\n"):].splitlines():
            section = line if line.startswith("## ") else section
            if line.startswith("| `") or line.startswith("- "):
                seen.append((section, line.split(" | ")[0]))
        self.assertEqual(sorted(set(seen)), sorted(seen))

    def test_a_mark_without_a_schema_is_refused(self):
        self.add_field(["odd:", "  type: string  # copied from core/v1 Affinity", "  description: Odd."])
        self.assert_refused("copied from")

    def test_an_unknown_keyword_is_refused(self):
        self.add_field(["odd:", "  type: integer", "  description: Odd.", "  multipleOf: 3"])
        self.assert_refused("spec.odd has multipleOf")

    def test_a_field_without_a_description_is_refused(self):
        self.add_field(["odd:", "  type: integer"])
        self.assert_refused("spec.odd has no description")

    def test_a_field_that_stands_twice_is_refused(self):
        self.add_field(["replicas:", "  type: integer", "  description: Again."])
        self.assert_refused("replicas stands twice")

    def test_a_row_of_another_form_is_refused_with_its_line(self):
        for row in ('Reason{"Aaa", kGood, 0, kText, ""},', 'Reason{"Aaa", kGood, 0, "Text.", "", 7},', "Other{},", "#if 0",
                    r'Reason{"Aaa", kGood, 0, "A \"quoted\" text.", ""},'):
            with self.subTest(row):
                shutil.copy(ROOT / TABLE, self.root / TABLE)
                self.change(TABLE, "kReasons = {\n", f"kReasons = {{\n    {row}\n")
                line = (self.root / TABLE).read_text().split(row)[0].count("\n") + 1
                self.assert_refused(f"{TABLE}:{line}: ")

    def test_a_row_with_words_that_the_page_does_not_know_is_refused(self):
        source = "operator/reconciler/status.cpp"
        self.change(source, "\nnamespace {\n", '\nnamespace {\nauto odd() { return make_finding("Aaa"); }\n')
        for row, message in (('"Aaa", kBetter, 0, "Text.", ""', "outlook"), ('"Aaa", kGood, 0, "{colour}.", ""', "placeholder colour"),
                             ('"Aaa", kGood, 0, "Brace {.", ""', "brace"), ('"Aaa", kGood, 0, "", ""', "no message"),
                             ('"Aaa", kGood, 0, "Text.", "Set spec.colour."', "spec.colour"),
                             ('"Zzz", kGood, 0, "Text.", ""', "not sorted"), ('"Aab", kGood, 0, "Text.", ""', "gives the reason Aa")):
            with self.subTest(row):
                shutil.copy(ROOT / TABLE, self.root / TABLE)
                self.change(TABLE, "kReasons = {\n", f"kReasons = {{\n    Reason{{{row}}},\n")
                self.assert_refused(message)

    def test_a_reason_that_nothing_gives_is_refused(self):
        self.change(TABLE, "kReasons = {\n", 'kReasons = {\n    Reason{"Aaa", kGood, 0, "Text.", ""},\n')
        self.assert_refused("gives the reason Aaa")

    def test_a_new_condition_is_refused_until_it_is_explained(self):
        self.change("operator/reconciler/status.cpp", "\nnamespace {\n", '\nnamespace {\nvoid odd() { conditions.add("Odd", "True"); }\n')
        self.assert_refused("condition Odd")


unittest.main()
