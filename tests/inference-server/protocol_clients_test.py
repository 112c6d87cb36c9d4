#!/usr/bin/python3
"""Other people's clients, unmodified, against the real program: Triton's and KServe's for the Open Inference Protocol, curl for
TorchServe's addresses. The Python clients live in an environment of their own in $IC_CACHE, made when it is missing."""
import base64
import fcntl
import json
import math
import os
import struct
import subprocess
import sys
import unittest
import zlib
from pathlib import Path

WANTED = Path(__file__).with_name("protocol_clients.txt")
CACHE = Path(os.environ.get("IC_CACHE") or Path.home() / ".cache/imageclassifier").absolute()


def in_environment():
    """Starts this program again with the clients at hand."""
    folder = CACHE / "tools/protocol-clients"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = folder / "installed.txt"
        if not marker.exists() or marker.read_text() != WANTED.read_text():
            print("protocol clients: installing", WANTED.name, "into", folder, flush=True)
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            subprocess.run([folder / "bin/pip", "install", "--disable-pip-version-check", "--no-deps", "--no-compile", "-r",
                            WANTED], check=True)
            marker.write_text(WANTED.read_text())
    os.execv(folder / "bin/python", [folder / "bin/python", "-B", *sys.argv])


try:
    import numpy
    import tritonclient.http as triton
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
    from tritonclient.utils import InferenceServerException
except ImportError:
    if sys.prefix != sys.base_prefix:
        raise
    in_environment()

import serving  # noqa: E402
from serving import PICTURE, Server  # noqa: E402

MODEL = "resnet18"
MEAN, STD, COLOUR = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (200, 90, 30)


def png_of_one_colour(side=300):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = (b"\0" + bytes(COLOUR) * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tensor_of_one_colour():
    """What the picture above is to the network: resizing and cropping change nothing in it."""
    planes = [numpy.full((224, 224), (value / 255 - mean) / std, dtype=numpy.float32) for value, mean, std in zip(COLOUR, MEAN, STD)]
    return numpy.stack(planes)[None]


def softmax(values):
    powers = numpy.exp(values - values.max())
    return powers / powers.sum()


class Clients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server()).ready()
        cls.host = f"127.0.0.1:{cls.server.port}"

    def picture_logits(self):
        """Of the one-coloured picture, by the plainest request."""
        body = json.dumps({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1],
                                       "data": [base64.b64encode(png_of_one_colour()).decode()]}]})
        status, answer, _ = self.server.request("POST", f"/v2/models/{MODEL}/infer", body)
        self.assertEqual(status, 200, answer)
        outputs = {output["name"]: output["data"] for output in json.loads(answer)["outputs"]}
        return numpy.array(outputs["logits"], dtype=numpy.float32)


class Triton(Clients):
    def setUp(self):
        self.client = triton.InferenceServerClient(self.host)
        self.addCleanup(self.client.close)

    def tensor(self, binary=True):
        values = tensor_of_one_colour()
        given = triton.InferInput("input", list(values.shape), "FP32")
        given.set_data_from_numpy(values, binary_data=binary)
        return given

    def image(self, *pictures):
        given = triton.InferInput("image", [len(pictures)], "BYTES")
        given.set_data_from_numpy(numpy.array(pictures, dtype=object))
        return given

    def test_health_and_metadata(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready(MODEL))
        self.assertTrue(self.client.is_model_ready(MODEL, "1"))
        self.assertFalse(self.client.is_model_ready("other"))
        self.assertIn("binary_tensor_data", self.client.get_server_metadata()["extensions"])
        metadata = self.client.get_model_metadata(MODEL, "1")
        self.assertEqual([tensor["name"] for tensor in metadata["inputs"]], ["image", "input"])
        self.assertEqual(metadata["outputs"][0]["shape"], [-1, 10])

    def test_picture_and_tensor_in_every_form_have_the_logits_of_v1(self):
        expected = self.picture_logits()
        self.assertEqual(expected.shape, (10,))
        self.assertGreater(expected.max() - expected.min(), 0.01)
        named = [triton.InferRequestedOutput("logits", binary_data=False), triton.InferRequestedOutput("probabilities")]
        for inputs in ([self.tensor()], [self.tensor(binary=False)], [self.image(png_of_one_colour())]):
            for outputs in (None, named):
                result = self.client.infer(MODEL, inputs, outputs=outputs, request_id="one")
                self.assertEqual(result.get_response()["id"], "one")
                logits = result.as_numpy("logits").reshape(-1)
                numpy.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
                numpy.testing.assert_allclose(result.as_numpy("probabilities").reshape(-1), softmax(expected), rtol=0, atol=1e-5)
        _, answer, _ = self.server.classify(png_of_one_colour(), "?k=10")
        for prediction in json.loads(answer)["results"][0]["predictions"]:
            self.assertTrue(math.isclose(prediction["probability"], softmax(expected)[prediction["index"]], abs_tol=1e-5))

    def test_several_pictures_and_classification(self):
        outputs = [triton.InferRequestedOutput("probabilities", class_count=3)]
        result = self.client.infer(MODEL, [self.image(PICTURE, png_of_one_colour())], outputs=outputs)
        classes = result.as_numpy("probabilities")
        self.assertEqual(classes.shape, (2, 3))
        value, index, label = classes[1][0].decode().split(":")
        self.assertEqual(int(index), int(self.picture_logits().argmax()))
        self.assertEqual(label, f"class-{index}")
        self.assertAlmostEqual(float(value), float(softmax(self.picture_logits()).max()), places=5)

    def test_compression_both_ways(self):
        pictures = self.image(*[png_of_one_colour()] * 32)
        for algorithm in ("gzip", "deflate"):
            result = self.client.infer(MODEL, [pictures], request_compression_algorithm=algorithm,
                                       response_compression_algorithm=algorithm)
            self.assertEqual(result.as_numpy("logits").shape, (32, 10))
            numpy.testing.assert_allclose(result.as_numpy("logits")[31], self.picture_logits(), rtol=0, atol=1e-4)

    def test_schedule_and_statistics(self):
        before = self.client.get_inference_statistics(MODEL)["model_stats"][0]
        self.client.infer(MODEL, [self.image(PICTURE, PICTURE)], priority=1, timeout=30_000_000)
        with self.assertRaisesRegex(InferenceServerException, r"\[429\]|busy|time limit"):
            self.client.infer(MODEL, [self.tensor()], timeout=1)
        after = self.client.get_inference_statistics(MODEL)["model_stats"][0]
        self.assertEqual(after["inference_count"] - before["inference_count"], 2)
        self.assertGreaterEqual(after["execution_count"] - before["execution_count"], 1)
        self.assertEqual(after["inference_stats"]["success"]["count"] - before["inference_stats"]["success"]["count"], 1)
        self.assertEqual(after["inference_stats"]["fail"]["count"] - before["inference_stats"]["fail"]["count"], 1)
        self.assertGreater(after["inference_stats"]["compute_infer"]["ns"], before["inference_stats"]["compute_infer"]["ns"])

    def test_the_text_of_an_error_arrives(self):
        with self.assertRaisesRegex(InferenceServerException, "JPEG, PNG"):
            self.client.infer(MODEL, [self.image(b"no picture at all")])
        with self.assertRaisesRegex(InferenceServerException, "no such model"):
            self.client.get_model_metadata("other")


