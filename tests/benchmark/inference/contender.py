"""One contender of `make bench-inference`: reads commands line by line, answers each with one line of JSON.

contender.py ENGINE PRECISION FOLDER. The folder holds model.safetensors (torchvision's names), model.onnx, model-int8.onnx and
model-int8.xml, as prepare.py has made them. Commands: `model N`, `preprocess FILE N`, `labels FILE N` (milliseconds each),
`logits FILE`, `memory` (resident MB), `quit`.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

THREADS = int(os.environ.get("BENCH_THREADS", "2"))


class Torch:
    """Eager PyTorch, or frozen by torch.compile, with torchvision's model."""

    def __init__(self, precision, folder):
        import torch
        import torchvision
        from safetensors.torch import load_file
        torch.set_num_threads(THREADS)
        self.torch = torch
        network = torchvision.models.resnet101()
        network.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        self.network = network.eval().to(memory_format=torch.channels_last)
        if precision == "compiled":
            import torch._inductor.config as config
            config.freezing = True
            self.network = torch.compile(self.network)

    def run(self, batch):
        with self.torch.inference_mode():
            return self.network(self.torch.from_numpy(batch).contiguous(memory_format=self.torch.channels_last)).numpy()


class OnnxRuntime:
    def __init__(self, precision, folder):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        options.inter_op_num_threads = 1
        name = "model-int8.onnx" if precision == "int8" else "model.onnx"
        self.session = onnxruntime.InferenceSession(str(folder / name), options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name

    def run(self, batch):
        return self.session.run(None, {self.input: batch})[0]


class OpenVino:
    """One request after the other in all threads; of STREAMS, as many at a time as OpenVINO thinks best."""

    HINT = "LATENCY"

    def __init__(self, precision, folder):
        import openvino
        name = "model-int8.xml" if precision == "int8" else "model.onnx"
        core = openvino.Core()
        self.model = core.compile_model(str(folder / name), "CPU", {
            "INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": self.HINT, "INFERENCE_PRECISION_HINT": "f32"})
        self.own = threading.local()  # a request serves one thread

    def run(self, batch):
        if not hasattr(self.own, "request"):
            self.own.request = self.model.create_infer_request()
        return self.own.request.infer({0: batch})[self.model.output(0)]


class OpenVinoStreams(OpenVino):
    HINT = "THROUGHPUT"


ENGINES = {"pytorch": Torch, "onnxruntime": OnnxRuntime, "openvino": OpenVino, "openvino_streams": OpenVinoStreams}


class Preprocess:
    """torchvision's ImageClassification preset by hand, so that a contender without PyTorch needs none of it: the resize is Pillow's.

    draft: JPEGs are decoded at the smallest of libjpeg's scales that is no smaller than the resize.
    """

    def __init__(self, draft=False):
        import numpy
        from PIL import Image
        self.numpy, self.image, self.draft = numpy, Image, draft
        self.mean = numpy.array((0.485, 0.456, 0.406), numpy.float32)
        self.std = numpy.array((0.229, 0.224, 0.225), numpy.float32)

    def __call__(self, path):
        with self.image.open(path) as opened:
            if self.draft:
                opened.draft("RGB", (232, 232))
            picture = opened.convert("RGB")
        width, height = picture.size
        short, long = sorted((width, height))
        longer = int(232 * long / short)
        size = (232, longer) if width <= height else (longer, 232)
        picture = picture.resize(size, self.image.BILINEAR)
        left, top = (round((side - 224) / 2) for side in size)
        pixels = self.numpy.asarray(picture.crop((left, top, left + 224, top + 224)), self.numpy.float32)
        return self.numpy.ascontiguousarray(((pixels / 255 - self.mean) / self.std).transpose(2, 0, 1)[None])


def torchvision_preset():
    import torchvision.transforms as transforms
    from PIL import Image
    preset = transforms._presets.ImageClassification(crop_size=224, resize_size=232)

    def run(path):
        with Image.open(path) as opened:
            return preset(opened.convert("RGB"))[None].numpy()
    return run


def times(function, count):
    taken = []
    for _ in range(count):
        begin = time.perf_counter()
        function()
        taken.append((time.perf_counter() - begin) * 1000)
    return taken


def resident():
    """What is shared with other processes counts by its share, as in services.py."""
    with open("/proc/self/smaps_rollup") as rollup:
        return next(int(line.split()[1]) / 1000 for line in rollup if line.startswith("Pss:"))


def main():
    engine, precision, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    preprocess = torchvision_preset() if engine == "torchvision" else Preprocess()
    if engine == "torchvision":
        import torch
        torch.set_num_threads(1)
    model = ENGINES[engine](precision, folder) if engine in ENGINES else None
    if model:
        import numpy
        batch = numpy.random.default_rng(1).standard_normal((1, 3, 224, 224), dtype=numpy.float32)
        model.run(batch)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "model":
            answer = times(lambda: model.run(batch), int(rest[0]))
        elif command == "preprocess":
            answer = times(lambda: preprocess(rest[0]), int(rest[1]))
        elif command == "labels":
            answer = times(lambda: model.run(preprocess(rest[0])).argmax(), int(rest[1]))
        elif command == "logits":
            answer = [float(value) for value in model.run(preprocess(rest[0]))[0]]
        elif command == "memory":
            answer = resident()
        else:
            break
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
