"""Every credential that a run of the operator is given, and which of them a text holds.

What a credential plugin answers is not known here: its tests plant tokens of their own.
"""

import base64
import json
import re
import subprocess
import urllib.parse
from pathlib import Path

SHORTEST = 8  # characters; a shorter text may stand in a log by chance


def base64_of(text):
    return base64.b64encode(text.encode()).decode()


def password_of(url):
    try:
        return urllib.parse.urlsplit(url).password or ""
    except ValueError:
        return ""


def key_lines(pem):
    """The lines between BEGIN and END: a log would have them apart, or joined by an escaped line end."""
    return [line.strip() for line in pem.splitlines() if line.strip() and not line.startswith("-----")]


class Credentials:
    """Grows as files are swapped: ask again before searching."""

    def __init__(self, kubectl, kubeconfig, environment=None):
        """kubectl: the program, which reads any kubeconfig. environment: what the operator has besides ours."""
        self.kubectl, self.kubeconfig, self.environment = kubectl, Path(kubeconfig), environment or {}
        self.found = {}  # text: what it is
        self.collect()

    def add(self, what, text):
        for form in (text, urllib.parse.unquote(text), base64_of(text)):
            if len(form) >= SHORTEST:
                self.found[form] = what

    def add_key(self, what, pem):
        self.add(what, pem)
        for line in key_lines(pem):
            self.add(what, line)

    def read(self, name):
        """A file that the kubeconfig points at; tests take some away."""
        path = self.kubeconfig.parent / name
        return path.read_text(errors="replace") if name and path.is_file() else ""

    def config(self):
        """The kubeconfig as kubectl reads it; some tests give one that nobody can read, or take it away."""
        done = subprocess.run([self.kubectl, "--kubeconfig", self.kubeconfig, "config", "view", "--raw", "-o", "json"],
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 and self.kubeconfig.is_file() else {}

    def collect(self):
        config = self.config()
        for entry in config.get("users") or []:
            user = entry.get("user") or {}
            for key in ("token", "password"):
                self.add(key, user.get(key, ""))
            self.add("token of a file", self.read(user.get("tokenFile", "")).strip())
            self.add_key("client key", base64.b64decode(user.get("client-key-data", "")).decode(errors="replace"))
            self.add_key("client key of a file", self.read(user.get("client-key", "")))
            if user.get("username") and user.get("password"):
                self.add("password", base64_of(f"{user['username']}:{user['password']}"))
        for entry in config.get("clusters") or []:
            for key in ("server", "proxy-url"):
                self.add(f"password in {key}", password_of(entry["cluster"].get(key, "")))
        for name, value in self.environment.items():
            if re.fullmatch(r"(?i)(https?|all)_proxy", name):
                self.add(f"password in {name}", password_of(value))

    def held_by(self, text):
        """What kinds of credentials the text holds, without their values."""
        self.collect()
        return sorted({what for secret, what in self.found.items() if secret in text})
