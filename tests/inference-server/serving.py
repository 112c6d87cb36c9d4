"""The real program as a process, with a real, small, seeded model: what the serve tests share.

Each is run as TEST.py INFERENCE_SERVER WRITE_SEEDED_MODEL [UNITTEST ARGUMENT...]
"""
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

PROGRAM, WRITE_MODEL = sys.argv[1:3]
ROOT = Path(__file__).resolve().parents[2]
PICTURES = Path(__file__).parent / "goldens/pictures"
FOLDER = Path(tempfile.mkdtemp(prefix="serve-test-"))
MODEL = FOLDER / "model.safetensors"
LABELS = FOLDER / "labels.txt"
TERMINATION_LOG = FOLDER / "termination-log"
PICTURE = (PICTURES / "exif-3.jpg").read_bytes()
DEADLINE = 120  # seconds, for anything that is waited for: machines under load are slow


def wait_for(what, condition):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {DEADLINE} s")


class Server:
    """The program in serve mode on a free port of 127.0.0.1; `prefix` is a command that runs it."""

    def __init__(self, *options, environment=None, prefix=()):
        self.log_path = FOLDER / f"log-{time.monotonic_ns()}"
        arguments = [*prefix, PROGRAM, "serve", "--listen", "127.0.0.1:0", *options]
        for option, value in (("--model", MODEL), ("--labels", LABELS)):
            if option not in options:
                arguments += [option, str(value)]
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen(arguments, stderr=log, stdout=log, env={**os.environ, **(environment or {})})
        self.port = None
        self.tls = None  # an ssl.SSLContext: requests go over HTTPS

    def log(self):
        return self.log_path.read_text(errors="replace")

    def listening(self):
        def port():
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended: {self.log()}")
            found = re.search(r'"message":"listening".*"port":(\d+)', self.log())
            return int(found.group(1)) if found else None
        self.port = wait_for("listening", port)
        return self

    def ready(self):
        self.listening()
        wait_for("readiness", lambda: self.get("/readyz")[0] == 200)
        return self

    def request(self, method, path, body=None, headers=None):
        if self.tls:
            connection = http.client.HTTPSConnection("localhost", self.port, timeout=DEADLINE, context=self.tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def get(self, path, headers=None):
        status, body, _ = self.request("GET", path, headers=headers)
        return status, body

    def classify(self, body, query="", headers=None):
        return self.request("POST", "/v1/classify" + query, body, headers)

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def resident_bytes(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", text).group(1)) * 1024

    def wait(self):
        return self.process.wait(DEADLINE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class ProgramTest(unittest.TestCase):
    def ends_with(self, reason, *options, environment=None):
        """`serve` ends with 78 and this reason; returns the message that goes with it."""
        TERMINATION_LOG.write_text("")
        environment = {"INFERENCE_TERMINATION_LOG": str(TERMINATION_LOG), **(environment or {})}
        with Server(*options, environment=environment) as server:
            self.assertEqual(server.wait(), 78, server.log())
            written = json.loads(TERMINATION_LOG.read_text())
            self.assertEqual(written["reason"], reason)
            self.assertTrue(written["message"])
            return written["message"]


class MountedSecret:
    """A folder as the kubelet mounts a Secret: files that are links through `..data`, which is exchanged as a whole."""

    def __init__(self, name, files):
        self.path = FOLDER / name
        self.path.mkdir()
        self.generation = 0
        self.change(files)
        for file in files:
            (self.path / file).symlink_to(Path("..data") / file)

    def change(self, files):
        self.generation += 1
        folder = self.path / f"..{self.generation}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        (self.path / "..tmp").symlink_to(folder.name)
        (self.path / "..tmp").replace(self.path / "..data")


def make_certificate(name):
    """A certificate that trusts itself, for localhost, as the files of a kubernetes.io/tls Secret."""
    certificate, key = FOLDER / f"{name}.crt", FOLDER / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out",
                    str(certificate)], check=True, stderr=subprocess.DEVNULL)
    return {"tls.crt": certificate.read_bytes(), "tls.key": key.read_bytes()}


def main():
    LABELS.write_text("".join(f"class-{i}\n" for i in range(10)))
    subprocess.run([WRITE_MODEL, "resnet18", "10", "1", str(MODEL), "proven"], check=True)
    try:
        unittest.main(module="__main__", argv=sys.argv[:1] + sys.argv[3:])
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
