"""Makes what the contenders of `make bench-inference` run: pictures, and the seeded model as ONNX and in int8 by their own tools.

prepare.py FOLDER, where FOLDER holds model.safetensors. What is there already is kept.
"""

import sys
from pathlib import Path

import numpy
from PIL import Image

SIZES = {"small.jpg": (500, 375), "large.jpg": (4000, 3000)}
CALIBRATION = 64


def photo(width, height, seed):
    """Noise whose amplitude falls with its frequency, as that of photos does."""
    random = numpy.random.default_rng(seed)
    across, down = numpy.fft.rfftfreq(width) * width, numpy.fft.fftfreq(height) * height
    amplitude = 1 / numpy.maximum(numpy.hypot(across[None, :], down[:, None]), 1)
    planes = []
    for _ in range(3):
        phase = numpy.exp(2j * numpy.pi * random.random(amplitude.shape))
        plane = numpy.fft.irfft2(amplitude * phase, s=(height, width))
        planes.append(plane / plane.std() * 45 + 120)
    grain = random.normal(0, 4, (height, width, 1))
    return Image.fromarray(numpy.clip(numpy.stack(planes, -1) + grain, 0, 255).astype(numpy.uint8))


def calibration_inputs():
    mean = numpy.array((0.485, 0.456, 0.406), numpy.float32)
    std = numpy.array((0.229, 0.224, 0.225), numpy.float32)
    for seed in range(CALIBRATION):
        pixels = numpy.asarray(photo(224, 224, 1000 + seed), numpy.float32)
        yield numpy.ascontiguousarray(((pixels / 255 - mean) / std).transpose(2, 0, 1)[None])


def export_onnx(folder):
    import torch
    import torchvision
    from safetensors.torch import load_file
    network = torchvision.models.resnet101()
    network.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    torch.onnx.export(network.eval(), (torch.zeros(1, 3, 224, 224),), str(folder / "model.onnx"), input_names=["input"],
                      output_names=["logits"], external_data=False)


def quantize_onnx(folder):
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.inputs = calibration_inputs()

        def get_next(self):
            batch = next(self.inputs, None)
            return None if batch is None else {"input": batch}

    has_vnni = "avx512_vnni" in Path("/proc/cpuinfo").read_text()
    quant_pre_process(str(folder / "model.onnx"), str(folder / "folded.onnx"), skip_symbolic_shape=True)
    quantize_static(str(folder / "folded.onnx"), str(folder / "model-int8.onnx"), Reader(), quant_format=QuantFormat.QDQ,
                    per_channel=True, reduce_range=not has_vnni, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def quantize_openvino(folder):
    import nncf
    import openvino
    model = openvino.Core().read_model(str(folder / "model.onnx"))
    quantized = nncf.quantize(model, nncf.Dataset(list(calibration_inputs())), subset_size=CALIBRATION)
    openvino.save_model(quantized, str(folder / "model-int8.xml"), compress_to_fp16=False)


def main():
    folder = Path(sys.argv[1])
    for name, size in SIZES.items():
        if not (folder / name).exists():
            photo(*size, 7).save(folder / name, quality=90)
    pictures = folder / "calibration"
    if not pictures.exists():
        pictures.mkdir()
        for seed in range(CALIBRATION):
            photo(320, 256, 1000 + seed).save(pictures / f"{seed:03}.jpg", quality=95)
    for name, make in {"model.onnx": export_onnx, "model-int8.onnx": quantize_onnx, "model-int8.xml": quantize_openvino}.items():
        if not (folder / name).exists():
            print(f"bench-inference: making {name}", flush=True)
            make(folder)


main()
