"""What an image consists of (SPDX 2.3) and what made it (SLSA provenance 1), as JSON documents beside the image."""

import hashlib
import json
import re
import subprocess
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES = {"operator": "imageclassifier-operator", "inference-server": "inference-server"}  # of the images, in any registry
LIBRARIES = "libraries"  # of the context: Debian's; everything else in it is ours
# Files that a package's scripts make, which it therefore does not list.
MADE = {"/etc/ssl/certs/ca-certificates.crt": "ca-certificates"}
OURS = re.compile("^/etc/(passwd|group|nsswitch.conf|ld.so.cache)$")
FIELDS = "${binary:Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n"


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_of(tree):
    return sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())


def library_paths(context):
    """Of Debian's files, as the image and this machine have them."""
    return [Path("/") / path.relative_to(context / LIBRARIES) for path in files_of(context / LIBRARIES)]


def own_files(context):
    """Our programs and modules, and the model."""
    return [path for tree in sorted(context.iterdir()) if tree.name != LIBRARIES for path in files_of(tree)]


def owners(paths):
    """{path: Debian package}, of files of this machine. A merged /usr has each under two names, of which dpkg knows one."""
    found = {path: MADE[str(path)] for path in paths if str(path) in MADE}
    names = {name: path for path in paths for name in (str(path.resolve()), str(path.resolve()).removeprefix("/usr"))}
    listed = subprocess.run(["dpkg-query", "--search", *names], capture_output=True, text=True).stdout
    for line in listed.splitlines():
        packages, _, name = line.rpartition(": ")
        if name in names:
            found.setdefault(names[name], packages.split(",")[0])
    return found


def versions(packages):
    """{package: (version, architecture, source package, its version)}"""
    listed = subprocess.run(["dpkg-query", "--show", "--showformat", FIELDS, *sorted(packages)], check=True, capture_output=True, text=True).stdout
    rows = [line.split("\t") for line in listed.splitlines()]
    known = {row[0]: tuple(row[1:]) for row in rows}
    return {package: known.get(package) or known[package.split(":")[0]] for package in packages}


def version():
    return re.search(r"project\(\S+ VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]


def git(*words):
    result = subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else ""


def identifier(name):
    return "SPDXRef-" + re.sub("[^A-Za-z0-9.-]", "-", name)


def package(name, version_, kind="Package", **more):
    return {"SPDXID": identifier(f"{kind}-{name}"), "name": name, "versionInfo": version_, "downloadLocation": "NOASSERTION",
            "filesAnalyzed": False, "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION", **more}


def unaccounted(context):
    """Files of the image that no package and no part of ours explains."""
    paths = library_paths(context)
    known = owners(paths)
    return [path for path in paths if path not in known and not OURS.match(str(path))]


def bill_of_materials(image, digest, context):
    """An SPDX document: the image, our programs and model in it by their digests, and Debian's packages."""
    paths = library_paths(context)
    held = versions(set(owners(paths).values()))
    packages = [package(NAMES[image], version(), kind="Image", licenseDeclared="Apache-2.0",
                        checksums=[{"algorithm": "SHA256", "checksumValue": digest.removeprefix("sha256:")}], primaryPackagePurpose="CONTAINER")]
    for path in own_files(context):
        model = path.suffix == ".safetensors"
        packages.append(package(path.name, "NOASSERTION" if model else version(), licenseDeclared="NOASSERTION" if model else "Apache-2.0",
                                checksums=[{"algorithm": "SHA256", "checksumValue": sha256(path)}],
                                primaryPackagePurpose="FILE" if model else "APPLICATION"))
    for name, (version_, architecture, source, source_version) in sorted(held.items()):
        name = name.split(":")[0]
        purl = f"pkg:deb/debian/{urllib.parse.quote(name)}@{urllib.parse.quote(version_, safe='~')}?arch={architecture}"
        packages.append(package(name, version_, supplier="Organization: Debian", sourceInfo=f"built from {source} {source_version}",
                                primaryPackagePurpose="LIBRARY",
                                externalRefs=[{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]))
    whole = packages[0]["SPDXID"]
    relations = [("SPDXRef-DOCUMENT", "DESCRIBES", whole), *((whole, "CONTAINS", part["SPDXID"]) for part in packages[1:])]
    created = int(git("show", "-s", "--format=%ct") or 0)
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": NAMES[image],
            "documentNamespace": f"https://imageclassifier.dev/spdx/{image}/{digest.removeprefix('sha256:')}",
            "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(created)), "creators": ["Tool: imageclassifier-build-images"]},
            "packages": packages,
            "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other} for one, kind, other in relations]}


def provenance(image, digest, context, builder):
    """An in-toto statement with SLSA's predicate: from which commit, with what, by which builder."""
    commit, changed = git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    inputs = [{"name": path.name, "digest": {"sha256": sha256(path)}} for path in own_files(context)]
    dockerfile = Path(__file__).resolve().parent / image / "Dockerfile"
    return {"_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": NAMES[image], "digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "https://imageclassifier.dev/build-images/v1",
                    "externalParameters": {"image": image, "version": version()},
                    "internalParameters": {"builder": builder, "uncommittedChanges": changed},
                    "resolvedDependencies": [{"name": "source", "digest": {"gitCommit": commit}},
                                             {"name": "Dockerfile", "digest": {"sha256": sha256(dockerfile)}}, *inputs]},
                "runDetails": {"builder": {"id": "https://imageclassifier.dev/build-images"}}}}


def write(image, digest, context, builder, folder):
    """Both, as IMAGE.spdx.json and IMAGE.provenance.json."""
    for kind, document in (("spdx", bill_of_materials(image, digest, context)), ("provenance", provenance(image, digest, context, builder))):
        (folder / f"{image}.{kind}.json").write_text(json.dumps(document, indent=1) + "\n")
