#!/usr/bin/python3
"""With how many threads the real program computes. See serving.py."""
import json
import os
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving import PICTURE, Server, main, wait_for


def remove(group):
    """A control group whose processes may be ending still."""
    try:
        group.rmdir()
        return True
    except OSError:
        return False


class Threads(unittest.TestCase):
    def started(self, *options, prefix=()):
        """(threads of the effective configuration, all threads of the process) of a server that is ready"""
        with Server(*options, prefix=prefix) as server:
            server.ready()
            configuration = next(line for line in map(json.loads, server.log().splitlines()) if line["message"] == "configuration")
            return configuration["threads"], len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))

    def test_as_many_threads_compute_as_the_affinity_mask_has_cores_unless_it_is_told_otherwise(self):
        one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
        threads, tasks = self.started(prefix=one_core)
        more_threads, more_tasks = self.started("--threads", "3", prefix=one_core)
        self.assertEqual((threads, more_threads), (1, 3))
        self.assertGreaterEqual(more_tasks - tasks, 2)

    def test_lanes_share_the_threads_and_the_weights_and_answer_alike(self):
        def answers(*options):
            with Server(*options) as server:
                server.ready()
                configuration = next(line for line in map(json.loads, server.log().splitlines()) if line["message"] == "configuration")
                with ThreadPoolExecutor(8) as clients:
                    found = list(clients.map(lambda _: server.classify(PICTURE), range(32)))
                self.assertEqual({status for status, _, _ in found}, {200})
                labels = {tuple((one["index"], round(one["probability"], 4)) for one in json.loads(body)["results"][0]["predictions"])
                          for _, body, _ in found}
                return configuration["lanes"], labels
        one, two, many = answers("--threads", "2"), answers("--threads", "2", "--lanes", "2"), answers("--threads", "2", "--lanes", "9")
        self.assertEqual((one[0], two[0], many[0]), (1, 2, 2))
        self.assertEqual(len(one[1]), 1)
        self.assertEqual(one[1], two[1])

    def test_as_many_threads_compute_as_the_quota_of_the_cgroup_allows(self):
        # Where control groups cannot be made, cpu_count_test has to do.
        for mount, quota in (("/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"), ("/sys/fs/cgroup", "cpu.max")):
            group = Path(mount) / f"serve-test-{os.getpid()}"
            try:
                group.mkdir()
            except OSError:
                continue
            self.addCleanup(lambda group=group: wait_for("an empty group", lambda: remove(group)))
            if not (group / quota).exists():
                continue
            (group / quota).write_text("100000")
            threads, _ = self.started(prefix=["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"])
            self.assertEqual(threads, 1)


if __name__ == "__main__":
    main()
