#!/usr/bin/python3
"""The program with model files that users bring or make: PyTorch's, and classes of their own. See serving.py."""
import hashlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import unittest
from pathlib import Path

from serving import DEADLINE, FOLDER, LABELS, MODEL, PICTURES, PROGRAM, ROOT, WRITE_MODEL, ProgramTest, Server, main, wait_for

PTH = FOLDER / "resnet18.pth"
PHOTO = PICTURES / "exif-3.jpg"


def run(*arguments, environment=None):
    return subprocess.run([PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=DEADLINE, env={**os.environ, **(environment or {})})


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
        self.assertEqual([len(row) for row in json.loads(metadata["reference_logits"])["rows"]], [10])
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

    def test_a_program_that_is_ended_while_it_writes_leaves_nothing_behind(self):
        folder = FOLDER / "ended"
        folder.mkdir()
        try:
            os.close(os.open(folder, os.O_TMPFILE | os.O_RDWR))
        except OSError:
            self.skipTest("this file system has no files without a name")
        process = subprocess.Popen([PROGRAM, "convert", PTH, folder / "out", "--weights", "V2"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)

        def without_name():
            for file in Path(f"/proc/{process.pid}/fd").iterdir():
                try:
                    target = os.readlink(file)
                except OSError:
                    continue
                if target.startswith(str(folder)) and target.endswith(" (deleted)"):
                    return True
            return False

        def writing():
            self.assertIsNone(process.poll(), "it ended before it was seen writing")
            process.send_signal(signal.SIGSTOP)
            found = without_name()
            if not found:
                process.send_signal(signal.SIGCONT)
            return found
        wait_for("writing", writing)
        process.terminate()
        process.send_signal(signal.SIGCONT)
        self.assertEqual(process.wait(DEADLINE), -signal.SIGTERM)
        self.assertEqual(list(folder.iterdir()), [])

    def test_pipes_and_devices_are_neither_waited_for_nor_replaced(self):
        pipe = FOLDER / "pipe"
        os.mkfifo(pipe)
        for words in (("convert", PTH, pipe, "--weights", "V1"), ("convert", pipe, FOLDER / "of-a-pipe"),
                      ("convert", PTH, FOLDER / "of-a-pipe", "--weights", "V1", "--labels", pipe),
                      ("classify", "--model", pipe, PHOTO), ("classify", "--model", MODEL, pipe)):
            done = run(*words)
            self.assertEqual(done.returncode, 1, words)
            self.assertRegex(done.stderr, "pipe (is not a|is no) regular file|is a device or a pipe", words)
        self.assertTrue(pipe.is_fifo())
        self.assertFalse((FOLDER / "of-a-pipe").exists())

    def test_numbers_that_are_none_are_refused(self):
        for seed in ("-1", "99999999999999999999999", "1x", ""):
            done = run("draw-pictures", "--output", FOLDER / "not-drawn", "--seed", seed)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("--seed", done.stderr)
        self.assertFalse((FOLDER / "not-drawn").exists())

    def test_names_with_control_characters_are_shown_without_them_and_an_assumption_is_told(self):
        picture = FOLDER / "pic\x1b[31mture.jpg"
        shutil.copy(PHOTO, picture)
        done = run("classify", "--model", PTH, picture, FOLDER / "no\x1b[31mwhere.jpg")
        self.assertEqual(done.returncode, 1)
        self.assertIn("pic[31mture.jpg\n", done.stdout)
        self.assertIn("no[31mwhere.jpg", done.stderr)
        self.assertNotIn("\x1b", done.stdout + done.stderr)
        self.assertIn('"otherwise":"--preprocessing imagenet-v1 (256)"', done.stderr)
        self.assertNotIn("otherwise", run("classify", "--model", PTH, "--preprocessing", "imagenet-v2", picture).stderr)

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


class TorchScript(ProgramTest):
    def script(self, body):
        path = FOLDER / f"script-{hashlib.sha256(body.encode()).hexdigest()[:8]}.pt"
        subprocess.run([Path(WRITE_MODEL).with_name("write_script_model"), path, body], check=True)
        return path

    def test_a_program_is_run_only_if_that_is_allowed_and_says_as_many_classes_as_it_has(self):
        path = self.script("return x.mean([2, 3])")
        self.assertIn("only --allow-torchscript true runs it", self.ends_with("ModelInvalid", "--model", str(path)))
        answer = predictions(path, "--allow-torchscript", "true")
        self.assertEqual(sorted(p["label"] for p in answer), ["class 0", "class 1", "class 2"])
        self.assertAlmostEqual(sum(p["probability"] for p in answer), 1, places=3)
        three = FOLDER / "three.txt"
        three.write_text("red\ngreen\nblue\n")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        with Server("--model", str(path), "--allow-torchscript", "true", "--labels", str(three), "--model-sha256",
                    digest) as server:
            server.ready()
            self.assertEqual(json.loads(server.get("/readyz")[1])["model"]["architecture"], "torchscript")
            best = json.loads(server.classify(PHOTO.read_bytes())[1])["results"][0]["predictions"][0]
            self.assertIn(best["label"], ("red", "green", "blue"))
        self.assertIn("10 labels, but 3 classes",
                      self.ends_with("ModelInvalid", "--model", str(path), "--allow-torchscript", "true"))

    def test_programs_that_are_no_classifiers_or_not_the_expected_ones_are_refused(self):
        allowed = ("--allow-torchscript", "true")
        for sentence, body in (("a number for each class", "return x"), ("a number for each class", "return 1"),
                               ("unusable", "return x.mean([7])"), ("unusable", "assert False, 'no'\n  return x")):
            self.assertIn(sentence, self.ends_with("ModelInvalid", "--model", str(self.script(body)), *allowed))
        path = self.script("return x.mean([2, 3])")
        self.ends_with("ModelDigestMismatch", "--model", str(path), "--model-sha256", "0" * 64, *allowed)
        cut = FOLDER / "cut.pt"
        cut.write_bytes(path.read_bytes()[:-100])
        self.ends_with("ModelInvalid", "--model", str(cut), *allowed)
        self.assertIn("onednn", self.ends_with("ModelInvalid", "--model", str(path), "--engine", "onednn", *allowed))


class Calibration(ProgramTest):
    def test_a_calibrated_model_is_served_in_int8_and_every_answer_says_so(self):
        images, target = FOLDER / "to-calibrate", FOLDER / "int8.safetensors"
        self.assertEqual(run("draw-pictures", "--output", images, "--set", "fitting", "--per-class", 1).returncode, 0)
        (images / "notes.txt").write_text("no picture")
        (images / "more").mkdir()
        (images / "notes.txt").rename(images / "more/no\x1b[31mtes.txt")
        done = run("calibrate", "--model", MODEL, "--images", images, "--out", target, "--least-agreement", 0)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("skipped: more/no[31mtes.txt: ", done.stderr)
        self.assertIn("9 pictures measured; on 3 others", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], f"{hashlib.sha256(target.read_bytes()).hexdigest()}  {target}")
        self.assertLess(3 * target.stat().st_size, MODEL.stat().st_size)
        again = run("convert", target, FOLDER / "again.safetensors")
        self.assertEqual(again.returncode, 1)
        self.assertIn("is in int8 as inference-server calibrate wrote it", again.stderr)
        with Server("--model", str(target)) as server:
            server.ready()
            ready = json.loads(server.get("/readyz")[1])["model"]
            self.assertEqual((ready["precision"], ready["engine"], "precision_note" in ready), ("int8", "onednn", False))
            self.assertEqual(sorted(ready["layer_seconds"]), ["float32", "int8"])
            self.assertEqual(json.loads(server.classify(PHOTO.read_bytes())[1])["model"]["precision"], "int8")
        with Server("--model", str(MODEL), "--precision", "int8") as server:
            server.ready()
            ready = json.loads(server.get("/readyz")[1])["model"]
            self.assertEqual(ready["precision"], "float32")
            self.assertIn("inference-server calibrate", ready["precision_note"])

    def test_the_model_may_stand_in_the_environment_and_an_assumption_about_its_pictures_is_told(self):
        script, pth = Path(__file__).parent / "model/write_torch_files.py", FOLDER / "to-calibrate.pth"
        subprocess.run([sys.executable, "-B", str(script), str(MODEL), str(pth)], check=True)
        images = FOLDER / "photos"
        images.mkdir()
        for n in range(4):
            shutil.copy(PHOTO, images / f"{n}.jpg")
        done = run("calibrate", "--images", images, "--out", FOLDER / "assumed", "--least-agreement", 0,
                   environment={"INFERENCE_MODEL": str(pth)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("to-calibrate.pth does not say how pictures are prepared; assumed: shorter side 232", done.stderr)
        self.assertIn("convert --weights V1", done.stderr)

    def test_folders_without_enough_pictures_are_refused_and_nothing_is_written(self):
        empty, broken, target = FOLDER / "nothing", FOLDER / "broken", FOLDER / "uncalibrated"
        empty.mkdir()
        broken.mkdir()
        for n in range(5):
            (broken / f"{n}.jpg").write_bytes(PHOTO.read_bytes()[:200])
        few = FOLDER / "few"
        few.mkdir()
        for n in range(5):
            shutil.copy(PHOTO, few / f"{n}.jpg")
        for sentence, images in (("only 1 pictures were left to compare", few), ("cannot be read", FOLDER / "nowhere"), ("holds no files", empty),
                                 ("0 of 5 files could be read", broken)):
            done = run("calibrate", "--model", MODEL, "--images", images, "--out", target)
            self.assertEqual(done.returncode, 1)
            self.assertIn(sentence, done.stderr)
        self.assertEqual(list(FOLDER.glob("uncalibrated*")), [])


class OwnClasses(ProgramTest):
    @classmethod
    def setUpClass(cls):
        drawn = run("draw-pictures", "--output", FOLDER / "drawn", "--set", "fitting", "--per-class", 6)
        assert drawn.returncode == 0, drawn.stderr

    def pictures(self, *labels, count=6):
        """A folder with so many pictures of each label."""
        folder = FOLDER / self.id()
        for label in labels:
            (folder / label).mkdir(parents=True)
            for picture in sorted((FOLDER / "drawn" / label).iterdir())[:count]:
                shutil.copy(picture, folder / label)
        return folder

    def fit(self, images, target, *options):
        return run("fit", "--images", images, "--model", MODEL, "--out", target, *options)

    def test_the_commands_of_the_documentation_make_a_model_that_is_served_and_has_learned(self):
        folder = FOLDER / "documentation"
        folder.mkdir()
        os.link(MODEL, folder / "backbone.safetensors")
        page = (ROOT / "docs/your-own-classes.md").read_text()
        block = re.search("## From pictures to answers\n.*?```sh\n(.*?)```", page, re.DOTALL).group(1)
        # The small seeded network in the place of the demo model's, which takes minutes to make.
        commands = block.replace('"$(scripts/demo-model)"', "backbone.safetensors").splitlines()
        self.assertEqual(commands.pop(0), 'export PATH="$PWD/build/release/bin:$PATH"')
        self.assertEqual([command.split()[:2] for command in commands],
                         [["inference-server", word] for word in ("draw-pictures", "fit", "classify")])
        for command in commands:
            done = subprocess.run([PROGRAM, *command.split()[1:]], cwd=folder, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=3 * DEADLINE)
            self.assertEqual(done.returncode, 0, done.stderr)
            if " fit " in command:
                self.assertRegex(done.stderr, r"96 of 120 pictures, about \d+ s left")
                self.assertIn("12 classes, 96 pictures fitted, 0 left out", done.stdout)
                right = float(re.search(r"([\d.]+) % of 24 held-out pictures are right", done.stdout).group(1))
                self.assertGreater(right, 40)  # chance is 8
                digest = hashlib.sha256((folder / "own.safetensors").read_bytes()).hexdigest()
                self.assertIn(f"{digest}  own.safetensors", done.stdout)
        self.assertRegex(done.stdout, r"\d %  \w+")
        with Server("--model", str(folder / "own.safetensors"), "--model-sha256", digest, "--labels", "") as server:
            server.ready()
            self.assertNotIn("libtorch", Path(f"/proc/{server.process.pid}/maps").read_text())
            right = 0
            shown = [path for label in sorted((folder / "pictures").iterdir()) for path in sorted(label.iterdir())[:2]]
            for path in shown:
                status, body, _ = server.classify(path.read_bytes())
                self.assertEqual(status, 200)
                best = json.loads(body)["results"][0]["predictions"][0]
                right += best["label"] == path.parent.name
            self.assertGreater(right, len(shown) * 0.7)

    def test_a_damaged_picture_is_named_and_left_out_and_the_seed_decides_the_file(self):
        folder = self.pictures("star", "tree")
        (folder / "star/broken\x1b[31m.jpg").write_bytes(PHOTO.read_bytes()[:200])
        (folder / "star/.hidden").write_text("nothing")
        (folder / ".cache").mkdir()
        digests = []
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            done = self.fit(folder, FOLDER / name, "--seed", seed)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stderr, r"left out star/broken\[31m\.jpg: ")
            self.assertIn("2 classes, 10 pictures fitted, 1 left out", done.stdout)
            digests.append(hashlib.sha256((FOLDER / name).read_bytes()).hexdigest())
        self.assertEqual(digests[0], digests[1])
        self.assertNotEqual(digests[0], digests[2])

    def test_too_few_pictures_or_classes_and_names_that_can_be_no_label_are_said_clearly(self):
        folder = self.pictures("star", "tree", count=3)
        (empty := FOLDER / "empty").mkdir()
        for label in ("a", "b"):
            (empty / label).mkdir()
        hostile = FOLDER / "hostile"
        shutil.copytree(FOLDER / "drawn/tree", hostile / "tree")
        shutil.copytree(FOLDER / "drawn/star", hostile / "star\x1b]0;title\x07")
        undecodable = FOLDER / "undecodable"
        shutil.copytree(FOLDER / "drawn/tree", undecodable / "tree")
        shutil.copytree(FOLDER / "drawn/star", undecodable / os.fsdecode(b"\xff"))
        for sentence, images in (("class star has 3 pictures", folder), ("at least two classes", folder / "star"),
                                 ("class a has no picture", empty), ("cannot be read", folder / "nowhere"),
                                 (r'"star\u001b]0;title\u0007" can give no class its name', hostile),
                                 ("is not UTF-8", undecodable)):
            done = self.fit(images, FOLDER / "unfitted")
            self.assertEqual(done.returncode, 1)
            self.assertIn(sentence, done.stderr)
            self.assertNotIn("\x1b", done.stderr)
            self.assertEqual(list(FOLDER.glob("unfitted*")), [])

    def test_a_backbone_that_does_not_say_how_pictures_are_prepared_is_refused(self):
        script = Path(__file__).parent / "model/write_torch_files.py"
        subprocess.run([sys.executable, "-B", str(script), str(MODEL), str(FOLDER / "backbone.pth")], check=True)
        done = run("fit", "--images", self.pictures("star", "tree"), "--model", FOLDER / "backbone.pth", "--out", FOLDER / "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("inference-server convert", done.stderr)


if __name__ == "__main__":
    main()
