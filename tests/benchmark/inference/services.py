"""Picture services as processes over HTTP, and clients that wait for their answers (a closed loop) on 127.0.0.1."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

BOUNDARY = "bench-inference"
START_SECONDS = 120


def form(picture):
    """A browser's upload of one file."""
    head = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{picture.name}"\r\n'
            "Content-Type: image/jpeg\r\n\r\n")
    return head.encode() + picture.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Service:
    """One that is told its port: {port} in its command. It is ready when a picture is answered with 200."""

    route = "/predict"

    def __init__(self, name, command, environment):
        self.name = name
        self.begin = time.monotonic()
        self.port = free_port()
        log = None if os.environ.get("BENCH_VERBOSE") else subprocess.DEVNULL
        self.process = subprocess.Popen([str(part).format(port=self.port) for part in command], env=environment,
                                        stdout=log, stderr=log, start_new_session=True)

    def ask(self, body, connection=None):
        """The status; 0 when nobody listens."""
        own = connection or self.connection()
        try:
            own.request("POST", self.route, body, {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"})
            answer = own.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            own.close()
            return 0
        finally:
            if not connection:
                own.close()

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def first_answer(self, body):
        """Seconds from the start of the process to the first 200."""
        while (status := self.ask(body)) != 200:
            if status not in (0, 503) or self.process.poll() is not None or time.monotonic() - self.begin > START_SECONDS:
                sys.exit(f"bench-inference: {self.name} does not answer (status {status}); BENCH_VERBOSE=1 shows why")
            time.sleep(0.002)
        return time.monotonic() - self.begin

    def wait_until_warm(self):
        """Nothing more than an answer says so."""

    def memory(self):
        """MB that belong to its processes, what they share counted once."""
        total = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(status.read_text().rsplit(")", 1)[1].split()[3]) == self.process.pid:
                    total += int(re.search(r"^Pss:\s+(\d+)", (status.parent / "smaps_rollup").read_text(), re.M).group(1))
            except OSError:  # it has just ended
                continue
        return total / 1000

    def end(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Ours(Service):
    """`inference-server serve` with these options; it says which port it has."""

    route = "/v1/classify"

    def __init__(self, name, program, options, environment):
        self.name = name
        command = [program, "serve", *options, "--listen", "127.0.0.1:0"]
        self.begin = time.monotonic()
        self.process = subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, env=environment, start_new_session=True)
        for line in self.process.stderr:
            found = re.search(rb'"message":"listening".*"port":(\d+)', line)
            if found:
                self.port = int(found.group(1))
                break
        else:
            sys.exit("bench-inference: the server ended early")
        threading.Thread(target=self.process.stderr.read, daemon=True).start()  # its log must not fill the pipe

    def wait_until_warm(self):
        """Ready is who has tried batches of every size."""
        while True:
            connection = self.connection()
            connection.request("GET", "/readyz")
            status = connection.getresponse().status
            connection.close()
            if status == 200:
                return
            time.sleep(0.05)


class Load:
    """`clients` connections that send `body` again as soon as they have their answer, for some seconds.

    rate: answers a second; times: sorted milliseconds of each; failures: answers other than 200.
    """

    def __init__(self, service, body, clients, seconds):
        self.times, self.failures, self.last = [], 0, 0.0
        self.lock = threading.Lock()
        begin = time.monotonic()
        threads = [threading.Thread(target=self.client, args=(service, body, begin + seconds)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.rate = len(self.times) / (self.last - begin) if self.times else 0
        self.times.sort()

    def client(self, service, body, end):
        connection = service.connection()
        while (begin := time.monotonic()) < end:
            status = service.ask(body, connection)
            now = time.monotonic()
            with self.lock:
                if status == 200:
                    self.times.append((now - begin) * 1000)
                    self.last = now
                else:
                    self.failures += 1
            if status != 200:
                time.sleep(0.1)
        connection.close()

    def percentile(self, share):
        return self.times[min(len(self.times) - 1, int(len(self.times) * share))] if self.times else float("inf")
