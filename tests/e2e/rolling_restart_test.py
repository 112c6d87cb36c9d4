#!/usr/bin/python3
"""Pods are exchanged while pictures come in: no client notices."""

import http.client
import threading
import time
import urllib.parse

import end_to_end
from end_to_end import PICTURES, EndToEnd, classifier, classify, wait_until

NAME = "restarted"


class Clients:
    """Upload one picture after the other until they are left: one over a new connection each time, one over a connection that it
    keeps as long as the server lets it. `failures`: whatever is not 200 with the right label."""

    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url).netloc
        self.label, path = classify.held_out(PICTURES)[0]
        self.picture = path.read_bytes()
        self.answers, self.failures = 0, []
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.upload, args=(keep,)) for keep in (False, True)]

    def upload(self, keep):
        connection = http.client.HTTPConnection(self.address, timeout=30)
        while not self.stop.is_set():
            begin = time.monotonic()
            try:
                connection.request("POST", "/v1/classify", self.picture, {"Content-Type": "image/jpeg"})
                answer = connection.getresponse()
                text = answer.read()
                if answer.status == 200 and f'"{self.label}"'.encode() in text:
                    self.answers += 1
                else:
                    self.failures.append((answer.status, text[:200]))
            except (OSError, http.client.HTTPException) as error:
                self.failures.append((f"kept: {keep}, after {time.monotonic() - begin:.1f} s", repr(error)))
                connection.close()
            if not keep:
                connection.close()
            self.stop.wait(0.05)
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()


class RollingRestart(EndToEnd):
    def pods(self):
        """Names of all pods, of those too that are about to end."""
        return {pod["metadata"]["name"] for pod in self.users.get("pods", None, f"--selector=app.kubernetes.io/instance={NAME}")}

    def test_a_restart_and_an_edit_under_load_fail_no_request(self):
        self.apply_for_this_test(classifier(NAME))
        url = self.wait_until_ready(NAME)
        with Clients(url) as clients:
            wait_until(lambda: clients.answers >= 10, 60, "the first answers")
            for change in (["rollout", "restart", f"deployment/{NAME}"],
                           ["patch", "imageclassifier", NAME, "--type=merge", "--patch", '{"spec": {"serving": {"topK": 3}}}']):
                before, answered = self.pods(), clients.answers
                self.users.kubectl(*change)
                wait_until(lambda: not before & self.pods(), 180, f"other pods than {before}")
                self.wait_until_ready(NAME)
                wait_until(lambda: clients.answers >= answered + 20, 60, "answers of the new pod")
        self.assertEqual(clients.failures, [])


if __name__ == "__main__":
    end_to_end.main()
