"""Whether a text holds anything of a secret: the whole or a part of it, as it is or as programs write it down."""

import base64
import itertools
import json
import threading
import urllib.parse

PART = 16  # characters in a row; fewer may be in any text by chance


def parts_of(text):
    return {text[at:at + PART] for at in range(len(text) - PART + 1)}


def forms_of(secret):
    """As it is, escaped, and in base64 wherever it begins within what is encoded."""
    escaped = json.dumps(secret)[1:-1]
    yield from (secret, escaped, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret))
    for text, before in itertools.product((secret, escaped), range(3)):
        encoded = base64.b64encode(b"\0" * before + text.encode()).decode().rstrip("=")
        whole = encoded[4 if before else 0:-1]  # its first and last characters depend on what is around it
        yield from (whole, whole.replace("+", "-").replace("/", "_"))


class Sentinels:
    """Secrets by the name of what they are. Thread safe."""

    def __init__(self):
        self.lock, self.known, self.parts = threading.Lock(), {}, {}

    def add(self, what, secret):
        with self.lock:
            if secret and secret not in self.known:
                self.known[secret] = what
                self.parts.update((part, what) for form in forms_of(secret) for part in parts_of(form))

    def of(self, *what):
        """The newest first."""
        with self.lock:
            return [secret for secret, kind in reversed(self.known.items()) if kind in what]

    def kinds(self):
        return set(self.known.values())

    def held_by(self, text):
        """What kinds of secrets the text holds anything of."""
        shown = parts_of(text)
        with self.lock:
            return sorted({self.parts[part] for part in shown & self.parts.keys()})
