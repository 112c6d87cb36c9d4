#!/usr/bin/python3
"""The program with files of other kinds than its own: PyTorch's. See serving.py."""
import hashlib
import json
import struct
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


def loads_libtorch(model):
    with Server("--model", str(model)) as server:
        server.ready()
        return "libtorch" in Path(f"/proc/{server.process.pid}/maps").read_text()


def read_safetensors(path):
    """Its metadata, its tensors' bytes by name, and where the first one begins."""
    content = path.read_bytes()
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:begin])
    metadata = header.pop("__metadata__")
    tensors = {name: (item["shape"], content[begin + item["data_offsets"][0]:begin + item["data_offsets"][1]])
               for name, item in header.items()}
    return metadata, tensors, begin


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

    def test_convert_keeps_every_bit_and_writes_a_whole_manifest(self):
        target = FOLDER / "converted.safetensors"
        labels = FOLDER / "index_to_name.json"
        labels.write_text(json.dumps({str(i): [f"n0000000{i}", "crane" if i % 2 else f"bird {i}"] for i in range(10)}))
        done = run("convert", PTH, target, "--architecture", "resnet18", "--weights", "V1", "--labels", labels)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target}\n")
        metadata, tensors, begin = read_safetensors(target)
        self.assertEqual(begin % 64, 0)
        self.assertEqual(tensors, read_safetensors(MODEL)[1])
        self.assertEqual({name: metadata[name] for name in ("architecture", "resize", "crop", "temperature", "precision")},
                         {"architecture": "resnet18", "resize": "256", "crop": "224", "temperature": "1.0",
                          "precision": "float32"})
        self.assertEqual([len(json.loads(metadata[name])) for name in ("mean", "std", "labels", "wnids")], [3, 3, 10, 10])
        self.assertEqual([len(row) for row in json.loads(metadata["reference_logits"])["rows"]], [10, 10])
        names = "".join(f"{name}\n" for name in json.loads(metadata["labels"]))
        self.assertEqual(metadata["labels_sha256"], hashlib.sha256(names.encode()).hexdigest())
        answer = predictions(target)
        for prediction in answer:
            self.assertEqual(prediction["wnid"], f"n0000000{prediction['index']}")
        self.assertEqual(sorted(p["index"] for p in answer if p["label"] == "crane"), [1, 3, 5, 7, 9])
        numbers = [(p["index"], p["probability_raw"]) for p in predictions(PTH, "--preprocessing", "imagenet-v1")]
        self.assertEqual([(p["index"], p["probability_raw"]) for p in answer], numbers)
        self.assertFalse(loads_libtorch(target))  # its own logits prove the engine
        self.assertTrue(loads_libtorch(PTH))

    def test_convert_says_what_does_not_fit_and_leaves_nothing_behind(self):
        target = FOLDER / "refused.safetensors"
        two = FOLDER / "two.txt"
        two.write_text("a\nb\n")
        for sentence, *options in (("--weights V1", PTH), ("holds a resnet18", PTH, "--architecture", "resnet50"),
                                   ("2 labels, but 10 classes", PTH, "--weights", "V2", "--labels", two),
                                   ("no file", FOLDER / "nowhere.pth"), ("safetensors", LABELS, "--weights", "V1")):
            done = run("convert", options[0], target, *options[1:])
            self.assertEqual(done.returncode, 1)
            self.assertIn(sentence, done.stderr)
        self.assertEqual(list(FOLDER.glob("refused*")), [])
        self.assertIn("2 labels", self.ends_with("ModelInvalid", "--labels", str(two)))

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
