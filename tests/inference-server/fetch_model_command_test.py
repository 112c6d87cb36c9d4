#!/usr/bin/python3
"""`fetch-model` as an init container runs it, then `serve` with what it left. See serving.py."""
import hashlib
import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

from serving import DEADLINE, FOLDER, MODEL, PROGRAM, TERMINATION_LOG, ProgramTest, Server, main, make_certificate, wait_for


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class FetchModel(ProgramTest):
    @classmethod
    def setUpClass(cls):
        make_certificate("models")
        cls.ca = FOLDER / "models.crt"
        cls.served = FOLDER / "served"
        cls.served.mkdir()
        os.link(MODEL, cls.served / "weights.bin")
        (cls.served / "page.html").write_text("<html>\n")
        script = Path(__file__).parent / "model/https_server.py"
        cls.log = FOLDER / "https-server.log"
        with open(cls.log, "w") as log:
            cls.server = subprocess.Popen([sys.executable, "-B", str(script), str(cls.ca), str(FOLDER / "models.key"),
                                           str(cls.served)], stdout=log, stderr=subprocess.DEVNULL)
        cls.port = int(wait_for("the port", lambda: cls.log.read_text().split("\n")[0] if "\n" in cls.log.read_text() else 0))

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()

    def setUp(self):
        TERMINATION_LOG.write_text("")
        self.folder = FOLDER / self.id()

    def environment(self, path="weights.bin", **changes):
        wanted = {"URL": f"https://localhost:{self.port}/{path}?sig=hidden-key", "SHA256": digest_of(MODEL),
                  "CA_FILE": str(self.ca), "DIRECTORY": str(self.folder), "NAME": "model.safetensors", "ATTEMPTS": "1", **changes}
        return {**os.environ, "INFERENCE_TERMINATION_LOG": str(TERMINATION_LOG),
                **{f"INFERENCE_FETCH_{name}": value for name, value in wanted.items()}}

    def fetch(self, path="weights.bin", **changes):
        done = subprocess.run([PROGRAM, "fetch-model"], env=self.environment(path, **changes), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=DEADLINE)
        self.assertNotIn("hidden-key", done.stdout + done.stderr + TERMINATION_LOG.read_text())
        return done

    def fails(self, code, reason, sentence, path="weights.bin", **changes):
        TERMINATION_LOG.write_text("")
        done = self.fetch(path, **changes)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(f'"reason":"{reason}"', TERMINATION_LOG.read_text())
        self.assertRegex(TERMINATION_LOG.read_text(), sentence)
        self.assertEqual([str(file) for file in self.folder.glob("*")], [])

    def test_the_server_serves_what_was_fetched_and_a_restart_downloads_nothing(self):
        self.assertEqual(self.fetch().returncode, 0)
        self.assertEqual([file.name for file in self.folder.iterdir()], ["model.safetensors"])
        requests = self.log.read_text().count("/weights.bin")
        self.assertEqual(self.fetch().returncode, 0)
        self.assertEqual(self.log.read_text().count("/weights.bin"), requests)
        self.assertEqual(TERMINATION_LOG.read_text(), "")
        with Server("--model", str(self.folder / "model.safetensors"), "--model-sha256", digest_of(MODEL)) as server:
            server.ready()

    def test_failures_that_no_restart_heals_end_with_78(self):
        self.fails(78, "ModelDigestMismatch", digest_of(MODEL), SHA256="0" * 64)
        self.fails(78, "ModelInvalid", "larger than 1000 bytes", MAX_BYTES="1000")
        self.fails(78, "ModelInvalid", "not a safetensors file", "page.html", SHA256=digest_of(self.served / "page.html"))
        self.fails(78, "ConfigurationInvalid", "--url needs --sha256", SHA256="")
        self.fails(78, "ConfigurationInvalid", "64 lower-case hex digits", SHA256="ABC")
        self.fails(78, "ConfigurationInvalid", "https", URL="http://localhost/weights.bin")
        self.fails(78, "ConfigurationInvalid", "nowhere.crt", CA_FILE=str(FOLDER / "nowhere.crt"))
        self.fails(78, "ConfigurationInvalid", "--timeout", TIMEOUT="soon")

    def test_failures_that_another_attempt_may_heal_end_with_1(self):
        self.fails(1, "ModelUnavailable", "404", "missing.bin")
        self.fails(1, "ModelUnavailable", "failed", "cut/weights.bin")
        self.fails(1, "ModelUnavailable", "(?i)certificate", CA_FILE="")
        self.fails(1, "ModelUnavailable", "(?i)timeout|timed out", "half/weights.bin", TIMEOUT="1")

    def test_a_pod_that_is_deleted_meanwhile_does_not_wait(self):
        process = subprocess.Popen([PROGRAM, "fetch-model"], env=self.environment("half/weights.bin"),
                                   stderr=subprocess.DEVNULL)
        part = self.folder / "model.safetensors.part"
        wait_for("the first half", lambda: part.exists() and part.stat().st_size > 0)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE), 1)
        self.assertFalse(part.exists())

    def test_a_download_that_was_killed_is_started_over(self):
        process = subprocess.Popen([PROGRAM, "fetch-model"], env=self.environment("half/weights.bin"),
                                   stderr=subprocess.DEVNULL)
        part = self.folder / "model.safetensors.part"
        wait_for("the first half", lambda: part.exists() and part.stat().st_size > 0)
        process.kill()
        process.wait()
        self.assertEqual([file.name for file in self.folder.iterdir()], [part.name])
        self.assertEqual(self.fetch().returncode, 0)
        self.assertEqual(digest_of(self.folder / "model.safetensors"), digest_of(MODEL))
        self.assertFalse(part.exists())

    def test_a_folder_in_the_place_of_the_file_is_a_wrong_configuration_and_not_tried_again(self):
        (self.folder / "model.safetensors").mkdir(parents=True)
        done = self.fetch()
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn('"reason":"ConfigurationInvalid"', TERMINATION_LOG.read_text())
        self.assertIn("model.safetensors is a folder", TERMINATION_LOG.read_text())
        self.assertEqual([file.name for file in self.folder.iterdir()], ["model.safetensors"])


if __name__ == "__main__":
    main()
