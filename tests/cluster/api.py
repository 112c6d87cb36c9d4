"""Requests to the API server over kept connections, for more of them than kubectl can make, and its own record of requests."""

import contextlib
import http.client
import json
import ssl
import threading
import time
from datetime import datetime
from urllib.parse import urlsplit

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
MERGE = "application/merge-patch+json"


def seconds(timestamp):
    """A timestamp of the audit log or of a log line (UTC) as seconds since the epoch."""
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


class Api:
    """JSON requests as the admin whose certificate lies in `pki`, or with a token; a connection per thread."""

    def __init__(self, state, pki=None, token=None, user_agent="imageclassifier-test"):
        self.host = urlsplit(state["server"]).netloc
        self.context = ssl.create_default_context(cafile=state["ca"])
        self.headers = {"User-Agent": user_agent}
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        else:
            self.context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self.local = threading.local()

    def connect(self, timeout=60):
        return http.client.HTTPSConnection(self.host, context=self.context, timeout=timeout)

    def close(self):
        """Of the calling thread."""
        if connection := getattr(self.local, "connection", None):
            connection.close()

    def ask(self, method, path, body=None, content_type="application/json"):
        """(status, headers, body) of one answer, whatever it says."""
        data = None if body is None else json.dumps(body)
        connection = getattr(self.local, "connection", None) or self.connect()
        self.local.connection = connection
        try:
            connection.request(method, path, data, {"Content-Type": content_type, **self.headers})
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        except (OSError, http.client.HTTPException):
            self.local.connection = None
            raise

    def call(self, method, path, body=None, content_type="application/json"):
        """The answer's object; AssertionError with the server's words if it refuses. A lost connection is renewed."""
        for attempt in range(3):
            try:
                status, headers, text = self.ask(method, path, body, content_type)
            except (OSError, http.client.HTTPException):
                if attempt == 2:
                    raise
                continue
            if status == 429:
                time.sleep(int(headers.get("Retry-After", "1")))
                continue
            if status >= 300 and status != 409:
                raise AssertionError(f"{method} {path}: {status} {text[:300]!r}")
            return json.loads(text)
        raise AssertionError(f"{method} {path}: refused again and again")

    def read_streaming_list(self, path, metadata_only=False):
        """Reads a streaming list to its end mark and throws it away: the number of bytes."""
        accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1" if metadata_only else "application/json"
        asked = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=300"
        for _ in range(10):  # a server that has just been given much may end it and ask for another try
            connection = self.connect(timeout=300)
            connection.request("GET", f"{path}{'&' if '?' in path else '?'}{asked}", headers=self.headers | {"Accept": accept})
            reply = connection.getresponse()
            size, end = 0, b""
            while part := reply.read1(1 << 20):
                size += len(part)
                if b"k8s.io/initial-events-end" in end + part:
                    connection.close()
                    return size
                end = part[-100:]
            connection.close()
            time.sleep(1)
        raise AssertionError(f"{path}: the streaming list ended without its mark: {reply.status} {end!r}")

    def watch(self, path, on_event, stop):
        """Calls on_event(event) on the calling thread until stop is set or the server ends the watch."""
        connection = self.connect(timeout=5)
        connection.request("GET", path, headers=self.headers)
        with contextlib.closing(connection), connection.getresponse() as reply:
            while not stop.is_set():
                try:
                    line = reply.readline()
                except TimeoutError:
                    return
                if not line:
                    return
                on_event(json.loads(line))


class AuditLog:
    """What the API server recorded, read on as the file grows; a line that is not whole yet is left for the next time."""

    def __init__(self, state, *marks, from_now=False, log="auditLog"):
        """marks: texts that the line of an event has, all of them; parsing every line of a long log takes minutes.
        log: which of the state's, auditLog or secondAuditLog."""
        self.file = open(state[log], encoding="utf-8")
        self.marks = marks
        self.rest = ""
        if from_now:
            self.file.seek(0, 2)

    def more(self, stage="ResponseComplete"):
        """The events since the last call; without a stage all of them, so that a watch is there when it begins and when it ends."""
        found = []
        for line in self.file:
            line, self.rest = self.rest + line, ""
            if not line.endswith("\n"):
                self.rest = line
                break
            if all(mark in line for mark in self.marks):
                found.append(json.loads(line))
        return [event for event in found if stage in (None, event["stage"])]


def recorded(state, *marks, stage="ResponseComplete", log="auditLog"):
    """All events of an audit log whose lines have these texts."""
    record = AuditLog(state, *marks, log=log)
    with record.file:
        return record.more(stage)


def requests(state, *marks):
    """Every request once, answered or, as a watch may be, still open."""
    return list({event["auditID"]: event for event in recorded(state, *marks, stage=None)}.values())
