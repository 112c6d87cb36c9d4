#!/usr/bin/python3
"""What those who run it use: configuration. See serving.py."""
import json
import os
import subprocess

from serving import DEADLINE, FOLDER, LABELS, MODEL, PICTURE, PROGRAM, ProgramTest, Server, main


def write(name, text):
    path = FOLDER / name
    path.write_text(text)
    return str(path)


class Configuration(ProgramTest):
    def test_a_printed_configuration_serves_as_it_says(self):
        file = write("first.yaml", f"model: {MODEL}\nlabels: {LABELS}\ntop-k: 2\nqueue-depth: 7\nupload-page: false\n")
        printed = subprocess.run([PROGRAM, "serve", "--print-config", "--config", file, "--queue-depth", "8"],
                                 env={**os.environ, "INFERENCE_TOP_K": "3"}, capture_output=True, text=True, timeout=DEADLINE)
        self.assertEqual(printed.returncode, 0, printed.stderr)
        for line in (f"model: {MODEL}  # file, line 1", "top-k: 3  # environment INFERENCE_TOP_K", "queue-depth: 8  # flag",
                     "upload-page: false  # file, line 5", "drain-delay: 5  # default"):
            self.assertIn(line, printed.stdout.splitlines())
        again = write("second.yaml", printed.stdout.replace("0.0.0.0:8080", "127.0.0.1:0"))
        with Server("--config", again) as server:
            server.ready()
            self.assertEqual(len(json.loads(server.classify(PICTURE)[1])["results"][0]["predictions"]), 3)
            self.assertEqual(server.get("/")[0], 404)
            self.assertIn('"queue_depth":8', server.log())

    def test_a_file_that_is_wrong_ends_the_start_with_line_and_hint(self):
        file = write("wrong.yaml", "top-k: 2\nqueue_depth: 7\n")
        message = self.ends_with("ConfigurationInvalid", "--config", file)
        self.assertIn("line 2: there is no option queue_depth; did you mean queue-depth?", message)
        self.assertIn("nowhere.yaml", self.ends_with("ConfigurationInvalid", environment={
            "INFERENCE_CONFIG": str(FOLDER / "nowhere.yaml")}))
        self.assertIn("did you mean --queue-depth?", self.ends_with("ConfigurationInvalid", "--queue-dept", "7"))


if __name__ == "__main__":
    main()
