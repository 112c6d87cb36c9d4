"""Uploading pictures to POST /v1/classify, without the proxy that the environment may name."""

import http.client
import json
import urllib.parse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import Failure


def request(url, method, path, body=None, headers=None, timeout=30):
    """(status, headers, body) of one request on a connection of its own."""
    address = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname, address.port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def classify(url, picture):
    """The predictions for a file, best first."""
    status, _, body = request(url, "POST", "/v1/classify", Path(picture).read_bytes(), {"Content-Type": "image/jpeg"})
    if status != 200:
        raise Failure(f"{picture}: HTTP {status}: {body[:300].decode(errors='replace')}")
    return json.loads(body)["results"][0]["predictions"]


def held_out(folder):
    """[(label, file)]: a folder's name is the right answer for the files in it."""
    return [(path.parent.name, path) for path in sorted(Path(folder).glob("*/*.jpg"))]


def top1(url, pictures, progress=lambda done: None):
    """[(label, file, best prediction)] for a list of (label, file); two uploads at a time."""
    answers = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for (label, path), predictions in zip(pictures, pool.map(lambda item: classify(url, item[1]), pictures)):
            answers.append((label, path, predictions[0]))
            progress(len(answers))
    return answers


def accuracy(answers):
    return sum(label == best["label"] for label, _, best in answers) / len(answers) if answers else 0.0
