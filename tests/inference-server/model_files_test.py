#!/usr/bin/python3
"""The program with files of other kinds than its own: PyTorch's. See serving.py."""
import hashlib
import json
import subprocess
import sys
import unittest
from pathlib import Path

from serving import DEADLINE, FOLDER, LABELS, MODEL, PICTURES, PROGRAM, ProgramTest, Server, main

PTH = FOLDER / "resnet18.pth"
PHOTO = PICTURES / "exif-3.jpg"


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=DEADLINE)


def predictions(model, *options):
    done = run("classify", "--json", "--top-k", 100, "--model", model, *options, PHOTO)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["results"][0]["predictions"]


class TorchFile(ProgramTest):
    @classmethod
    def setUpClass(cls):
        script = Path(__file__).parent / "model/write_torch_files.py"
        subprocess.run([sys.executable, "-B", str(script), str(MODEL), str(PTH)], check=True)

    def test_a_pth_file_is_served_as_it_is_and_answers_as_the_safetensors_file_does(self):
        self.assertEqual(predictions(PTH), predictions(MODEL))
        with Server("--model", str(PTH), "--model-sha256", hashlib.sha256(PTH.read_bytes()).hexdigest()) as server:
            server.ready()
            self.assertEqual(json.loads(server.get("/readyz")[1])["model"]["architecture"], "resnet18")

    def test_a_pth_file_with_code_ends_the_server_and_the_code_is_named(self):
        folder = FOLDER / "cases"
        folder.mkdir()
        script = Path(__file__).parent / "model/write_torch_files.py"
        subprocess.run([sys.executable, "-B", str(script), str(folder)], check=True)
        self.assertIn("posix.system", self.ends_with("ModelInvalid", "--model", str(folder / "code.pth")))
        self.assertIn("TorchScript", self.ends_with("ModelInvalid", "--model", str(folder / "script.pth")))
        self.assertFalse((folder / "executed").exists())


if __name__ == "__main__":
    main()
