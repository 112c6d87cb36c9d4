"""Processes by identity (pid and start time, because pids are reused), and a supervisor for components."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from .progress import Failure

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def start_time(pid):
    """Clock ticks since boot at which the process began; None when there is no such process (or only its zombie)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def identity(name, pid):
    return {"name": name, "pid": pid, "startTime": start_time(pid)}


def alive(process):
    """process: as made by identity()."""
    return process["startTime"] is not None and start_time(process["pid"]) == process["startTime"]


def end(process, grace):
    """SIGTERM, after `grace` seconds SIGKILL; returns when the process is gone."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 10)):
        if not alive(process):
            return
        try:
            os.kill(process["pid"], number)
        except ProcessLookupError:
            return
        limit = time.monotonic() + seconds
        while alive(process) and time.monotonic() < limit:
            time.sleep(0.02)
    if alive(process):
        raise Failure(f"process {process['pid']} ({process['name']}) does not end")


def die_with_parent():
    """For preexec_fn: the kernel kills the child when the thread that started it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Supervisor:
    """Starts components, restarts those that end, reaps orphans when it is PID 1, and ends them all together.

    Not thread-safe: everything happens in the thread that made it. Output goes to <logs>/<name>.log. held(name): it is not to be
    restarted for now.
    """

    RESTART_PAUSE = 1.0  # seconds; the controller manager needs a few tries when it meets a young API server

    def __init__(self, logs, environment=None, held=lambda _name: False):
        self.logs = Path(logs)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.environment = environment
        self.held = held
        self.waiting = []  # ended while held
        self.commands = {}
        self.running = {}
        self.handles = {}  # kept until reaped here: subprocess would wait for forgotten ones itself and hide their end
        self.restarts = {}
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def _stop(self, _number, _frame):
        self.stopping = True

    def start(self, name, *command):
        self.commands[name] = [str(word) for word in command]
        with open(self.logs / f"{name}.log", "ab") as log:
            process = subprocess.Popen(self.commands[name], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env=self.environment, preexec_fn=die_with_parent)
        self.running[name] = process.pid
        self.handles[process.pid] = process

    def processes(self):
        return [identity(name, pid) for name, pid in self.running.items()]

    def reap(self):
        """Collects ended children; returns the names of components among them."""
        ended = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            handle = self.handles.pop(pid, None)
            if handle is None:
                continue  # an orphan that process 1 inherited
            handle.returncode = os.waitstatus_to_exitcode(status)
            name = next(name for name, running in self.running.items() if running == pid)
            del self.running[name]
            ended.append(name)
            print(f"{name} ended with {handle.returncode}", file=sys.stderr, flush=True)
        return ended

    def tend(self):
        """One round of reaping and restarting; true when it restarted something.

        Raises Failure when a component ends again and again.
        """
        candidates = self.waiting + self.reap()
        self.waiting = [name for name in candidates if self.held(name)]
        ended = [name for name in candidates if name not in self.waiting]
        for name in ended:
            recent = [moment for moment in self.restarts.get(name, []) if time.monotonic() - moment < 60]
            if len(recent) >= 20:
                raise Failure(f"{name} does not stay up: see {self.logs / name}.log")
            self.restarts[name] = recent + [time.monotonic()]
            time.sleep(self.RESTART_PAUSE)
            self.start(name, *self.commands[name])
        return bool(ended)

    def wait_until(self, condition, timeout, what, interval=0.05):
        limit = time.monotonic() + timeout
        while not condition():
            if self.stopping:
                raise Failure(f"asked to stop while waiting for {what}")
            if time.monotonic() > limit:
                raise Failure(f"gave up waiting for {what} after {timeout} s: see {self.logs}")
            self.tend()
            time.sleep(interval)

    def end_all(self, grace=5):
        """Newest first, so that clients end before their servers."""
        for name, pid in reversed(list(self.running.items())):
            try:
                os.kill(pid, signal.SIGTERM)
            except ProcessLookupError:
                continue
        limit = time.monotonic() + grace
        while self.running and time.monotonic() < limit:
            self.reap()
            time.sleep(0.02)
        for pid in self.running.values():
            os.kill(pid, signal.SIGKILL)
        while self.running:
            self.reap()
            time.sleep(0.02)