class KServe(Clients, unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.client = InferenceRESTClient(RESTConfig(protocol="v2"))
        self.addAsyncCleanup(self.client.close)
        self.url = "http://" + self.host

    async def test_health(self):
        self.assertTrue(await self.client.is_server_live(self.url))
        self.assertTrue(await self.client.is_server_ready(self.url))
        self.assertTrue(await self.client.is_model_ready(self.url, MODEL))
        self.assertFalse(await self.client.is_model_ready(self.url, "other"))

    async def test_inference_in_json_and_binary(self):
        values = tensor_of_one_colour()
        for binary in (False, True):
            given = InferInput("input", list(values.shape), "FP32")
            given.set_data_from_numpy(values, binary_data=binary)
            request = InferRequest(MODEL, [given], request_id="two", parameters={"binary_data_output": binary})
            answer = await self.client.infer(self.url, request, model_name=MODEL)
            self.assertEqual((answer.model_name, answer.id), (MODEL, "two"))
            outputs = {output.name: output.as_numpy() for output in answer.outputs}
            numpy.testing.assert_allclose(outputs["logits"].reshape(-1), self.picture_logits(), rtol=0, atol=1e-5)

    async def test_the_text_of_an_error_arrives(self):
        with self.assertRaisesRegex(Exception, "exactly one"):
            await self.client.infer(self.url, {"inputs": []}, model_name=MODEL)

    async def test_a_server_that_is_not_ready_says_so(self):
        with Server("--drain-delay", "60") as server:
            server.ready().process.terminate()
            serving.wait_for("draining", lambda: server.get("/readyz")[0] == 503)
            url = f"http://127.0.0.1:{server.port}"
            self.assertTrue(await self.client.is_server_live(url))
            self.assertFalse(await self.client.is_model_ready(url, MODEL))
            with self.assertRaisesRegex(Exception, "stage is draining"):
                await self.client.is_server_ready(url)
            client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
            self.addCleanup(client.close)
            self.assertFalse(client.is_server_ready())
            self.assertTrue(client.is_server_live())


class Curl(Clients):
    def curl(self, *arguments):
        run = subprocess.run(["curl", "--silent", "--show-error", "--fail-with-body", *arguments], capture_output=True, text=True,
                             timeout=serving.DEADLINE)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        return json.loads(run.stdout)

    def test_predictions_of_a_file_and_of_a_form(self):
        picture = serving.FOLDER / "colour.png"
        picture.write_bytes(png_of_one_colour())
        probabilities = softmax(self.picture_logits())
        url = f"http://{self.host}/predictions/{MODEL}"
        batch = self.curl(url, "-F", f"data=@{picture}", "-F", f"data=@{picture}")
        self.assertEqual(len(batch), 2)
        for answer in (*batch, self.curl(url, "-T", str(picture)), self.curl(url, "-F", f"data=@{picture}"),
                       self.curl(url + "/1", "-F", f"data=@{picture}")):
            self.assertEqual(len(answer), 5)
            for label, probability in answer.items():
                self.assertAlmostEqual(probability, float(probabilities[int(label.removeprefix("class-"))]), places=5)
        self.assertEqual(self.curl(f"http://{self.host}/ping"), {"status": "Healthy"})
        self.assertIn("/predictions/{model}", self.curl("-X", "OPTIONS", f"http://{self.host}/")["paths"])


if __name__ == "__main__":
    del Clients  # what they share is no test
    serving.main()
