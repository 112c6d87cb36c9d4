#!/usr/bin/python3
"""Start, broken uploads, drain, exit codes, command line. See serving.py."""
import json
import re
import signal
import struct
import subprocess
import threading
import time
import unittest
import zlib
from pathlib import Path

from serving import (DEADLINE, FOLDER, LABELS, MODEL, PICTURE, PICTURES, PROGRAM, ROOT, ProgramTest, Server, main, wait_for)


def read_all(connection):
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        received += b"RESET"
    return received


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge_png(width, height):
    """A valid 1-bit PNG: 400 million pixels compress to a few kB when all are the same."""
    row = b"\0" + b"\0" * ((width + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)) +
            png_chunk(b"IDAT", data) + png_chunk(b"IEND", b""))


class Start(ProgramTest):
    def test_listens_before_the_model_is_loaded_and_names_it_when_ready(self):
        with Server("--precision", "float32") as server:
            server.listening()
            self.assertEqual(server.get("/healthz")[0], 200)
            self.assertEqual(server.get("/")[0], 200)
            stages = set()

            def ready():
                status, body = server.get("/readyz")
                state = json.loads(body)
                stages.add(state["stage"])
                self.assertEqual(state["ready"], status == 200)
                return state if status == 200 else None
            state = wait_for("readiness", ready)
            self.assertLessEqual(stages, {"loading", "warming_up", "ready"})
            self.assertEqual(state["model"]["architecture"], "resnet18")
            self.assertRegex(state["model"]["weights_sha256"], "^[0-9a-f]{64}$")
            self.assertIn(b'inference_model_info{', server.get("/metrics")[1])
            names = ["listen", "map_file", "verify_digest", "verify_tensors", "build_float32", "prove_float32",
                     *(f"warm_up_{n}" for n in (1, 2, 4, 8))]
            told = {stage["stage"]: stage["seconds"] for stage in state["start"]["stages"]}
            self.assertEqual(sorted(told), sorted(names))
            self.assertTrue(all(0 <= seconds <= state["start"]["seconds"] for seconds in told.values()), told)
            logged = [json.loads(line) for line in server.log().splitlines()]
            self.assertEqual(sorted(line["stage"] for line in logged if line["message"] == "start stage"), sorted(names))

    def test_libtorch_is_loaded_only_when_it_computes_the_model(self):
        for option, engine in (("auto", "onednn"), ("libtorch", "libtorch")):
            with Server("--engine", option) as server:
                server.ready()
                self.assertEqual(json.loads(server.get("/readyz")[1])["model"]["engine"], engine)
                self.assertIn(f'engine="{engine}"'.encode(), server.get("/metrics")[1])
                libraries = Path(f"/proc/{server.process.pid}/maps").read_text()
                self.assertEqual("libtorch_cpu" in libraries, engine == "libtorch")

    def test_a_flag_goes_before_the_environment_and_that_before_the_default(self):
        with Server("--top-k", "3", environment={"INFERENCE_TOP_K": "2", "INFERENCE_UPLOAD_PAGE": "false"}) as server:
            server.ready()
            self.assertEqual(len(json.loads(server.classify(PICTURE)[1])["results"][0]["predictions"]), 3)
            self.assertEqual(server.get("/")[0], 404)
            self.assertIn('"message":"configuration"', server.log())
            self.assertIn('"top_k":3', server.log())

    def test_clients_that_fill_the_queue_during_the_start_do_not_end_it(self):
        with Server("--queue-depth", "2") as server:
            server.listening()
            statuses, ready = set(), threading.Event()

            def ask():
                while not ready.is_set():
                    statuses.add(server.classify(PICTURE)[0])
            clients = [threading.Thread(target=ask) for _ in range(8)]
            for client in clients:
                client.start()
            try:
                wait_for("readiness", lambda: server.get("/readyz")[0] == 200)
            finally:
                ready.set()
                for client in clients:
                    client.join()
            self.assertLessEqual(statuses, {200, 429, 503})

    def test_what_can_never_serve_ends_with_78_and_says_why(self):
        broken = FOLDER / "broken.safetensors"
        broken.write_bytes(MODEL.read_bytes()[:-4])
        self.ends_with("ModelInvalid", "--model", str(broken))
        self.ends_with("ModelInvalid", "--model", str(FOLDER / "missing.safetensors"))
        self.ends_with("ModelDigestMismatch", "--model-sha256", "0" * 64)
        self.assertIn("not a resnet152", self.ends_with("ModelInvalid", "--architecture", "resnet152"))
        self.ends_with("ConfigurationInvalid", "--top-k", "0")
        self.ends_with("ConfigurationInvalid", "--no-such-option")
        self.assertRegex(self.ends_with("ConfigurationInvalid", "--top-k", "many"), r"\A--top-k: [^\n]+\Z")
        self.ends_with("ConfigurationInvalid", environment={"INFERENCE_QUEUE_DEPTH": "many"})
        before_the_command = subprocess.run([PROGRAM, "--log-level", "error", "serve", "--lanes", "0"], stderr=subprocess.DEVNULL)
        self.assertEqual(before_the_command.returncode, 78)


