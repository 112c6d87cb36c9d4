#!/usr/bin/python3
"""Writes parity.txt: logits of torchvision's ResNets with the weights files that write_seeded_model makes.

Usage: make_parity_goldens.py build/release/tests/write_seeded_model
Debian 12: python3-torchvision 0.14.1, python3-torch 1.13.1. The safetensors files are read by hand here, by an
implementation that shares nothing with ours. Only needed to renew the goldens.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy
import torch
import torchvision

FOLDER = pathlib.Path(__file__).resolve().parent
NETWORKS = [("resnet18", 10, 7, 1), ("resnet34", 10, 7, 1), ("resnet50", 10, 7, 1), ("resnet101", 1000, 7, 2),
            ("resnet152", 10, 7, 1)]


def read_safetensors(path):
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + length])
    header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + offset for offset in entry["data_offsets"])
        values = numpy.frombuffer(data[begin:end], "<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(values.copy())
    return tensors, hashlib.sha256(data).hexdigest()


def noise(width, height, seed):
    """As in make_goldens.py."""
    state, out = seed, bytearray()
    for _ in range(width * height * 3):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out.append(state >> 24)
    return numpy.frombuffer(bytes(out), numpy.uint8).reshape(height, width, 3)


def make_input(seed):
    transform = torchvision.transforms
    normalize = transform.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    return normalize(transform.functional.to_tensor(noise(224, 224, seed).copy()))


def main():
    lines = []
    for name, classes, seed, inputs in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "model.safetensors"
            subprocess.run([sys.argv[1], name, str(classes), str(seed), str(path)], check=True)
            tensors, digest = read_safetensors(path)
        network = getattr(torchvision.models, name)(num_classes=classes)
        network.load_state_dict(tensors)
        network.eval()
        lines.append(f"{name} {classes} {seed} {digest} {inputs}")
        with torch.no_grad():
            logits = network(torch.stack([make_input(i + 1) for i in range(inputs)]))
        for row in logits:
            lines.append(" ".join(f"{float(value):.7g}" for value in row))
        print(name, "parameters", sum(p.numel() for p in network.parameters()), "max", float(logits.abs().max()))
    (FOLDER / "parity.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
