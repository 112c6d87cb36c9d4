"""The class project that this product grew from: Flask and torchvision's ResNet101, eager.

BENCH_FOLDER holds model.safetensors. `app` is for gunicorn; `class_project.py PORT` is Flask's own server.
"""

import os
import sys
from pathlib import Path

import torch
import torchvision.transforms as transforms
from flask import Flask, jsonify, request
from PIL import Image
from safetensors.torch import load_file
from torchvision.models import resnet101

app = Flask(__name__)
network = resnet101()
network.load_state_dict(load_file(Path(os.environ["BENCH_FOLDER"]) / "model.safetensors"), strict=False)
network.eval()
prepare = transforms.Compose([transforms.Resize(232), transforms.CenterCrop(224), transforms.ToTensor(),
                              transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])


@app.post("/predict")
def predict():
    picture = Image.open(request.files["image"].stream).convert("RGB")
    with torch.no_grad():
        scores = torch.softmax(network(prepare(picture).unsqueeze(0))[0], 0)
    best = torch.topk(scores, 5)
    return jsonify([{"class": int(index), "score": float(score)} for score, index in zip(best.values, best.indices)])


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=int(sys.argv[1]))