class SelfTest(ProgramTest):
    PICTURE_FILE = str(PICTURES / "exif-3.jpg")

    def test_a_model_that_sees_what_is_expected_serves_and_says_so(self):
        with Server() as server:
            server.ready()
            self.assertNotIn("self_test", json.loads(server.get("/readyz")[1]))
            best = json.loads(server.classify(PICTURE)[1])["results"][0]["predictions"][0]
        with Server("--self-test-image", self.PICTURE_FILE, "--self-test-label", best["label"],
                    environment={"INFERENCE_SELF_TEST_MINIMUM_SCORE": "0.01"}) as server:
            server.ready()
            report = json.loads(server.get("/readyz")[1])["self_test"]
            self.assertEqual((report["passed"], report["label"], report["minimum_score"]), (True, best["label"], 0.01))
            self.assertAlmostEqual(report["score"], best["probability"], places=4)
            self.assertIn('"message":"self-test passed"', server.log())
        message = self.ends_with("SelfTestFailed", environment={
            "INFERENCE_SELF_TEST_IMAGE": self.PICTURE_FILE, "INFERENCE_SELF_TEST_LABEL": "tabby"})
        self.assertIn(f'taken for "{best["label"]}"', message)
        self.assertIn('expected was "tabby" with at least 0.5', message)
        message = self.ends_with("SelfTestFailed", "--self-test-image", self.PICTURE_FILE, "--self-test-label",
                                 best["label"], "--self-test-minimum-score", "1")
        self.assertIn("at least 1.0000", message)

    def test_a_self_test_that_cannot_run_ends_the_start(self):
        self.ends_with("SelfTestFailed", "--self-test-image", str(LABELS), "--self-test-label", "class-1")
        missing = str(FOLDER / "nowhere.jpg")
        message = self.ends_with("ConfigurationInvalid", "--self-test-image", missing, "--self-test-label", "class-1")
        self.assertIn("nowhere.jpg", message)
        self.ends_with("ConfigurationInvalid", "--self-test-image", self.PICTURE_FILE)
        self.ends_with("ConfigurationInvalid", "--self-test-label", "class-1")
        self.ends_with("ConfigurationInvalid", "--self-test-minimum-score", "1.5")


