#!/usr/bin/python3
"""Another model takes the place of the one that is served, while it serves."""
import json
import os
import shutil
import signal
import subprocess
import threading

from serving import FOLDER, MODEL, PICTURE, WRITE_MODEL, ProgramTest, Server, main, wait_for


MOST_GROWTH = 1.1


def make_model(name, seed):
    path = FOLDER / name
    subprocess.run([WRITE_MODEL, "resnet18", "10", str(seed), str(path), "proven"], check=True)
    return path


class Load:
    """Clients that classify one picture after the other, and what they were answered: (status, digest) in order."""

    def __init__(self, server, clients=3):
        self.server, self.over = server, threading.Event()
        self.answers = [[] for _ in range(clients)]
        self.threads = [threading.Thread(target=self.run, args=(answers,)) for answers in self.answers]
        for thread in self.threads:
            thread.start()

    def run(self, answers):
        while not self.over.is_set():
            status, body, _ = self.server.classify(PICTURE)
            answers.append((status, json.loads(body).get("model", {}).get("weights_sha256")))

    def wait_for_more(self, count):
        before = [len(answers) for answers in self.answers]
        wait_for("more answers", lambda: all(len(now) >= then + count for now, then in zip(self.answers, before)))

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()
        return self.answers


class Reload(ProgramTest):
    def setUp(self):
        self.served = FOLDER / "served.safetensors"
        shutil.copy(MODEL, self.served)

    def put(self, path):
        """In the place of the served file, as whoever changes a model should: in an instant."""
        copy = FOLDER / "next"
        shutil.copy(path, copy)
        os.replace(copy, self.served)

    def digest(self, server):
        return json.loads(server.get("/readyz")[1])["model"]["weights_sha256"]

    def test_SIGHUP_under_load_changes_the_model_once_and_fails_no_request(self):
        other = make_model("other.safetensors", 2)
        # However long a starved machine takes: a 429 would be no failure of a reload.
        with Server("--model", str(self.served), "--request-timeout", "600") as server:
            server.ready()
            first = self.digest(server)
            load = Load(server)
            load.wait_for_more(3)
            self.put(other)
            server.process.send_signal(signal.SIGHUP)
            wait_for("the other model", lambda: self.digest(server) != first)
            load.wait_for_more(3)
            answers = load.end()
            second = self.digest(server)
            for seen in answers:
                self.assertEqual({status for status, _ in seen}, {200})
                digests = [digest for _, digest in seen]
                self.assertEqual(digests, [first] * digests.count(first) + [second] * digests.count(second))
                self.assertTrue(digests.count(first) and digests.count(second))
            metrics = server.get("/metrics")[1].decode()
            info = [line for line in metrics.splitlines() if line.startswith("inference_model_info{")]
            self.assertEqual(len(info), 1)
            self.assertIn(second, info[0])
            self.assertIn(f'"weights_sha256":"{second}"', next(line for line in server.log().splitlines() if '"reloaded"' in line))

    def test_a_file_that_cannot_be_used_leaves_the_former_model_and_is_named(self):
        with Server("--model", str(self.served)) as server:
            server.ready()
            first = self.digest(server)
            broken = FOLDER / "broken"
            broken.write_bytes(MODEL.read_bytes()[:-1000])
            for count in (1, 2):
                self.put(broken)
                server.process.send_signal(signal.SIGHUP)
                wait_for("the refusal", lambda: server.log().count("the reload failed") == count)
                self.assertEqual(self.digest(server), first)
                self.assertEqual(server.classify(PICTURE)[0], 200)
            self.put(MODEL)
            server.process.send_signal(signal.SIGHUP)
            wait_for("a good file to be taken", lambda: '"reloaded"' in server.log())

    def test_the_former_model_goes_so_that_memory_threads_and_descriptors_stay(self):
        with Server("--model", str(self.served)) as server:
            server.ready()

            def state():
                tasks = len(os.listdir(f"/proc/{server.process.pid}/task"))
                return server.resident_bytes(), tasks, len(os.listdir(f"/proc/{server.process.pid}/fd"))

            def reload(count):
                server.process.send_signal(signal.SIGHUP)
                wait_for("a reload", lambda: server.log().count('"reloaded"') == count)
                self.assertEqual(server.classify(PICTURE)[0], 200)
            for count in (1, 2, 3):
                reload(count)
            memory, tasks, files = state()
            for count in range(4, 10):
                reload(count)
            wait_for("the former model's memory, threads and files to go",
                     lambda: all(now <= limit for now, limit in zip(state(), (memory * MOST_GROWTH, tasks, files))))

    def test_a_stop_in_the_middle_of_a_reload_ends_in_good_order(self):
        with Server("--model", str(self.served), "--drain-delay", "0") as server:
            server.ready()
            server.process.send_signal(signal.SIGHUP)
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    main()
