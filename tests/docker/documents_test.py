#!/usr/bin/python3
"""What the documents beside an image say of it, of a real staged operator: `documents_test.py BINARIES`."""

import hashlib
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "docker"))
sys.dont_write_bytecode = True

import documents  # noqa: E402

BINARIES = Path(sys.argv.pop(1))
DIGEST = "sha256:" + "1" * 64


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory()
        cls.addClassCleanup(place.cleanup)
        cls.context = Path(place.name) / "operator"
        subprocess.run([ROOT / "docker/stage", "operator", "--bin", BINARIES, "--output", cls.context], check=True, stdout=subprocess.DEVNULL)
        cls.bill = documents.bill_of_materials("operator", DIGEST, cls.context)
        cls.parts = {part["SPDXID"]: part for part in cls.bill["packages"]}

    def test_every_file_of_the_image_belongs_to_a_package_or_is_ours(self):
        self.assertEqual(documents.unaccounted(self.context), [])
        stray = self.context / "libraries/usr/lib/libstray.so.1"
        stray.touch()
        self.addCleanup(stray.unlink)
        self.assertEqual(documents.unaccounted(self.context), [Path("/usr/lib/libstray.so.1")])

    def test_packages_have_the_versions_of_this_machine(self):
        version = subprocess.run(["dpkg-query", "--show", "--showformat", "${Version}", "libssl3"], check=True, capture_output=True, text=True).stdout
        self.assertEqual(self.parts["SPDXRef-Package-libssl3"]["versionInfo"], version)
        locator = self.parts["SPDXRef-Package-libssl3"]["externalRefs"][0]["referenceLocator"]
        self.assertRegex(locator, r"^pkg:deb/debian/libssl3@[A-Za-z0-9.~%-]+\?arch=\w+$")
        self.assertLessEqual({f"SPDXRef-Package-{name}" for name in ("libc6", "tzdata", "ca-certificates")}, set(self.parts))

    def test_the_document_is_what_spdx_asks_for_and_says_how_its_parts_belong_together(self):
        self.assertEqual((self.bill["spdxVersion"], self.bill["dataLicense"], self.bill["SPDXID"]), ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT"))
        self.assertEqual(len(self.parts), len(self.bill["packages"]))
        for identifier, part in self.parts.items():
            self.assertRegex(identifier, "^SPDXRef-[A-Za-z0-9.-]+$")
            self.assertLessEqual({"name", "versionInfo", "downloadLocation", "licenseConcluded", "copyrightText"}, set(part))
        ends = [(relation["spdxElementId"], relation["relatedSpdxElement"]) for relation in self.bill["relationships"]]
        self.assertEqual(ends[0], ("SPDXRef-DOCUMENT", "SPDXRef-Image-imageclassifier-operator"))
        self.assertEqual({end for _, end in ends}, set(self.parts))

    def test_the_provenance_names_the_image_the_commit_and_the_program_by_their_digests(self):
        statement = documents.provenance("operator", DIGEST, self.context, "buildah")
        self.assertEqual(statement["subject"], [{"name": "imageclassifier-operator", "digest": {"sha256": "1" * 64}}])
        inputs = {item["name"]: item["digest"] for item in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}
        program = (self.context / "program/usr/bin/imageclassifier-operator").read_bytes()
        self.assertEqual(inputs["imageclassifier-operator"], {"sha256": hashlib.sha256(program).hexdigest()})
        self.assertRegex(inputs["source"]["gitCommit"], "^([0-9a-f]{40})?$")


if __name__ == "__main__":
    unittest.main()