class BrokenUploads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().ready()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def tearDown(self):
        # Whatever came, the server lives and still classifies.
        self.assertIsNone(self.server.process.poll(), self.server.log())
        self.assertEqual(self.server.classify(PICTURE)[0], 200)

    def refused(self, body, status, code, sentence, headers=None):
        got, answer, fields = self.server.classify(body, headers=headers)
        self.assertEqual(fields["Content-Type"], "application/problem+json")
        problem = json.loads(answer)
        self.assertEqual((got, problem["code"]), (status, code))
        self.assertRegex(problem["detail"], sentence)
        self.assertTrue(problem["detail"].endswith("."))

    def test_empty(self):
        self.refused(b"", 400, "empty_body", "empty")

    def test_truncated(self):
        for name in ("exif-3.jpg", "exif-3.png"):
            picture = (PICTURES / name).read_bytes()
            self.refused(picture[:len(picture) // 2], 422, "truncated_image", "(?i)incomplete|truncated|ends|end of")

    def test_not_an_image(self):
        self.refused(b"%PDF-1.7 not a picture", 415, "unsupported_media_type", "JPEG")
        self.refused(b"%PDF-1.7", 415, "unsupported_media_type", "JPEG", {"Content-Type": "image/jpeg"})

    def test_a_png_of_a_few_kilobytes_with_400_million_pixels(self):
        before = self.server.resident_bytes()
        picture = huge_png(20000, 20000)
        self.assertLess(len(picture), 100_000)
        begin = time.monotonic()
        self.refused(picture, 413, "image_too_large", "pixels|large")
        self.assertLess(time.monotonic() - begin, 10)
        self.assertLess(self.server.resident_bytes() - before, 50_000_000)

    def test_20_megabytes_are_refused_before_they_are_read_and_the_client_sees_why(self):
        before = self.server.resident_bytes()
        with self.server.raw() as connection:
            connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\n\r\n")
            try:
                for _ in range(200):
                    connection.sendall(b"x" * 100_000)
            except OSError:
                pass  # the server may stop reading; its answer is there all the same
            answer = read_all(connection)
        self.assertTrue(answer.startswith(b"HTTP/1.1 413 "), answer[:200])
        self.assertIn(b'"code":"body_too_large"', answer)
        self.assertIn(b"10 MiB", answer)
        self.assertLess(self.server.resident_bytes() - before, 50_000_000)

    def test_20_megabytes_in_chunks_are_refused_while_they_are_read(self):
        with self.server.raw() as connection:
            connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                for _ in range(200):
                    connection.sendall(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
            except OSError:
                pass
            self.assertTrue(read_all(connection).startswith(b"HTTP/1.1 413 "))

    def test_slow_clients_are_ended_with_408_and_disturb_nobody(self):
        header = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nA: "
        body = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"
        slow = []
        for begin in [header] * 100 + [body] * 100:
            slow.append(self.server.raw())
            slow[-1].sendall(begin)
        self.assertEqual(self.server.classify(PICTURE)[0], 200)
        answers = [read_all(connection) for connection in slow]
        for connection in slow:
            connection.close()
        self.assertEqual({answer[:13] for answer in answers}, {b"HTTP/1.1 408 "})
        self.assertIn(b'"code":"request_timeout"', answers[0])


class Drain(unittest.TestCase):
    def test_sigterm_under_load_loses_no_request(self):
        with Server("--drain-delay", "1.5", "--exit-timeout", "60") as server:
            server.ready()
            outcomes, stop = [], threading.Event()

            def client():
                while not stop.is_set():
                    try:
                        outcomes.append(server.classify(PICTURE)[0])
                    except ConnectionRefusedError:
                        return  # after the listener closed
                    except OSError as error:
                        outcomes.append(error)

            clients = [threading.Thread(target=client) for _ in range(3)]
            for thread in clients:
                thread.start()
            wait_for("load", lambda: len(outcomes) >= 6)
            server.process.send_signal(signal.SIGTERM)
            state = wait_for("draining", lambda: (lambda s, b: json.loads(b) if s == 503 else None)(*server.get("/readyz")))
            self.assertEqual((state["ready"], state["stage"]), (False, "draining"))
            during = len(outcomes)
            wait_for("service during the drain delay", lambda: len(outcomes) > during)
            self.assertEqual(server.wait(), 0, server.log())
            stop.set()
            for thread in clients:
                thread.join()
            self.assertEqual(set(outcomes), {200}, outcomes)
            self.assertIn('"finished_all":true', server.log())

    def test_a_second_signal_is_fast(self):
        with Server("--drain-delay", "3000", "--exit-timeout", "3000") as server:
            server.ready()
            server.process.send_signal(signal.SIGTERM)
            wait_for("draining", lambda: '"message":"draining"' in server.log())
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)


class CommandLine(unittest.TestCase):
    def test_every_variable_is_in_the_documents_and_every_documented_one_exists(self):
        def variables(text):
            return set(re.findall(r"INFERENCE_[A-Z0-9_]+", text))
        helps = [subprocess.run([PROGRAM, *command, "--help"], stdout=subprocess.PIPE, text=True, check=True).stdout
                 for command in (["serve"], ["fetch-model"], [])]
        tables = "\n".join(line for line in (ROOT / "docs/http-api.md").read_text().splitlines()
                           if line.startswith("| `INFERENCE_"))
        self.assertEqual(variables(tables), variables("".join(helps)))

    def run_classify(self, *arguments):
        return subprocess.run([PROGRAM, "classify", "--model", str(MODEL), "--labels", str(LABELS), *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=DEADLINE)

    def test_files_are_classified_as_the_server_does(self):
        file = str(PICTURES / "exif-3.jpg")
        done = self.run_classify("--json", "--top-k", "2", file)
        self.assertEqual(done.returncode, 0, done.stderr)
        here = json.loads(done.stdout)["results"][0]["predictions"]
        with Server() as server:
            server.ready()
            there = json.loads(server.classify(PICTURE, "?k=2")[1])["results"][0]["predictions"]
        self.assertEqual([p["index"] for p in here], [p["index"] for p in there])
        for one, other in zip(here, there):
            self.assertAlmostEqual(one["probability"], other["probability"], places=5)
        self.assertRegex(self.run_classify(file).stdout, r"exif-3\.jpg\n +\d+\.\d\d %  class-\d")

    def test_a_file_that_is_no_picture_is_named_and_fails_the_run(self):
        done = self.run_classify(str(LABELS), str(FOLDER / "missing.jpg"), str(PICTURES / "exif-3.jpg"))
        self.assertEqual(done.returncode, 1)
        self.assertIn("labels.txt", done.stderr)
        self.assertIn("missing.jpg", done.stderr)
        self.assertIn("exif-3.jpg", done.stdout)


if __name__ == "__main__":
    main()
